"""Inference: aligned crops become raw distributions, in batches across frames and sources."""
