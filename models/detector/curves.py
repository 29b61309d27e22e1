"""From boxes found to curves: recall by false boxes per photo, precision by recall, and what they come to.

Recall by false boxes per photo is the free-response ROC (Bunch et al. 1977), as FDDB reports it; average precision is
the area under the highest precision at each recall or beyond (PASCAL VOC from 2010 on). For one kind of faces, boxes of
the others are left out; false boxes are of no kind and count for each. Intervals: 95 %, bootstrap over photos, in which
the threshold is found anew in each draw; Wilson's where fewer than `FEW` faces are found or missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bootstrap import FEW, independent, interval, share_of_few
from models.detector.matching import FALSE, Matches

FALSE_PER_PHOTO = 0.1
"""At which recall is told as one number."""
RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""False boxes per photo at which curves are told."""
DRAWS = 1000
BLOCK = 50
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """Two curves of one kind of faces, by boxes taken, best first.

    Attributes:
        scores: (D,) of the last box taken.
        recall: (..., D) share of known faces found.
        false: (..., D) false boxes per photo.
        precision: (..., D) share of the boxes taken that are a face's.
    """

    scores: Numbers
    recall: Numbers
    false: Numbers
    precision: Numbers

    def recall_at(self, rate: float) -> Numbers:
        """Recall (...) at so many false boxes per photo."""
        within = self.false <= rate + 1e-9
        return np.asarray(np.where(within, self.recall, 0).max(axis=-1, initial=0))

    def threshold_at(self, rate: float) -> float:
        """Score that boxes must pass so that there are so many false ones per photo; 0 if all may be taken."""
        beyond = np.flatnonzero(self.false > rate + 1e-9)
        return float(self.scores[beyond[0]]) if len(beyond) else 0.0

    def average_precision(self) -> Numbers:
        """Area (...) under the envelope of precision."""
        envelope = np.maximum.accumulate(self.precision[..., ::-1], axis=-1)[..., ::-1]
        gained = np.diff(self.recall, axis=-1, prepend=0.0)
        return np.asarray((gained * envelope).sum(axis=-1))


def curves(matches: Matches, kind: int | None = None, counts: Numbers | None = None) -> Curves:
    """The curves of one kind of faces, or of all.

    `counts` (..., P): how often each photo is taken; None: once. There must be a known face in what is taken.
    """
    photos = matches.totals.shape[1]
    counts = np.ones(photos) if counts is None else counts
    is_hit = matches.kinds >= 0 if kind is None else matches.kinds == kind
    totals = matches.totals.sum(axis=0) if kind is None else matches.totals[kind]
    times = counts[..., matches.photos]
    hits = (times * is_hit).cumsum(axis=-1)
    false = (times * (matches.kinds == FALSE)).cumsum(axis=-1)
    wanted = np.maximum((counts * totals).sum(axis=-1), 1e-9)[..., None]
    taken = counts.sum(axis=-1)[..., None]
    return Curves(matches.scores, hits / wanted, false / taken, hits / np.maximum(hits + false, 1e-9))


@dataclass(frozen=True)
class Measured:
    """What is told of one kind of faces: a value, and what it is in each bootstrap draw (`DRAWS`,)."""

    n: int
    alone: float
    """As how many faces these n count at least, if those of a photo are found or missed together."""
    recall: float
    precision: float
    """Average precision."""
    recalls: Numbers
    precisions: Numbers
    curves: Curves

    def told(self) -> dict[str, Any]:
        """As JSON holds it: both figures with intervals, and points of the curve."""
        few = min(self.recall, 1 - self.recall) * self.n < FEW
        recall = (
            share_of_few(self.recall, self.recalls, self.n, self.alone)
            if few
            else interval(self.recall, self.recalls, self.n)
        )
        points = [
            {
                "false_per_photo": rate,
                "recall": round(float(self.curves.recall_at(rate)), 4),
                "score": round(self.curves.threshold_at(rate), 4),
            }
            for rate in RATES
        ]
        return {
            "n": self.n,
            "recall": recall.told(),
            "average_precision": interval(self.precision, self.precisions, self.n).told(),
            "curve": points,
        }


def measured(matches: Matches, kind: int | None = None) -> Measured:
    """Measure one kind of faces, of which there is one at least, or all; the draws are the same at every call."""
    whole = curves(matches, kind)
    rng = np.random.default_rng(0)
    photos = matches.totals.shape[1]
    drawn = rng.multinomial(photos, np.full(photos, 1 / photos), DRAWS).astype(np.float64)
    blocks = [curves(matches, kind, drawn[at : at + BLOCK]) for at in range(0, DRAWS, BLOCK)]
    totals = matches.totals.sum(axis=0) if kind is None else matches.totals[kind]
    return Measured(
        n=int(totals.sum()),
        alone=independent(totals),
        recall=float(whole.recall_at(FALSE_PER_PHOTO)),
        precision=float(whole.average_precision()),
        recalls=np.concatenate([block.recall_at(FALSE_PER_PHOTO) for block in blocks]),
        precisions=np.concatenate([block.average_precision() for block in blocks]),
        curves=whole,
    )
