"""How far two samples of tracks lie apart, and whether chance alone would put them so far apart.

Rows of a track are not independent, nor are tracks of one person, so days, runs or tracks (see `units`) are what is
drawn: with replacement for intervals (Efron and Tibshirani 1993, "An introduction to the bootstrap"), and dealt out
anew between the two samples for what chance gives (Good 2005, "Permutation, parametric, and bootstrap tests of
hypotheses").
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from models.drift.rates import rates
from models.drift.tracks import BINS, DOMINANT, QUANTITIES, Sample
from models.drift.units import FEWEST, Unit, count, dealt, drawn, largest, numbers, summed
from pipeline.labels import LABELS

Doubles = NDArray[np.float64]

FLOOR: Final = 1e-4
"""Least share of a bin: one that is empty on one side would make the index infinite. With few tracks it is that of half
a track, below which they cannot tell one share from another."""

MODERATE, LARGE = 0.1, 0.25
"""Population stability index from which a shift has these names (Siddiqi 2006, "Credit risk scorecards")."""

ALPHA: Final = 0.05
"""Chance of calling anything at all a shift where nothing moved."""


class Size(StrEnum):
    """How far a quantity moved."""

    UNKNOWN = "unknown"
    """There are too few units to tell."""
    NONE = "none"
    """Not further than chance puts it."""
    SMALL = "small"
    """Further than that, by an index below `MODERATE`."""
    MODERATE = "moderate"
    LARGE = "large"


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval; NaN where there are too few units for one."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Shift:
    """What one of `QUANTITIES` did.

    Attributes:
        quantity: which.
        ref: mean in REF, over rows (over tracks for the length); NaN for the dominant label.
        new: the same in NEW.
        change: NEW less REF.
        psi: population stability index, sum of (q - p) ln(q / p) over bins, less its bootstrap bias; at least 0.
        plain: the index as it is: the fewer the units, the more of it is chance.
        divergence: Jensen-Shannon divergence over the same bins, bits, 0-1, less its bias.
        chance: plain index that chance alone stays below in 95 of 100 cases.
        p: how often chance alone gives as high an index, allowing for how many quantities are looked at (Holm 1979).
        size: the verdict.
    """

    quantity: str
    ref: float
    new: float
    change: Interval
    psi: Interval
    plain: float
    divergence: Interval
    chance: float
    p: float
    size: Size


@dataclass(frozen=True)
class Comparison:
    """All that moved between two samples.

    Attributes:
        source: whose; None: of all sources.
        unit: what was drawn and dealt out.
        units: how many of it REF and NEW have.
        tracks: how many tracks they have.
        rows: how many rows they have.
        shifts: of each quantity, in the order of `QUANTITIES`.
        dominant: float64 (2, 8), shares of rows in which each of `LABELS` is dominant in REF and in NEW.
        hourly: tracks per hour in REF and in NEW (see `rates`); NaN where too few begin on any day.
        ratio: the latter over the former.
    """

    source: str | None
    unit: Unit
    units: tuple[int, int]
    tracks: tuple[int, int]
    rows: tuple[int, int]
    shifts: list[Shift]
    dominant: Doubles
    hourly: tuple[float, float]
    ratio: Interval

    @property
    def enough(self) -> bool:
        """Whether there are units enough to tell anything."""
        return min(self.units) >= FEWEST

    @property
    def rarer(self) -> bool | None:
        """Whether tracks are rarer in NEW, or more frequent; None if they may be as frequent as in REF."""
        return self.ratio.high < 1 if self.ratio.high < 1 or self.ratio.low > 1 else None


def stability(ref: NDArray[Any], new: NDArray[Any], floors: tuple[float, float] = (FLOOR, FLOOR)) -> Doubles:
    """Population stability index of counts or shares (..., bins); a share below its side's floor counts as that."""
    p, q = (
        np.maximum(each / each.sum(-1, keepdims=True), floor) for each, floor in zip((ref, new), floors, strict=True)
    )
    return np.asarray(((q - p) * np.log(q / p)).sum(-1))


def divergence(ref: NDArray[Any], new: NDArray[Any]) -> Doubles:
    """Jensen-Shannon divergence of counts or shares (..., bins), bits, 0-1."""
    p, q = (each / each.sum(-1, keepdims=True) for each in (ref, new))
    middle = (p + q) / 2
    # SciPy has only its root, which is NaN for some equals.
    return np.asarray((rel_entr(p, middle) + rel_entr(q, middle)).sum(-1) / (2 * np.log(2)))


def compare(
    pairs: Sequence[tuple[str | None, Sample, Sample]], *, unit: Unit | None = None, seed: int = 0
) -> list[Comparison]:
    """Compares samples, REF and NEW of all sources together (None) or of single ones.

    The more are looked at, the further each has to move to be called a shift. `unit`: what to draw and to deal out;
    None: of each the largest of which there are enough.
    """
    # The least p that can be found must stay far below ALPHA over the number of tests.
    deals = max(2000, 60 * len(QUANTITIES) * len(pairs))
    found = [
        _compare(source, ref, new, unit or largest(ref, new), deals, np.random.default_rng(seed))
        for source, ref, new in pairs
    ]
    enough = [each for each in found if each.enough]
    adjusted = iter(holm([shift.p for each in enough for shift in each.shifts]))
    for each in enough:
        each.shifts[:] = [_judged(shift, next(adjusted)) for shift in each.shifts]
    return found


def holm(p: Sequence[float]) -> list[float]:
    """Adjusts p values for their number (Holm 1979, "A simple sequentially rejective multiple test procedure")."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    factors = np.arange(len(p), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * np.asarray(p, float)[order]), 1)
    return [float(value) for value in adjusted]


def _judged(shift: Shift, p: float) -> Shift:
    size = Size.LARGE if shift.psi.value > LARGE else Size.MODERATE if shift.psi.value >= MODERATE else Size.SMALL
    return replace(shift, p=p, size=size if p < ALPHA else Size.NONE)


class _Figures(NamedTuple):
    """What totals (d, q * (BINS + 1)) of both sides say, each (d, q)."""

    ref: Doubles
    new: Doubles
    psi: Doubles
    divergence: Doubles


def _compare(
    source: str | None, ref: Sample, new: Sample, unit: Unit, deals: int, rng: np.random.Generator
) -> Comparison:
    sides = (summed(_columns(ref), numbers(ref, unit)), summed(_columns(new), numbers(new, unit)))
    tracks = (len(ref), len(new))
    observed = _figures(sides[0].sum(0, keepdims=True), sides[1].sum(0, keepdims=True), tracks)
    labels = np.stack([sample.counts[:, DOMINANT, : len(LABELS)].sum(0) for sample in (ref, new)])
    hourly, ratio = rates(ref, new, unit)
    told = Comparison(
        source=source,
        unit=unit,
        units=(count(ref, unit), count(new, unit)),
        tracks=tracks,
        rows=(ref.rows, new.rows),
        shifts=[],
        dominant=labels / labels.sum(1, keepdims=True),
        hourly=hourly,
        ratio=Interval(*ratio),
    )
    if told.enough:
        found = _figures(drawn(sides[0], rng), drawn(sides[1], rng), tracks)
        chances = np.concatenate([_figures(*hands, tracks).psi for hands in dealt(*sides, deals, rng)])
        # A hair of room for sums that were added up in another order.
        p = (1 + (chances >= observed.psi - 1e-9).sum(0)) / (1 + deals)
        chance = np.percentile(chances, 95, axis=0)
    else:
        found = _Figures(*(np.full_like(each, np.nan) for each in observed))
        p = chance = np.full(len(QUANTITIES), np.nan)
    change = np.percentile(found.new - found.ref, (2.5, 97.5), axis=0)
    for index, quantity in enumerate(QUANTITIES):
        before, after = float(observed.ref[0, index]), float(observed.new[0, index])
        told.shifts.append(
            Shift(
                quantity,
                before,
                after,
                Interval(after - before, float(change[0, index]), float(change[1, index])),
                _unbiased(observed.psi[0, index], found.psi[:, index]),
                float(observed.psi[0, index]),
                _unbiased(observed.divergence[0, index], found.divergence[:, index]),
                float(chance[index]),
                float(p[index]),
                Size.UNKNOWN,
            )
        )
    return told


def _columns(sample: Sample) -> Doubles:
    """Counts and sums of each track, (t, q * (BINS + 1)): what adds up over tracks."""
    return np.concatenate([sample.counts.reshape(len(sample), -1), sample.sums], 1, dtype=np.float64)


def _figures(ref: Doubles, new: Doubles, tracks: tuple[int, int]) -> _Figures:
    q = len(QUANTITIES)
    before, after = (total[:, : q * BINS].reshape(-1, q, BINS) for total in (ref, new))
    means = (ref[:, q * BINS :] / before.sum(-1), new[:, q * BINS :] / after.sum(-1))
    for mean in means:
        mean[:, DOMINANT] = np.nan  # a label has no mean
    floors = (max(FLOOR, 0.5 / tracks[0]), max(FLOOR, 0.5 / tracks[1]))
    return _Figures(*means, stability(before, after, floors), divergence(before, after))


def _unbiased(value: float, drawn: Doubles) -> Interval:
    """A distance and its percentile interval, less what drawing adds to them: once to the value, twice to the drawn."""
    added = drawn.mean() - value
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Interval(*(float(np.maximum(each, 0)) for each in (value - added, low - 2 * added, high - 2 * added)))
