"""Smoothing measured against known truth, and its constants fitted to real tracks."""
