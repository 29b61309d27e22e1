"""What can be set, a section per stage; every value has a meaning, a unit and a default.

Sections are frozen and refuse unknown names. The command line, the configuration file and environment variables all
fill these (see ``workers.config``).
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def at_home(path: Path) -> Path:
    """Return a path with the home in the place of ``~``, which shells leave in ``--out=~/results``.

    A name may begin with that, too: where nobody has such a home it stays.
    """
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def as_text(value: Any) -> Any:
    """Return text for a whole number, as the number of a webcam or of a port may be written."""
    return str(value) if type(value) is int else value


def _rising(waits: tuple[float, float]) -> tuple[float, float]:
    """Refuse a first wait that is above the longest."""
    first, longest = waits
    if first > longest:
        raise ValueError(f"the first wait, {first:g} s, is above the longest, {longest:g} s")
    return waits


UserPath = Annotated[Path, AfterValidator(at_home)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """Base of all sections."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class IngestSettings(Section):
    """How sources are opened, read and sampled."""

    fps: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Frames per second of media time to analyse; None takes every frame."""
    transport: Literal["tcp", "udp"] = "tcp"
    """How RTSP carries RTP; tcp loses nothing on the way."""
    open_timeout: Seconds = 10.0
    """s to wait for a live source to open."""
    read_timeout: Seconds = 10.0
    """s to wait for the next packet of a live source before it is opened anew."""
    staleness: Seconds = 0.5
    """s that a live frame may wait before the tracker takes it; older ones are dropped and counted."""
    backoff: Annotated[tuple[Seconds, Seconds], AfterValidator(_rising)] = (0.5, 30.0)
    """s between attempts to reopen a live source: the first wait and the longest, doubled and jittered between."""
    camera_clock: bool = True
    """Whether event time goes by the clock that an RTSP camera tells of (RTCP), or by arrival."""
    decoder_threads: Annotated[int, Field(ge=0, le=64)] = 0
    """Threads of the video decoder; 0: one for files, because several threads conceal damage differently in each run,
    and as many as FFmpeg chooses for live sources."""


class DetectorSettings(Section):
    """How faces are found."""

    model: UserPath | None = None
    """ONNX file of the YuNet kind, or the name of one shipped; None takes ``standard``."""
    threshold: Share | None = None
    """Lowest score of a sure detection; None takes the card's (0.6 for a network without card)."""
    low: Share = 0.3
    """Lowest score that may continue a track (second stage of the association)."""
    overlap: Share = 0.35
    """IoU above which the lower of two detections is dropped (non-maximum suppression)."""
    min_face: Annotated[float, Field(ge=8, le=2000)] = 20.0
    """Height of the smallest face wanted, px of the source frame: sets the detector's input size."""
    max_side: Annotated[int, Field(ge=64, le=4096)] = 960
    """Longest side of the detector's input, px: bounds its cost whatever ``min_face`` asks for."""
    every: Annotated[int, Field(ge=1, le=100)] = 1
    """Frames from one detection to the next; between, faces are carried on by their motion, for 0.25 s at most."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        """Refuse a score of sure detections below that of those that are looked at."""
        if self.threshold is not None and self.threshold < self.low:
            raise ValueError(f"threshold = {self.threshold:g} is below low = {self.low:g}; lower low, or raise it")
        return self


class TrackerSettings(Section):
    """How faces are followed; all times are media time."""

    confirm: Annotated[float, Field(ge=0)] | None = None
    """s for which a face below ``birth`` must be seen before it becomes a track; None: it never does."""
    birth: Share | None = None
    """Score from which one sighting makes a track; None takes the card's (0.77 for a network without card)."""
    patience: Seconds = 3.0
    """s for which an unseen track may come back (occlusion); then it ends."""
    min_quality: Share = 0.0
    """Faces whose crop quality is lower give no row."""


class EmotionSettings(Section):
    """How crops become distributions."""

    model: UserPath | None = None
    """ONNX classifier with a card (``FILE.json`` beside ``FILE.onnx``), or the name of one shipped, such as ``int8``;
    None takes ``standard``."""
    batch: Annotated[int, Field(ge=1, le=1024)] = 32
    """Faces in the largest batch; smaller ones are padded to the next power of two. A worker of inference takes the
    messages of about so many at once."""
    latency: Seconds = 0.05
    """s that a live face may wait for others to fill its batch. Replay waits for full batches instead; ``worker`` does
    not wait, but takes what has come."""


class SmootherSettings(Section):
    """How a track's distributions are smoothed over time."""

    time_constant: Seconds = 0.35
    """s: the steady filter's memory at 25 fps for a face of full quality."""
    gap: Seconds = 1.5
    """s without the face after which smoothing begins anew."""
    lag: Annotated[float, Field(ge=0, le=60)] | None = None
    """s of future that a smoothed value may use; None: 0 live, 2 in replay (fixed-lag Rauch-Tung-Striebel)."""


class ParquetSettings(Section):
    """How part files are cut."""

    part_seconds: Seconds = 300.0
    """s of event time that one part holds at most."""
    part_rows: Annotated[int, Field(ge=1)] = 100_000
    """Rows that one part holds at most."""


class RedisSettings(Section):
    """Where and how streams are published."""

    url: str | None = None
    """``redis://``, ``rediss://`` or ``unix://`` URL; ``none`` publishes nothing; None starts an embedded server."""
    length: Annotated[int, Field(ge=1)] = 100_000
    """Entries kept in each stream, about (``MAXLEN ~``)."""
    face_ttl: Seconds = 600.0
    """s for which the stream of one face outlives its last record."""
    source_ttl: Seconds = 2_592_000.0
    """s for which the streams of a source outlive its last record."""
    memory: Annotated[int, Field(ge=16)] = 1024
    """MiB that the embedded server may hold; beyond, it forgets streams, those first that would expire first."""
    buffer: Annotated[int, Field(ge=1)] = 50_000
    """Records held while Redis is away; live drops the oldest beyond, and counts; replay waits."""


class BusSettings(Section):
    """How workers in different processes exchange messages, by way of Redis."""

    frames: Literal["jpeg", "raw"] = "jpeg"
    """How frames travel: compressed with a little loss, or exact at about ten times the size."""
    quality: Annotated[int, Field(ge=1, le=100)] = 90
    """Quality of those JPEGs."""
    pending: Annotated[int, Field(ge=1)] = 64
    """Messages of one source that may wait between two workers; beyond, the earlier worker waits."""
    pending_frames: Annotated[int, Field(ge=1)] = 8
    """The same for frames, which are large."""
    lease: Seconds = 5.0
    """s for which a worker that owns a source may be silent before another takes the source over."""
    claim: Seconds = 10.0
    """s for which an inference worker may be silent before the messages that it has in hand go to another."""
    tries: Annotated[int, Field(ge=1)] = 5
    """Attempts at a message before it is set aside as poison."""
    unsaved: Annotated[int, Field(ge=256)] = 20_000
    """Messages of one source that may wait in Redis for the Parquet part that makes their rows durable."""


class RuntimeSettings(Section):
    """How ONNX Runtime runs the networks."""

    provider: str = "cpu"
    """Execution provider: cpu, cuda, tensorrt, openvino, coreml, directml, or a provider's full name."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Threads inside one call of a network; stages already run beside each other."""


class PipelineSettings(Section):
    """All sections together."""

    ingest: IngestSettings = IngestSettings()
    detector: DetectorSettings = DetectorSettings()
    tracker: TrackerSettings = TrackerSettings()
    emotion: EmotionSettings = EmotionSettings()
    smoother: SmootherSettings = SmootherSettings()
    parquet: ParquetSettings = ParquetSettings()
    redis: RedisSettings = RedisSettings()
    bus: BusSettings = BusSettings()
    runtime: RuntimeSettings = RuntimeSettings()
