"""The sink stage: distributions in, final rows, events and track summaries out, in order of frame."""

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final

import msgspec
from msgspec.structs import replace

from pipeline.errors import StateError
from pipeline.messages import Emotion, End, Event, Results, Scores, Track
from pipeline.settings import SmootherSettings
from pipeline.sink.filter import Step
from pipeline.sink.record import Summary, emotion
from pipeline.sink.smoother import Smoothed, Smoother
from pipeline.state import WAY_OUT, pack, unpack
from pipeline.tally import Count, Tally

REPLAY_LAG: Final = 2.0
"""s of future that smoothing uses for files unless set: six time constants, after which more changes nothing."""

VERSION: Final = 2
"""Of the layout of the state: to be raised with every change to ``_Memory`` or to what is in it."""


class SinkStage:
    """Smooths the tracks of any number of sources.

    Each ``Results`` belongs to one frame, which was that of its rows, or at which its endings became known; frames
    with neither give none. A frame comes out once its own values and all earlier ones of the run are final.

    Args:
        settings: of the smoothing.
        lag: s of future that a smoothed value may use; 0 gives every row with the frame that it belongs to. None: 0 for
            live sources, ``REPLAY_LAG`` for files.
        tally: counts the tracks that ended.
    """

    def __init__(self, settings: SmootherSettings, lag: float | None, tally: Tally) -> None:
        self._settings = settings
        self._lag = lag
        self._tally = tally
        self._runs: dict[tuple[str, str], _Run] = {}

    def process(self, inputs: Sequence[Scores | End]) -> list[Results]:
        """Return what became final through ``inputs``; a run is forgotten at its ``End``.

        A file that was not read to its end gives neither the rows that are not final yet nor the tracks that are
        still open: reading it again gives them their proper values. A live source has no second time: all that it
        showed comes out.
        """
        outputs: list[Results] = []
        for message in inputs:
            if isinstance(message, End):
                run = self._runs.pop((message.source, message.run), None)
                results = [Results(ends=(message,))] if run is None else run.end(message)
            else:
                stamp = message.faces.stamp
                key = (stamp.source, stamp.run)
                run = self._runs.get(key)
                if run is None:
                    run = self._runs[key] = self._run(stamp.clock.repeatable)
                results = run.add(message)
            outputs += results
        for result in outputs:  # now: a step that fails is repeated
            if result.tracks:
                self._tally.add(result.tracks[0].source, Count.TRACKS, len(result.tracks))
        return outputs

    def state(self) -> bytes:
        """Return what is remembered of all runs: about 1 kB for each open track, 150 bytes for each row held back."""
        runs = [run.memory(*key) for key, run in self._runs.items()]
        return pack("sink", VERSION, _Memory(self._lag, runs))

    def restore(self, state: bytes) -> None:
        """Go on from the ``state`` of a stage of the same settings; raises ``StateError``, also for another lag."""
        memory = unpack(state, "sink", VERSION, _Memory)
        if memory.lag != self._lag:
            raise StateError(
                f"the stored state of the sink is of smoother.lag = {memory.lag}, not {self._lag}; go on with the"
                f" settings that it was stored with, or {WAY_OUT}"
            )
        self._runs = {}
        for each in memory.runs:
            run = self._runs[each.source, each.run] = self._run(each.repeatable)
            run.restore(each)

    def _run(self, repeatable: bool) -> "_Run":
        lag = self._lag
        if lag is None:
            lag = REPLAY_LAG if repeatable else 0.0
        return _Run(self._settings, lag, repeatable)


class _TrackMemory(msgspec.Struct, array_like=True):
    """One open track, as stored; see ``_Open``."""

    oldest: Step | None
    summary: Summary | None


class _FrameMemory(msgspec.Struct, array_like=True):
    """One held frame, as stored; see ``_Held``."""

    scores: Scores
    smoothed: list[Smoothed | None]


class _RunMemory(msgspec.Struct, array_like=True):
    """One run, as stored; see ``_Run``."""

    source: str
    run: str
    repeatable: bool
    next: int
    tracks: dict[str, _TrackMemory]
    frames: list[_FrameMemory]


class _Memory(msgspec.Struct, array_like=True):
    """All that is stored."""

    lag: float | None
    runs: list[_RunMemory]


class _Held:
    """A frame whose values are not all final."""

    __slots__ = ("missing", "raw", "scores", "smoothed")

    def __init__(self, scores: Scores, smoothed: list[Smoothed | None] | None = None) -> None:
        self.scores = scores
        self.raw: list[list[float]] = scores.probabilities.tolist()
        self.smoothed: list[Smoothed | None] = [None] * len(self.raw) if smoothed is None else smoothed
        self.missing = self.smoothed.count(None)

    def observation(self, face: int) -> tuple[float, list[float], float]:
        """Return what a smoother observes of one face: media time, raw distribution, quality."""
        faces = self.scores.faces
        return faces.stamp.pts, self.raw[face], float(faces.quality[face])

    def memory(self) -> _FrameMemory:
        # Rows have no landmarks.
        faces = self.scores.faces
        slim = replace(faces, landmarks=faces.landmarks[:0], crops=faces.crops[:0])
        return _FrameMemory(replace(self.scores, faces=slim), self.smoothed)


class _Open:
    """A track that has not ended."""

    __slots__ = ("smoother", "summary", "waiting")

    def __init__(self, smoother: Smoother) -> None:
        self.smoother = smoother
        self.summary: Summary | None = None
        self.waiting: deque[tuple[_Held, int]] = deque()
        """Frame, and index of the face in it, of each value that is not final."""

    def settle(self, values: Sequence[Smoothed]) -> None:
        """Put final values where they belong."""
        for value in values:
            held, face = self.waiting.popleft()
            held.smoothed[face] = value
            held.missing -= 1


class _Run:
    """The state of one run of one source."""

    def __init__(self, settings: SmootherSettings, lag: float, repeatable: bool) -> None:
        """``repeatable``: see ``Clock``."""
        self._settings = settings
        self._lag = lag
        self._tracks: dict[str, _Open] = {}
        self._frames: deque[_Held] = deque()
        self._repeatable = repeatable
        self._next = 0
        """Number after that of the newest frame."""

    def add(self, scores: Scores) -> list[Results]:
        faces = scores.faces
        stamp = faces.stamp
        self._next = stamp.frame + 1
        held = _Held(scores)
        for face, track in enumerate(faces.tracks):
            known = self._tracks.get(track)
            if known is None:
                known = self._tracks[track] = _Open(Smoother(self._settings, self._lag))
            known.waiting.append((held, face))
            known.settle(known.smoother.observe(*held.observation(face)))
        for track in faces.ended:
            known = self._tracks.get(track)
            if known is not None:
                known.settle(known.smoother.finish())
        if faces.tracks or faces.ended:
            self._frames.append(held)
        self._settle_lost(stamp.pts)
        return self._ready()

    def end(self, end: End) -> list[Results]:
        """Return what is left, and the end itself."""
        if self._repeatable and not end.complete:
            return [Results(ends=(end,))]
        for known in self._tracks.values():
            known.settle(known.smoother.finish())
        results = self._ready()
        events, tracks = self._endings(tuple(self._tracks), self._next)
        return [*results, Results(events=tuple(events), tracks=tuple(tracks), ends=(end,))]

    def memory(self, source: str, run: str) -> _RunMemory:
        tracks = {name: _TrackMemory(known.smoother.oldest, known.summary) for name, known in self._tracks.items()}
        return _RunMemory(source, run, self._repeatable, self._next, tracks, [held.memory() for held in self._frames])

    def restore(self, memory: _RunMemory) -> None:
        self._next = memory.next
        for name, each in memory.tracks.items():
            known = self._tracks[name] = _Open(Smoother(self._settings, self._lag))
            known.summary = each.summary
        for frame in memory.frames:
            held = _Held(frame.scores, frame.smoothed)
            self._frames.append(held)
            for face, track in enumerate(held.scores.faces.tracks):
                if held.smoothed[face] is None:
                    self._tracks[track].waiting.append((held, face))
        for name, known in self._tracks.items():
            oldest = memory.tracks[name].oldest
            if oldest is not None:
                later = islice(known.waiting, 1, None)
                known.smoother.restore(oldest, (held.observation(face) for held, face in later))

    def _settle_lost(self, pts: float) -> None:
        """Do not let a face that is out of sight hold up the others for longer than its smoother would remember it."""
        if not self._frames:
            return
        held = self._frames[0]
        for face, track in enumerate(held.scores.faces.tracks):
            if held.smoothed[face] is None:
                known = self._tracks[track]
                if known.smoother.lost(pts):
                    known.settle(known.smoother.finish())

    def _ready(self) -> list[Results]:
        results: list[Results] = []
        while self._frames and not self._frames[0].missing:
            held = self._frames.popleft()
            faces = held.scores.faces
            events, tracks = self._endings(faces.ended, faces.stamp.frame)
            rows = []
            for face, smoothed in enumerate(held.smoothed):
                assert smoothed is not None
                row = emotion(faces, face, tuple(held.raw[face]), smoothed, held.scores.model)
                rows.append(row)
                event = self._summarise(row)
                if event is not None:
                    events.append(event)
            if rows or tracks:
                results.append(Results(tuple(rows), tuple(events), tuple(tracks)))
        return results

    def _summarise(self, row: Emotion) -> Event | None:
        known = self._tracks[row.track]
        if known.summary is None:
            known.summary = Summary.of(row, self._settings.gap)
            return known.summary.begin()
        return known.summary.add(row)

    def _endings(self, names: Sequence[str], settled: int) -> tuple[list[Event], list[Track]]:
        events: list[Event] = []
        tracks: list[Track] = []
        for name in names:
            known = self._tracks.pop(name, None)
            if known is not None and known.summary is not None:
                event, track = known.summary.end(settled)
                events.append(event)
                tracks.append(track)
        return events, tracks
