"""Recorded videos through the pipeline: one after the other, or several side by side.

Each file is a run of its own whose id follows from its content, the networks and the settings. Writers know how far a
run has come, so a run that was interrupted is completed, and one that is complete is left alone.
"""

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.synchronize import Event
from typing import ClassVar

from pipeline.errors import AffectError, SourceError
from pipeline.ingest.file import FileReader
from pipeline.ingest.source import Source
from pipeline.run import file_run
from pipeline.tally import Count, Tally
from workers.config import Config
from workers.engine import Engine
from workers.outputs import open_writers
from workers.runner import Runner

POLL = 0.1
"""s between looks at a running pipeline, for progress and for a wish to stop."""


class Status(StrEnum):
    """How the replay of a file ended."""

    DONE = "done"
    ALREADY = "already done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Progress:
    """How far a file has come."""

    source: str
    frames: int
    faces: int
    share: float | None
    """Part of the file that was read, in [0, 1]; None if its length is unknown."""


@dataclass(frozen=True)
class Outcome:
    """What became of a file."""

    source: str
    status: Status
    run: str | None = None
    frames: int = 0
    faces: int = 0
    elapsed: float = 0.0
    """s of wall-clock time."""
    note: str = ""
    """Why it failed, or what was wrong with the file."""


Report = Callable[[Progress], None]


def replay_file(
    source: Source, engine: Engine, config: Config, redis: str | None, report: Report, stopped: Callable[[], bool]
) -> Outcome:
    """Run one file through the pipeline.

    Args:
        source: the file.
        engine: the networks.
        config: everything else that is set.
        redis: URL of the server, or None.
        report: called about ten times a second with how far it has come.
        stopped: asked as often whether to stop.

    Raises:
        AffectError: results cannot be written; that will not get better with the next file.
    """
    begun = time.monotonic()
    tally = Tally()
    try:
        run = file_run(source.path, engine.settings, engine.hashes)
        reader = FileReader(source, run, tally)
    except SourceError as error:
        return Outcome(source.id, Status.FAILED, note=str(error))
    with open_writers(config, redis, tally, live=False) as writers:
        if all(writer.frontier(source.id, run).complete for writer in writers):
            return Outcome(source.id, Status.ALREADY, run)
        runner = Runner(engine, [reader], writers, tally, live=False)
        runner.start()
        while not runner.wait(POLL):
            if stopped():
                runner.stop()
            counts = tally.of(source.id)
            report(Progress(source.id, counts[Count.FRAMES], counts[Count.FACES], reader.share))
    counts = tally.of(source.id)
    failure = runner.failures.get(source.id)
    if failure is not None:
        status, note = Status.FAILED, str(failure)
    elif reader.stopped:
        status, note = Status.STOPPED, "run again to complete it"
    else:
        told = (reader.note, skipped(counts[Count.CORRUPT]))
        status, note = Status.DONE, "; ".join(text for text in told if text)
    return Outcome(
        source.id,
        status,
        run,
        counts[Count.FRAMES],
        counts[Count.FACES],
        time.monotonic() - begun,
        note,
    )


def skipped(corrupt: int) -> str:
    """Say how much of a file could not be decoded; empty if all of it could.

    >>> skipped(1), skipped(0)
    ('1 corrupt packet skipped', '')
    """
    return f"{corrupt:,} corrupt packet{'' if corrupt == 1 else 's'} skipped" if corrupt else ""


def replay(
    sources: Sequence[Source],
    engine: Engine,
    config: Config,
    redis: str | None,
    report: Report,
    stopped: Callable[[], bool],
) -> Iterator[Outcome]:
    """Replay files one after the other; give the outcome of each as it ends."""
    for source in sources:
        if stopped():
            yield Outcome(source.id, Status.STOPPED, note="not begun")
        else:
            yield replay_file(source, engine, config, redis, report, stopped)


class _Child:
    """What a child process holds between its files."""

    engine: ClassVar[Engine]
    config: ClassVar[Config]
    redis: ClassVar[str | None]
    reports: ClassVar["multiprocessing.Queue[Progress]"]
    stop: ClassVar[Event]


def _begin(config: Config, redis: str | None, reports: "multiprocessing.Queue[Progress]", stop: Event) -> None:
    # Ctrl-C reaches the whole process group; the parent alone decides, and tells through the event.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Child.engine = Engine.load(config)
    _Child.config, _Child.redis, _Child.reports, _Child.stop = config, redis, reports, stop


def _replay_one(source: Source) -> Outcome:
    if _Child.stop.is_set():
        return Outcome(source.id, Status.STOPPED, note="not begun")
    return replay_file(source, _Child.engine, _Child.config, _Child.redis, _Child.reports.put, _Child.stop.is_set)


def replay_side_by_side(
    sources: Sequence[Source], config: Config, redis: str | None, jobs: int, report: Report, stopped: Callable[[], bool]
) -> Iterator[Outcome]:
    """Replay files in ``jobs`` processes; give the outcome of each as it ends."""
    context = multiprocessing.get_context("spawn")
    reports: multiprocessing.Queue[Progress] = context.Queue()
    stop = context.Event()
    with ProcessPoolExecutor(jobs, context, _begin, (config, redis, reports, stop)) as pool:
        waiting: dict[Future[Outcome], Source] = {pool.submit(_replay_one, source): source for source in sources}
        while waiting:
            done, _ = wait(waiting, timeout=POLL, return_when=FIRST_COMPLETED)
            if stopped():
                stop.set()
            while not reports.empty():
                report(reports.get())
            for future in done:
                yield _outcome(future, waiting.pop(future))


def _outcome(future: Future[Outcome], source: Source) -> Outcome:
    try:
        return future.result()
    except AffectError as error:
        return Outcome(source.id, Status.FAILED, note=str(error))
    except BrokenProcessPool:
        return Outcome(source.id, Status.FAILED, note="the process that read it died; run again, with fewer --jobs")
