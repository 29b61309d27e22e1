"""The sink stage: distributions in, final rows, events and track summaries out, in order of frame."""

from collections import deque
from collections.abc import Sequence

from pipeline.messages import Clock, Emotion, End, Event, Results, Scores, Track
from pipeline.settings import SmootherSettings
from pipeline.sink.record import Summary, emotion
from pipeline.sink.smoother import Smoothed, Smoother
from pipeline.tally import Count, Tally


class SinkStage:
    """Smooths the tracks of any number of sources.

    Each ``Results`` belongs to one frame, which was that of its rows, or at which its endings became known; frames
    with neither give none. A frame comes out once its own values and all earlier ones of the run are final.

    Args:
        settings: of the smoothing.
        lag: s of future that a smoothed value may use; 0 gives every row with the frame that it belongs to.
        tally: counts the tracks that ended.
    """

    def __init__(self, settings: SmootherSettings, lag: float, tally: Tally) -> None:
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
                    run = self._runs[key] = _Run(self._settings, self._lag)
                results = run.add(message)
            for result in results:
                if result.tracks:
                    self._tally.add(result.tracks[0].source, Count.TRACKS, len(result.tracks))
            outputs += results
        return outputs


class _Held:
    """A frame whose values are not all final."""

    __slots__ = ("missing", "raw", "scores", "smoothed")

    def __init__(self, scores: Scores) -> None:
        self.scores = scores
        self.raw: list[list[float]] = scores.probabilities.tolist()
        self.smoothed: list[Smoothed | None] = [None] * len(self.raw)
        self.missing = len(self.raw)


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

    def __init__(self, settings: SmootherSettings, lag: float) -> None:
        self._settings = settings
        self._lag = lag
        self._tracks: dict[str, _Open] = {}
        self._frames: deque[_Held] = deque()
        self._repeatable = True
        self._next = 0
        """Number after that of the newest frame."""

    def add(self, scores: Scores) -> list[Results]:
        faces = scores.faces
        stamp = faces.stamp
        self._repeatable = stamp.clock is Clock.FILE
        self._next = stamp.frame + 1
        held = _Held(scores)
        for face, track in enumerate(faces.tracks):
            known = self._tracks.get(track)
            if known is None:
                known = self._tracks[track] = _Open(Smoother(self._settings, self._lag))
            known.waiting.append((held, face))
            quality = float(faces.quality[face])
            known.settle(known.smoother.observe(stamp.pts, held.raw[face], quality))
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
            known.summary = Summary(row, self._settings.gap)
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
