"""Percentile bootstrap intervals (Efron and Tibshirani 1993), of means and of anything made of sums over rows.

A share of few rows, or one near 0 or 1, has too narrow a bootstrap interval, at 0 and 1 none at all, and gets Wilson's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BLOCK = 250
"""Draws that are worked on at a time, so that memory stays small."""

Z: Final = 1.959964
"""Standard deviations of the normal within which 95 % of it lie."""

FEW: Final = 10
"""Rows (groups, where these are drawn) with and without something, below which its share has Wilson's interval."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval (NaN: there is none), and how many rows it is over."""

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


def wilson(share: float, n: float) -> tuple[float, float]:
    """The 95 % score interval of a share of `n` independent rows (Wilson 1927), which is never empty.

    >>> [round(end, 3) for end in wilson(1, 8)]
    [0.676, 1.0]
    """
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    reach = Z / (1 + Z**2 / n) * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return max(float(middle - reach), 0.0), min(float(middle + reach), 1.0)


def share_of_few(share: float, drawn: NDArray[np.float64], n: int, least: float) -> Estimate:
    """A share of n rows with Wilson's interval, over as many independent rows as its draws (draws,) vary like.

    Those are at most n and not fewer than `least`, which they are where the draws, all 0 or all 1, do not tell.
    """
    spread = float(np.nanvar(drawn)) if 0 < share < 1 else 0.0
    alike = share * (1 - share) / spread if spread else 0.0
    return Estimate(share, *wilson(share, min(max(alike, least), n)), n)


def independent(sizes: NDArray[Any]) -> float:
    """Kish's effective number (1965) of rows in groups of these sizes (k,), if all rows of a group are alike."""
    return float(sizes.sum() ** 2 / (sizes.astype(np.float64) ** 2).sum())


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
        self.members = members
        """(n,), the number of each row's group."""
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

    def share(self, hits: NDArray[np.bool_], among: NDArray[np.bool_], drawn: NDArray[np.float64]) -> Estimate:
        """The share of `hits` (n,) in the rows `among` (n,), of which it is in each draw `drawn` (draws,); NaN of none.

        With fewer than `FEW` units on a side the interval is that of `share_of_few`.
        """
        n = int(among.sum())
        if not n:
            return Estimate(np.nan, np.nan, np.nan, 0)
        value = float(hits[among].mean())
        sides = [len(np.unique(self.members[among & side])) for side in (hits, ~hits)]
        if min(sides) >= FEW:
            return self.estimate(value, drawn, n)
        return share_of_few(value, drawn, n, independent(np.unique(self.members[among], return_counts=True)[1]))

    def gain(self, hits: NDArray[np.bool_], others: NDArray[np.bool_]) -> Estimate:
        """How much larger the share of `hits` (n,) is than that of `others` (n,), row by row.

        Where the two differ in fewer than `FEW` units the interval is Agresti and Min's (2005, half a row added to each
        of the four cells), over Kish's effective number of rows.
        """
        gained = hits.astype(np.float64) - others
        if len(np.unique(self.members[gained != 0])) >= FEW:
            return self.mean(gained)
        n = independent(np.bincount(self.members))
        more, either = gained.mean() * n, np.abs(gained).mean() * n
        middle = more / (n + 2)
        reach = Z * np.sqrt(either + 1 - more**2 / (n + 2)) / (n + 2)
        return Estimate(float(gained.mean()), max(middle - reach, -1.0), min(middle + reach, 1.0), len(gained))

    def mean(self, values: NDArray[Any]) -> Estimate:
        """The mean of `values` (n,); of booleans it is a `share`."""
        floats = np.asarray(values, np.float64)
        drawn = self.totals(floats[:, None])[:, 0] / self.drawn
        if values.dtype == bool:
            return self.share(values, np.ones(len(values), bool), drawn)
        return self.estimate(floats.mean(), drawn)

    def ratio(self, values: NDArray[Any], weights: NDArray[Any]) -> Estimate:
        """The mean of `values` (n,) weighted by `weights` (n,), of which one at least is not zero.

        Of booleans among rows that boolean weights choose it is a `share`.
        """
        weighted = np.stack([np.asarray(values, np.float64) * weights, weights], 1)
        sums, whole = self.totals(weighted), weighted.sum(0)
        with np.errstate(invalid="ignore"):
            drawn = sums[:, 0] / sums[:, 1]
        if values.dtype == weights.dtype == bool:
            return self.share(values, weights, drawn)
        return self.estimate(whole[0] / whole[1], drawn, int(np.count_nonzero(weights)))


def estimate(rows: NDArray[Any], *, draws: int = 2000, seed: int = 0) -> Estimate:
    """The mean of `rows` (n,) with its percentile bootstrap interval (`draws` resamples of n rows, seeded)."""
    return Resamples(len(rows), draws=draws, seed=seed).mean(rows)
