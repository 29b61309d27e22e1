"""Recorded videos through the pipeline, one after the other.

Each file is a run of its own whose id follows from its content, the networks and the settings. Writers know how far a
run has come, so a run that was interrupted is completed, and one that is complete is left alone.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

from pipeline.errors import AffectError, BrokerError, OutputError
from pipeline.ingest.failures import unexpected
from pipeline.ingest.file import FileReader
from pipeline.ingest.source import Source
from pipeline.tally import Count, Tally
from workers.engine import Engine
from workers.outputs import open_writers
from workers.replay.event_time import as_begun
from workers.replay.outcome import Outcome, Progress, Report, Status, counted, noted, skipped
from workers.runner import Runner

POLL = 0.1
"""s between looks at a running pipeline, for progress and for a wish to stop."""


def replay_file(
    source: Source, engine: Engine, redis: str | None, report: Report, stopped: Callable[[], bool]
) -> Outcome:
    """Run one file through the pipeline.

    Args:
        source: the file.
        engine: the networks, and everything that is set.
        redis: URL of the server, or None.
        report: called about ten times a second with how far it has come.
        stopped: asked as often whether to stop.

    Raises:
        OutputError, BrokerError: results cannot be written; that will not get better with the next file.
    """
    try:
        return _replayed(source, engine, redis, report, stopped)
    except (OutputError, BrokerError):
        raise
    except AffectError as error:
        return Outcome(source.id, Status.FAILED, note=str(error))
    except Exception as error:
        return Outcome(source.id, Status.FAILED, note=str(unexpected(error, source)))


def _replayed(
    source: Source, engine: Engine, redis: str | None, report: Report, stopped: Callable[[], bool]
) -> Outcome:
    begun = time.monotonic()
    tally, config = Tally(), engine.config
    run = engine.run_of(source)
    try:
        # Writers are closed first: workers may wait for them.
        with ExitStack() as last, open_writers(config, redis, tally, [source], live=False, stopped=stopped) as writers:
            if all(writer.frontier(source.id, run).complete for writer in writers):
                return Outcome(source.id, Status.ALREADY, run)
            reader = FileReader(as_begun(source, run, config.out), run, tally)
            runner = Runner(engine, [reader], writers, tally, live=False)
            last.callback(runner.end)
            runner.start()
            while not runner.wait(POLL):
                if stopped():
                    runner.stop()
                counts = tally.of(source.id)
                report(Progress(source.id, counts[Count.FRAMES], counts[Count.FACES], reader.share))
    except BrokerError as error:
        if not stopped():
            raise
        return counted(source.id, Status.STOPPED, run, tally.of(source.id), begun, str(error))
    counts = tally.of(source.id)
    failure = runner.failures.get(source.id)
    if failure is not None:
        status, note = Status.FAILED, str(failure)
    elif reader.stopped:
        status, note = Status.STOPPED, "run again to complete it"
    else:
        status, note = Status.DONE, reader.note
    return counted(source.id, status, run, counts, begun, noted(note, skipped(counts[Count.CORRUPT])))


def replay(
    sources: Sequence[Source],
    engine: Engine,
    redis: str | None,
    report: Report,
    stopped: Callable[[], bool],
) -> Iterator[Outcome]:
    """Replay files one after the other; give the outcome of each as it ends."""
    for source in sources:
        if stopped():
            yield Outcome(source.id, Status.STOPPED, note="not begun")
        else:
            yield replay_file(source, engine, redis, report, stopped)
