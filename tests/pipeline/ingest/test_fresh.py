import threading
import time

import av
import pytest

from pipeline.ingest.fresh import FreshFrames, Waiting
from pipeline.ingest.picture import Pictures
from pipeline.messages import Clock, Stamp
from pipeline.settings import DetectorSettings


def waiting(number: int, age: float = 0.0) -> Waiting:
    """Return a frame that arrived ``age`` s ago."""
    stamp = Stamp("door", "run", number, number / 25, number * 40_000, Clock.ARRIVAL, number * 40_000)
    return Waiting(av.VideoFrame(16, 16), Pictures(DetectorSettings(), 1.0), stamp, time.monotonic() - age)


class Buffer:
    """Fresh frames, how many were dropped, and the numbers of those that are taken."""

    def __init__(self, staleness: float = 60.0) -> None:
        self.dropped = 0
        self.frames = FreshFrames(staleness, self._drop)

    def _drop(self) -> None:
        self.dropped += 1

    def taken(self) -> list[int]:
        """Take all until the end."""
        return [item.stamp.frame for item in iter(self.frames.take, None)]


def test_frames_are_taken_in_order_to_the_last() -> None:
    buffer = Buffer()
    for number in range(5):
        buffer.frames.offer(waiting(number))
    buffer.frames.finish()
    assert (buffer.taken(), buffer.dropped) == ([0, 1, 2, 3, 4], 0)


def test_stale_frames_are_dropped_the_oldest_first() -> None:
    buffer = Buffer()
    for number, age in enumerate((300, 120, 61, 30, 0)):
        buffer.frames.offer(waiting(number, age))
    buffer.frames.finish()
    assert (buffer.taken(), buffer.dropped) == ([3, 4], 3)


def test_frames_become_stale_while_nobody_takes_them() -> None:
    buffer = Buffer(staleness=0.05)
    buffer.frames.offer(waiting(0))
    time.sleep(0.2)
    buffer.frames.finish()
    assert (buffer.taken(), buffer.dropped) == ([], 1)


def test_what_ended_it_is_known_behind_the_last_frame() -> None:
    buffer = Buffer()
    buffer.frames.offer(waiting(0))
    error = OSError("the cable")
    buffer.frames.finish(error)
    assert buffer.taken() == [0]
    assert buffer.frames.failure is error


@pytest.mark.parametrize("how", ["offer", "finish", "stop"])
def test_whoever_waits_is_told(how: str) -> None:
    buffer = Buffer()
    taken: list[Waiting | None] = []
    thread = threading.Thread(target=lambda: taken.append(buffer.frames.take()))
    thread.start()
    item = waiting(7)
    if how == "offer":
        buffer.frames.offer(item)
    else:
        getattr(buffer.frames, how)()
    thread.join(10)
    assert taken == [item if how == "offer" else None]


def test_a_stop_leaves_even_fresh_frames() -> None:
    buffer = Buffer()
    buffer.frames.offer(waiting(0))
    buffer.frames.stop()
    assert (buffer.taken(), buffer.dropped) == ([], 0)
