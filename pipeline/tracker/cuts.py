"""Notices that a new scene has begun, from the detector's small picture."""

from typing import Final

import cv2
import numpy as np

from pipeline.messages import Bytes, Floats

GRID: Final = (16, 12)
"""Columns and rows of the thumbnail that is compared."""

LIKENESS: Final = 0.4
"""Correlation of two thumbnails below which they show different scenes."""


def thumbnail(image: Bytes) -> Floats:
    """Shrink an (H, W, 3) picture to (rows, columns, 3) of mean 0 and length 1, so that exposure does not matter."""
    small: Floats = cv2.resize(image, GRID, interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= small.mean()
    return small / max(float(np.linalg.norm(small)), 1e-6)


def is_cut(before: Floats, after: Floats) -> bool:
    """Say whether two thumbnails of consecutive frames belong to different scenes."""
    return float((before * after).sum()) < LIKENESS
