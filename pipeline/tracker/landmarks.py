"""Landmarks that do not jitter: a random-walk Kalman filter on where they lie within the box.

Relative to the box they stay put while the face moves, so that they can be smoothed without lagging behind it. All
ten coordinates share one variance because all see the same noise; the filter is then one gain per face.
"""

from typing import Final

import numpy as np

from pipeline.messages import Floats

WANDER: Final = 0.06
"""How far a landmark wanders within the box as the head turns: box sides / sqrt(s)."""

BLUR: Final = 0.4
"""Standard deviation of a detected landmark, px of the detector's picture whatever the face's size."""

SPEECH: Final = 0.01
"""Standard deviation of the landmarks' movement in talking, which a crop should not follow, box sides."""

ALARM: Final = 1.75
"""Surprise, root mean square over the ten coordinates in standard deviations, beyond which the head has turned."""


def relative(landmarks: Floats, boxes: Floats) -> Floats:
    """Express (n, 5, 2) points in sides of their (n, 4) boxes, from the box centre."""
    sides: Floats = np.maximum(boxes[:, None, 2:], np.float32(1e-3))
    return (landmarks - boxes[:, None, :2]) / sides - np.float32(0.5)


def absolute(points: Floats, boxes: Floats) -> Floats:
    """Invert ``relative``."""
    placed: Floats = (points + np.float32(0.5)) * boxes[:, None, 2:] + boxes[:, None, :2]
    return placed


def noise(boxes: Floats, pixel: float) -> Floats:
    """Return the (n,) variances of landmarks in sides of their (n, 4) boxes.

    ``pixel``: px of the frame per px of the detector's picture.
    """
    heights: Floats = np.maximum(boxes[:, 3], np.float32(1e-3))
    return (np.float32(BLUR * pixel) / heights) ** 2 + np.float32(SPEECH**2)


def steadied(
    points: Floats, variances: Floats, elapsed: Floats, measured: Floats, blur: Floats
) -> tuple[Floats, Floats]:
    """Return the filtered points and their variances after one measurement each.

    ``points``, ``measured``: (n, 5, 2), relative to the box. ``variances``: (n,). ``elapsed``: (n,) s since each face
    was last seen. ``blur``: (n,) variances of ``measured``.
    """
    errors = measured - points
    prior = variances + np.float32(WANDER**2) * elapsed
    # A turn of the head moves all points by more than chance allows: believe the measurement sooner.
    surprise = np.mean(errors**2, axis=(1, 2))
    prior = np.maximum(prior, surprise / np.float32(ALARM**2) - blur)
    gain = prior / (prior + blur)
    return points + gain[:, None, None] * errors, (1 - gain) * prior
