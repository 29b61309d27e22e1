"""Distances and likenesses of distributions, as label-distribution learning measures itself.

Chebyshev, Clark, Canberra, Kullback-Leibler, cosine and intersection are the six of Geng ("Label distribution
learning", IEEE TKDE 28(7), 2016, table 1; Cha 2007 has the formulas), Jensen-Shannon is Lin's ("Divergence measures
based on the Shannon entropy", IEEE Trans. Inf. Theory 37(1), 1991). A quotient 0/0 counts as 0, as usual.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.emotion.metrics import divergence

Rows = NDArray[np.floating[Any]]
Measure = Callable[[Rows, Rows], NDArray[np.float64]]


def jensen_shannon(shares: Rows, predicted: Rows) -> NDArray[np.float64]:
    """Mean KL divergence of the two from their mean, nats, 0 to ln 2."""
    p, q = np.asarray(shares, np.float64), np.asarray(predicted, np.float64)
    middle = (p + q) / 2
    return (divergence(p, middle) + divergence(q, middle)) / 2


def cosine(shares: Rows, predicted: Rows) -> NDArray[np.float64]:
    """Cosine of the angle between the two, 0 to 1; 1 for equals."""
    p, q = np.asarray(shares, np.float64), np.asarray(predicted, np.float64)
    return np.asarray((p * q).sum(1) / (np.linalg.norm(p, axis=1) * np.linalg.norm(q, axis=1)))


def chebyshev(shares: Rows, predicted: Rows) -> NDArray[np.float64]:
    """Largest difference of any label's share, 0 to 1."""
    return np.asarray(np.abs(np.asarray(shares, np.float64) - predicted).max(1))


def clark(shares: Rows, predicted: Rows) -> NDArray[np.float64]:
    """Root of the summed squares of (p - q) / (p + q), 0 to the root of the number of labels."""
    return np.asarray(np.sqrt((_relative(shares, predicted) ** 2).sum(1)))


def canberra(shares: Rows, predicted: Rows) -> NDArray[np.float64]:
    """Sum of |p - q| / (p + q), 0 to the number of labels."""
    return np.asarray(_relative(shares, predicted).sum(1))


def intersection(shares: Rows, predicted: Rows) -> NDArray[np.float64]:
    """Sum of the smaller of the two shares of each label, 0 to 1; 1 for equals."""
    return np.asarray(np.minimum(np.asarray(shares, np.float64), predicted).sum(1))


def _relative(shares: Rows, predicted: Rows) -> NDArray[np.float64]:
    p, q = np.asarray(shares, np.float64), np.asarray(predicted, np.float64)
    total = p + q
    return np.asarray(np.abs(p - q) / np.where(total > 0, total, 1.0))


@dataclass(frozen=True)
class Named:
    """A measure of the list."""

    name: str
    rows: Measure
    """From shares (n, k) and predictions (n, k), rows of sum 1, to (n,)."""
    rising: bool = False
    """More is better."""
    unit: str = ""


MEASURES: Final = (
    Named("KL(votes || prediction)", divergence, unit="nats"),
    Named("Jensen-Shannon", jensen_shannon, unit="nats"),
    Named("cosine", cosine, rising=True),
    Named("intersection", intersection, rising=True),
    Named("Chebyshev", chebyshev),
    Named("Clark", clark),
    Named("Canberra", canberra),
)

KL: Final = MEASURES[0].name
