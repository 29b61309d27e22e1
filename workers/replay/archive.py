"""Many recorded videos at once: short ones side by side, long ones in parts."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from typing import Final

from pipeline.errors import AffectError, SourceError
from pipeline.ingest.decode import Video
from pipeline.ingest.failures import unexpected
from pipeline.ingest.source import Source
from workers.engine import Engine
from workers.replay import tasks
from workers.replay.executor import Executor
from workers.replay.file import POLL
from workers.replay.long import LEAST, parts_of, replay_long
from workers.replay.outcome import Outcome, Progress, Report, Status

MANY: Final = 4
"""Files for each worker that keep all of them busy whatever their lengths: then none is worth dividing."""


def replay_side_by_side(
    executor: Executor,
    engine: Engine,
    redis: str | None,
    sources: Sequence[Source],
    report: Report,
    stopped: Callable[[], bool],
    least: float = LEAST,
) -> Iterator[Outcome]:
    """Replay files; give the outcome of each as it ends.

    Args:
        executor: runs what there is to do.
        engine: the networks, for what is done here, and everything that is set.
        redis: URL of the server, or None.
        sources: the files.
        report: called about ten times a second for each file with how far it has come.
        stopped: asked as often whether to stop.
        least: s of video in a part of a long file.
    """
    # Which frames are searched for faces follows from all the frames before, which a part does not know.
    divides = engine.config.detector.every == 1
    long = long_files(sources, executor.workers, least) if divides else {}
    # What takes longest begins first.
    todo = deque(sorted(sources, key=lambda source: source.id not in long))
    waiting: dict[Future[Outcome], Source] = {}
    progress = _Sum(report)
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(max(1, len(long)), "join"))
        left = threading.Event()

        def leave(kind: type[BaseException] | None, *_: object) -> None:
            left.set()  # an error here must not wait for hours of work elsewhere
            if kind is KeyboardInterrupt:
                executor.stop(insist=True)

        stack.push(leave)

        def over() -> bool:
            return stopped() or left.is_set()

        while todo or waiting:
            # A cluster is not sent a whole archive at once, so that to stop is to stop.
            while todo and len(waiting) < 2 * executor.workers:
                source = todo.popleft()
                if stopped():
                    yield Outcome(source.id, Status.STOPPED, note="not begun")
                elif source.id in long:
                    how = (executor, engine, redis, source, long[source.id], least, over)
                    waiting[threads.submit(replay_long, *how)] = source
                else:
                    waiting[executor.submit(tasks.replay_whole, engine.config, source, redis)] = source
            done, _ = wait(waiting, POLL, FIRST_COMPLETED)
            if stopped():
                executor.stop()
            running = {source.id for source in waiting.values()}
            for one in executor.reports():
                if one.source in running:  # and not a late word of what has ended
                    progress.add(one)
            for future in done:
                yield _outcome(future, waiting.pop(future))


def long_files(sources: Sequence[Source], workers: int, least: float) -> dict[str, int]:
    """Return which files are worth dividing, by id, and in how many parts.

    Those whose turn alone would take longer than all the work evenly dealt out; lengths stand for the work.
    """
    if workers == 1 or len(sources) > MANY * workers:
        return {}
    lengths = {source.id: _length(source) for source in sources}
    share = sum(lengths.values()) / workers
    parts = {name: parts_of(length, workers, least) for name, length in lengths.items() if length > share}
    return {name: count for name, count in parts.items() if count > 1}


def _length(source: Source) -> float:
    """Return how long a file is, s; 0 if that is unknown."""
    try:
        video = Video(source)
    except SourceError:
        return 0.0
    video.close()
    return video.duration or 0.0


class _Sum:
    """Adds up what the parts of each file report."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._parts: dict[str, dict[int | None, Progress]] = {}

    def add(self, progress: Progress) -> None:
        parts = self._parts.setdefault(progress.source, {})
        if progress.part is None:  # read in one go after all
            parts.clear()
        parts[progress.part] = progress
        shares = [part.share for part in parts.values() if part.share is not None]
        self._report(
            Progress(
                progress.source,
                sum(part.frames for part in parts.values()),
                sum(part.faces for part in parts.values()),
                min(1.0, sum(shares)) if shares else None,
            )
        )


def _outcome(future: Future[Outcome], source: Source) -> Outcome:
    try:
        return future.result()
    except AffectError as error:
        return Outcome(source.id, Status.FAILED, note=str(error))
    except Exception as error:
        return Outcome(source.id, Status.FAILED, note=str(unexpected(error, source)))
