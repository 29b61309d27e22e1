"""How a source is doing just now, as screens, pages and monitors tell it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.tally import Count
from workers.latency import Delay


@dataclass(frozen=True)
class SourceStatus:
    """The state of one source at one moment."""

    source: str
    state: str
    """A word for people: that of ``Phase``, or who of a cluster works on it."""
    up: bool | None
    """Whether it is as it should be: frames come, or somebody works on it; None where that cannot be told."""
    reason: str = ""
    """Why it is not; empty where it is."""
    read_from: str = ""
    """Path, or URL without credentials; empty where it is not known."""
    fps: float = 0.0
    """Frames decoded per second; 0 where it is not known."""
    counts: Mapping[Count, int] = field(default_factory=dict)
    """What was counted of it; what was never counted may be missing."""
    delay: Delay | None = None
    """How long its results take; None where it is not known."""
