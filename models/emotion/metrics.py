"""What an emotion network is measured by on FER+ votes; numpy only.

The protocol is the released one (Barsoum et al. 2016, "Training deep networks for facial expression recognition with
crowd-sourced label distribution"): a single vote is taken for a slip and dropped; a row counts when one of the eight
emotions holds more than half of the votes that remain, those for "unknown" and "not a face" included.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

EPSILON = 1e-7
"""Floor of a predicted probability in `divergence`, so that a hard zero costs 16 nats and not infinity."""


@dataclass(frozen=True)
class Faces:
    """Faces and what people voted for them.

    Attributes:
        images: uint8 (n, 48, 48), full-range luma.
        votes: int64 (n, 10), non-negative: the eight `LABELS`, then "unknown" and "not a face".
    """

    images: NDArray[np.uint8]
    votes: NDArray[np.int64]

    def take(self, rows: NDArray[Any]) -> Self:
        """The faces at `rows`: indices (m,) or bool (n,)."""
        return replace(self, images=self.images[rows], votes=self.votes[rows])

    def units(self, rows: NDArray[np.integer[Any]]) -> NDArray[Any]:
        """What is drawn, (m,), for intervals over the faces at `rows` (m,), in which a face may be often: the faces."""
        return rows


@dataclass(frozen=True)
class Truth:
    """What the votes say, row by row.

    Attributes:
        shares: float64 (n, 8), shares of the eight emotions in their remaining votes; zeros where there are none.
        weight: float64 (n,), share of the eight emotions in all remaining votes, 0-1.
        majority: int64 (n,), index of the emotion with most votes.
        kept: bool (n,), that emotion holds more than half of all remaining votes.
    """

    shares: NDArray[np.float64]
    weight: NDArray[np.float64]
    majority: NDArray[np.int64]
    kept: NDArray[np.bool_]


def truth(votes: NDArray[np.int64]) -> Truth:
    """Applies the protocol of this module to `votes` (n, 10)."""
    votes = np.where(votes == 1, 0, votes)
    emotions = votes[:, :8]
    total, cast = votes.sum(1), emotions.sum(1)
    shares = emotions / np.maximum(cast, 1)[:, None]
    return Truth(shares, cast / np.maximum(total, 1), emotions.argmax(1), 2 * emotions.max(1) > total)


def divergence(shares: NDArray[np.floating[Any]], predicted: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """KL(shares || predicted) per row, in nats.

    A share of zero adds nothing (the limit of p log p); a prediction below `EPSILON` counts as `EPSILON`.

    Args:
        shares: (n, 8), rows sum to 1.
        predicted: (n, 8), rows sum to 1.
    """
    p = np.asarray(shares, np.float64)
    q = np.maximum(np.asarray(predicted, np.float64), EPSILON)
    terms: NDArray[np.float64] = p * (np.log(np.where(p > 0, p, 1.0)) - np.log(q))
    return np.asarray(terms.sum(1))
