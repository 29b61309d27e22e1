"""How long results take: from the decoded frame to the committed row."""

import statistics
import threading
import time
from bisect import bisect_left
from collections import deque
from typing import Final, NamedTuple

from pipeline.messages import Stamp

WINDOW: Final = 1000
"""Frames of each source that the median and the worst speak of."""

BOUNDS: Final = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0)
"""Upper bounds of the histogram's buckets, s; one more is without a bound."""


class Delay(NamedTuple):
    """Latency of a source, s."""

    median: float
    """Of the last ``WINDOW`` frames."""
    worst: float
    """Of the same."""
    total: float
    """Summed over all frames."""
    buckets: tuple[int, ...]
    """Frames by latency, all there were: at most each of ``BOUNDS``, and beyond."""


class _Record:
    """The latencies of one source."""

    def __init__(self) -> None:
        self.last: deque[float] = deque(maxlen=WINDOW)
        self.total = 0.0
        self.buckets = [0] * (len(BOUNDS) + 1)

    def note(self, seconds: float) -> None:
        self.last.append(seconds)
        self.total += seconds
        self.buckets[bisect_left(BOUNDS, seconds)] += 1


class Latency:
    """Thread-safe record of latencies by source."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: dict[str, _Record] = {}

    def note(self, stamp: Stamp) -> None:
        """Record that the rows of a frame were committed just now."""
        # A wall clock that is set back while a frame is under way must not make a negative sum.
        seconds = max(0.0, time.time_ns() / 1e9 - stamp.arrived / 1e6)
        with self._lock:
            self._records.setdefault(stamp.source, _Record()).note(seconds)

    def of(self, source: str) -> Delay | None:
        """Return the figures of one source; None before its first frame."""
        with self._lock:
            record = self._records.get(source)
            if record is None:
                return None
            last, total, buckets = list(record.last), record.total, tuple(record.buckets)
        return Delay(statistics.median(last), max(last), total, buckets)
