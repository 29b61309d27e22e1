"""Which detection belongs to which track.

The Hungarian method (Kuhn, 1955) takes the most likely assignment as a whole. The cost of a pair is how unlikely the
detection is under the track's filter, whose uncertainty grows with the true time since the face was last seen; the cost
of leaving a track without one is ``LIMIT``. Errors are judged by Student's t, since sudden moves are rare but not
absurd. So a track seen a moment ago may be matched over many standard deviations, one long hidden over few, and
neither gives up its own detection so that the other may have one too. Unlike IoU, the cost still tells near from far
when a small, fast face no longer overlaps its own box of a frame ago.

To that the tracker adds how unlike the two look (``appearance``), which decides where motion leaves it open.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pipeline.tracker.kalman import Doubles

TAIL: Final = 3.2
"""Degrees of freedom of Student's t."""

LIMIT: Final = 12.5
"""Cost from which a detection is taken for another face: twice the negative log-likelihood that a new face appears just
there, per square face height and squared logarithm of the sides."""

LOW_LIMIT: Final = 2.5
"""The same for detections of low score, most of which are no face at all."""

RETURN: Final = 3.0
"""Added cost of a track that the last frame with faces did not show: twice the negative logarithm of the chance, about
one in five, that it returns in just this one."""

REACH: Final = 4.0
"""Farthest that a face's centre may be from where it was expected, face heights."""

GROWTH: Final = (0.35, 3.0)
"""Farthest that the logarithm of a side may be from what was expected: a constant, and standard deviations beyond it.
Faces do leap, but they do not grow in leaps."""

PACE: Final = 0.5
"""s over which pace and size of a face are averaged: its last box is often cut off by what hides it."""

DETOUR: Final = -10.0
"""Cost of a detection on the line from a face's last place to the extrapolated one. It rises to ``LIMIT`` where
``STRAY`` ends, and overrides the cost by the filter where that is higher."""

STRAY: Final = (1.0, 1.5, 4.0)
"""Farthest that a recovered face may be from that line, face heights: at once, how much more with every s since it was
seen, and at most."""

RESIZED: Final = 0.5
"""Farthest that the logarithm of a recovered face's height may be from what it was."""


def strayed(places: Doubles, paces: Doubles, elapsed: Doubles, measurements: Doubles) -> Doubles:
    """Return how far each detection is from where each face may have moved, (tracks, detections); 1 is too far.

    Observation-centric recovery (Cao et al., "Observation-Centric SORT", 2023): a filter that last saw half a face, or
    one that turned round, expects it far from where it is, while its last place is still right. A face that was hidden
    may have stood still or walked on at its pace: it is looked for along the line between the two.

    ``places``: (tracks, 3) last centre, px, and log height. ``paces``: (tracks, 2) px/s. ``elapsed``: (tracks,) s.
    ``measurements``: (detections, 4).
    """
    heights = np.exp(places[:, 2])[:, None]
    ways = (paces * elapsed[:, None])[:, None]
    offsets = measurements[None, :, :2] - places[:, None, :2]
    along = np.clip((offsets * ways).sum(2) / np.maximum((ways**2).sum(2), 1e-9), 0, 1)
    distance = np.linalg.norm(offsets - along[:, :, None] * ways, axis=2) / heights
    share = distance / np.minimum(STRAY[0] + STRAY[1] * elapsed, STRAY[2])[:, None]
    alike = np.abs(measurements[None, :, 3] - places[:, None, 2]) <= RESIZED
    return np.where(alike, share, np.inf)


def costs(expected: Doubles, variances: Doubles, measurements: Doubles) -> Doubles:
    """Return the (tracks, detections) costs of all pairs, at most ``LIMIT``.

    ``expected`` and ``variances``: (tracks, 4), mean and variance of each predicted measurement (see ``kalman``).
    ``measurements``: (detections, 4).
    """
    heights = np.exp(expected[:, 3:])
    # One axis at a time, (tracks, detections) each: small arrays are quicker.
    x, y, w, h = (place - mean[:, None] for place, mean in zip(measurements.T, expected.T, strict=True))
    growth = GROWTH[0] + GROWTH[1] * np.sqrt(variances[:, 2:])
    near = (x**2 + y**2 <= (REACH * heights) ** 2) & (np.abs(w) <= growth[:, :1]) & (np.abs(h) <= growth[:, 1:])
    rows = np.nonzero(near)[0]
    squares = sum(error[near] ** 2 / spread[rows] for error, spread in zip((x, y, w, h), variances.T, strict=True))
    volume = np.log(variances).sum(1) - 4 * np.log(heights[:, 0])
    cost = np.full(near.shape, LIMIT)
    cost[near] = np.minimum((TAIL + 4) * np.log1p(squares / TAIL) + volume[rows], LIMIT)
    return cost


def assign(cost: Doubles, limit: float = LIMIT) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows and columns of the assignment of least total cost, pairs that cost ``limit`` or more left out."""
    rows, columns = linear_sum_assignment(np.minimum(cost, limit))
    likely = cost[rows, columns] < limit
    return rows[likely], columns[likely]
