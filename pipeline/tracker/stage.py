"""The tracker as a stage of the pipeline: frames in, the faces of each frame out."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from pipeline.messages import Bytes, End, Faces, Floats, Frame
from pipeline.settings import TrackerSettings
from pipeline.state import pack, unpack
from pipeline.tally import Count, Tally
from pipeline.tracker.align import crops, placements, scales
from pipeline.tracker.cuts import is_cut, thumbnail
from pipeline.tracker.detector import Detections, Detector
from pipeline.tracker.pose import angles
from pipeline.tracker.quality import quality
from pipeline.tracker.tracker import Following, Seen, Tracker

VERSION: Final = 1
"""Of the layout of the state: to be raised with every change to ``_Memory`` or to what is in it."""

TOO_SMALL: Final = 0.75
"""Faces lower than this share of ``min_face`` are not followed."""


class TrackerStage:
    """Finds and follows the faces of any number of sources, whose frames may interleave.

    ``threshold``: lowest score of a sure detection. ``template``: (5, 2) where the landmarks belong in a crop of
    ``size`` px (see the emotion network's card).
    """

    def __init__(
        self,
        detector: Detector,
        settings: TrackerSettings,
        threshold: float,
        template: Floats,
        size: int,
        tally: Tally,
    ) -> None:
        self._detector = detector
        self._settings = settings
        self._threshold = threshold
        self._template = template
        self._size = size
        self._tally = tally
        self._runs: dict[tuple[str, str], _Run] = {}

    def process(self, inputs: Sequence[Frame | End]) -> list[Faces | End]:
        """Return one ``Faces`` per frame, and every ``End``, in the order of the inputs."""
        return [self._frame(message) if isinstance(message, Frame) else self._end(message) for message in inputs]

    def state(self) -> bytes:
        """Return what is remembered of all runs: about 1 kB for each of their tracks that have not ended."""
        runs = [
            _Memory(source, run, known.tracker.state(), known.given, known.last)
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
            run.given, run.last = memory.given, memory.last

    def _begin(self) -> "_Run":
        return _Run(Tracker(self._settings, self._threshold))

    def _end(self, end: End) -> End:
        self._runs.pop((end.source, end.run), None)
        return end

    def _frame(self, frame: Frame) -> Faces:
        stamp = frame.stamp
        key = (stamp.source, stamp.run)
        if key not in self._runs:
            self._runs[key] = self._begin()
        run = self._runs[key]
        found = self._displayed(frame, self._detector(frame.image))
        seen = run.tracker.step(stamp.pts, found, pixel=frame.height / len(frame.image), cut=run.is_new_scene(frame))
        faces = self._describe(frame, seen, run)
        self._tally.add(stamp.source, Count.FACES, len(faces.tracks))
        return faces

    def _displayed(self, frame: Frame, found: Detections) -> Detections:
        """Bring detections to px of the displayed frame and leave out faces too small to be wanted."""
        rows, columns = frame.image.shape[:2]
        scale = np.array([frame.width / columns, frame.height / rows], np.float32)
        boxes = found.boxes * np.tile(scale, 2)
        large = boxes[:, 3] >= TOO_SMALL * frame.min_face
        return Detections(boxes[large], found.landmarks[large] * scale, found.scores[large])

    def _describe(self, frame: Frame, seen: Seen, run: "_Run") -> Faces:
        shown = (frame.width, frame.height)
        placed = placements(seen.landmarks, seen.boxes, self._template, self._size)
        cut = crops(frame.luma, shown, placed, self._size, full_range=frame.full_range)
        pose = angles(seen.landmarks)
        worth = quality(scales(placed) * self._size, cut, pose=pose, scores=seen.scores, boxes=seen.boxes, shown=shown)
        good = worth >= self._settings.min_quality
        numbers = [number for number, kept in zip(seen.numbers, good, strict=True) if kept]
        ended = run.given.intersection(seen.ended)
        run.given = (run.given - ended).union(numbers)
        return Faces(
            stamp=frame.stamp,
            tracks=tuple(f"{frame.stamp.run}-{number}" for number in numbers),
            boxes=_within(seen.boxes[good], shown),
            landmarks=seen.landmarks[good],
            scores=seen.scores[good],
            quality=worth[good],
            pose=pose[good],
            crops=cut[good],
            ended=tuple(f"{frame.stamp.run}-{number}" for number in sorted(ended)),
        )


class _Run:
    """What is remembered of one run."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.given: set[int] = set()
        """Numbers of the tracks that gave a row and have not ended: nobody is told of the end of others."""
        self.last: tuple[Bytes, float] | None = None
        """Thumbnail and media time, s, of the latest frame."""

    def is_new_scene(self, frame: Frame) -> bool:
        """Compare with the frame before."""
        before, self.last = self.last, (thumbnail(frame.image), frame.stamp.pts)
        return before is not None and is_cut(before[0], self.last[0], self.last[1] - before[1])


class _Memory(msgspec.Struct):
    """One run, as stored; see ``_Run``."""

    source: str
    run: str
    following: Following
    given: set[int]
    last: tuple[Bytes, float] | None


def _within(boxes: Floats, shown: tuple[int, int]) -> Floats:
    """Clip boxes to the frame."""
    far = np.array(shown, np.float32)
    near = np.clip(boxes[:, :2], 0, far)
    return np.concatenate([near, np.clip(boxes[:, :2] + boxes[:, 2:], 0, far) - near], 1)
