"""Reads a live source: never behind by more than the staleness budget, and back again whenever it breaks off."""

import math
import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Final

import msgspec

from pipeline.backoff import delays
from pipeline.errors import SourceError, SourceLost
from pipeline.ingest.clock import Pacer
from pipeline.ingest.connection_status import ConnectionStatus, Phase
from pipeline.ingest.decode import PATIENCE, Decoded, Video
from pipeline.ingest.failures import unexpected
from pipeline.ingest.framer import framed
from pipeline.ingest.fresh import FreshFrames, Waiting
from pipeline.ingest.picture import Pictures
from pipeline.ingest.source import Source
from pipeline.ingest.stamper import Stamper
from pipeline.ingest.webcam import Webcam
from pipeline.messages import End, Frame, Resume
from pipeline.tally import Count, Tally

HEALTHY: Final = 10.0
"""s of frames after which a connection counts as good, and the next wait begins small again."""

CATCH_UP: Final = 1.01
"""Speed at which endless streams from web servers are played: a little above real time, so as to catch up after a stall
and with a camera whose clock runs fast."""

RATE_WINDOW: Final = 2.0
"""s over which the frame rate is measured."""


class LiveState(msgspec.Struct, frozen=True):
    """How a live source is doing just now."""

    phase: Phase
    reason: str
    """Why it waits; empty otherwise."""
    fps: float
    """Frames decoded per second over the last ``RATE_WINDOW`` s."""
    latency: float
    """s between the arrival of the latest frame passed on and its being passed on."""


def open_live(source: Source) -> Video | Webcam:
    """Open a camera, a stream or a webcam; raises ``SourceError`` or ``SourceLost``."""
    return Video(source) if "://" in source.url else Webcam(source)


class LiveReader:
    """Iterates over a live source: fresh frames until ``stop``, then one ``End``. To be iterated once.

    A thread of its own decodes into a buffer that holds ``staleness`` s of frames; the oldest are dropped and
    counted. When the source breaks off it is opened again for ever, under the same run, frame numbers and media time
    going on. A recording on a web server is played in real time, once, and ends complete; where it breaks off, that is
    an error.

    Iterating raises ``SourceError`` when the source turns out never to work (401, 404, no video) before its first
    frame. A ``patient`` reader tries again after the longest wait instead, and raises that error only when it is
    stopped: for whoever goes on with other sources, as long as one of them is ``hopeful`` or being ``tried``. After
    that frame even such errors are waited out, because a camera that starts up answers like that too. So are errors
    that nobody foresaw; a frame that cannot be converted is left out and counted as corrupt.

    With ``resume`` it continues an earlier reader's run as after a reconnection.
    """

    def __init__(
        self,
        source: Source,
        run: str,
        tally: Tally,
        resume: Resume | None = None,
        *,
        patient: bool = False,
    ) -> None:
        self.source = source
        self.run = run
        self.stopped = False
        """Whether ``stop`` was called."""
        self._tally = tally
        self._patient = patient
        self._resumed = resume is not None
        self._tried = math.inf
        self._stamper = Stamper(source, run, resume)
        self._fresh = FreshFrames(source.settings.staleness, lambda: tally.add(source.id, Count.STALE))
        self._stopping = threading.Event()
        self._complete = False
        self._finite = False
        self._status = ConnectionStatus(source)
        self._spoilt: Exception | None = None
        """The latest error, where none of the latest ``PATIENCE`` frames could be converted."""
        self._arrivals: deque[float] = deque(maxlen=1000)
        self._latency = 0.0

    @property
    def state(self) -> LiveState:
        """How the source is doing; may be read from any thread."""
        since = time.monotonic() - RATE_WINDOW
        rate = sum(at >= since for at in tuple(self._arrivals)) / RATE_WINDOW
        return LiveState(self._status.phase, self._status.reason, rate, self._latency)

    @property
    def hopeful(self) -> bool:
        """Whether it may still give frames, as far as is known; may be read from any thread."""
        return not (self.stopped or self._status.ended or self._status.refusal is not None)

    @property
    def tried(self) -> float:
        """Monotonic time since when it has been opened or read, s; infinity while it is not. From any thread.

        Only what is being tried can become ``hopeful`` again.
        """
        return self._tried

    @property
    def finite(self) -> bool:
        """Whether it is a recording on a web server, which is not opened again; known from its first frame on."""
        return self._finite

    def stop(self) -> None:
        """End the iteration at once, even if the source hangs; may be called from any thread."""
        self.stopped = True
        self._stopping.set()
        self._fresh.stop()

    def __iter__(self) -> Iterator[Frame | End]:
        # A daemon: a camera that hangs holds it until its time-out, and the program need not wait for that.
        thread = threading.Thread(target=self._decode, name=f"decode {self.source.id}", daemon=True)
        thread.start()
        spoilt = 0
        try:
            while (waiting := self._fresh.take()) is not None:
                try:
                    picture = waiting.pictures.picture(waiting.frame)
                    frame = framed(waiting.stamp, picture, self.source.detector)
                except Exception as error:
                    self._tally.add(self.source.id, Count.CORRUPT)
                    self._status.unforeseen.tell(error)
                    spoilt += 1
                    if spoilt % PATIENCE == 0:
                        self._spoilt = error
                    continue
                spoilt = 0
                self._latency = time.monotonic() - waiting.arrived
                self._tally.add(self.source.id, Count.SAMPLED)
                yield frame
            failure = self._status.refusal or (None if self.stopped else self._fresh.failure)
            if failure is not None:
                raise failure
            yield End(self.source.id, self.run, complete=self._complete and not self.stopped)
        finally:
            self._status.ended = True
            self._stopping.set()
            thread.join(0.2)

    def _decode(self) -> None:
        """Open and decode until stopped; the body of the thread."""
        backoff = self.source.settings.backoff
        waits = delays(*backoff)
        failure: Exception | None = None
        try:
            while not self._stopping.is_set():
                number = self._stamper.number
                self._tried = opened = time.monotonic()
                try:
                    self._connection()
                    break
                except Exception as error:
                    self._lose(error)
                finally:
                    self._tried = math.inf  # not before it is known how the attempt ended
                if self._stamper.number > number and self._stamper.due - opened >= HEALTHY:
                    waits = delays(*backoff)
                pause = next(waits) if self._status.refusal is None else backoff[1]
                self._stopping.wait(pause * random.uniform(0.5, 1.0))
        except Exception as error:
            failure = error
        finally:
            self._fresh.finish(failure)

    def _lose(self, error: Exception) -> None:
        """Note why the source broke off; raise where it is not to be opened again."""
        shown = self.source.safe_url
        if not isinstance(error, SourceError):
            self._status.unforeseen.tell(error)
        if self._finite:
            why = f"broke off at {self._stamper.pts:.1f} s"
            if self._resumed:
                why = "cannot be gone on with where an earlier worker left it"
            raise SourceError(f"{shown} {why}; download the file and replay it") from error
        if not isinstance(error, SourceError):
            error = SourceLost(str(unexpected(error, self.source)))
        lasting = self._stamper.number == 0 and not isinstance(error, SourceLost)
        self._status.refusal = error if lasting else None
        if lasting and not self._patient:
            raise error
        self._status.waits(error, self._stamper.due)

    def _connection(self) -> None:
        """Open the source and decode until it ends; return where that is the end for good."""
        source = self.source
        self._spoilt = None
        video = open_live(source)
        try:
            if self._stamper.begun:
                self._tally.add(source.id, Count.RECONNECTS)
            self._stamper.opened(video.step)
            pictures = Pictures(source.detector, video.aspect)
            pacer: Pacer | None = None
            for decoded in video.frames(lambda n: self._tally.add(source.id, Count.CORRUPT, n)):
                if self._stopping.is_set():
                    return
                if self._spoilt is not None:
                    raise self._spoilt
                if pacer is None:
                    pacer = Pacer(1.0 if video.finite else CATCH_UP)
                    self._finite = video.finite  # from here on, opening it again would begin at its beginning
                    if self._finite and self._resumed:
                        raise SourceLost("a recording on a web server cannot be resumed in the middle")
                    self._status.live()
                pts = self._stamper.media_time(decoded.ticks, video.base, time.monotonic())
                if video.paced:
                    self._stopping.wait(pacer.wait(pts, time.monotonic()))
                self._receive(decoded, pictures)
            if not video.finite:
                raise SourceLost(f"{source.safe_url} ended")
            self._complete = True
        finally:
            # Closing says goodbye to the server. Where that hangs it takes until the time-out: nobody waits for it.
            threading.Thread(target=video.close, name=f"close {source.id}", daemon=True).start()

    def _receive(self, decoded: Decoded, pictures: Pictures) -> None:
        """Stamp a frame and put it where the tracker takes it."""
        arrived = time.monotonic()
        stamp = self._stamper.stamp(decoded.captured, arrived, time.time_ns() // 1000)
        if self._stamper.skew is not None:
            self._status.clock_skew(self._stamper.skew)
        self._tally.add(self.source.id, Count.FRAMES)
        self._arrivals.append(arrived)
        if stamp is not None:
            self._fresh.offer(Waiting(decoded.frame, pictures, stamp, arrived))
