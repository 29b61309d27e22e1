"""Looks at a source for some seconds and says in plain words what it is."""

import itertools
import time
from typing import Final

import av
import msgspec

from pipeline.errors import SourceError
from pipeline.ingest.clock import MediaClock
from pipeline.ingest.decode import Video
from pipeline.ingest.event_clock import skew_in_words
from pipeline.ingest.live import open_live
from pipeline.ingest.picture import Pictures, is_full_range, orientation
from pipeline.ingest.source import Source

SECONDS: Final = 5.0
"""s to look; RTSP servers send their first report on capture time within about five."""

_BURST: Final = 0.5  # s in which a stream server may send what it had stored
_JITTER: Final = 0.1  # steps may differ from the median by this share and still count as steady


class Probe(msgspec.Struct, frozen=True):
    """What a source is."""

    name: str
    """``safe_url`` of the source."""
    live: bool
    format: str
    codec: str
    pixels: str
    """FFmpeg's name of the pixel format."""
    full_range: bool
    size: tuple[int, int]
    """Width and height as coded, px."""
    displayed: tuple[int, int]
    """Width and height as displayed, px."""
    turned: bool
    """Whether it must be turned by a quarter or mirrored to be upright."""
    aspect: float
    """Width of a pixel over its height."""
    announced_fps: float | None
    measured_fps: float | None
    """Frames per second: by arrival if live, by media time if a file; None where they do not tell."""
    frames: int
    """Frames looked at."""
    corrupt: int
    """Packets or frames among them that could not be decoded."""
    first_missing: int
    """Frames at the beginning without time stamp."""
    backwards: int
    """Time stamps that lie before their predecessor."""
    steps: tuple[float, float, float] | None
    """Shortest, median and longest step between time stamps, s; None where there are fewer than two steps."""
    duration: float | None
    """As announced, s."""
    clock_skew: float | None
    """s by which the camera's clock is ahead of this machine's, by its RTCP sender reports; None without them."""
    recorded: bool
    """Whether the file says when it was recorded."""
    audio: bool

    def sentences(self) -> list[str]:
        """Describe the source, a sentence per fact."""
        width, height = self.size
        levels = "full range" if self.full_range else "studio range"
        told = [f"{self.name} is {self.codec} video in {self.format}, {width} x {height} px, {self.pixels}, {levels}."]
        if self.displayed != self.size or self.turned:
            why = [why for why, holds in (("turned", self.turned), ("stretched", self.aspect != 1)) if holds]
            told.append(f"It is shown {' and '.join(why)}: {self.displayed[0]} x {self.displayed[1]} px.")
        told += [self._rate(), self._stamps(), self._times()]
        if self.corrupt:
            told.append(f"{self.corrupt} packets or frames could not be decoded.")
        if self.duration is not None:
            told.append(f"It lasts {self.duration:.1f} s.")
        if self.audio:
            told.append("It has sound, which is not read.")
        return told

    def _rate(self) -> str:
        announced = f"It announces {self.announced_fps:.4g} frames/s" if self.announced_fps else "It announces no rate"
        if self.measured_fps is None and self.frames == 1:
            return f"{announced}; only 1 frame was seen."
        if self.measured_fps is None:
            return f"{announced}; {self.frames} frames were seen, whose time stamps do not tell it."
        return f"{announced}; {self.measured_fps:.4g} frames/s were measured over {self.frames} frames."

    def _stamps(self) -> str:
        facts = []
        if self.first_missing == self.frames:
            facts.append("there are none")
        elif self.first_missing:
            facts.append(
                "the first frame has none"
                if self.first_missing == 1
                else f"the first {self.first_missing} frames have none"
            )
        if self.backwards:
            facts.append(f"{self.backwards} go backwards")
        if self.steps is not None:
            low, middle, high = self.steps
            if high - low > _JITTER * middle:
                facts.append(f"the rate varies, with steps from {low * 1000:.0f} to {high * 1000:.0f} ms")
        elif seen := self.frames - self.first_missing:
            facts.append(f"only {seen} {'was' if seen == 1 else 'were'} seen")
        return f"Time stamps: {'; '.join(facts) or 'steady'}."

    def _times(self) -> str:
        if not self.live:
            if self.recorded:
                return "Event times count from when it was recorded, as it says itself."
            ends = "end" if self.duration else "count from"
            return f"It does not say when it was recorded; event times {ends} when the file was last written."
        if self.clock_skew is not None:
            words = skew_in_words(self.clock_skew)
            wrong = f", which is {words} this machine's: set whichever is wrong (NTP, time zone)" if words else ""
            return f"Event times come from the camera's own clock (RTCP){wrong}."
        return "The camera does not tell its clock; event times count from arrival."


def probe(source: Source, seconds: float = SECONDS) -> Probe:
    """Open a source, decode ``seconds`` s of it and describe it; raises ``SourceError``."""
    video = open_live(source) if source.live else Video(source)
    clock = MediaClock(video.step)
    corrupt: list[int] = []
    ticks: list[int | None] = []
    arrivals: list[float] = []
    skew: float | None = None
    first: av.VideoFrame | None = None
    try:
        for decoded in video.frames(corrupt.append):
            first = first or decoded.frame
            ticks.append(None if video.timeless or video.assumed else decoded.ticks)
            arrivals.append(time.monotonic())
            if decoded.captured is not None:
                skew = decoded.captured / 1e6 - time.time_ns() / 1e9
            media = clock.media_time(decoded.ticks, video.base)
            if (arrivals[-1] - arrivals[0] if source.live else media) >= seconds:
                break
        if first is None:
            raise SourceError(f"{source.safe_url}: nothing in it can be decoded")
        stamps = [float(t * video.base) for t in ticks if t is not None]
        steps = sorted(b - a for a, b in itertools.pairwise(stamps))
        picture = Pictures(source.detector, video.aspect).picture(first)
        return Probe(
            name=source.safe_url,
            live=source.live,
            format=video.format.split(",")[0],
            codec=video.codec,
            pixels=first.format.name,
            full_range=is_full_range(first),
            size=(first.width, first.height),
            displayed=(picture.width, picture.height),
            turned=any(orientation(first)),
            aspect=video.aspect,
            announced_fps=1 / video.step if video.step and not video.assumed else None,
            measured_fps=_rate([at for at in arrivals if at > arrivals[0] + _BURST] if source.live else stamps),
            frames=len(ticks),
            corrupt=sum(corrupt),
            first_missing=next((n for n, t in enumerate(ticks) if t is not None), len(ticks)),
            backwards=sum(step < 0 for step in steps),
            steps=(steps[0], steps[len(steps) // 2], steps[-1]) if len(steps) > 1 else None,
            duration=video.duration,
            clock_skew=skew,
            recorded=isinstance(video, Video) and video.created is not None,
            audio=video.audio,
        )
    finally:
        video.close()


def _rate(times: list[float]) -> float | None:
    span = times[-1] - times[0] if times else 0.0
    return (len(times) - 1) / span if span > 0 else None
