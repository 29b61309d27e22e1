"""How much a crop can tell: one number in [0, 1] per face.

quality = size * sharpness * pose * score * inside, each factor in [0, 1] and monotone, each a straight ramp::

    size       side of the crop in px of the source     16 -> 0,  48 -> 1
    sharpness  log10 of the crop's detail (see below)   -3 -> 0,  -1.5 -> 1
    pose       |yaw| and |pitch|, degrees, each         20 -> 1,  70 -> 0
    score      of the detector                          0.2 -> 0, 0.8 -> 1
    inside     share of the box within the frame        0.5 -> 0, 1 -> 1

Detail is the variance of the crop's Laplacian over sixteen times the variance of the crop: free of contrast and, crops
being of one size, of the face's size. What the sensor's noise adds to both is taken away first, or a blurred face in a
dark room would pass for a sharp one. How strong the noise is, tells the mean magnitude of a mask that edges hardly
excite (Immerkær, "Fast Noise Variance Estimation", 1996).
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.messages import Bytes, Floats
from pipeline.tracker.kalman import Doubles

NOISE_MASK: Final = np.array([1, -2, 1], np.float32)
"""Along both axes: the difference of two Laplacians. White noise leaves it with 36 times its variance."""


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
    # One call for all crops, stacked; values at their borders, where neighbours mix, are left out.
    column = crops.reshape(-1, crops.shape[2])
    laplacian = cv2.Laplacian(column, cv2.CV_16S).reshape(crops.shape)
    masked = cv2.sepFilter2D(column, cv2.CV_16S, NOISE_MASK, NOISE_MASK).reshape(crops.shape)
    # The mean magnitude of Gaussian noise is sqrt(2 / pi) of its deviation, which the mask makes sixfold.
    noise = np.float32(np.pi / 2 / 36) * np.abs(_inner(masked)).mean(1) ** 2
    # The Laplacian's weights are 1, 1, -4, 1, 1: it leaves noise with 20 times its variance.
    fine = np.maximum(_variance(laplacian) - 20 * noise, 0)
    share: Floats = fine / (16 * np.maximum(_variance(crops) - noise, np.float32(1)))
    return share


def _inner(maps: NDArray[np.generic]) -> Floats:
    """Return (n, values) of (n, S, S), borders left out."""
    return maps[:, 1:-1, 1:-1].reshape(len(maps), -1).astype(np.float32)


def _variance(maps: NDArray[np.generic]) -> Floats:
    """Return (n,) variances of (n, S, S), borders left out."""
    values = _inner(maps)
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
