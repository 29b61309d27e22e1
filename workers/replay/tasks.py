"""What worker processes do for a replay: whole files, and parts of long ones.

A process opens its networks with its first task and keeps them. Tasks take and give plain values, so that it does not
matter in which process, or on which machine, they run; files are read, and written, where their paths say.
"""

import time
from typing import ClassVar

from pipeline.errors import AffectError
from pipeline.ingest.part import Part, divide
from pipeline.ingest.source import Source
from pipeline.messages import Scores
from pipeline.tracker.tracker import Seen
from workers.config import Config
from workers.engine import Engine
from workers.replay import scan as scanning
from workers.replay.executor import TaskContext
from workers.replay.file import replay_file
from workers.replay.outcome import Outcome, Progress, Status

REPORTS = 0.25
"""s between what a part reports."""


class _Process:
    """What a worker process holds between its tasks."""

    context: ClassVar[TaskContext]
    engine: ClassVar[tuple[str, Engine] | None] = None


def set_context(context: TaskContext) -> None:
    """Set what the tasks of this process see of their executor."""
    _Process.context = context


def _engine(config: Config) -> Engine:
    settings = config.model_dump_json()
    if _Process.engine is None or _Process.engine[0] != settings:
        _Process.engine = settings, Engine.load(config)
    return _Process.engine[1]


def replay_whole(config: Config, source: Source, redis: str | None) -> Outcome:
    """Replay one file in one go, and write its rows."""
    if _Process.context.stopped():
        return Outcome(source.id, Status.STOPPED, note="not begun")
    try:
        return replay_file(source, _engine(config), redis, _Process.context.report, _Process.context.stopped)
    except AffectError as error:
        return Outcome(source.id, Status.FAILED, note=str(error))


def identify(config: Config, source: Source) -> str:
    """Return the id of the run that reads a file; raises ``SourceError``."""
    return _engine(config).run_of(source)


def plan(source: Source, count: int, least: float) -> tuple[Part, ...]:
    """Divide a file; see ``pipeline.ingest.part.divide``."""
    return divide(source, count, least)


def scan(config: Config, source: Source, run: str, part: Part, number: int) -> scanning.Scan | None:
    """Scan one part; see ``workers.replay.scan.scan``."""
    reported = time.monotonic()

    def watch(progress: Progress) -> bool:
        nonlocal reported
        now = time.monotonic()
        if now - reported >= REPORTS:
            reported = now
            _Process.context.report(progress)
        return _Process.context.stopped()

    return scanning.scan(_engine(config), source, run, part, number, watch)


def rescan(
    config: Config, source: Source, run: str, part: Part, first: int, places: dict[int, Seen]
) -> dict[int, Scores] | None:
    """Describe some frames of a part; see ``workers.replay.scan.rescan``."""
    return scanning.rescan(_engine(config), source, run, part, first, places, _Process.context.stopped)
