"""Clear, mixed and subtle expressions, told apart by how far those raters agree who name an expression."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.bootstrap import Estimate, Resamples
from models.emotion.evaluation.sample import Sample, entropy
from models.emotion.metrics import divergence

BANDS: Final = (("clear", 0.0, 0.33), ("mixed", 0.33, 0.64), ("subtle", 0.64, np.inf))
"""Name, and entropy (nats) of all votes for the eight expressions, single ones too, above the first limit and up to the
second. Of ten raters who name an expression nine or all agree on a clear one (9:1 has 0.325), on a mixed one seven or
eight (8:1:1 has 0.639), on a subtle one fewer, or the rest are scattered. Votes for "unknown" and "not a face" do not
count: six for neutral and four for unknown are clear. On FER+ validation half of the faces are clear, a quarter each
mixed and subtle."""

SHIFT: Final = 2
"""px by which faces are moved to see whether the answer stays."""


@dataclass(frozen=True)
class Band:
    """The faces of one band.

    Attributes:
        name: "clear", "mixed" or "subtle".
        above: least entropy of their votes, nats; not included, save 0.
        upto: largest; None for no limit.
        accuracy: how often the most probable label is the majority label.
        divergence: KL(votes || prediction), nats.
        floor: what a flawless predictor would score in that (see `panels`), nats.
        consistency: how often the most probable label stays when the face is mirrored or moved by `SHIFT` px up,
            down, left or right, mean of the five.
    """

    name: str
    above: float
    upto: float | None
    accuracy: Estimate
    divergence: Estimate
    floor: Estimate
    consistency: Estimate


def bands(
    sample: Sample,
    probabilities: NDArray[np.floating[Any]],
    floor: NDArray[np.float64],
    stays: NDArray[np.float64],
    resamples: Resamples,
) -> list[Band]:
    """The bands that hold faces; `floor` is KL of the flawless predictor, and `stays` from `consistency`, both (m,)."""
    cast = sample.votes[:, :8]
    scattered = entropy(cast / cast.sum(1, keepdims=True))
    hits = probabilities.argmax(1) == sample.majority
    costs = divergence(sample.shares, probabilities)
    found = []
    for name, low, high in BANDS:
        inside = ((scattered > low) | (low == 0)) & (scattered <= high)
        if inside.any():
            accuracy, cost, least = (resamples.ratio(row, inside) for row in (hits, costs, floor))
            limit = None if np.isinf(high) else high
            found.append(Band(name, low, limit, accuracy, cost, least, resamples.ratio(stays, inside)))
    return found


def consistency(
    images: NDArray[np.uint8], chosen: NDArray[np.intp], predict: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
) -> NDArray[np.float64]:
    """How often (n,) the label `chosen` (n,) stays when faces (n, s, s) are mirrored, or moved in four directions."""
    padded = np.pad(images, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="edge")
    side = images.shape[1]
    changed = [images[:, :, ::-1]]
    for down, across in ((0, SHIFT), (2 * SHIFT, SHIFT), (SHIFT, 0), (SHIFT, 2 * SHIFT)):
        changed.append(padded[:, down : down + side, across : across + side])
    stays = [predict(np.ascontiguousarray(one)).argmax(1) == chosen for one in changed]
    return np.asarray(np.mean(stays, axis=0), np.float64)
