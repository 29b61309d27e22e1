"""One long file, worked on in many places at once.

::

                ┌ scan part 1 ┐                   ┌ some frames again ┐
    plan parts ─┼ scan part 2 ┼▶ follow, in order ┼                   ┼▶ smooth and write, in order
                └ scan part 3 ┘                   └         …         ┘

What is done in order takes little time, and happens in this process.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Final

import msgspec

from pipeline.errors import BrokerError, SourceError, StateError
from pipeline.ingest.part import Part, Undivided
from pipeline.ingest.source import Source
from pipeline.messages import End, Scores
from pipeline.sink.occupancy import writing
from pipeline.sink.writer import Writer, position
from pipeline.tally import Count, Tally
from workers.engine import Engine
from workers.outputs import open_writers
from workers.replay import tasks
from workers.replay.checkpoint import Checkpoint, load, save
from workers.replay.event_time import as_begun
from workers.replay.executor import Executor
from workers.replay.file import POLL
from workers.replay.joiner import Joined, Joiner
from workers.replay.outcome import Outcome, Status, counted, noted
from workers.replay.scan import Scan
from workers.replay.stopped import place

LEAST: Final = 60.0
"""s of video in a part at least: about one of them is scanned twice."""

MOST: Final = 120.0
"""s of video in a part at most: what was found in a part, some kB a frame, is held until its turn comes."""

PER_WORKER: Final = 4
"""Parts for each worker, within those limits: the last to end then keeps the others waiting for a short time only."""

AHEAD: Final = 2
"""Parts beyond one for each worker that may be scanned or wait for their turn."""


def parts_of(length: float, workers: int, least: float) -> int:
    """Return in how many parts a file of ``length`` s is best divided.

    >>> parts_of(59, 8, 60), parts_of(600, 2, 60), parts_of(600, 8, 60), parts_of(36_000, 2, 60)
    (1, 8, 8, 300)
    """
    parts = max(math.ceil(length / MOST), min(PER_WORKER * workers, int(length / least)))
    return max(1, parts - parts % workers if parts > workers else parts)


def replay_long(
    executor: Executor,
    engine: Engine,
    redis: str | None,
    source: Source,
    parts: int,
    least: float,
    stopped: Callable[[], bool],
) -> Outcome:
    """Replay one file in ``parts`` parts, none much shorter than ``least`` s; in one go where that cannot be done.

    Raises:
        AffectError: results cannot be written, or a task was lost.
    """
    begun, config = time.monotonic(), engine.config
    complete, note = False, "run again to complete it"
    try:
        run = executor.submit(tasks.identify, config, source).result()
        tally, stopped_at = Tally(), place(config.out, source.id, run)
        with ExitStack() as last:
            with open_writers(config, redis, tally, [source], live=False, stopped=stopped) as writers:
                last.enter_context(writing(config.out))  # until the checkpoint, too, is where erasing finds it
                if all(writer.frontier(source.id, run).complete for writer in writers):
                    stopped_at.unlink(missing_ok=True)
                    return Outcome(source.id, Status.ALREADY, run)
                source = as_begun(source, run, config.out)
                planned = executor.submit(tasks.plan, source, parts, least).result()
                work = _Work(executor, engine, source, run, planned, tally)
                written = min(writer.frontier(source.id, run).frame for writer in writers)
                work.resume(load(stopped_at), written)
                complete = work.run(writers, stopped)
            # Only now is all that was written durable.
            if complete:
                stopped_at.unlink(missing_ok=True)
            elif work.checkpoint is not None:
                save(stopped_at, work.checkpoint)
    except SourceError as error:
        return Outcome(source.id, Status.FAILED, note=str(error))
    except BrokerError as error:
        if not stopped():
            raise
        complete, note = False, str(error)
    except Undivided as why:
        # What was written already stays: writers pass over what they have.
        stopped_at.unlink(missing_ok=True)
        outcome = executor.submit(tasks.replay_whole, config, source, redis).result()
        return replace(outcome, note=noted(outcome.note, f"read in one go, because its {why}"))
    status = Status.DONE if complete else Status.STOPPED
    return counted(source.id, status, run, tally.of(source.id), begun, "" if complete else note)


class _Work:
    """The parts of one file, from the first scan to the writers."""

    def __init__(
        self,
        executor: Executor,
        engine: Engine,
        source: Source,
        run: str,
        parts: Sequence[Part],
        tally: Tally,
    ) -> None:
        self._executor = executor
        self._engine = engine
        self._source = source
        self._run = run
        self._tally = tally
        self._joiner, self._sink = Joiner(engine.follower()), engine.sink(tally)
        self._parts = parts
        self._written = -1
        self.checkpoint: Checkpoint | None = None
        """Where to go on if it is stopped now; None before the first part was written."""
        self._stopped = False
        """Whether a task was told to stop, so that its part is missing."""
        self._todo = deque(enumerate(parts))
        self._scans: deque[tuple[Part, Future[Scan | None]]] = deque()
        self._joined: deque[tuple[Part, Joined, Future[dict[int, Scores] | None]]] = deque()

    def resume(self, checkpoint: Checkpoint | None, written: int) -> None:
        """Go on from a checkpoint, unless rows are missing that were written then: beyond frame ``written``."""
        if checkpoint is None or written < checkpoint.written:
            return
        joiner, sink = Joiner(self._engine.follower()), self._engine.sink(self._tally)
        try:
            before = joiner.restore(checkpoint.followed, checkpoint.given)
            sink.restore(checkpoint.sink)
        except StateError:  # of another version of this program
            return
        self._joiner, self._sink = joiner, sink
        rest = [part for part in self._parts if part.begin is not None and part.begin > checkpoint.begin]
        end = rest[0].begin if rest else None
        first = msgspec.structs.replace(self._parts[0], begin=checkpoint.begin, before=before, end=end)
        self._todo = deque(enumerate([first, *rest]))
        self._written, self.checkpoint = checkpoint.written, checkpoint

    def run(self, writers: Sequence[Writer], stopped: Callable[[], bool]) -> bool:
        """Work until all is written, or until told to stop; return whether all is.

        Raises:
            SourceError: the file cannot be read.
            Undivided: not in parts.
        """
        complete = False
        try:
            while not (complete or self._stopped or stopped()):
                complete = not self._advance(writers)
        finally:
            for _, scan in self._scans:
                scan.cancel()
            for _, _, again in self._joined:
                again.cancel()
        self._write(writers, [End(self._source.id, self._run, complete)])
        return complete

    def _advance(self, writers: Sequence[Writer]) -> bool:
        """Do what can be done now, or wait a moment; return False if nothing was left to do."""
        while self._todo and len(self._scans) + len(self._joined) < self._executor.workers + AHEAD:
            number, part = self._todo.popleft()
            self._scans.append(
                (part, self._executor.submit(tasks.scan, self._engine.config, self._source, self._run, part, number))
            )
        heads: list[Future[Any]] = [queue[0][-1] for queue in (self._scans, self._joined) if queue]
        ready, _ = wait(heads, POLL, FIRST_COMPLETED)
        if self._scans and self._scans[0][1] in ready:
            part, scan = self._scans.popleft()
            self._follow(part, scan.result())
        elif self._joined and self._joined[0][-1] in ready:
            part, joined, again = self._joined.popleft()
            self._give(part, joined, again.result(), writers)
        return bool(heads)

    def _follow(self, part: Part, scan: Scan | None) -> None:
        if scan is None:
            self._stopped = True
            return
        self._tally.add(self._source.id, Count.FRAMES, scan.decoded)
        self._tally.add(self._source.id, Count.SAMPLED, len(scan.frames))
        joined = self._joiner.follow(part, scan)
        places = joined.again
        again: Future[dict[int, Scores] | None] = Future()
        if places:
            again = self._executor.submit(
                tasks.rescan, self._engine.config, self._source, self._run, part, joined.first, places
            )
        else:
            again.set_result({})
        self._joined.append((part, joined, again))

    def _give(self, part: Part, joined: Joined, again: dict[int, Scores] | None, writers: Sequence[Writer]) -> None:
        if again is None:
            self._stopped = True
            return
        scores = list(self._joiner.give(joined, again))
        self._tally.add(self._source.id, Count.FACES, sum(len(one.faces.tracks) for one in scores))
        self._write(writers, scores)
        if part.end is not None:
            given, sink = set(self._joiner.given), self._sink.state()
            self.checkpoint = Checkpoint(part.end, joined.followed, given, sink, self._written)

    def _write(self, writers: Sequence[Writer], messages: Sequence[Scores | End]) -> None:
        for results in self._sink.process(messages):
            if results.emotions:
                self._written = position(results)
            for writer in writers:
                writer.write(results)
