"""What is taken for independent: tracks, or more than one person gives.

A person who leaves the picture and comes back gives another track, so tracks of a run or a day are alike. What is
drawn, and dealt out by chance, is then the whole run or day (the cluster bootstrap and permutation of clusters; Davison
and Hinkley 1997, "Bootstrap methods and their application", 3.8).
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.drift.tracks import Sample

Doubles = NDArray[np.float64]

FEWEST: Final = 10
"""Units of each sample below which an interval says too little."""

DRAWS: Final = 1000
"""Of each bootstrap."""

ROOM: Final = 1 << 22
"""Numbers of units that are drawn at a time."""


class Unit(StrEnum):
    """What is drawn and dealt out as a whole."""

    DAY = "day"
    """All tracks of a source that began on a day, UTC."""
    RUN = "run"
    """All tracks of a run: of a file, or of a camera from a start of it to the next."""
    TRACK = "track"


def numbers(sample: Sample, unit: Unit) -> NDArray[np.int64]:
    """Which unit each track belongs to, (t,), numbered from 0."""
    if unit is Unit.TRACK:
        return np.arange(len(sample))
    found: NDArray[np.int64] = np.unique(sample.days if unit is Unit.DAY else sample.runs, return_inverse=True)[1]
    return found


def count(sample: Sample, unit: Unit) -> int:
    """How many units there are; at least one."""
    return int(numbers(sample, unit).max()) + 1


def largest(ref: Sample, new: Sample) -> Unit:
    """The first of days, runs and tracks of which each sample has `FEWEST`; tracks if it has so many of none."""
    for unit in Unit:
        if min(count(ref, unit), count(new, unit)) >= FEWEST:
            return unit
    return Unit.TRACK


def summed(values: Doubles, of: NDArray[np.int64]) -> Doubles:
    """Sums (units, columns) of what tracks (t, columns) add up to, each in the unit that `of` (t,) tells."""
    totals = np.zeros((int(of.max()) + 1, values.shape[1]))
    np.add.at(totals, of, values)
    return totals


def drawn(units: Doubles, rng: np.random.Generator) -> Doubles:
    """Totals (DRAWS, columns) of as many units, drawn with replacement."""
    number = len(units)
    totals = []
    for size in chunks(DRAWS, number):
        chosen = rng.integers(0, number, (size, number)) + number * np.arange(size)[:, None]
        totals.append(np.bincount(chosen.ravel(), minlength=size * number).reshape(size, number) @ units)
    return np.concatenate(totals)


def dealt(ref: Doubles, new: Doubles, deals: int, rng: np.random.Generator) -> Iterator[tuple[Doubles, Doubles]]:
    """Totals (some, columns) of both sides once units are dealt out anew, as many to each as it has; `deals` in all."""
    units = np.concatenate([ref, new])
    total = units.sum(0)
    hand = np.arange(len(units)) < len(ref)
    for size in chunks(deals, len(units)):
        one = rng.permuted(np.tile(hand, (size, 1)), axis=1).astype(np.float64) @ units
        yield one, total - one


def chunks(draws: int, number: int) -> Iterator[int]:
    """Draws that are made at a time."""
    size = max(1, ROOM // number)
    for begin in range(0, draws, size):
        yield min(size, draws - begin)
