"""Which detection belongs to which track.

A pair may match if the detection lies where the track's filter can expect it: within ``SLACK`` plus ``GATE`` standard
deviations in place and in size, so that the gate opens with the true time since the face was last seen. Among those
pairs the Hungarian method (Kuhn, 1955) takes the most likely assignment as a whole: the cost is the negative
log-likelihood of the detection under the filter, which prefers a track seen a moment ago to one long hidden. Unlike
IoU it still tells near from far when a small, fast face no longer overlaps its own box of a frame ago.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pipeline.tracker.kalman import Doubles

SLACK: Final = np.array([1.0, 0.5])
"""Distance always allowed: between centres, face heights; between sides, logarithm. Sudden moves are not Gaussian."""

GATE: Final = 3.0
"""Standard deviations of the predicted measurement allowed beyond that."""

TAIL: Final = 4.0
"""Degrees of freedom of Student's t, by which errors are judged: large ones are rare but not absurd."""

FORBIDDEN: Final = 1e9
"""Cost of a pair that may not match: finite, since an assignment must exist, and above every sum of others."""


def costs(expected: Doubles, variances: Doubles, measurements: Doubles) -> Doubles:
    """Return the (tracks, detections) costs of all pairs, ``FORBIDDEN`` outside the gate.

    ``expected`` and ``variances``: (tracks, 4), mean and variance of each predicted measurement (see ``kalman``).
    ``measurements``: (detections, 4).
    """
    errors = measurements - expected[:, None]
    spread = np.sqrt(variances)
    heights = np.exp(expected[:, 3])
    far = np.hypot(errors[..., 0], errors[..., 1]) > (SLACK[0] * heights + GATE * spread[:, 0])[:, None]
    odd = (np.abs(errors[..., 2:]) > SLACK[1] + GATE * spread[:, None, 2:]).any(-1)
    squares = (errors**2 / variances[:, None]).sum(-1)
    cost: Doubles = (TAIL + 4) * np.log1p(squares / TAIL) + np.log(variances).sum(-1)[:, None]
    cost[far | odd] = FORBIDDEN
    return cost


def assign(cost: Doubles) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows and columns of the assignment of least total cost, forbidden pairs left out."""
    rows, columns = linear_sum_assignment(cost)
    allowed = cost[rows, columns] < FORBIDDEN
    return rows[allowed], columns[allowed]
