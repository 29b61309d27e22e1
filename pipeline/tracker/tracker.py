"""The faces of one run, followed from frame to frame; all times are media time, s."""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.card import BIRTH
from pipeline.messages import Floats
from pipeline.settings import TrackerSettings
from pipeline.tracker.appearance import COVERED, MEMORY, covered, unlikeness
from pipeline.tracker.association import DETOUR, LIMIT, LOW_LIMIT, PACE, RETURN, assign, costs, strayed
from pipeline.tracker.detector import Detections
from pipeline.tracker.kalman import Doubles, boxes_of, corrected, expected, innovation, measured, moved
from pipeline.tracker.landmarks import absolute, noise, relative, steadied
from pipeline.tracker.track import ActiveTrack, begin

SOON: Final = 0.3
"""s since it was seen for which no face is taken for another by its appearance alone: it may be half hidden still."""

NARROWLY: Final = 0.5
"""Margin kept below ``LIMIT`` in that time, so that a better-looking candidate still wins."""

DOUBT: Final = 0.1
"""s for which a face that is not a track yet may go unseen before it is forgotten."""

WITHIN: Final = 0.7
"""Share of its box within another's from which a new face is doubtful: the same face again, or two heads in a box."""

LINGER: Final = 0.3
"""s for which such a face must be seen before it is a track, unless it comes out of the other's box before."""

BRIDGE: Final = 0.25
"""s for which faces are carried on from the last frame that was searched: after that, where they are is a guess."""


class TrackerMemory(msgspec.Struct, eq=False):
    """All that a tracker remembers: what later frames give depends on nothing else of earlier ones."""

    tracks: list[ActiveTrack] = []
    pts: float | None = None
    """Time of the last frame, s; None before the first."""
    confirmed: int = 0
    """Highest number given so far."""
    searched: float | None = None
    """Time of the last frame in which faces were searched for, s; None before the first."""
    searches: int = 0
    """How many frames were searched so far."""


class Seen(msgspec.Struct, frozen=True, eq=False):
    """What one frame shows: the n confirmed faces in it, in order of their numbers."""

    numbers: tuple[int, ...]
    boxes: Floats
    """(n, 4) smoothed boxes, x, y, w, h, px."""
    landmarks: Floats
    """(n, 5, 2) smoothed points, px."""
    scores: Floats
    """(n,)"""
    ended: tuple[int, ...]
    """Numbers of confirmed tracks that have ended, known from this frame on."""


NOBODY: Final = Seen(
    (), np.empty((0, 4), np.float32), np.empty((0, 5, 2), np.float32), np.empty(0, np.float32), ended=()
)


class Tracker:
    """Follows the faces of one run; holds the tracks that are still alive and nothing of those that ended.

    ``threshold``: lowest score of a detection that may begin a track; those below it only continue one.
    """

    def __init__(self, settings: TrackerSettings, threshold: float) -> None:
        self._settings = settings
        self._threshold = threshold
        self._birth = BIRTH if settings.birth is None else settings.birth
        self.memory = TrackerMemory()
        """Changed in place by every frame; assigned, the tracker goes on from what one of the same settings stored."""

    def step(
        self, pts: float, found: Detections, appearances: Floats, *, pixel: float = 1.0, cut: bool = False
    ) -> Seen:
        """Take in one frame's n detections, in px of the displayed frame.

        ``pts``: media time, s; a time that is not after the last frame's counts as no time passing.
        ``appearances``: (n, ``appearance.VALUES``). ``pixel``: px of the frame per px of the detector's picture.
        ``cut``: the scene is another than in the last frame, so that every track ends.
        """
        now = self.memory.searched = self._move(pts)
        self.memory.searches += 1
        ended = self._bury(now - self._settings.patience if not cut else np.inf)

        # The order in which a detector lists its finds must not matter.
        order = np.lexsort((*found.boxes.T, -found.scores))
        found = Detections(found.boxes[order], found.landmarks[order], found.scores[order])
        appearances = appearances[order]
        bare = 1 - covered(found.boxes)
        cost = self._costs(now, measured(found.boxes), appearances, bare, pixel)
        owners = self._match(cost, found.scores >= self._threshold)
        twins = self._twins(cost, owners)
        self._remember(now, appearances, bare, owners)
        self._take_in(now, found, owners, pixel)
        for row in np.flatnonzero((owners < 0) & (found.scores >= self._threshold)):
            owners[row] = len(self.memory.tracks)
            sightings = int(bare[row] > 1 - COVERED)
            self.memory.tracks.append(
                begin(now, found, int(row), appearances[row], sightings, pixel, self.memory.searches)
            )
        for row in np.flatnonzero(owners >= 0):
            self._confirm(self.memory.tracks[owners[row]], float(bare[row]))
        seen = self._seen(tuple(sorted([*ended, *(self.memory.tracks[row].number for row in twins)])))
        self.memory.tracks = [
            track
            for row, track in enumerate(self.memory.tracks)
            if row not in twins and (track.number or now - track.last <= DOUBT)
        ]
        return seen

    def carry(self, pts: float) -> Seen:
        """Take in a frame in which no faces were searched for: those that the last search showed have moved on.

        ``pts``: see ``step``. No track begins or ends. More than ``BRIDGE`` s after that search nobody is seen.
        """
        now = self._move(pts)
        sure = self.memory.searched is not None and now - self.memory.searched <= BRIDGE
        return self._seen(()) if sure else NOBODY

    def _move(self, pts: float) -> float:
        """Predict every track for a frame and return its time, s."""
        now = pts if self.memory.pts is None else max(pts, self.memory.pts)
        moved([track.motion for track in self.memory.tracks], 0.0 if self.memory.pts is None else now - self.memory.pts)
        self.memory.pts = now
        return now

    def _costs(self, now: float, measurements: Doubles, appearances: Floats, bare: Floats, pixel: float) -> Doubles:
        """Return what it costs that (n,) detections show the tracks, (tracks, n); see ``association``."""
        tracks = self.memory.tracks
        if not tracks or not len(measurements):
            return np.empty((len(tracks), len(measurements)))
        motions = [track.motion for track in tracks]
        cost = costs(expected(motions), innovation(motions, pixel), measurements)
        last = max(track.last for track in tracks)
        off = strayed(
            np.array([track.place for track in tracks]),
            np.array([track.pace for track in tracks]),
            now - np.array([track.last for track in tracks]),
            measurements,
        )
        cost = np.minimum(cost, DETOUR + (LIMIT - DETOUR) * off)
        cost += RETURN * np.array([[track.last < last] for track in tracks])
        # A face that is partly covered looks less like itself, so its looks count less.
        unlike = bare * unlikeness(np.array([track.appearance for track in tracks]), appearances)
        unlike *= np.array([[track.sightings > 0] for track in tracks])
        # A face that was lost a moment ago may be half hidden still: looks alone must not make it another.
        soon = np.array([[now - track.last < SOON] for track in tracks])
        unlike = np.where(soon, np.minimum(unlike, np.maximum(LIMIT - NARROWLY - cost, 0)), unlike)
        # A detection out of reach is another face, however alike.
        return np.where(cost < LIMIT, cost + unlike, cost)

    def _match(self, cost: Doubles, sure: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return the row in ``memory.tracks`` of the track that owns each detection, or -1."""
        owners = np.full(len(sure), -1, np.intp)
        if not cost.size:
            return owners
        confirmed = np.array([track.number > 0 for track in self.memory.tracks])
        doubtful = ~confirmed
        # ByteTrack's order: what is known takes the sure detections, then the unsure; the rest may be new faces.
        rounds = ((confirmed, sure, LIMIT), (confirmed, ~sure, LOW_LIMIT), (doubtful, sure, LIMIT))
        for tracks, detections, limit in rounds:
            rows, columns = np.flatnonzero(tracks), np.flatnonzero(detections & (owners < 0))
            if len(rows) and len(columns):
                matched, by = assign(cost[rows[:, None], columns], limit)
                owners[columns[by]] = rows[matched]
                tracks[rows[matched]] = False
        return owners

    def _twins(self, cost: Doubles, owners: NDArray[np.intp]) -> set[int]:
        """Return the rows of tracks that were born while another was lost and that end where it reappears.

        They were the same face under a second number. If both were kept, the face would take turns between them.
        """
        rows = np.flatnonzero(owners >= 0)
        away = [row for row, track in enumerate(self.memory.tracks) if track.number and row not in owners]
        return {
            row
            for row in away
            if any(
                self.memory.tracks[owners[at]].last < self.memory.tracks[row].first and cost[row, at] < LIMIT
                for at in rows
            )
        }

    def _remember(self, now: float, appearances: Floats, bare: Floats, owners: NDArray[np.intp]) -> None:
        """Add to every track what its detection looks like, unless another face may be before it."""
        for row in np.flatnonzero((owners >= 0) & (bare > 1 - COVERED)):
            track = self.memory.tracks[owners[row]]
            track.sightings += 1
            new = max(1 / track.sightings, float(1 - np.exp((track.last - now) / MEMORY)))
            track.appearance = track.appearance + np.float32(new) * (appearances[row] - track.appearance)

    def _take_in(self, now: float, found: Detections, owners: NDArray[np.intp], pixel: float) -> None:
        """Correct every track by the detection that it owns."""
        rows = np.flatnonzero(owners >= 0)
        if not len(rows):
            return
        tracks = [self.memory.tracks[owner] for owner in owners[rows]]
        points, variances = steadied(
            np.array([track.landmarks for track in tracks]),
            np.array([track.variance for track in tracks], np.float32),
            np.array([now - track.last for track in tracks], np.float32),
            relative(found.landmarks[rows], found.boxes[rows]),
            noise(found.boxes[rows], pixel),
        )
        corrected([track.motion for track in tracks], measured(found.boxes[rows]), pixel)
        scores = found.scores[rows].tolist()
        for track, shape, variance, z, score in zip(
            tracks, points, variances, measured(found.boxes[rows]), scores, strict=True
        ):
            if now > track.last:
                new = 1 - np.exp((track.last - now) / PACE)
                track.pace = track.pace + new * ((z[:2] - track.place[:2]) / (now - track.last) - track.pace)
                track.place = np.append(z[:2], track.place[2] + new * (z[3] - track.place[2]))
            track.landmarks, track.variance, track.last = shape, float(variance), now
            track.score, track.search = score, self.memory.searches

    def _confirm(self, track: ActiveTrack, bare: float) -> None:
        """Number a track that was seen clearly once, or long enough; ``bare``: share of its box outside others'."""
        seen = track.last - track.first
        long = self._settings.confirm
        doubtful = bare <= 1 - WITHIN and seen < LINGER
        if not (track.number or doubtful) and (track.score >= self._birth or (long is not None and 0 < seen >= long)):
            self.memory.confirmed += 1
            track.number = self.memory.confirmed

    def _bury(self, horizon: float) -> tuple[int, ...]:
        """Forget the tracks last seen before ``horizon``, s, and return the numbers of those confirmed."""
        over = [track for track in self.memory.tracks if track.last < horizon]
        self.memory.tracks = [track for track in self.memory.tracks if track.last >= horizon]
        return tuple(sorted(track.number for track in over if track.number))

    def _seen(self, ended: tuple[int, ...]) -> Seen:
        """Return the confirmed faces that the last search showed, where they are now."""
        shown = [track for track in self.memory.tracks if track.number and track.search == self.memory.searches]
        tracks = sorted(shown, key=lambda track: track.number)
        boxes = boxes_of([track.motion for track in tracks])
        points = np.array([track.landmarks for track in tracks], np.float32).reshape(-1, 5, 2)
        return Seen(
            numbers=tuple(track.number for track in tracks),
            boxes=boxes,
            landmarks=absolute(points, boxes),
            scores=np.array([track.score for track in tracks], np.float32),
            ended=ended,
        )
