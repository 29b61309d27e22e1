"""Reads a file: every frame in order, none dropped, as fast as the pipeline takes them."""

from collections.abc import Callable, Iterator

from pipeline.errors import SourceError
from pipeline.ingest.clock import MediaClock, Sampler
from pipeline.ingest.decode import Video
from pipeline.ingest.framer import Framer
from pipeline.ingest.source import Source
from pipeline.messages import End, Frame
from pipeline.tally import Count, Tally


class FileReader:
    """Iterates over one file: its frames, then one ``End``. To be iterated once.

    With ``after`` it goes on where an earlier reader was left: the frames up to that number are neither given nor
    counted, and all others are as they would have been. ``passed`` is called once the last of those was passed, before
    what follows is decoded; what it raises ends the iteration.

    Raises ``SourceError`` when the file cannot be opened, and while iterating when nothing in it can be decoded.
    """

    def __init__(
        self, source: Source, run: str, tally: Tally, after: int = -1, passed: Callable[[], None] | None = None
    ) -> None:
        self.source = source
        self.run = run
        self.note = ""
        """What was wrong with the file (cut off), known at its end; empty if nothing."""
        self.stopped = False
        """Whether ``stop`` was called before the end."""
        self._tally = tally
        self._after = after
        self._passed = passed
        self._video = Video(source)
        self._pts = 0.0
        self.duration = self._video.duration
        """Length as announced by the container, s; None if unknown."""
        self.frames: int | None = self._video.stream.frames or None
        """About how many frames the file holds; None if unknown."""
        if not self.frames and self.duration and self._video.step:
            self.frames = round(self.duration / self._video.step)

    @property
    def share(self) -> float | None:
        """Part of the file that was read, in [0, 1]; None if its length is unknown."""
        return min(1.0, self._pts / self.duration) if self.duration else None

    def stop(self) -> None:
        """End the iteration at the next frame; may be called from another thread."""
        self.stopped = True

    def __iter__(self) -> Iterator[Frame | End]:
        try:
            yield from self._read()
        finally:
            self._video.close()

    def _read(self) -> Iterator[Frame | End]:
        source, video = self.source, self._video
        clock, sampler = MediaClock(video.step), Sampler(source.settings.fps)
        framer = Framer(source, self.run, video)
        number = frames = 0

        def count(what: Count, n: int = 1) -> None:
            if number > self._after:
                self._tally.add(source.id, what, n)

        # Time stamps are judged by those before, and so are samples: nothing may be skipped by seeking.
        for decoded in video.frames(lambda n: count(Count.CORRUPT, n)):
            if self.stopped:
                break
            pts = self._pts = clock.media_time(decoded.ticks, video.base)
            number, frames = decoded.number, frames + 1
            count(Count.FRAMES)
            if sampler.wants(pts) and number > self._after:
                count(Count.SAMPLED)
                yield framer(decoded, number, pts)
            if number == self._after and self._passed is not None:
                self._passed()
            number += 1
        if frames == 0 and not self.stopped:
            raise SourceError(f"{source.safe_url}: nothing in it can be decoded; convert it to H.264 or copy it again")
        if not self.stopped:
            self.note = self._shortfall(frames)
        yield End(source.id, self.run, complete=not self.stopped)

    def _shortfall(self, frames: int) -> str:
        """Say whether the file ends before the end that it announces."""
        if not (self._video.cut or self._video.length.is_short(self._pts, self._video.packets)):
            return ""
        announced = f" of {self.duration:.1f} s" if self.duration else ""
        return f"cut off: only {self._pts:.1f} s{announced} ({frames} frames) could be read"
