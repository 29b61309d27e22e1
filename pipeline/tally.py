"""Counts of what happened to each source, kept by every stage and shown to the user."""

import threading
from collections import Counter
from enum import StrEnum


class Count(StrEnum):
    """What is counted."""

    FRAMES = "frames"
    """Frames decoded."""
    SAMPLED = "sampled"
    """Frames passed on to the tracker."""
    STALE = "dropped: stale"
    """Live frames dropped because they waited longer than the staleness budget."""
    CORRUPT = "dropped: corrupt"
    """Packets or frames that could not be decoded."""
    RECONNECTS = "reconnects"
    """Times a live source was opened anew."""
    FACES = "faces"
    """Faces seen, summed over frames."""
    TRACKS = "tracks"
    """Tracks ended."""
    POISON = "dropped: poison"
    """Frames, or messages between workers, that were left out because no stage could work on them."""
    UNPUBLISHED = "dropped: redis away"
    """Records not published because Redis was away for longer than the buffer holds."""


class Tally:
    """Thread-safe counters by source.

    >>> tally = Tally()
    >>> tally.add("door", Count.FRAMES, 2)
    >>> tally.of("door")[Count.FRAMES], tally.of("door")[Count.STALE]
    (2, 0)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[Count]] = {}

    def add(self, source: str, what: Count, number: int = 1) -> None:
        """Count ``number`` more of ``what`` for ``source``."""
        with self._lock:
            self._counts.setdefault(source, Counter())[what] += number

    def take(self) -> dict[str, Counter[Count]]:
        """Return all counts by source and begin anew at 0."""
        with self._lock:
            counts, self._counts = self._counts, {}
        return counts

    def of(self, source: str) -> Counter[Count]:
        """Return a copy of one source's counts; what was never counted reads 0."""
        with self._lock:
            return Counter(self._counts.get(source, ()))
