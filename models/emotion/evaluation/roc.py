"""ROC curves, one label against the rest."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.bootstrap import Estimate, Resamples
from models.emotion.evaluation.sample import Sample
from pipeline.labels import LABELS

GRID = np.linspace(0, 1, 101)
"""False-positive rates at which curves are told."""

FEWEST: Final = 5
"""Faces (people, where they are known) with and without a label, below which the area has no interval."""


@dataclass(frozen=True)
class Curve:
    """One label's ROC curve.

    Attributes:
        label: that is told from the rest.
        n: rows that have it.
        auc: area under the curve; without an interval (NaN) where there are too few (`FEWEST`), or where the draws,
            all 0 or all 1, say nothing of how far it may be off.
        rates: true-positive rate at each false-positive rate of `GRID`.
    """

    label: str
    n: int
    auc: Estimate
    rates: list[float]


def curves(sample: Sample, probabilities: NDArray[np.floating[Any]], resamples: Resamples) -> list[Curve]:
    """The curves of the labels that some rows have and some have not; `probabilities` are (m, 8)."""
    found = []
    for at, label in enumerate(LABELS):
        positive, scores = sample.majority == at, probabilities[:, at]
        if sample.labels[at] and positive.any() and not positive.all():
            area = areas(positive, scores, np.ones((1, len(scores))))[0]
            drawn = np.concatenate([areas(positive, scores, block) for block in resamples.blocks()])
            rates = np.interp(GRID, *curve(positive, scores)).tolist()
            least = min(len(np.unique(resamples.members[side])) for side in (positive, ~positive))
            vague = least < FEWEST or area in (0, 1)
            auc = Estimate(float(area), np.nan, np.nan, len(scores)) if vague else resamples.estimate(area, drawn)
            found.append(Curve(label, int(positive.sum()), auc, rates))
    return found


def curve(positive: NDArray[np.bool_], scores: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False- and true-positive rates of all thresholds on `scores` (n,), from (0, 0) to (1, 1)."""
    _, at = np.unique(-scores, return_inverse=True)
    true = np.bincount(at, positive).cumsum()
    false = np.bincount(at, ~positive).cumsum()
    return np.append(0.0, false / false[-1]), np.append(0.0, true / true[-1])


def areas(positive: NDArray[np.bool_], scores: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area under the curve (draws,) with the rows weighted by `weights` (draws, n); NaN where a side has no weight.

    It is the chance that a positive row scores higher than a negative one, a tie being half a chance (Hanley and
    McNeil 1982).
    """
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf) > 0)
    above, below = (np.add.reduceat(weights[:, order] * side[order], starts, axis=1) for side in (positive, ~positive))
    beaten = below.cumsum(1) - below / 2
    with np.errstate(invalid="ignore"):
        return np.asarray((above * beaten).sum(1) / (above.sum(1) * below.sum(1)))
