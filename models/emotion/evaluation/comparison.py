"""Two networks on the same faces: whether one is better, or only luckier."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.bootstrap import Estimate
from models.emotion.evaluate import Report, resamples
from models.emotion.evaluation.sample import sample
from models.emotion.metrics import Faces, divergence
from pipeline.labels import LABELS


@dataclass(frozen=True)
class Comparison:
    """Paired differences, the first network's figure less the second's, over the faces that both can be measured on.

    Attributes:
        model: the first.
        against: the second.
        labels: those that both have; predictions and shares are renormalised over them.
        accuracy: difference; above zero where the first is right more often.
        divergence: difference of KL(votes || prediction), nats; below zero where the first is nearer to the votes.
        only: faces that the first alone gets right, and the second alone.
    """

    model: str
    against: str
    labels: list[str]
    accuracy: Estimate
    divergence: Estimate
    only: tuple[int, int]


def compare(faces: Faces, one: Report, other: Report, *, draws: int = 2000) -> Comparison:
    """Compare two reports on `faces`.

    Raises:
        InputError: no face has a majority among the labels that both have.
    """
    shared = one.sample.labels & other.sample.labels
    labels = [label for label, has in zip(LABELS, shared, strict=True) if has]
    chosen = sample(faces.votes, labels)
    first, second = (_among(report.probabilities[chosen.rows], shared) for report in (one, other))
    hits, rivals = (found.argmax(1) == chosen.majority for found in (first, second))
    costs = [divergence(chosen.shares, found) for found in (first, second)]
    drawn = resamples(faces, chosen, draws=draws)
    return Comparison(
        one.model,
        other.model,
        labels,
        drawn.gain(hits, rivals),
        drawn.mean(costs[0] - costs[1]),
        (int((hits & ~rivals).sum()), int((rivals & ~hits).sum())),
    )


def _among(probabilities: NDArray[np.float32], labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Probabilities (n, 8) renormalised over `labels`; even where nothing is left."""
    left = probabilities * labels + np.float64(1e-12) * labels
    return np.asarray(left / left.sum(1, keepdims=True))
