"""Notices that a new scene has begun, from the detector's small picture."""

from typing import Final

import cv2
import numpy as np

from pipeline.messages import Bytes, Floats

GRID: Final = (16, 12)
"""Columns and rows of the thumbnail that is compared."""

LIKENESS: Final = 0.45
"""Correlation of two thumbnails below which they show different scenes, if no time lies between them."""

HORIZON: Final = 0.3
"""s after which that limit is 0: a moving camera makes pictures of one scene as unlike as those of two."""


def thumbnail(image: Bytes) -> Bytes:
    """Shrink an (H, W, 3) picture to (rows, columns, 3)."""
    return np.asarray(cv2.resize(image, GRID, interpolation=cv2.INTER_AREA), np.uint8)


def is_cut(before: Bytes, after: Bytes, elapsed: float) -> bool:
    """Say whether two thumbnails of frames ``elapsed`` s apart belong to different scenes."""
    return float((_normal(before) * _normal(after)).sum()) < LIKENESS * (1 - elapsed / HORIZON)


def _normal(small: Bytes) -> Floats:
    """Return a thumbnail with colours of mean 0 and length 1: exposure does not matter."""
    colours: Floats = small.astype(np.float32)
    colours -= colours.mean((0, 1))
    return colours / max(float(np.linalg.norm(colours)), 1e-6)
