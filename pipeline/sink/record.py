"""From distributions to what users read: rows, events and one summary per track."""

from math import log
from typing import Final

from pipeline.labels import LABELS
from pipeline.messages import Change, Emotion, Event, Faces, Track
from pipeline.sink.smoother import Smoothed

UNIFORM_ENTROPY: Final = log(len(LABELS))


def dominant(distribution: tuple[float, ...]) -> int:
    """Return the index of the most probable label, the first one if several are."""
    return distribution.index(max(distribution))


def emotion(faces: Faces, face: int, raw: tuple[float, ...], smoothed: Smoothed, model: str) -> Emotion:
    """Return the row of one face of a frame.

    Args:
        faces: the frame.
        face: index of the face in it.
        raw: its distribution in this frame alone, in the order of ``LABELS``.
        smoothed: its distribution given the rest of the track, and how sure that is.
        model: id of the network that gave ``raw``.
    """
    x, y, w, h = faces.boxes[face].tolist()
    yaw, pitch, roll = faces.pose[face].tolist()
    distribution, deviation = smoothed
    top = dominant(distribution)
    return Emotion(
        stamp=faces.stamp,
        track=faces.tracks[face],
        box=(x, y, w, h),
        score=float(faces.scores[face]),
        quality=float(faces.quality[face]),
        pose=(yaw, pitch, roll),
        raw=raw,
        smoothed=distribution,
        uncertainty=deviation,
        dominant=LABELS[top],
        intensity=distribution[top],
        entropy=entropy(distribution),
        model=model,
    )


def entropy(distribution: tuple[float, ...]) -> float:
    """Return the Shannon entropy as a share of that of the uniform distribution, in [0, 1].

    >>> entropy((1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)), round(entropy((0.125,) * 8), 12)
    (0.0, 1.0)
    """
    # max: -0.0 and rounding beyond the uniform distribution would both leave the interval that is promised.
    return min(max(0.0, -sum([p * log(p) for p in distribution if p > 0]) / UNIFORM_ENTROPY), 1.0)


class Summary:
    """Gathers the rows of one track, in order, into its row of the track table.

    Means over time follow the trapezoidal rule: the interval between two rows counts half for either, and never for
    more than ``gap`` s, because nothing is known of a face that was not seen. Where no time passed at all (a single
    row) the last row stands for the whole.

    Args:
        first: the first row of the track.
        gap: s after which smoothing begins anew.
    """

    def __init__(self, first: Emotion, gap: float) -> None:
        self._gap = gap
        self._first = first
        self._last = first
        self._frames = 1
        self._transitions = 0
        self._seconds = 0.0
        self._mean = [0.0] * len(LABELS)
        self._dominance = dict.fromkeys(LABELS, 0.0)

    def add(self, row: Emotion) -> Event | None:
        """Add the next row; return the event if the dominant expression changed with it."""
        last = self._last
        half = min(row.stamp.pts - last.stamp.pts, self._gap) / 2
        self._seconds += 2 * half
        self._mean = [m + half * (p + q) for m, p, q in zip(self._mean, last.raw, row.raw, strict=True)]
        self._dominance[last.dominant] += half
        self._dominance[row.dominant] += half
        self._frames += 1
        self._last = row
        if row.dominant == last.dominant:
            return None
        self._transitions += 1
        return Event(row.stamp, row.track, Change.DOMINANT, row.dominant, last.dominant)

    def begin(self) -> Event:
        """Return the event of the first row."""
        return Event(self._first.stamp, self._first.track, Change.BEGIN, self._first.dominant, None)

    def end(self, settled: int) -> tuple[Event, Track]:
        """Return the last event and the summary; ``settled`` is the frame at which the ending became known."""
        last = self._last
        if self._seconds > 0:
            mean = tuple([m / self._seconds for m in self._mean])
            shares = {label: seconds / self._seconds for label, seconds in self._dominance.items()}
        else:
            mean = last.raw
            shares = {last.dominant: 1.0}
        top = LABELS[dominant(mean)]
        track = Track(
            source=last.stamp.source,
            run=last.stamp.run,
            track=last.track,
            first=self._first.stamp,
            last=last.stamp,
            settled=settled,
            frames=self._frames,
            seconds=last.stamp.pts - self._first.stamp.pts,
            mean=mean,
            dominant=top,
            share=min(shares.get(top, 0.0), 1.0),
            transitions=self._transitions,
            model=last.model,
        )
        return Event(last.stamp, last.track, Change.END, last.dominant, None), track
