"""What a replay tells: how far a file has come, and what became of it."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pipeline.tally import Count


class Status(StrEnum):
    """How the replay of a file ended."""

    DONE = "done"
    ALREADY = "already done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Progress:
    """How far a file has come, or one part of it."""

    source: str
    frames: int
    faces: int
    share: float | None
    """Part of the file that was read, in [0, 1]; None if its length is unknown."""
    part: int | None = None
    """Which of the parts that are worked on side by side; None where the file is read in one go."""


Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Outcome:
    """What became of a file."""

    source: str
    status: Status
    run: str | None = None
    frames: int = 0
    """Decoded."""
    analysed: int = 0
    """Those of them that were looked at: all, unless ``fps`` leaves some out."""
    faces: int = 0
    elapsed: float = 0.0
    """s of wall-clock time."""
    note: str = ""
    """Why it failed, or what was wrong with the file."""


def counted(source: str, status: Status, run: str, counts: Counter[Count], begun: float, note: str) -> Outcome:
    """Return what became of a file that was worked on since ``begun``, monotonic s."""
    seen = counts[Count.FRAMES], counts[Count.SAMPLED], counts[Count.FACES]
    return Outcome(source, status, run, *seen, time.monotonic() - begun, note)


def noted(*notes: str) -> str:
    """Join what there is to say; empty notes say nothing."""
    return "; ".join(note for note in notes if note)


def skipped(corrupt: int) -> str:
    """Say how much of a file could not be decoded; empty if all of it could.

    >>> skipped(1), skipped(0)
    ('1 corrupt packet skipped', '')
    """
    return f"{corrupt:,} corrupt packet{'' if corrupt == 1 else 's'} skipped" if corrupt else ""
