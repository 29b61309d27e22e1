"""Follows the faces of one run: that part of tracking which must see the frames in order, and takes little time."""

from typing import Final

import msgspec
import numpy as np
from msgspec.structs import replace

from pipeline.messages import Bytes, Faces
from pipeline.tracker.cuts import is_cut
from pipeline.tracker.finder import Sighting
from pipeline.tracker.tracker import BRIDGE, Seen, Tracker, TrackerMemory

LAYOUT: Final = 4
"""Version of what is stored of a follower: to be raised with every change to ``FollowerMemory`` or to what is in it."""


class FollowerMemory(msgspec.Struct, eq=False):
    """All that a follower remembers."""

    following: TrackerMemory
    given: set[int] = set()
    """Numbers of the tracks that gave a row and have not ended: only their endings are reported."""
    last: tuple[Bytes, float] | None = None
    """Thumbnail and media time, s, of the latest frame."""
    unsearched: int = 0
    """Frames since the last one that was searched for faces."""


class Follower:
    """Follows the faces of one run, and decides which of them give a row.

    ``tracker``: a new one. ``min_quality``: faces below it give no row. ``every``: frames from one that is searched for
    faces to the next.
    """

    def __init__(self, tracker: Tracker, min_quality: float = 0.0, every: int = 1) -> None:
        self._tracker = tracker
        self.memory = FollowerMemory(tracker.memory)
        """Changed in place by every frame."""
        self._every = every
        self._min_quality = min_quality

    def restore(self, memory: FollowerMemory) -> None:
        """Go on from the ``memory`` of a follower of the same settings."""
        self.memory, self._tracker.memory = memory, memory.following

    def is_due(self, glimpse: Sighting) -> bool:
        """Return whether the next frame must be searched for faces: by count, by time, or because the scene is new.

        By time: the last search was too long ago for its faces to be carried on.
        """
        searched = self.memory.following.searched
        late = searched is None or glimpse.pts - searched > BRIDGE
        return late or self.memory.unsearched + 1 >= self._every or self._is_cut(glimpse)

    def follow(self, sighting: Sighting) -> Seen:
        """Take in the next frame."""
        if sighting.found is None:
            self.memory.unsearched += 1
            seen = self._tracker.carry(sighting.pts)
        else:
            self.memory.unsearched = 0
            cut = self._is_cut(sighting)
            seen = self._tracker.step(sighting.pts, sighting.found, sighting.appearances, pixel=sighting.pixel, cut=cut)
        self.memory.last = (sighting.thumbnail, sighting.pts)
        return seen

    def _is_cut(self, sighting: Sighting) -> bool:
        """Compare a frame with the one before."""
        last = self.memory.last
        return last is not None and is_cut(last[0], sighting.thumbnail, sighting.pts - last[1])

    def give(self, seen: Seen, faces: Faces) -> Faces:
        """Drop low-quality faces; report an ending only for tracks that ever gave a row.

        ``faces`` describe ``seen``, in that order; their tracks and endings are named here.
        """
        good = self.good(faces)
        ended = self.memory.given.intersection(seen.ended)
        numbers = [number for number, kept in zip(seen.numbers, good, strict=True) if kept]
        self.memory.given = (self.memory.given - ended).union(numbers)
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
