"""The messages that stages pass on, one struct each.

Boxes are ``x, y, w, h`` and points ``x, y``, in px of the source frame *as displayed* (rotation and pixel aspect
applied), origin at the top left. Times are UTC in µs since 1970 unless a name says otherwise. Arrays hold one row
per face, so that a frame with 300 faces is still a handful of array operations.
"""

import re
from enum import StrEnum
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import MessageError

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


class Clock(StrEnum):
    """Where an event time comes from, best first."""

    RTCP = "rtcp"
    """Capture time by the camera's own clock, from RTCP sender reports (RFC 3550, 6.4.1)."""
    ARRIVAL = "arrival"
    """Arrival of the first frame plus media time, corrected for drift against the monotonic clock."""
    FILE = "file"
    """Creation time of the file, or when it was last written less its length, plus media time."""

    @property
    def repeatable(self) -> bool:
        """Whether the run can be read again, as only a file's can.

        Then its results may wait for later frames, and what is not final when it is stopped is left to the next
        reading. What a camera shows has no second time: it comes out at once, and all of it.
        """
        return self is Clock.FILE


class Stamp(msgspec.Struct, frozen=True):
    """Which frame, and when."""

    source: str
    """Sanitised id of the source: lower-case letters, digits, ``-`` and ``_``, beginning with a letter."""
    run: str
    """One id per run; for a file it follows from content, networks and settings."""
    frame: int
    """Number of the frame in the run, from 0; counts every decoded frame, also those not passed on."""
    pts: float
    """Media time, s, from the first frame of the run on; never decreases."""
    time: int
    """Event time, UTC, µs since 1970."""
    clock: Clock
    arrived: int
    """When the frame was decoded, UTC, µs since 1970 by this machine: ``now - arrived`` is the latency."""


class Resume(msgspec.Struct, frozen=True):
    """The last frame that an earlier reader of the run passed on; see ``Stamp`` for what the fields mean."""

    frame: int
    pts: float
    """s."""
    time: int
    """UTC, µs since 1970."""
    clock: Clock
    arrived: int
    """UTC, µs since 1970."""


class Frame(msgspec.Struct, frozen=True, eq=False):
    """One decoded picture: full-resolution luma for crops, one small colour image for the detector."""

    stamp: Stamp
    width: int
    """Width as displayed, px; ``luma`` may hold fewer or more columns where pixels are not square."""
    height: int
    """Height as displayed, px."""
    luma: Bytes
    """(rows, columns) view of the Y plane, already rotated upright; rows need not be contiguous."""
    full_range: bool
    """Whether luma spans 0-255 (True) or the studio range 16-235 (False)."""
    image: Bytes
    """(H, W, 3) BGR at the detector's input size, H and W multiples of 32; the whole frame, stretched to fit."""
    min_face: float
    """Height of the smallest face wanted, px; a setting of the source, which the tracker does not know otherwise."""


class Faces(msgspec.Struct, frozen=True, eq=False):
    """All n faces that were seen in one frame; n may be 0."""

    stamp: Stamp
    tracks: tuple[str, ...]
    """Track id of each face."""
    boxes: Floats
    """(n, 4) Kalman-smoothed boxes, x, y, w, h, px."""
    landmarks: Floats
    """(n, 5, 2) smoothed points, px: right eye, left eye, nose tip, right and left mouth corner (the person's)."""
    scores: Floats
    """(n,) detector scores in [0, 1]."""
    quality: Floats
    """(n,) crop quality in [0, 1]."""
    pose: Floats
    """(n, 3) yaw, pitch, roll, degrees; positive: to the person's left, upwards, clockwise in the image."""
    crops: Bytes
    """(n, S, S) aligned faces, full-range luma; S is what the emotion network's card asks for."""
    ended: tuple[str, ...] = ()
    """Tracks that are known from this frame on to have ended."""


class Scores(msgspec.Struct, frozen=True, eq=False):
    """The faces of one frame with their raw distributions."""

    faces: Faces
    """As received, less the crops."""
    probabilities: Floats
    """(n, 8) in the order of ``LABELS``; each row sums to 1."""
    model: str
    """Name of the network and the first 12 digits of its hash, ``name@hash``."""


class End(msgspec.Struct, frozen=True):
    """The last message of a run: all its tracks end here."""

    source: str
    run: str
    complete: bool
    """Whether the source was read to its end (a file), rather than stopped before."""


class Emotion(msgspec.Struct, frozen=True):
    """One face in one frame: the row that users see, in both Redis and Parquet."""

    stamp: Stamp
    track: str
    box: tuple[float, float, float, float]
    """x, y, w, h, px."""
    score: float
    quality: float
    pose: tuple[float, float, float]
    """yaw, pitch, roll, degrees."""
    raw: tuple[float, ...]
    """Distribution of this frame alone, eight values that sum to 1."""
    smoothed: tuple[float, ...]
    """Distribution smoothed over the track, eight values that sum to 1."""
    uncertainty: float
    """Standard deviation of each ``c - mean(c)``, ``c = log(0.002 + 0.984 s)`` of ``smoothed``, by the filter."""
    dominant: str
    """Label with the highest smoothed probability."""
    intensity: float
    """Smoothed probability of ``dominant``."""
    entropy: float
    """Entropy of ``smoothed`` over that of the uniform distribution, in [0, 1]."""
    model: str


class Change(StrEnum):
    """What may happen to a track."""

    BEGIN = "begin"
    END = "end"
    DOMINANT = "dominant"


class Event(msgspec.Struct, frozen=True):
    """A track begins, ends, or changes its dominant expression."""

    stamp: Stamp
    """Of the frame at which it happened; for an ending, of the last frame in which the face was seen."""
    track: str
    change: Change
    dominant: str
    """The dominant expression from here on (for an ending: the last one)."""
    previous: str | None
    """The dominant expression before; None but for ``DOMINANT``."""


class Track(msgspec.Struct, frozen=True):
    """One face from its first to its last frame: a row of the track table."""

    source: str
    run: str
    track: str
    first: Stamp
    last: Stamp
    settled: int
    """Number of the frame at which the ending became known: orders the rows of the table within a run."""
    frames: int
    """Frames in which the face was seen."""
    seconds: float
    """Media time from first to last frame, s."""
    mean: tuple[float, ...]
    """Raw distribution averaged over time (weighted by Δt), eight values that sum to 1."""
    dominant: str
    """Smoothed label that was dominant for the longest time."""
    share: float
    """Share of the track's time during which it was, in [0, 1]."""
    transitions: int
    """How often the dominant smoothed label changed."""
    model: str


class Results(msgspec.Struct, frozen=True):
    """What the sink makes of some Scores: handed to every writer as one unit."""

    emotions: tuple[Emotion, ...] = ()
    """In order of frame within a run."""
    events: tuple[Event, ...] = ()
    tracks: tuple[Track, ...] = ()
    ends: tuple[End, ...] = ()


_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")
"""Of a source or a run."""


def ids_of(message: Frame | Faces | Scores | End) -> tuple[str, str]:
    """Return the ids of the source and of the run that a message tells of."""
    match message:
        case End():
            return message.source, message.run
        case Scores():
            return message.faces.stamp.source, message.faces.stamp.run
        case Frame() | Faces():
            return message.stamp.source, message.stamp.run


def source_of(message: Frame | Faces | Scores | End) -> str:
    """Return the id of the source that a message tells of."""
    return ids_of(message)[0]


def check_ids(source: str, run: str) -> None:
    """Raise ``MessageError`` where one of both is no id: as part of a path it might lead out of the results' folder."""
    for name in (source, run):
        if not _ID.fullmatch(name):
            raise MessageError(f"{name[:40]!r} cannot be part of a path: ids are of a to z, 0 to 9, - and _")
