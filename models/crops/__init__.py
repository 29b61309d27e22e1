"""Measures what the pipeline makes of a face before the network sees it, on faces whose place and votes are known.

``scene`` pastes faces into frames and finds them again with the pipeline's own parts. ``alignment`` compares its
crops with perfect ones, ``jitter`` says how still they are on a face in video, and ``quality`` what their quality says.
"""
