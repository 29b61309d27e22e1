"""Following through one run: what must be done frame by frame, in order, and takes little time."""

from collections.abc import Callable

import numpy as np
from msgspec.structs import replace

from pipeline.messages import Bytes, Faces
from pipeline.settings import TrackerSettings
from pipeline.tracker.cuts import is_cut
from pipeline.tracker.finder import Sighting
from pipeline.tracker.tracker import BRIDGE, Seen, Tracker


class Follower:
    """Follows the faces of one run, and says whose rows are given.

    ``threshold``: lowest score of a detection that may begin a track. ``every``: frames from one that is searched for
    faces to the next.
    """

    def __init__(self, settings: TrackerSettings, threshold: float, every: int = 1) -> None:
        self.tracker = Tracker(settings, threshold)
        self.given: set[int] = set()
        """Numbers of the tracks that gave a row and have not ended: nobody is told of the end of others."""
        self.last: tuple[Bytes, float] | None = None
        """Thumbnail and media time, s, of the latest frame."""
        self.unsearched = 0
        """Frames since the last one that was searched for faces."""
        self._every = every
        self._least = settings.min_quality

    def look(self, pts: float, glance: Callable[[], Sighting], search: Callable[[], Sighting]) -> Sighting:
        """Look at the next frame, which is searched for faces if it is its turn.

        It also is if the last search was too long ago for faces to be carried on, and if it shows another scene.

        ``pts``: media time, s. ``glance`` and ``search``: look at the frame without searching it, and with.
        """
        searched = self.tracker.searched
        if self.unsearched + 1 >= self._every or searched is None or pts - searched > BRIDGE:
            return search()
        glimpse = glance()
        return search() if self._is_cut(glimpse) else glimpse

    def follow(self, sighting: Sighting) -> Seen:
        """Take in the next frame."""
        if sighting.found is None:
            self.unsearched += 1
            seen = self.tracker.carry(sighting.pts)
        else:
            self.unsearched = 0
            cut = self._is_cut(sighting)
            seen = self.tracker.step(sighting.pts, sighting.found, sighting.looks, pixel=sighting.pixel, cut=cut)
        self.last = (sighting.thumbnail, sighting.pts)
        return seen

    def _is_cut(self, sighting: Sighting) -> bool:
        """Compare a frame with the one before."""
        return self.last is not None and is_cut(self.last[0], sighting.thumbnail, sighting.pts - self.last[1])

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
        return np.asarray(faces.quality >= self._least)
