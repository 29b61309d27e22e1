"""How much a crop can tell: one number in [0, 1] per face.

quality = size * sharpness * pose * score * inside, each factor in [0, 1] and monotone, each a straight ramp::

    size       side of the crop in px of the source     16 -> 0,  48 -> 1
    sharpness  log10 of the crop's detail (see below)   -3 -> 0,  -1.5 -> 1
    pose       |yaw| and |pitch|, degrees, each         20 -> 1,  70 -> 0
    score      of the detector                          0.2 -> 0, 0.8 -> 1
    inside     share of the box within the frame        0.5 -> 0, 1 -> 1

Detail is the variance of the crop's Laplacian over sixteen times the variance of the crop: free of contrast and, crops
being of one size, of the face's size.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.messages import Bytes, Floats
from pipeline.tracker.kalman import Doubles


def quality(
    sides: Doubles, crops: Bytes, *, pose: Floats, scores: Floats, boxes: Floats, shown: tuple[int, int]
) -> Floats:
    """Return (n,) qualities in [0, 1].

    ``sides``: (n,) side of each crop in px of the source. ``crops``: (n, S, S). ``pose``: (n, 3) yaw, pitch, roll,
    degrees. ``scores``: (n,). ``boxes``: (n, 4) x, y, w, h, px. ``shown``: width and height of the frame, px.
    """
    turned = _ramp(np.abs(pose[:, :2]), 70, 20).prod(1)
    product = (
        _ramp(sides, 16, 48)
        * _ramp(np.log10(detail(crops) + 1e-9), -3, -1.5)
        * turned
        * _ramp(scores, 0.2, 0.8)
        * _ramp(inside(boxes, shown), 0.5, 1)
    )
    worth: Floats = product.astype(np.float32)
    return worth


def detail(crops: Bytes) -> Floats:
    """Return (n,) share of fine detail in (n, S, S) crops: about 1e-1 where sharp, below 1e-3 where blurred."""
    if not len(crops):
        return np.empty(0, np.float32)
    # One call for all crops in a column; what it makes of their borders is left out.
    laplacian = cv2.Laplacian(crops.reshape(-1, crops.shape[2]), cv2.CV_16S).reshape(crops.shape)
    share: Floats = _variance(laplacian) / (16 * np.maximum(_variance(crops), np.float32(1)))
    return share


def _variance(maps: NDArray[np.generic]) -> Floats:
    """Return (n,) variances of (n, S, S), borders left out."""
    values = maps[:, 1:-1, 1:-1].reshape(len(maps), -1).astype(np.float32)
    values -= values.mean(1, keepdims=True)
    variances: Floats = np.einsum("ij,ij->i", values, values) / np.float32(values.shape[1])
    return variances


def inside(boxes: Floats, shown: tuple[int, int]) -> Floats:
    """Return (n,) share of each box's area that lies within a frame of ``shown`` = width, height."""
    near = np.maximum(boxes[:, :2], 0)
    far = np.minimum(boxes[:, :2] + boxes[:, 2:], np.array(shown, np.float32))
    area = np.maximum(boxes[:, 2] * boxes[:, 3], 1e-6)
    share: Floats = np.maximum(far - near, 0).prod(1) / area
    return share


def _ramp(values: Floats | Doubles, zero: float, one: float) -> Doubles:
    """Rise linearly from 0 at ``zero`` to 1 at ``one``, flat beyond."""
    risen: Doubles = np.clip((values - zero) / (one - zero), 0, 1)
    return risen
