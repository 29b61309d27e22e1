"""How long results take: from the decoded frame to the committed row."""

import statistics
import threading
import time
from collections import deque
from typing import NamedTuple

from pipeline.messages import Stamp

WINDOW = 1000
"""Frames of each source that the figures speak of."""


class Delay(NamedTuple):
    """Latency of a source's last frames, s."""

    median: float
    worst: float


class Latency:
    """Thread-safe record of the latest latencies by source."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[str, deque[float]] = {}

    def note(self, stamp: Stamp) -> None:
        """Record that the rows of a frame were committed just now."""
        seconds = time.time_ns() / 1e9 - stamp.arrived / 1e6
        with self._lock:
            self._seconds.setdefault(stamp.source, deque(maxlen=WINDOW)).append(seconds)

    def of(self, source: str) -> Delay | None:
        """Return the figures of one source; None before its first frame."""
        with self._lock:
            seconds = list(self._seconds.get(source, ()))
        return Delay(statistics.median(seconds), max(seconds)) if seconds else None
