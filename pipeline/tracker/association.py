"""Which detection belongs to which track.

The Hungarian method (Kuhn, 1955) takes the most likely assignment as a whole. The cost of a pair is how unlikely the
detection is under the track's filter, whose uncertainty grows with the true time since the face was last seen; the cost
of leaving a track without one is ``LIMIT``. Errors are judged by Student's t, since sudden moves are rare but not
absurd. So a track seen a moment ago may be matched over many standard deviations, one long hidden over few, and
neither gives up its own detection so that the other may have one too. Unlike IoU, the cost still tells near from far
when a small, fast face no longer overlaps its own box of a frame ago.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pipeline.tracker.kalman import Doubles

TAIL: Final = 3.5
"""Degrees of freedom of Student's t."""

LIMIT: Final = 11.0
"""Cost from which a detection is rather another face: twice the negative log-likelihood that a new face appears just
there, per square face height and squared logarithm of the sides."""

REACH: Final = np.array([3.5, 0.75])
"""Farthest that a face may be from where it was expected: between centres, face heights; between sides, logarithm."""


def costs(expected: Doubles, variances: Doubles, measurements: Doubles) -> Doubles:
    """Return the (tracks, detections) costs of all pairs, at most ``LIMIT``.

    ``expected`` and ``variances``: (tracks, 4), mean and variance of each predicted measurement (see ``kalman``).
    ``measurements``: (detections, 4).
    """
    errors = measurements - expected[:, None]
    heights = np.exp(expected[:, 3])
    squares = (errors**2 / variances[:, None]).sum(-1)
    volume = np.log(variances).sum(-1) - 4 * np.log(heights)
    cost = (TAIL + 4) * np.log1p(squares / TAIL) + volume[:, None]
    far = np.hypot(errors[..., 0], errors[..., 1]) > REACH[0] * heights[:, None]
    odd = (np.abs(errors[..., 2:]) > REACH[1]).any(-1)
    limited: Doubles = np.where(far | odd, LIMIT, np.minimum(cost, LIMIT))
    return limited


def assign(cost: Doubles) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows and columns of the assignment of least total cost, without pairs that cost ``LIMIT``."""
    rows, columns = linear_sum_assignment(cost)
    likely = cost[rows, columns] < LIMIT
    return rows[likely], columns[likely]
