"""How long calls take on one core, in turns so that all meet the same load."""

import time
from collections.abc import Callable, Sequence
from math import inf
from typing import NamedTuple

import numpy as np

WARM = 20
"""Rounds before the first that is timed."""


class Timing(NamedTuple):
    """Time of a call, ms."""

    median: float
    fastest: float
    calls: int
    """How many were timed."""

    def per(self, count: int) -> "Timing":
        """The time of each of so many things that a call works on."""
        return self._replace(median=self.median / count, fastest=self.fastest / count)


def beside(calls: Sequence[Callable[[], object]], *, seconds: float = inf, rounds: float = inf) -> list[Timing]:
    """Times calls in rounds of one each, for so many seconds per call or so many rounds, whichever end first, but once.

    It is the time that the calling thread had a processor, which on one thread is all that a call takes on a core of
    its own.
    """
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(WARM):
        for call in calls:
            call()
    end = time.perf_counter() + seconds * len(calls)
    while not times[0] or (len(times[0]) < rounds and time.perf_counter() < end):
        for spent, call in zip(times, calls, strict=True):
            begin = time.thread_time()
            call()
            spent.append((time.thread_time() - begin) * 1e3)
    return [Timing(float(np.median(spent)), min(spent), len(spent)) for spent in times]
