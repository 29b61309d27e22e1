"""Puts the parts of a file together: what comes out is what one uninterrupted reading gives."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from pipeline.ingest.part import Part, Undivided
from pipeline.messages import Floats, Scores
from pipeline.state import pack, unpack
from pipeline.tracker.follower import Follower
from pipeline.tracker.tracker import Seen
from workers.replay.checkpoint import VERSION, Followed
from workers.replay.scan import Scan, ScannedFrame


class Joined(NamedTuple):
    """A part whose faces were followed."""

    first: int
    """Number of its first frame."""
    frames: list[tuple[int, Seen, Scores | None]]
    """Number, where the faces are, and their distributions if they are known already."""
    followed: bytes
    """What following remembered after it; see ``Followed``."""

    @property
    def again(self) -> dict[int, Seen]:
        """Frames that must be scanned again."""
        return {number: seen for number, seen, scores in self.frames if scores is None}


class Joiner:
    """Follows the faces of one run from part to part."""

    def __init__(self, follower: Follower) -> None:
        self.frames = 0
        """Decoded in all parts so far."""
        self._follower = follower
        self._last: int | None = None

    def follow(self, part: Part, scan: Scan) -> Joined:
        """Take in the next part; raises ``Undivided`` if it is not what comes next."""
        if part.before != self._last:
            raise Undivided("frames are not those that its packets promise")
        first = self.frames
        frames: list[tuple[int, Seen, Scores | None]] = []
        for frame in scan.frames:
            seen = self._follower.follow(frame.sighting)
            frames.append((first + frame.scores.faces.stamp.frame, seen, _reused(frame, seen)))
        self.frames += scan.decoded
        self._last = scan.last
        followed = pack("joiner", VERSION, Followed(self._follower.memory, self.frames, self._last))
        return Joined(first, frames, followed)

    def restore(self, followed: bytes, given: set[int]) -> int | None:
        """Go on after a part, ``given`` as it was when its rows were given; return that part's last time stamp.

        Raises ``StateError``.
        """
        known = unpack(followed, "joiner", VERSION, Followed)
        self._follower.restore(replace(known.memory, given=set(given)))
        self.frames, self._last = known.frames, known.before
        return self._last

    @property
    def given(self) -> set[int]:
        """See ``follower.FollowerMemory``."""
        return self._follower.memory.given

    def give(self, joined: Joined, again: Mapping[int, Scores]) -> Iterator[Scores]:
        """Return the rows of the next part that was followed, with what a second scan gave.

        Raises ``Undivided`` if that second scan did not see all.
        """
        for number, seen, known in joined.frames:
            scores = known or again.get(number)
            if scores is None:
                raise Undivided("frames differ from one reading to the next")
            faces = replace(scores.faces, stamp=replace(scores.faces.stamp, frame=number))
            good = self._follower.good(faces)
            yield Scores(self._follower.give(seen, faces), scores.probabilities[good], scores.model)


def _reused(frame: ScannedFrame, seen: Seen) -> Scores | None:
    """Return the distributions of the faces in ``seen`` if all of them were scanned just there.

    Equal boxes, landmarks and scores give equal crops, pose and quality, and so equal distributions.
    """
    places = {place: row for row, place in enumerate(_places(frame.seen))}
    rows = [places.get(place, -1) for place in _places(seen)]
    if -1 in rows:
        return None
    faces, index = frame.scores.faces, np.array(rows, np.intp)
    return Scores(
        faces=replace(
            faces,
            boxes=faces.boxes[index],
            landmarks=faces.landmarks[index],
            scores=faces.scores[index],
            quality=faces.quality[index],
            pose=faces.pose[index],
        ),
        probabilities=frame.scores.probabilities[index],
        model=frame.scores.model,
    )


def _places(seen: Seen) -> Iterator[bytes]:
    """Give, for each face, the bytes of all that its description depends on, beside the frame."""
    arrays: tuple[Floats, ...] = (seen.boxes, seen.landmarks, seen.scores)
    yield from (b"".join(array[row].tobytes() for array in arrays) for row in range(len(seen.numbers)))
