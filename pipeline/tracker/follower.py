"""Following through one run: what must be done frame by frame, in order, and takes little time."""

from collections.abc import Callable

import msgspec
import numpy as np
from msgspec.structs import replace

from pipeline.messages import Bytes, Faces
from pipeline.tracker.cuts import is_cut
from pipeline.tracker.finder import Sighting
from pipeline.tracker.tracker import BRIDGE, Following, Seen, Tracker


class Memory(msgspec.Struct, eq=False):
    """All that a follower remembers."""

    following: Following
    given: set[int]
    """Numbers of the tracks that gave a row and have not ended: nobody is told of the end of others."""
    last: tuple[Bytes, float] | None
    """Thumbnail and media time, s, of the latest frame."""
    unsearched: int
    """Frames since the last one that was searched for faces."""


class Follower:
    """Follows the faces of one run, and says whose rows are given.

    ``tracker``: a new one. ``min_quality``: faces below it give no row. ``every``: frames from one that is searched for
    faces to the next.
    """

    def __init__(self, tracker: Tracker, min_quality: float = 0.0, every: int = 1) -> None:
        self._tracker = tracker
        self.given: set[int] = set()
        """See ``Memory``."""
        self._last: tuple[Bytes, float] | None = None
        self._unsearched = 0
        self._every = every
        self._min_quality = min_quality

    def state(self) -> Memory:
        """Return what is remembered, without a copy: the next frame changes it."""
        return Memory(self._tracker.state(), self.given, self._last, self._unsearched)

    def restore(self, state: Memory) -> None:
        """Go on from the ``state`` of a follower of the same settings."""
        self._tracker.restore(state.following)
        self.given, self._last, self._unsearched = state.given, state.last, state.unsearched

    def observe(self, pts: float, glance: Callable[[], Sighting], search: Callable[[], Sighting]) -> Sighting:
        """Observe the next frame, which is searched for faces if it is its turn.

        It also is if the last search was too long ago for faces to be carried on, and if it shows another scene.

        ``pts``: media time, s. ``glance`` and ``search``: look at the frame without searching it, and with.
        """
        searched = self._tracker.searched
        if self._unsearched + 1 >= self._every or searched is None or pts - searched > BRIDGE:
            return search()
        glimpse = glance()
        return search() if self._is_cut(glimpse) else glimpse

    def follow(self, sighting: Sighting) -> Seen:
        """Take in the next frame."""
        if sighting.found is None:
            self._unsearched += 1
            seen = self._tracker.carry(sighting.pts)
        else:
            self._unsearched = 0
            cut = self._is_cut(sighting)
            seen = self._tracker.step(sighting.pts, sighting.found, sighting.appearances, pixel=sighting.pixel, cut=cut)
        self._last = (sighting.thumbnail, sighting.pts)
        return seen

    def _is_cut(self, sighting: Sighting) -> bool:
        """Compare a frame with the one before."""
        return self._last is not None and is_cut(self._last[0], sighting.thumbnail, sighting.pts - self._last[1])

    def give(self, seen: Seen, faces: Faces) -> Faces:
        """Return ``faces``, which describe ``seen``, less those of low quality and the endings of what gave no row."""
        good = self.good(faces)
        ended = self.given.intersection(seen.ended)
        numbers = [number for number, kept in zip(seen.numbers, good, strict=True) if kept]
        self.given = (self.given - ended).union(numbers)
        return replace(
            faces,
            tracks=tuple(f"{faces.stamp.run}-{number}" for number in numbers),
            boxes=faces.boxes[good],
            landmarks=faces.landmarks[good],
            scores=faces.scores[good],
            quality=faces.quality[good],
            pose=faces.pose[good],
            crops=faces.crops[good[: len(faces.crops)]],
            ended=tuple(f"{faces.stamp.run}-{number}" for number in sorted(ended)),
        )

    def good(self, faces: Faces) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return which of n faces are good enough for a row, (n,)."""
        return np.asarray(faces.quality >= self._min_quality)
