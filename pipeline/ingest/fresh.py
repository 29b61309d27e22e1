"""Hands frames from the thread that decodes them to the one that looks at them, and none that waited for too long."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import av

from pipeline.ingest.picture import Pictures
from pipeline.messages import Stamp


class Waiting(NamedTuple):
    """A decoded frame that nobody has looked at yet."""

    frame: av.VideoFrame
    pictures: Pictures
    stamp: Stamp
    arrived: float
    """Reading of the monotonic clock, s."""


class FreshFrames:
    """A buffer of at most ``staleness`` s of frames; all methods may be called from any thread.

    Attributes:
        failure: why no more frames come, where that is an error.
    """

    def __init__(self, staleness: float, dropped: Callable[[], None]) -> None:
        """``dropped`` is called for every frame that was not taken in time."""
        self.failure: Exception | None = None
        self._staleness = staleness
        self._dropped = dropped
        self._waiting: deque[Waiting] = deque()
        self._finished = self._stopped = False
        self._changed = threading.Condition()

    def offer(self, waiting: Waiting) -> None:
        """Add the latest frame."""
        with self._changed:
            self._waiting.append(waiting)
            self._drop_stale()
            self._changed.notify_all()

    def take(self) -> Waiting | None:
        """Wait for the oldest frame that is still fresh; None at the end."""
        with self._changed:
            while True:
                self._drop_stale()
                if self._stopped:
                    return None
                if self._waiting:
                    return self._waiting.popleft()
                if self._finished:
                    return None
                self._changed.wait()

    def finish(self, failure: Exception | None = None) -> None:
        """Let it end behind the frames that it holds: no more will be offered."""
        with self._changed:
            self._finished, self.failure = True, failure
            self._changed.notify_all()

    def stop(self) -> None:
        """Let it end at once."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _drop_stale(self) -> None:
        oldest = time.monotonic() - self._staleness
        while self._waiting and self._waiting[0].arrived < oldest:
            self._waiting.popleft()
            self._dropped()
