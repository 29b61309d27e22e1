"""Faces as rows of numbers, and what is done to them everywhere.

A row is float32 (15,): x, y, w, h; right eye, left eye, nose, right and left mouth corner as x, y pairs (the person's
right); score in [0, 1]. All but the score are px.
"""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Image = NDArray[np.uint8]

STRIDES = (8, 16, 32)
MIRRORED = [1, 0, 2, 4, 3]
"""The landmarks' order after a left-right flip."""


def held_back(name: str) -> bool:
    """Whether the photo of this file name is kept for the measurement: one in ten, by a hash that never changes."""
    return hashlib.sha256(f"affect-detector/{name}".encode()).digest()[0] < 26


def mirror(rows: Array, width: float) -> Array:
    """Rows (N, 15) of a picture `width` px wide, as they are in its mirror image."""
    out = rows.copy()
    out[:, 0] = width - rows[:, 0] - rows[:, 2]
    points = rows[:, 4:14].reshape(-1, 5, 2)[:, MIRRORED].copy()
    points[..., 0] = width - points[..., 0]
    out[:, 4:14] = points.reshape(-1, 10)
    return out


def move(faces: Array, matrix: NDArray[np.float64], mirrored: bool) -> Array:
    """Labels (N, 15) under an affine map (2, 3): a box becomes the bounds of the ellipse that it held."""
    linear, shift = matrix[:, :2], matrix[:, 2]
    half = faces[:, 2:4] / 2
    centre = (faces[:, :2] + half) @ linear.T + shift
    grown = np.sqrt(np.square(half) @ np.square(linear).T)
    points = faces[:, 4:14].reshape(-1, 5, 2) @ linear.T + shift
    if mirrored:
        points = points[:, MIRRORED]
    return np.concatenate([centre - grown, grown * 2, points.reshape(-1, 10), faces[:, 14:]], axis=1).astype(np.float32)


def suppress(rows: Array, overlap: float) -> Array:
    """Of rows (N, 15), best first, those whose IoU with every better one that is kept is at most `overlap`."""
    if not len(rows):
        return rows
    keep = cv2.dnn.NMSBoxes(rows[:, :4].tolist(), rows[:, 14].tolist(), 0.0, overlap)
    kept: Array = rows[np.asarray(keep, np.intp).reshape(-1)]
    return kept


def from_corners(corners: list[list[float]]) -> Array:
    """Boxes x1, y1, x2, y2 as an (N, 4) array of x, y, w, h."""
    array = np.asarray(corners, np.float32).reshape(-1, 4)
    return np.concatenate([array[:, :2], array[:, 2:] - array[:, :2]], axis=1)
