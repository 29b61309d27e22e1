"""Waits between attempts at what fails just now."""

from collections.abc import Iterator


def delays(first: float, longest: float) -> Iterator[float]:
    """Give waits without end, s: the first, each one after it twice as long, and none longer than the longest.

    >>> from itertools import islice
    >>> list(islice(delays(0.5, 3.0), 5))
    [0.5, 1.0, 2.0, 3.0, 3.0]
    """
    while True:
        yield first
        first = min(2 * first, longest)
