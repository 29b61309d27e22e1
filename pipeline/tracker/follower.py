"""Following through one run: what must be done frame by frame, in order, and takes little time."""

import numpy as np
from msgspec.structs import replace

from pipeline.messages import Bytes, Faces
from pipeline.settings import TrackerSettings
from pipeline.tracker.cuts import is_cut
from pipeline.tracker.finder import Sighting
from pipeline.tracker.tracker import Seen, Tracker


class Follower:
    """Follows the faces of one run, and says whose rows are given.

    ``threshold``: lowest score of a detection that may begin a track.
    """

    def __init__(self, settings: TrackerSettings, threshold: float) -> None:
        self.tracker = Tracker(settings, threshold)
        self.given: set[int] = set()
        """Numbers of the tracks that gave a row and have not ended: nobody is told of the end of others."""
        self.last: tuple[Bytes, float] | None = None
        """Thumbnail and media time, s, of the latest frame."""
        self._least = settings.min_quality

    def follow(self, sighting: Sighting) -> Seen:
        """Take in the next frame."""
        before, self.last = self.last, (sighting.thumbnail, sighting.pts)
        cut = before is not None and is_cut(before[0], sighting.thumbnail, sighting.pts - before[1])
        return self.tracker.step(sighting.pts, sighting.found, pixel=sighting.pixel, cut=cut)

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
