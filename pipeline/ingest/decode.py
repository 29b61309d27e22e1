"""Opening, demuxing and decoding by FFmpeg (PyAV)."""

import struct
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from fractions import Fraction
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import av
import av.error

from pipeline.errors import SourceError, SourceLost
from pipeline.ingest.failures import explain
from pipeline.ingest.index import out_of_reach
from pipeline.ingest.length import Length
from pipeline.ingest.source import Source

# FFmpeg writes URLs with their passwords to its log. PyAV discards that log unless something has turned it on.
av.logging.set_level(None)

TIMELESS: Final = frozenset(("mpjpeg", "mjpeg", "h264", "hevc", "m4v", "image2", "jpeg_pipe", "png_pipe"))
"""Formats without time stamps. Live, their frames are timed by arrival rather than by the rate that FFmpeg assumes."""

TEXT: Final = frozenset(("tty", "bin", "xbin", "adf", "idf"))
"""Formats in which FFmpeg would draw any text file as a video."""

CONCEALED: Final = frozenset(("av1", "h264", "mpeg1video", "mpeg2video", "mpeg4", "vp9"))
"""Codecs whose decoders paint over damage, or give no picture."""

PATIENCE: Final = 50
"""Unreadable packets in a row after which a file counts as cut off there."""

_PRFT = struct.Struct("=qi")  # AVProducerReferenceTime: UTC in µs, flags


class Decoded(NamedTuple):
    """A frame as it leaves the decoder."""

    frame: av.VideoFrame
    ticks: int | None
    """Its raw time stamp, in units of ``Video.base`` s."""
    captured: int | None
    """Capture time by the camera's clock, UTC, µs, from RTCP sender reports."""
    number: int
    """Its place in what the decoder gives, from 0, damaged frames that were skipped included."""


class Video:
    """An open source: its first video stream, and the frames in it.

    Raises ``SourceError`` if it will never open, ``SourceLost`` if it may later.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._scheme = urlsplit(source.url).scheme.lower() if "://" in source.url else ""
        self._container: Any = None
        self.packets = 0
        """Packets read so far."""
        begun = time.monotonic()
        try:
            self._container = self._open()
            self.stream = self._video_stream()
        except (av.FFmpegError, OSError) as error:
            waited = time.monotonic() - begun
            if source.live and waited > 0.9 * source.settings.open_timeout:
                # What was cut short by a time-out may also be reported as garbage.
                raise SourceLost(f"{source.safe_url} does not answer in time") from None
            raise self._explain(error) from None
        except BaseException:
            self.close()
            raise
        rate: Fraction | None = self.stream.average_rate or self.stream.guessed_rate
        self.step: float | None = float(1 / rate) if rate else None
        """s between frames as the container announces it."""
        self.length = Length(self._container, self.stream)
        self.duration = self.length.known
        """As the container states it, s; None if unknown."""
        self.timeless = source.live and self.format in TIMELESS
        """Whether frames are stamped with their arrival, because the stream has no time stamps."""
        self.base = Fraction(1, 1_000_000) if self.timeless else Fraction(self.stream.time_base or 1)
        """Unit of time stamps, s."""
        self.cut = False
        """Whether reading ended at something unreadable rather than at the end."""
        self._offset: int | None = None
        self._number = 0

    def _open(self) -> Any:
        source, settings = self.source, self.source.settings
        if not source.live:
            if source.path.stat().st_size == 0:
                raise SourceError(f"{source.safe_url} is empty (0 bytes); copy it again")
            # The prefix keeps FFmpeg from taking a colon in a file name for the end of a protocol.
            return av.open(f"file:{source.url}", metadata_errors="replace")
        options = {"analyzeduration": "2000000", "fpsprobesize": "0"}  # a camera's rate is measured, not guessed
        patience = settings.read_timeout
        # FFmpeg has one limit for opening and reading, so that is the longer of the two; PyAV has one for each.
        if self._scheme in ("rtsp", "rtsps"):
            # FFmpeg swallows the first time-out to flush its parser, so we set half.
            patience /= 2
            options["rtsp_transport"] = settings.transport
            limit = "timeout"
        else:
            limit = "rw_timeout"
        options[limit] = str(round(max(settings.open_timeout, patience) * 1e6))
        return av.open(
            source.url, options=options, timeout=(settings.open_timeout, patience), metadata_errors="replace"
        )

    def _video_stream(self) -> Any:
        container, shown = self._container, self.source.safe_url
        if self.format in TEXT:
            raise SourceError(f"{shown} is text, not a video; give another source")
        stream = container.streams.best("video")
        if stream is None or stream.disposition & av.stream.Disposition.attached_pic:
            kinds = sorted({s.type for s in container.streams})
            raise SourceError(f"{shown} holds no video ({', '.join(kinds) or 'nothing'} only); give another source")
        if stream.codec_context is None:
            raise SourceError(f"{shown} is in a format this FFmpeg cannot decode; convert it to H.264")
        for other in container.streams:
            if other is not stream:
                other.discard = av.stream.Discard.all
        # Frame threads hold back as many frames as there are threads. Several threads conceal damage differently in
        # each run: they race for what is concealed, and for which frames count as damaged.
        stream.thread_type = "SLICE" if self.source.live else "AUTO"
        stream.thread_count = self.source.settings.decoder_threads or (0 if self.source.live else 1)
        return stream

    @property
    def aspect(self) -> float:
        """Width of a coded pixel over its height."""
        return float(self.stream.sample_aspect_ratio or 1)

    @property
    def created(self) -> int | None:
        """When the container says that it was recorded, UTC, µs since 1970."""
        text = self._container.metadata.get("creation_time") or self.stream.metadata.get("creation_time")
        try:
            recorded = datetime.fromisoformat(text) if text else None
        except ValueError:
            return None
        # Recorders without a clock write their epoch, 1904 or 1970 or close to it.
        if recorded is None or recorded.tzinfo is None or recorded.year < 1990:
            return None
        return round(recorded.timestamp() * 1e6)

    @property
    def format(self) -> str:
        """FFmpeg's short name of the container's format."""
        return str(self._container.format.name)

    @property
    def assumed(self) -> bool:
        """Whether nothing announces a rate: FFmpeg made up ``step`` then, and with it a file's time stamps."""
        return self.timeless or (self.format in TIMELESS and not self.stream.codec_context.framerate)

    @property
    def finite(self) -> bool:
        """Whether a live source is in truth a recording on a web server, which ends."""
        return self._scheme in ("http", "https") and self.duration is not None and not self.timeless

    @property
    def paced(self) -> bool:
        """Whether frames must be held back to run in real time: web servers send as fast as they can."""
        return self._scheme in ("http", "https") and not self.timeless

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec, with its profile where there is one."""
        profile = self.stream.profile
        return f"{self.stream.codec_context.codec.canonical_name}{f' ({profile})' if profile else ''}"

    @property
    def leaves_holes(self) -> bool:
        """Whether damaged parts of a picture may show what its memory held before, which differs from run to run."""
        return self.stream.codec_context.codec.canonical_name not in CONCEALED

    @property
    def audio(self) -> bool:
        """Whether there is sound, which is not read."""
        return bool(self._container.streams.audio)

    def frames(self, corrupt: Callable[[int], None]) -> Iterator[Decoded]:
        """Decode to the end; ``corrupt`` is told how many packets or frames were skipped.

        Raises ``SourceLost`` when a live source breaks off, ``SourceError`` when a file cannot be read.
        """
        unreadable = 0
        while True:
            try:
                for packet in self._packets():
                    if packet.size:
                        self.packets += 1
                        if unreadable:
                            corrupt(unreadable)
                            unreadable = 0
                    yield from self._decode(packet, corrupt)
                break
            except av.error.InvalidDataError:
                # Reading goes on behind the damage, unless there is nothing behind it.
                unreadable += 1
                if unreadable < PATIENCE:
                    continue
                if self.source.live:
                    raise SourceLost(f"{self.source.safe_url} sends nothing that can be read") from None
                break
            except (av.FFmpegError, OSError) as error:
                raise self._explain(error) from None
        self.cut = unreadable > 0

    def demux(self) -> Iterator[Any]:
        """Give the packets of a file to its end, undecoded; raises FFmpeg's own errors."""
        for packet in self._packets():
            if packet.size:
                self.packets += 1
                yield packet

    def _packets(self) -> Iterator[Any]:
        while True:
            try:
                yield from self._container.demux(self.stream)
            except IndexError:
                # PyAV 18 fails on a stream that turns up while it reads, as damage may look like one. Begun again, it
                # knows that stream.
                continue
            return

    def seek(self, ticks: int) -> None:
        """Go on at the last key frame that is not after ``ticks``, as far as the container knows.

        Raises ``av.FFmpegError`` if it cannot be searched.
        """
        self._container.seek(ticks, stream=self.stream)

    def _explain(self, error: Exception) -> SourceError:
        if not self.packets and out_of_reach(self.source, error):
            return SourceError(
                f"{self.source.safe_url} has its index at its end, and its server does not send files in parts; "
                "download it and replay it, or put the index first: ffmpeg -i IN -c copy -movflags +faststart OUT.mp4"
            )
        return explain(error, self.source)

    def _decode(self, packet: Any, corrupt: Callable[[int], None]) -> Iterator[Decoded]:
        offset = self._capture_offset(packet)
        try:
            frames = self.stream.decode(packet)
        except av.error.BlockingIOError:
            # The decoder still holds frames from before an error and takes no more.
            self.stream.codec_context.flush_buffers()
            corrupt(1)
            return
        except av.error.EOFError:
            return
        except av.FFmpegError:
            corrupt(1)
            return
        for number, frame in enumerate(frames, self._number):
            self._number = number + 1
            if frame.is_corrupt:
                corrupt(1)
                continue
            ticks = frame.dts if frame.pts is None else frame.pts
            if self.timeless:
                ticks = time.monotonic_ns() // 1000
            known = offset is not None and ticks is not None
            yield Decoded(frame, ticks, offset + round(ticks * self.base * 1_000_000) if known else None, number)

    def _capture_offset(self, packet: Any) -> int | None:
        """Return the camera's UTC at pts 0, µs, as of the latest packet that FFmpeg could date."""
        if self._scheme in ("rtsp", "rtsps") and packet.pts is not None and packet.has_sidedata("prft"):
            utc, _ = _PRFT.unpack_from(bytes(packet.get_sidedata("prft")))
            self._offset = utc - round(packet.pts * packet.time_base * 1_000_000)
        return self._offset

    def close(self) -> None:
        """Close the source; safe to call twice."""
        if self._container is not None:
            self._container.close()
