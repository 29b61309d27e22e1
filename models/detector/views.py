"""The same photos seen otherwise: turned, gray, dark, blurred, cut by the edge, smaller; with the boxes that belong."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from models.detector.boxes import Image
from models.detector.matching import LEFT_OUT, Truth

DARK = 0.2
BLUR = 2.0
"""Standard deviation, px."""
SHOWN = 0.6
"""Share of a face that is cut by the edge which can still be seen."""
Seen = tuple[Image, Truth]


class View(NamedTuple):
    """How photos are seen."""

    name: str
    change: Callable[[Image, Truth], Seen]
    side: int | None = None
    """px of the longer side that the detector is given; None: the photo's own, 640 at most."""


def as_it_is(picture: Image, truth: Truth) -> Seen:
    """No change."""
    return picture, truth


def turned(degrees: float) -> Callable[[Image, Truth], Seen]:
    """Turn anticlockwise; the canvas grows, with black. A face is taken for the ellipse in its box."""

    def turn(picture: Image, truth: Truth) -> Seen:
        height, width = picture.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
        cos, sin = abs(matrix[0, 0]), abs(matrix[0, 1])
        wide, high = math.ceil(width * cos + height * sin), math.ceil(width * sin + height * cos)
        matrix[:, 2] += (wide - width) / 2, (high - height) / 2
        image = cv2.warpAffine(picture, matrix, (wide, high), flags=cv2.INTER_LINEAR)
        half = truth.boxes[:, 2:] / 2
        middle = (truth.boxes[:, :2] + half) @ matrix[:, :2].T + matrix[:, 2]
        half = np.sqrt(half**2 @ np.array([[cos**2, sin**2], [sin**2, cos**2]]))
        boxes = np.concatenate([middle - half, 2 * half], axis=1).astype(np.float32)
        return image.astype(np.uint8, copy=False), replace(truth, boxes=boxes)

    return turn


def gray(picture: Image, truth: Truth) -> Seen:
    """Without colour."""
    flat = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return np.repeat(flat[:, :, None], 3, axis=2).astype(np.uint8, copy=False), truth


def dark(picture: Image, truth: Truth) -> Seen:
    """A fifth of the light, rounded to whole numbers again."""
    return np.round(picture * DARK).astype(np.uint8), truth


def blurred(picture: Image, truth: Truth) -> Seen:
    """Out of focus."""
    return cv2.GaussianBlur(picture, (0, 0), BLUR).astype(np.uint8, copy=False), truth


def cut(picture: Image, truth: Truth) -> Seen:
    """Cut through the largest face that counts, so that 60 % of it is left; only that face counts.

    From which side follows from where it is: from the one that leaves most of the photo.
    """
    counted = np.flatnonzero(truth.kinds >= 0)
    kinds = np.full_like(truth.kinds, LEFT_OUT)
    if not len(counted):
        return picture, replace(truth, kinds=kinds)
    chosen = int(counted[truth.boxes[counted, 2:].prod(axis=1).argmax()])
    height, width = picture.shape[:2]
    x, y, w, h = (float(value) for value in truth.boxes[chosen])
    # Left, top, right and bottom of what is left, for an edge on the right, on the left, below and above.
    ways = (
        (0, 0, round(x + SHOWN * w), height),
        (round(x + (1 - SHOWN) * w), 0, width, height),
        (0, 0, width, round(y + SHOWN * h)),
        (0, round(y + (1 - SHOWN) * h), width, height),
    )
    left, top, right, bottom = max(ways, key=lambda way: (way[2] - way[0]) * (way[3] - way[1]))
    low = np.clip(truth.boxes[:, :2] - (left, top), 0, None)
    high = np.minimum(truth.boxes[:, :2] + truth.boxes[:, 2:] - (left, top), (right - left, bottom - top))
    boxes = np.concatenate([low, np.clip(high - low, 0, None)], axis=1).astype(np.float32)
    kinds[chosen] = truth.kinds[chosen]
    return np.ascontiguousarray(picture[top:bottom, left:right]), replace(truth, boxes=boxes, kinds=kinds)


VIEWS = (
    View("as they are", as_it_is),
    View("enlarged to 640 px", as_it_is, 640),
    View("shrunk to 320 px", as_it_is, 320),
    View("turned by 45°", turned(45)),
    View("turned by -45°", turned(-45)),
    View("gray", gray),
    View("dark", dark),
    View("blurred", blurred),
    View("cut by the edge", cut),
)
