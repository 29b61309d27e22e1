"""The faces that are measured on, and what their votes say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.emotion.metrics import truth
from pipeline.errors import InputError
from pipeline.labels import LABELS


@dataclass(frozen=True)
class Sample:
    """Faces with a majority (see `metrics`) among the labels that the network has.

    Attributes:
        rows: int64 (m,), which of the faces; m > 0.
        votes: int64 (m, 10), as they were cast.
        shares: float64 (m, 8), of the labels in the votes that remain for them; rows sum to 1.
        majority: int64 (m,), index of the label with most votes.
        labels: bool (8,), those of the eight that the network has.
    """

    rows: NDArray[np.int64]
    votes: NDArray[np.int64]
    shares: NDArray[np.float64]
    majority: NDArray[np.int64]
    labels: NDArray[np.bool_]

    def take(self, places: NDArray[np.int64]) -> "Sample":
        """The faces at `places` (k,) of the sample."""
        few = {name: getattr(self, name)[places] for name in ("rows", "votes", "shares", "majority")}
        return replace(self, **few)

    @property
    def rated(self) -> bool:
        """Whether the votes are those of several raters, who somewhere differ, rather than one label per face."""
        return bool(((self.votes > 0).sum(1) > 1).any())


def known(labels: Sequence[str]) -> NDArray[np.bool_]:
    """Which of the eight labels (8,) are among `labels`."""
    return np.array([label in labels for label in LABELS])


def among(votes: NDArray[np.int64], labels: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Shares (n, 8) of `labels` (8,) in their remaining votes, and which rows (n,) have a majority among them."""
    said = truth(votes)
    left = said.shares * labels
    total = left.sum(1, keepdims=True)
    return left / np.where(total > 0, total, 1.0), said.kept & labels[said.majority]


def sample(votes: NDArray[np.int64], labels: Sequence[str] = LABELS) -> Sample:
    """The rows of `votes` (n, 10) that a network with `labels` can be measured on.

    Raises:
        InputError: there is none.
    """
    chosen = known(labels)
    shares, kept = among(votes, chosen)
    if not kept.any():
        which = "an emotion" if chosen.all() else f"one of {', '.join(np.array(LABELS)[chosen])}"
        raise InputError(f"no row has {which} with more than half of its votes, so none can be measured")
    rows = np.flatnonzero(kept)
    return Sample(rows, votes[rows], shares[rows], shares[rows].argmax(1), chosen)


def entropy(shares: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Entropy per row of `shares` (n, k), nats."""
    p = np.asarray(shares, np.float64)
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1.0))).sum(1))
