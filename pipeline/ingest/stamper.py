"""Stamps the frames of a live source, over all its connections."""

import time
from fractions import Fraction

from pipeline.ingest.clock import MediaClock, Sampler
from pipeline.ingest.event_clock import LiveClock
from pipeline.ingest.source import Source
from pipeline.messages import Clock, Resume, Stamp


class Stamper:
    """Gives each frame of a run its number, media time and event time, which all go on when the source comes back.

    First ``opened``, at every connection. Then, for each frame, ``media_time`` when it is decoded, and ``stamp`` when
    it counts as arrived, which is later where a server sends ahead of time. With ``resume`` an earlier run goes on, as
    after a reconnection.

    Attributes:
        number: of the next frame.
        pts: media time of the latest frame, s.
        due: monotonic time at which the latest frame should have arrived, s. It may have arrived later: after a
            time-out FFmpeg still hands out one frame that it had buffered.
        skew: s by which the camera's clock was ahead of this machine's at the latest frame; None where it tells none.
    """

    def __init__(self, source: Source, run: str, resume: Resume | None = None) -> None:
        self.number = 0
        self.pts = 0.0
        self.due = time.monotonic()
        self.skew: float | None = None
        self._source = source
        self._run = run
        self._resume = resume
        self._media: MediaClock | None = None
        self._clock = LiveClock()
        self._sampler = Sampler(source.settings.fps)
        if resume is not None:
            self.number, self.pts = resume.frame + 1, resume.pts
            self.due -= max(0.0, time.time() - resume.arrived / 1e6)
            self._clock = LiveClock(resume.time, resume.clock)
            self._sampler.wants(resume.pts)
        self._first = self.number

    @property
    def begun(self) -> bool:
        """Whether it has stamped a frame."""
        return self.number > self._first

    def opened(self, step: float | None) -> None:
        """Prepare for the frames of a new connection, which are ``step`` s apart, as the container announces it."""
        if self._media is None:
            self._media = MediaClock(step, None if self._resume is None else self._resume.pts)
        if self.begun:
            self._media.resume()
            self._clock.resume()

    def media_time(self, ticks: int | None, base: Fraction, now: float) -> float:
        """Return the media time of the next frame, s.

        Args:
            ticks: its raw time stamp.
            base: s per tick.
            now: reading of the monotonic clock, s.
        """
        assert self._media is not None
        passed = now - self.due if self.number else None
        self.due = now
        self.pts = self._media.media_time(ticks, base, passed)
        return self.pts

    def stamp(self, captured: int | None, arrived: float, now: int) -> Stamp | None:
        """Return the stamp of the frame that ``media_time`` was told of; None where it is not one to be analysed.

        Args:
            captured: when it was taken by the camera's clock, UTC, µs; None where that is unknown.
            arrived: reading of the monotonic clock at arrival, s.
            now: UTC at arrival, µs.
        """
        if not self._source.settings.camera_clock:
            captured = None
        event_time, clock = self._clock.event_time(self.pts, captured, arrived, now)
        self.due -= self._clock.late
        if captured is None:
            self.skew = None
        else:
            self.skew = ((event_time if clock is Clock.RTCP else captured) - now) / 1e6
        number = self.number
        self.number += 1
        if not self._sampler.wants(self.pts):
            return None
        return Stamp(self._source.id, self._run, number, self.pts, event_time, clock, now)
