"""Whether probabilities are to be believed: what was said beside how many raters said so."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from models.bootstrap import Estimate, Resamples
from models.emotion.evaluation.sample import Sample
from models.emotion.metrics import EPSILON, divergence
from pipeline.labels import LABELS

BINS = 10
"""Bins of probability, all as wide."""

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Bin:
    """The predictions of one bin: their mean, and the mean of what came of them."""

    low: float
    high: float
    predicted: float
    outcome: Estimate


@dataclass(frozen=True)
class Reliability:
    """What was said of one label, or of the most probable one, beside what the raters say.

    Attributes:
        name: of the label; "most probable" for that of each face.
        error: expected calibration error, see `calibration_error`.
        bins: those that hold predictions.
    """

    name: str
    error: float
    bins: list[Bin]


@dataclass(frozen=True)
class Calibration:
    """How far predictions are to be believed.

    Attributes:
        overall: probability of the most probable label beside the share of votes for it.
        correctness: the same beside how often it is the majority label, the error of Guo et al. 2017.
        classes: probability of each label beside the share of votes for it, over all faces.
        classwise_error: mean error of `classes` (Kull et al. 2019, with shares for outcomes).
        temperature: the one that would make KL(votes || prediction) least; above 1 where predictions are too sure.
        divergence: KL at that temperature, chosen in hindsight, nats.
    """

    overall: Reliability
    correctness: Reliability
    classes: list[Reliability]
    classwise_error: float
    temperature: float
    divergence: float


def calibrate(sample: Sample, probabilities: Floats, resamples: Resamples) -> Calibration:
    """From `probabilities` (m, 8) of the faces of `sample`."""
    chosen = probabilities.argmax(1)
    sure, shares = probabilities.max(1), sample.shares[np.arange(len(chosen)), chosen]
    classes = [
        reliability(label, probabilities[:, at], sample.shares[:, at], resamples)
        for at, label in enumerate(LABELS)
        if sample.labels[at]
    ]
    temperature, cost = tempered(sample.shares, probabilities)
    return Calibration(
        reliability("most probable", sure, shares, resamples),
        reliability("most probable", sure, chosen == sample.majority, resamples),
        classes,
        float(np.mean([one.error for one in classes])),
        temperature,
        cost,
    )


def reliability(name: str, predicted: Floats, outcome: NDArray[Any], resamples: Resamples) -> Reliability:
    """Predictions (n,) beside outcomes (n,), both 0 to 1, in bins of the first."""
    which = _bins(predicted)
    bins = []
    for at in np.unique(which):
        inside = which == at
        mean = resamples.ratio(outcome, inside)
        bins.append(Bin(float(at / BINS), float((at + 1) / BINS), float(predicted[inside].mean()), mean))
    return Reliability(name, calibration_error(predicted, outcome), bins)


def calibration_error(predicted: Floats, outcome: NDArray[Any]) -> float:
    """Expected calibration error of predictions (n,), whose outcomes (n,) are right or wrong, or shares.

    Mean over the n of how far the mean outcome of their bin is from its mean prediction (Guo et al. 2017), in `BINS`
    bins.
    """
    which = _bins(predicted)
    gaps = np.bincount(which, outcome, BINS) - np.bincount(which, predicted, BINS)
    return float(np.abs(gaps).sum() / len(which))


def _bins(predicted: Floats) -> NDArray[np.intp]:
    return np.asarray(np.minimum((predicted * BINS).astype(np.intp), BINS - 1))


def tempered(shares: NDArray[np.float64], given: Floats) -> tuple[float, float]:
    """The temperature, 0.25 to 4, at which mean KL(shares || given) is least, and what it is then; both are (n, k)."""
    logs = np.log(np.maximum(np.asarray(given, np.float64), EPSILON))

    def cost(exponent: float) -> float:
        return float(divergence(shares, softmax(np.exp(exponent) * logs, axis=1)).mean())

    best = minimize_scalar(cost, bounds=(-np.log(4), np.log(4)), method="bounded")
    return float(np.exp(-best.x)), float(best.fun)
