"""Media time, which never goes back, and what goes by it: which frames are taken, and when they are due."""

from fractions import Fraction
from typing import Final

WRAPS: Final = (2**33, 2**32)
"""Ticks after which time stamps begin again: MPEG-TS (ISO/IEC 13818-1, 2.4.3.7) and RTP (RFC 3550, 5.1)."""

REORDER: Final = 0.5
"""s that a time stamp may lie behind its predecessor and still count as jitter, not as a jump."""

LONGEST_GAP: Final = 3600.0
"""s of silence that the time stamps of a file may claim; a longer one is a splice."""

LEAD: Final = 5.0
"""s that the time stamps of a live source may run ahead of the wall clock between two frames."""

DEFAULT_STEP: Final = 0.04
"""s between frames where neither the container nor the frames say."""


class MediaClock:
    """Media time, s, from the first frame on: never decreases, whatever the time stamps do.

    It follows the time stamps as long as they make sense. A missing one counts one step; one that wrapped is unwrapped;
    small steps back are held; across a jump it goes on by one step (file) or by the time that passed (live).

    >>> clock = MediaClock(step=0.04)
    >>> [clock.media_time(ticks, Fraction(1, 90_000)) for ticks in (None, 900_000, 903_600, 0)]
    [0.0, 0.04, 0.08, 0.12]
    """

    def __init__(self, step: float | None = None, pts: float | None = None) -> None:
        """``step``: s between frames as the container announces it. ``pts``: media time to resume from, s."""
        self.pts = 0.0 if pts is None else pts
        self._step = step if step is not None and 0 < step <= 1 else DEFAULT_STEP
        self._begun = self._resumed = pts is not None
        self._last: float | None = None
        """Raw time of the latest frame, s."""
        self._origin = 0.0
        """Raw time at which media time is 0, s."""

    def media_time(self, ticks: int | None, base: Fraction, passed: float | None = None) -> float:
        """Return the media time of the next frame, s.

        Args:
            ticks: its raw time stamp.
            base: s per tick.
            passed: s on the wall since the previous frame, for live sources.
        """
        raw = None if ticks is None else ticks * base.numerator / base.denominator
        if not self._begun:
            self._begun = True
            if raw is not None:
                self._last = self._origin = raw
            return self.pts
        if raw is None:
            self._advance(passed if self._resumed and passed is not None else self._step)
            if self._last is not None:
                self._last = self._origin + self.pts
        elif self._last is None or not self._follow(raw, base, passed):
            self._advance(self._step if passed is None else passed)
            self._last, self._origin = raw, raw - self.pts
        self._resumed = False
        return self.pts

    def resume(self) -> None:
        """Prepare for time stamps that begin anew: the next frame goes by the time that passed."""
        self._last = None
        self._resumed = True

    def _advance(self, seconds: float) -> None:
        self.pts = round(self.pts + max(0.0, seconds), 6)

    def _follow(self, raw: float, base: Fraction, passed: float | None) -> bool:
        """Take over a raw time if it continues the series; say whether it did."""
        assert self._last is not None
        longest = LONGEST_GAP if passed is None else passed + LEAD
        delta = raw - self._last
        if -REORDER <= delta < 0:
            return True
        if delta < 0:
            periods = (ticks * base.numerator / base.denominator for ticks in WRAPS)
            period = next((p for p in periods if 0 <= delta + p <= longest), None)
            if period is None:
                return False
            self._origin -= period
            delta += period
        elif delta > longest:
            return False
        if 0 < delta <= 1:
            self._step = delta
        self._last = raw
        self.pts = max(self.pts, round(raw - self._origin, 6))
        return True


class Sampler:
    """Picks ``fps`` frames of each second of media time: the first in every 1/fps-s slot.

    >>> sampler = Sampler(10)
    >>> [n for n in range(10) if sampler.wants(n / 25)]
    [0, 3, 5, 8]
    """

    def __init__(self, fps: float | None) -> None:
        self._fps = fps
        self._slot = -1

    def wants(self, pts: float) -> bool:
        """Say whether to take the frame at ``pts``, s; None as rate takes all."""
        if self._fps is None:
            return True
        slot = int(pts * self._fps + 1e-4)  # 3/25 s times 25 must not fall into slot 2
        wanted = slot > self._slot
        self._slot = slot
        return wanted


class Pacer:
    """Spreads out in real time what a server sends in bursts (segments of HLS, files).

    A frame that comes late moves all later ones back, so that what follows a stall is not played in a burst either.

    >>> pacer = Pacer()
    >>> [round(pacer.wait(pts, now), 3) for pts, now in ((0, 10), (0.04, 10), (0.08, 10.5), (0.12, 10.5))]
    [0, 0.04, 0.0, 0.04]
    """

    def __init__(self, speed: float = 1.0) -> None:
        """``speed``: s of media time per s."""
        self._speed = speed
        self._pts: float | None = None
        self._due = 0.0

    def wait(self, pts: float, now: float) -> float:
        """Return how long to hold back the frame at media time ``pts``, s; ``now`` is the monotonic clock, s."""
        due = now if self._pts is None else self._due + (pts - self._pts) / self._speed
        self._pts, self._due = pts, max(due, now)
        return self._due - now
