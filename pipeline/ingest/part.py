"""Stretches of a file that can be read by themselves, and put together give what reading it in one go gives.

A part begins at a key frame and holds the frames whose time stamps lie from there to the next part's beginning,
whatever the order in which they are coded. Where that cannot be relied on (time stamps that are missing, jump or
repeat, frames that an edit list hides, damage) a file is not divided, and where it turns out while reading, it is read
in one go after all.
"""

from array import array
from collections.abc import Container, Iterator
from itertools import chain
from typing import Any, Final

import av
import av.error
import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.ingest.clock import LONGEST_GAP, Sampler
from pipeline.ingest.decode import Decoded, Video
from pipeline.ingest.failures import explain
from pipeline.ingest.framer import Framer
from pipeline.ingest.source import Source
from pipeline.messages import Frame

STEPS_BACK: Final = (0.0, 2.0, 10.0)
"""s before a key frame at which FFmpeg is told to go on, until one attempt comes out at or before the frame."""


class Undivided(Exception):  # noqa: N818 (a finding rather than a mistake)
    """A file can only be read in one go; says why, to go after "its"."""


class Part(msgspec.Struct, frozen=True):
    """The frames from ``begin`` to just before ``end``; in units of the stream's time base."""

    begin: int | None
    """Time stamp of the first frame, a key frame; None: where the file begins."""
    end: int | None
    """Time stamp of the first frame that is no longer in it; None: to the end of the file."""
    before: int | None
    """Time stamp of the frame before ``begin``; None if there is none."""
    origin: int
    """Time stamp of the file's first frame."""
    length: int
    """Of the whole file."""
    base: float
    """s per unit."""


def divide(source: Source, count: int, least: float) -> tuple[Part, ...]:
    """Divide a file in up to ``count`` parts of about the same length, none much shorter than ``least`` s.

    Every packet is read, none decoded but the first few: about 10 µs a frame beside the reading itself.

    Raises:
        Undivided: it cannot be divided, or not where it would have to be.
        SourceError: it cannot be opened.
    """
    ticks, keys, base = _survey(source)
    video = Video(source)
    try:
        first = next((decoded.ticks for decoded in video.frames(lambda _: None)), None)
    finally:
        video.close()
    if first is None:
        raise Undivided("first frame has no time stamp")
    length = int(ticks[-1]) - first
    targets = first + length * np.arange(1, count) / count
    keys = keys[keys > first]
    cuts: list[int] = []
    for target in targets if len(keys) else ():
        key = int(keys[np.argmin(np.abs(keys - target))])
        # Half of ``least`` will do, for key frames may be far apart.
        if min(key - (cuts[-1] if cuts else first), int(ticks[-1]) - key) * base >= least / 2:
            cuts.append(key)
    if not cuts:
        raise Undivided("key frames are too far apart")
    befores = [int(ticks[np.searchsorted(ticks, cut) - 1]) for cut in cuts]
    return tuple(
        Part(begin, end, before, first, length, base)
        for begin, end, before in zip([None, *cuts], [*cuts, None], [None, *befores], strict=True)
    )


def _survey(source: Source) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
    """Return the time stamps of all frames and those of key frames, ascending, and their unit, s."""
    video = Video(source)
    ticks, keys = array("q"), array("q")
    decoding = None
    try:
        for packet in video.demux():
            if why := _why_not(packet, decoding):
                raise Undivided(why)
            decoding = decoding if packet.dts is None else packet.dts
            ticks.append(packet.pts)
            if packet.is_keyframe:
                keys.append(packet.pts)
        base = float(video.base)
        short = bool(ticks) and video.length.is_short((max(ticks) - min(ticks)) * base, video.packets)
    except av.error.InvalidDataError:
        raise Undivided("content is damaged") from None
    except (av.FFmpegError, OSError) as error:
        raise explain(error, source) from None
    finally:
        video.close()
    stamps = np.sort(np.asarray(ticks))
    gaps = np.diff(stamps)
    if len(stamps) < 2 or gaps.min() <= 0:
        raise Undivided("time stamps repeat")
    if gaps.max() * base > LONGEST_GAP:
        raise Undivided("time stamps jump")
    if short:
        raise Undivided("end is missing")
    return stamps, np.sort(np.asarray(keys)), base


def _why_not(packet: Any, decoding: int | None) -> str:
    """Say why a file with that packet cannot be divided; ``decoding`` is the decoding time stamp before it."""
    if packet.pts is None:
        return "time stamps are incomplete"
    if packet.dts is not None and decoding is not None and packet.dts < decoding:
        return "time stamps jump"
    if packet.is_discard:
        return "edit list hides frames"
    return "content is damaged" if packet.is_corrupt else ""


class PartReader:
    """Iterates over the frames of one part, numbered from ``first`` on. To be iterated once.

    ``only``: numbers of the frames wanted; None: all.

    Raises:
        SourceError: the file cannot be read.
        Undivided: it does not decode to what its packets promise.
    """

    def __init__(
        self, source: Source, run: str, part: Part, first: int = 0, only: Container[int] | None = None
    ) -> None:
        self.frames = 0
        """Frames of the part decoded so far."""
        self.last: int | None = None
        """Time stamp of the latest frame, in units of the stream's time base."""
        self._source = source
        self._run = run
        self._part = part
        self._first = first
        self._only = only

    @property
    def share(self) -> float:
        """What was read of it, over the length of the whole file."""
        begin = self._part.origin if self._part.begin is None else self._part.begin
        return 0.0 if self.last is None else (self.last - begin) / self._part.length

    def __iter__(self) -> Iterator[Frame]:
        for start in self._starts():
            video = Video(self._source)
            try:
                frames = self._opened(video, start)
                if frames is not None:
                    yield from self._framed(video, frames)
                    return
            finally:
                video.close()
        raise Undivided("key frames do not decode by themselves")

    def _starts(self) -> Iterator[int | None]:
        """Give the time stamps from which reading may begin, the best one first."""
        begin = self._part.begin
        if begin is not None:
            # In a container without an index FFmpeg searches for the time stamp, and may end up behind the frame.
            yield from (max(self._part.origin, begin - round(step / self._part.base)) for step in STEPS_BACK)
        yield None

    def _opened(self, video: Video, start: int | None) -> Iterator[Decoded] | None:
        """Give the frames of the part when read from ``start``; None if its first one is not found from there."""
        if start is not None:
            try:
                video.seek(start)
            except av.FFmpegError:
                return None
        frames = self._decoded(video)
        first = next(frames, None)
        if first is None or (start is not None and first.ticks != self._part.begin):
            return None
        return chain((first,), frames)

    def _decoded(self, video: Video) -> Iterator[Decoded]:
        """Give the frames of the part."""
        begin, end, corrupt = self._part.begin, self._part.end, 0
        previous: int | None = None
        begun = begin is None

        def skipped(number: int) -> None:
            nonlocal corrupt
            corrupt += number

        for decoded in video.frames(skipped):
            ticks = decoded.ticks
            if ticks is None or (previous is not None and ticks <= previous):
                raise Undivided("frames do not come in the order of their time stamps")
            if begun and corrupt:
                break
            # What cannot be decoded before the part begins belongs to the one before.
            corrupt = 0
            previous = ticks
            if end is not None and ticks >= end:
                break
            if begin is None or ticks >= begin:
                begun = True
                yield decoded
        if begun and corrupt:
            raise Undivided("content is damaged")

    def _framed(self, video: Video, decoded: Iterator[Decoded]) -> Iterator[Frame]:
        framer, sampler = Framer(self._source, self._run, video), Sampler(self._source.settings.fps)
        origin = self._part.origin * video.base.numerator / video.base.denominator

        def media_time(ticks: int) -> float:
            # What ``MediaClock`` gives where time stamps make sense, to the last bit.
            return round(ticks * video.base.numerator / video.base.denominator - origin, 6)

        if self._part.before is not None:
            sampler.wants(media_time(self._part.before))
        for one in decoded:
            assert one.ticks is not None
            pts = media_time(one.ticks)
            self.last = one.ticks
            number = self._first + self.frames
            self.frames += 1
            if sampler.wants(pts) and (self._only is None or number in self._only):
                yield framer(one, number, pts)
