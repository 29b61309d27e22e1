"""What boxes share with each other. A box is x, y, w, h: the first four values of a row, px."""

import numpy as np

from pipeline.messages import Floats


def intersections(one: Floats, other: Floats) -> Floats:
    """Return the area that every box of (n, 4 or more) shares with every one of (m, 4 or more), (n, m), px²."""
    low = np.maximum(one[:, None, :2], other[:, :2])
    high = np.minimum(one[:, None, :2] + one[:, None, 2:4], other[:, :2] + other[:, 2:4])
    areas: Floats = np.clip(high - low, 0, None).prod(2)
    return areas


def iou(one: Floats, other: Floats) -> Floats:
    """Return the intersection over union of every box of (n, 4 or more) with every one of (m, 4 or more), (n, m)."""
    shared = intersections(one, other)
    whole = one[:, None, 2:4].prod(2) + other[:, 2:4].prod(1)
    ratio: Floats = shared / np.maximum(whole - shared, 1e-9)
    return ratio
