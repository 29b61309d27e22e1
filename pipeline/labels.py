"""The eight expressions, in the one order used by every array, column and field."""

from typing import Final

LABELS: Final = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
)
"""Expressions as FER+ names and orders them (Barsoum et al., 2016)."""
