"""The tracker as a stage of the pipeline: frames in, the faces of each frame out."""

from collections.abc import Sequence
from typing import Final

import msgspec

from pipeline.messages import Bytes, End, Faces, Floats, Frame
from pipeline.settings import TrackerSettings
from pipeline.state import pack, unpack
from pipeline.tally import Count, Tally
from pipeline.tracker.describer import Describer
from pipeline.tracker.detector import Detector
from pipeline.tracker.finder import Finder
from pipeline.tracker.follower import Follower
from pipeline.tracker.tracker import Following

VERSION: Final = 3
"""Of the layout of the state: to be raised with every change to ``_Memory`` or to what is in it."""


class TrackerStage:
    """Finds and follows the faces of any number of sources, whose frames may interleave.

    ``threshold``: lowest score of a sure detection. ``template``: (5, 2) where the landmarks belong in a crop of
    ``size`` px (see the emotion network's card). ``every``: frames from one that is searched for faces to the next.
    """

    def __init__(
        self,
        detector: Detector,
        settings: TrackerSettings,
        threshold: float,
        template: Floats,
        size: int,
        tally: Tally,
        every: int = 1,
    ) -> None:
        self._find = Finder(detector)
        self._describe = Describer(template, size)
        self._settings = settings
        self._threshold = threshold
        self._every = every
        self._tally = tally
        self._runs: dict[tuple[str, str], Follower] = {}

    def process(self, inputs: Sequence[Frame | End]) -> list[Faces | End]:
        """Return one ``Faces`` per frame, and every ``End``, in the order of the inputs."""
        return [self._frame(message) if isinstance(message, Frame) else self._end(message) for message in inputs]

    def state(self) -> bytes:
        """Return what is remembered of all runs: 2 kB each, and 1.2 kB for each of their tracks that have not ended."""
        runs = [
            _Memory(source, run, known.tracker.state(), known.given, known.last, known.unsearched)
            for (source, run), known in self._runs.items()
        ]
        return pack("tracker", VERSION, runs)

    def restore(self, state: bytes) -> None:
        """Go on from the ``state`` of a stage of the same settings; raises ``StateError``."""
        memories = unpack(state, "tracker", VERSION, list[_Memory])
        self._runs = {}
        for memory in memories:
            run = self._runs[memory.source, memory.run] = self._begin()
            run.tracker.restore(memory.following)
            run.given, run.last, run.unsearched = memory.given, memory.last, memory.unsearched

    def _begin(self) -> Follower:
        return Follower(self._settings, self._threshold, self._every)

    def _end(self, end: End) -> End:
        self._runs.pop((end.source, end.run), None)
        return end

    def _frame(self, frame: Frame) -> Faces:
        stamp = frame.stamp
        key = (stamp.source, stamp.run)
        if key not in self._runs:
            self._runs[key] = self._begin()
        run = self._runs[key]
        sighting = run.look(stamp.pts, lambda: self._find.glance(frame), lambda: self._find(frame))
        seen = run.follow(sighting)
        faces = run.give(seen, self._describe(frame, seen))
        self._tally.add(stamp.source, Count.FACES, len(faces.tracks))
        return faces


class _Memory(msgspec.Struct):
    """One run, as stored; see ``Follower``."""

    source: str
    run: str
    following: Following
    given: set[int]
    last: tuple[Bytes, float] | None
    unsearched: int
