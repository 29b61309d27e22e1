"""From distributions to what users read: rows, events and one summary per track."""

from math import log
from typing import Final

import msgspec

from pipeline.labels import LABELS
from pipeline.messages import Change, Emotion, Event, Faces, Stamp, Track
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


class Summary(msgspec.Struct, array_like=True, eq=False):
    """Gathers the rows of one track, in order, into its row of the track table.

    Means over time follow the trapezoidal rule: the interval between two rows counts half for either, and never for
    more than ``gap`` s, because nothing is known of a face that was not seen. Where no time passed at all (a single
    row) the last row stands for the whole.
    """

    gap: float
    """s after which smoothing begins anew."""
    first: Stamp
    """Of the first row."""
    last: Emotion
    """The latest row."""
    frames: int = 1
    transitions: int = 0
    seconds: float = 0.0
    """s that the sums below are over."""
    mean: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(LABELS))
    """Sum of the raw distributions, each times its seconds."""
    dominance: dict[str, float] = msgspec.field(default_factory=lambda: dict.fromkeys(LABELS, 0.0))
    """s for which each label was the dominant one."""

    @classmethod
    def of(cls, first: Emotion, gap: float) -> "Summary":
        """Begin with the first row of a track."""
        return cls(gap, first.stamp, first)

    def add(self, row: Emotion) -> Event | None:
        """Add the next row; return the event if the dominant expression changed with it."""
        last = self.last
        half = min(row.stamp.pts - last.stamp.pts, self.gap) / 2
        self.seconds += 2 * half
        self.mean = [m + half * (p + q) for m, p, q in zip(self.mean, last.raw, row.raw, strict=True)]
        self.dominance[last.dominant] += half
        self.dominance[row.dominant] += half
        self.frames += 1
        self.last = row
        if row.dominant == last.dominant:
            return None
        self.transitions += 1
        return Event(row.stamp, row.track, Change.DOMINANT, row.dominant, last.dominant)

    def begin(self) -> Event:
        """Return the event of the first row; to be asked for before the next is added."""
        return Event(self.first, self.last.track, Change.BEGIN, self.last.dominant, None)

    def end(self, settled: int) -> tuple[Event, Track]:
        """Return the last event and the summary; ``settled`` is the frame at which the ending became known."""
        last = self.last
        if self.seconds > 0:
            mean = tuple([m / self.seconds for m in self.mean])
            shares = {label: seconds / self.seconds for label, seconds in self.dominance.items()}
        else:
            mean = last.raw
            shares = {last.dominant: 1.0}
        longest = max(shares, key=shares.__getitem__)
        track = Track(
            source=last.stamp.source,
            run=last.stamp.run,
            track=last.track,
            first=self.first,
            last=last.stamp,
            settled=settled,
            frames=self.frames,
            seconds=last.stamp.pts - self.first.pts,
            mean=mean,
            dominant=longest,
            share=min(shares[longest], 1.0),
            transitions=self.transitions,
            model=last.model,
        )
        return Event(last.stamp, last.track, Change.END, last.dominant, None), track
