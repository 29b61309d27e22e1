"""The tracker as a stage of the pipeline: frames in, the faces of each frame out."""

from collections.abc import Sequence

from pipeline.messages import End, Faces, Floats, Frame
from pipeline.settings import TrackerSettings
from pipeline.state import pack, unpack
from pipeline.tally import Count, Tally
from pipeline.tracker.describer import Describer
from pipeline.tracker.detector import Detector
from pipeline.tracker.finder import Finder
from pipeline.tracker.follower import LAYOUT, Follower, FollowerMemory
from pipeline.tracker.tracker import Tracker


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
        outputs = [self._frame(message) if isinstance(message, Frame) else self._end(message) for message in inputs]
        for output in outputs:  # now: a step that fails is repeated
            if isinstance(output, Faces):
                self._tally.add(output.stamp.source, Count.FACES, len(output.tracks))
        return outputs

    def state(self) -> bytes:
        """Return what is remembered of all runs: 2 kB each, and 1.2 kB for each of their tracks that have not ended."""
        return pack("tracker", LAYOUT, [(*key, run.memory) for key, run in self._runs.items()])

    def restore(self, state: bytes) -> None:
        """Go on from the ``state`` of a stage of the same settings; raises ``StateError``."""
        memories = unpack(state, "tracker", LAYOUT, list[tuple[str, str, FollowerMemory]])
        self._runs = {}
        for source, run, memory in memories:
            follower = self._runs[source, run] = self._begin()
            follower.restore(memory)

    def _begin(self) -> Follower:
        return Follower(Tracker(self._settings, self._threshold), self._settings.min_quality, self._every)

    def _end(self, end: End) -> End:
        self._runs.pop((end.source, end.run), None)
        return end

    def _frame(self, frame: Frame) -> Faces:
        stamp = frame.stamp
        key = (stamp.source, stamp.run)
        if key not in self._runs:
            self._runs[key] = self._begin()
        run = self._runs[key]
        glimpse = self._find.glance(frame)
        sighting = self._find.search(frame, glimpse) if run.is_due(glimpse) else glimpse
        seen = run.follow(sighting)
        return run.give(seen, self._describe(frame, seen))
