"""Where a face is and where it is going: a Kalman filter over its box that knows the true time between frames.

The filter of SORT (Bewley et al., "Simple Online and Realtime Tracking", 2016) and ByteTrack (Zhang et al., 2022) with
these changes. F and Q are rebuilt from the true Δt of every step, so that a dropped frame is a longer step and not a
slower face. Width and height enter as logarithms: a face then moves in units of its own size, sizes stay positive, and
one that comes nearer at a steady pace grows at a steady rate. Velocities fade over a time constant
(an Ornstein-Uhlenbeck process), because no face flies on for seconds while it is hidden; over the time between two
frames this is the usual constant-velocity model. The equations themselves are filterpy's (Labbe, "Kalman and Bayesian
Filters in Python", chapters 6 to 8).

State x, (8, 1): centre x and y, px; log width and log height (px); then the rates of these four, px/s and 1/s.
Measurement z, (4, 1): the first four.
"""

from typing import Final

import msgspec
import numpy as np
from filterpy.kalman import predict, update
from numpy.typing import NDArray

from pipeline.messages import Floats

Doubles = NDArray[np.float64]

FADE: Final = np.array([0.4, 0.4, 0.1, 0.1])
"""(4,) time constant with which each rate fades, s. A face that goes behind something seems to shrink, and must not
shrink on while it is hidden: growth is soon forgotten."""

AGILITY: Final = np.array([5.0, 5.0, 0.8, 0.8])
"""(4,) how strongly each rate wanders: square root of its white-noise density; face heights / s^1.5, and 1 / s^1.5."""

BLUR: Final = np.array([0.5, 0.5, 0.8, 0.8])
"""(4,) standard deviation of a detected box's centre and sides, px of the detector's picture whatever its size."""

ALARM: Final = 2.0
"""Standard deviations of surprise beyond which a face has changed its pace."""

BIRTH: Final = np.array([0.6, 0.6, 0.3, 0.3])
"""(4,) standard deviation of the rates of a face seen for the first time: face heights / s, and 1 / s."""

H: Final = np.eye(4, 8)
"""(4, 8) measurement function: picks position and log size from the state."""


class Motion(msgspec.Struct):
    """State of one box."""

    x: Doubles
    """(8, 1) mean; see the module for its rows."""
    P: Doubles
    """(8, 8) covariance."""


def measured(boxes: Floats) -> Doubles:
    """Turn (n, 4) boxes x, y, w, h into (n, 4) measurements; sides below 1e-3 px count as that."""
    sides = np.maximum(boxes[:, 2:].astype(np.float64), 1e-3)
    return np.concatenate([boxes[:, :2] + boxes[:, 2:] / 2.0, np.log(sides)], 1)


def boxes_of(motions: list[Motion]) -> Floats:
    """Return the (n, 4) boxes x, y, w, h of n states, px."""
    states = expected(motions)
    sides = np.exp(states[:, 2:])
    boxes: Floats = np.concatenate([states[:, :2] - sides / 2, sides], 1).astype(np.float32)
    return boxes


def born(z: Doubles, pixel: float) -> Motion:
    """Begin the state of a face at its first measurement, (4,); for ``pixel`` see ``noise``."""
    spread = np.concatenate([noise(z[None], pixel)[0], (BIRTH * _units(z[None])[0, 4:]) ** 2])
    return Motion(np.concatenate([z, np.zeros(4)])[:, None], np.diag(spread))


def expected(motions: list[Motion]) -> Doubles:
    """Return the (n, 4) measurements that n states expect."""
    return np.array([motion.x[:4, 0] for motion in motions]).reshape(-1, 4)


def transition(dt: float) -> Doubles:
    """F, (8, 8): how the state moves on in ``dt`` s when nothing disturbs it."""
    left = np.exp(-dt / FADE)
    matrix = np.eye(8)
    matrix[range(4), range(4, 8)] = FADE * (1 - left)
    matrix[range(4, 8), range(4, 8)] = left
    return matrix


def disturbance(dt: float) -> Doubles:
    """Q, (8, 8): covariance that ``dt`` s of random acceleration add to the state of a face of height 1.

    The exact integral of white noise through ``transition``, so that two steps add as much as one of their sum.
    """
    left = np.exp(-dt / FADE)
    density = AGILITY**2
    matrix = np.zeros((8, 8))
    moved = dt - FADE / 2 * (1 - left) * (3 - left)
    matrix[range(4), range(4)] = density * FADE**2 * np.maximum(moved, 0)
    crossed = density * FADE**2 / 2 * (1 - left) ** 2
    matrix[range(4), range(4, 8)] = crossed
    matrix[range(4, 8), range(4)] = crossed
    matrix[range(4, 8), range(4, 8)] = density * FADE / 2 * (1 - left**2)
    return matrix


def moved(motions: list[Motion], dt: float) -> None:
    """Predict every state ``dt`` s ahead, in place; a ``dt`` of 0 or less changes nothing."""
    if dt <= 0:
        return
    F, Q = transition(dt), disturbance(dt)  # noqa: N806 (the names of the textbooks)
    for motion, units in zip(motions, _units(expected(motions)), strict=True):
        motion.x, motion.P = predict(motion.x, motion.P, F, Q=Q * units * units[:, None])


def noise(measurements: Doubles, pixel: float) -> Doubles:
    """Return the variances of (n, 4) measurements, (n, 4): the diagonals of R.

    ``pixel``: px of the frame per px of the detector's picture.
    """
    variances = np.empty((len(measurements), 4))
    variances[:, :2] = (BLUR[:2] * pixel) ** 2
    variances[:, 2:] = (BLUR[2:] * pixel * np.exp(-measurements[:, 3:])) ** 2
    return variances


def innovation(motions: list[Motion], pixel: float) -> Doubles:
    """Return the (n, 4) variances with which each state expects its next measurement (the diagonal of S = HPH' + R).

    The four axes are independent throughout, so that S has nothing beside its diagonal.
    """
    certain = np.array([motion.P.diagonal()[:4] for motion in motions]).reshape(-1, 4)
    return certain + noise(expected(motions), pixel)


def corrected(motions: list[Motion], measurements: Doubles, pixel: float) -> None:
    """Take in one measurement, a row of (n, 4), per state, in place; for ``pixel`` see ``noise``.

    A face that lies further from where it was expected than ``ALARM`` allows has changed its pace: its state counts
    as so much less certain, lest the box lag behind (adaptive filtering, Labbe, chapter 14).
    """
    predicted = expected(motions)
    blur = noise(predicted, pixel)
    surprise = (measurements - predicted) ** 2 / ALARM**2 - blur
    excess = np.sqrt(np.maximum(1.0, surprise / (innovation(motions, pixel) - blur)))
    # One factor for both coordinates of the centre and one for both sides; the same for their rates.
    doubts = excess.reshape(-1, 2, 2).max(2).repeat(2, 1)
    doubts = np.concatenate([doubts, doubts], 1)
    for motion, z, variances, doubt in zip(motions, measurements, blur, doubts, strict=True):
        prior = motion.P * doubt * doubt[:, None]
        motion.x, motion.P = update(motion.x, prior, z[:, None], np.diag(variances), H)


def _units(measurements: Doubles) -> Doubles:
    """(n, 8) what motion is relative to: the face's height for x and y and their rates, 1 for the logarithms."""
    units = np.ones((len(measurements), 8))
    units[:, [0, 1, 4, 5]] = np.exp(measurements[:, 3:])
    return units
