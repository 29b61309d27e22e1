"""Percentile bootstrap intervals (Efron and Tibshirani 1993), of means and of anything made of sums over rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 250
"""Draws that are worked on at a time, so that memory stays small."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % bootstrap interval, and how many rows it is over."""

    value: float
    low: float
    high: float
    n: int

    def told(self) -> dict[str, Any]:
        """Value and interval as cards and results hold them."""
        return {"value": round(self.value, 4), "ci95": [round(self.low, 4), round(self.high, 4)]}


def interval(value: float, drawn: NDArray[np.float64], n: int) -> Estimate:
    """`value` with the interval of `drawn` (draws,); draws in which it is undefined (NaN) are left out."""
    known = drawn[~np.isnan(drawn)]
    low, high = np.percentile(known, (2.5, 97.5)) if len(known) else (np.nan, np.nan)
    return Estimate(float(value), float(low), float(high), n)


class Resamples:
    """Draws of n rows with replacement, the same for every figure, so that figures can be subtracted."""

    def __init__(self, n: int, *, groups: NDArray[Any] | None = None, draws: int = 2000, seed: int = 0) -> None:
        """Draw.

        Args:
            n: rows, at least one.
            groups: (n,) what each row belongs to, a person say; whole groups are drawn then, because the rows of a
                group resemble each other. None: every row is its own.
            draws: how many.
            seed: of the draws.
        """
        rng = np.random.default_rng(seed)
        members = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
        count = int(members.max()) + 1
        times = (np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(draws))
        self.counts: NDArray[np.uint16] = np.stack([one.astype(np.uint16)[members] for one in times])
        """(draws, n), how often each row was drawn."""

    @cached_property
    def drawn(self) -> NDArray[np.float64]:
        """(draws,), rows in each draw."""
        return np.asarray(self.counts.sum(1), np.float64)

    def blocks(self) -> Iterator[NDArray[np.float64]]:
        """`counts` in blocks of a few draws each."""
        for at in range(0, len(self.counts), BLOCK):
            yield self.counts[at : at + BLOCK].astype(np.float64)

    def totals(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sums (draws, k) of `values` (n, k) over the rows of each draw."""
        columns = np.ascontiguousarray(np.asarray(values, np.float64).T)
        # Not the matrix product: its threads wait for each other where other work shares the cores.
        sums = [[np.einsum("dn,n->d", block, column) for column in columns] for block in self.blocks()]
        return np.concatenate([np.stack(block, 1) for block in sums])

    def estimate(self, value: float, drawn: NDArray[np.float64], n: int | None = None) -> Estimate:
        """`value` with the interval of `drawn` (draws,), as `interval` gives it; of all rows unless `n` is given."""
        return interval(value, drawn, self.counts.shape[1] if n is None else n)

    def mean(self, values: NDArray[Any]) -> Estimate:
        """The mean of `values` (n,)."""
        floats = np.asarray(values, np.float64)
        return self.estimate(floats.mean(), self.totals(floats[:, None])[:, 0] / self.drawn)

    def ratio(self, values: NDArray[Any], weights: NDArray[Any]) -> Estimate:
        """The mean of `values` (n,) weighted by `weights` (n,), of which one at least is not zero."""
        weighted = np.stack([np.asarray(values, np.float64) * weights, weights], 1)
        sums, whole = self.totals(weighted), weighted.sum(0)
        with np.errstate(invalid="ignore"):
            return self.estimate(whole[0] / whole[1], sums[:, 0] / sums[:, 1], int(np.count_nonzero(weights)))


def estimate(rows: NDArray[Any], *, draws: int = 2000, seed: int = 0) -> Estimate:
    """The mean of `rows` (n,) with its percentile bootstrap interval (`draws` resamples of n rows, seeded)."""
    return Resamples(len(rows), draws=draws, seed=seed).mean(rows)
