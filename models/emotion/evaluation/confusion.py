"""Which label is taken for which, and what follows from it: precision, recall, F1, and their means."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.bootstrap import Estimate, Resamples
from pipeline.labels import LABELS

COUNT = len(LABELS)


@dataclass(frozen=True)
class ClassFigures:
    """One label's figures: `n` rows have it, `predicted` rows were given it.

    Precision is NaN where the label was never predicted, recall where no row has it, F1 where both counts are zero.
    """

    label: str
    n: int
    predicted: int
    precision: Estimate
    recall: Estimate
    f1: Estimate


@dataclass(frozen=True)
class Confusion:
    """What was taken for what.

    Attributes:
        counts: 8 x 8, rows of each true label (down) that were given each label (across).
        classes: the figures of each label.
        macro_f1: mean F1 of the labels that some row has.
        balanced_accuracy: mean recall of the labels that some row has.
    """

    counts: list[list[int]]
    classes: list[ClassFigures]
    macro_f1: Estimate
    balanced_accuracy: Estimate


def confusion(majority: NDArray[np.int64], predicted: NDArray[np.int64], resamples: Resamples) -> Confusion:
    """From the true and the predicted index (n,) of each row."""
    cells = np.eye(COUNT * COUNT)[majority * COUNT + predicted]
    whole = cells.sum(0).reshape(1, COUNT, COUNT)
    drawn = resamples.totals(cells).reshape(-1, COUNT, COUNT)
    present = whole[0].sum(1) > 0
    found, spread = _rates(whole), _rates(drawn)
    classes = []
    for at, label in enumerate(LABELS):
        true, given = majority == at, predicted == at
        precision, recall = (
            resamples.share(true & given, rows, draws[:, at])
            for rows, draws in zip((given, true), spread[:2], strict=True)
        )
        f1 = _f1(resamples, true, given, spread[2][:, at])
        classes.append(ClassFigures(label, recall.n, precision.n, precision, recall, f1))
    recall, f1 = (
        resamples.estimate(rate[0, present].mean(), np.nanmean(draws[:, present], axis=1))
        for rate, draws in zip(found[1:], spread[1:], strict=True)
    )
    return Confusion(whole[0].astype(int).tolist(), classes, macro_f1=f1, balanced_accuracy=recall)


def _f1(
    resamples: Resamples, true: NDArray[np.bool_], given: NDArray[np.bool_], drawn: NDArray[np.float64]
) -> Estimate:
    """F1, which grows with the share j of the rows with either label that have both: it is 2 j / (1 + j)."""
    both = resamples.share(true & given, true | given, drawn / (2 - drawn))
    value, low, high = (2 * j / (1 + j) for j in (both.value, both.low, both.high))
    return Estimate(value, low, high, both.n)


def _rates(counts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and F1 (draws, 8) of `counts` (draws, 8, 8)."""
    hits = np.diagonal(counts, axis1=1, axis2=2)
    given, true = counts.sum(1), counts.sum(2)
    with np.errstate(invalid="ignore"):
        return hits / given, hits / true, 2 * hits / (given + true)
