"""How many tracks begin in an hour, and how many times as many in the other sample.

Outputs do not tell how long a video is, only when faces were seen. So the time is that from the first beginning of a
track to the last within a day of a run, and the tracks are those after the first: then it does not matter how long
each stays. Where a run shows few faces this says nothing, so it counts only days with tracks enough.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f, t

from models.drift.tracks import Sample
from models.drift.units import Unit, count, numbers

LEAST: Final = 10
"""Tracks of a run on a day below which that day is left out."""

TAILS: Final = (0.025, 0.975)


class Rates(NamedTuple):
    """Tracks per hour, NaN where no day has tracks enough."""

    hourly: tuple[float, float]
    """In REF and in NEW."""
    ratio: tuple[float, float, float]
    """The latter over the former, and its 95 % interval."""


NOTHING: Final = Rates((np.nan, np.nan), (np.nan, np.nan, np.nan))


def rates(ref: Sample, new: Sample, unit: Unit) -> Rates:
    """Tracks per hour of both, and their ratio.

    Where tracks are the units, waiting times are taken for exponential (Cox 1953, "Some simple approximate tests for
    Poisson variates"); else the interval is that of a ratio of sums over units (Cochran 1977, "Sampling techniques",
    6.3), on the logarithm.
    """
    sides = [_waits(sample, unit) for sample in (ref, new)]
    totals = [side.sum(0) for side in sides]
    if any(total[1] <= 0 for total in totals):
        return NOTHING
    before, after = (float(tracks / hours) for tracks, hours in totals)
    ratio = after / before
    if unit is Unit.TRACK:
        low, high = (ratio * f.ppf(tail, 2 * totals[1][0], 2 * totals[0][0]) for tail in TAILS)
    else:
        sides = [side[side[:, 1] > 0] for side in sides]
        fewest = min(map(len, sides))
        if fewest < 2:
            return NOTHING
        error = np.sqrt(sum(map(_variance, sides)))
        low, high = (ratio * np.exp(error * t.ppf(tail, fewest - 1)) for tail in TAILS)
    return Rates((before, after), (ratio, float(low), float(high)))


def _waits(sample: Sample, unit: Unit) -> NDArray[np.float64]:
    """Of each unit the tracks that began after another, and the hours in which they did, (units, 2)."""
    of = numbers(sample, unit)
    found = np.zeros((count(sample, unit), 2))
    # Days of different runs share no number with each other.
    stretches = sample.runs * (int(sample.days.max()) + 1) + sample.days
    for stretch in np.unique(stretches):
        at = np.flatnonzero(stretches == stretch)
        if len(at) >= LEAST:
            begun = sample.spans[at, 0]
            found[of[at[0]]] += len(at) - 1, (begun.max() - begun.min()) / 3600
    return found


def _variance(units: NDArray[np.float64]) -> float:
    """Of the logarithm of the ratio of two sums over units, (units, 2)."""
    tracks, hours = units.sum(0)
    number = len(units)
    apart = units[:, 0] - tracks / hours * units[:, 1]
    return float(number / (number - 1) * (apart**2).sum() / tracks**2)
