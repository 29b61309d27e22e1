"""Publishes results on Redis Streams from a thread of its own, so that a slow or absent server holds up nobody."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

import redis

from pipeline.channel import Closed
from pipeline.connection import CHOICE, TIMEOUT, address, connect, is_passing, refusal
from pipeline.errors import BrokerError
from pipeline.messages import Results
from pipeline.outage import Outage
from pipeline.settings import RedisSettings
from pipeline.sink.streams import BATCH, Streams
from pipeline.sink.writer import Frontier
from pipeline.tally import Count, Tally

ASKING: Final = 0.2
"""s between questions, while Redis is away, whether to wait for it any longer."""

PATIENCE: Final = 5.0
"""s for which ``close`` waits in live."""


class RedisWriter:
    """Publishes the results of any number of runs, each exactly once.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``.
        settings: length of streams, life of faces, and records held while Redis is away.
        tally: counts the records that were never published.
        wait: whether ``write`` waits for room when Redis is away or slow, as replay must. A live writer instead
            drops the oldest records, and ``close`` waits for ``PATIENCE`` s at most.
        stopped: asked from a thread of this writer's own, while Redis is away, whether to wait for it no longer:
            ``write`` and ``close`` then raise. What is published and what is not is as if the process had been killed.

    Raises:
        BrokerError: Redis cannot be reached or refuses.
    """

    def __init__(
        self,
        url: str,
        settings: RedisSettings,
        tally: Tally,
        *,
        wait: bool,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._url = url
        self._settings = settings
        self._tally = tally
        self._wait = wait
        self._stopped = stopped
        self._advice = CHOICE if settings.url else ""  # the embedded server is nobody's to start
        self._client = connect(url, advice=self._advice)
        self._streams = Streams(self._client, settings)
        self._pending: deque[Results] = deque()
        self._records = 0
        """Rows of ``_pending`` and of the batch under way."""
        self._lost = 0
        """Rows dropped since Redis went away."""
        self._closing = False
        self._abandoned = False
        self._error: Exception | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="redis", daemon=True)
        self._thread.start()

    def write(self, results: Results) -> None:
        """See ``Writer.write``; raises ``Closed`` after ``close``."""
        with self._changed:
            if self._wait:
                self._changed.wait_for(
                    lambda: self._abandoned or self._error is not None or self._records < self._settings.buffer
                )
            if self._error is not None:
                raise self._error
            if self._abandoned:
                raise Closed
            self._pending.append(results)
            self._records += len(results.emotions)
            while not self._wait and self._records > self._settings.buffer and self._pending:
                self._drop(self._pending.popleft())
            self._changed.notify_all()

    def frontier(self, source: str, run: str) -> Frontier:
        """See ``Writer.frontier``.

        Raises:
            BrokerError: Redis does not answer.
        """
        try:
            return self._streams.frontier(source, run)
        except (redis.RedisError, OSError) as error:
            raise refusal(self._url, error, self._advice) from None

    def tick(self) -> None:
        """See ``Writer.tick``; nothing waits here for longer than it must."""

    def close(self, *, patient: bool = True) -> None:
        """See ``Writer.close``.

        Args:
            patient: whether to wait for what is still to be published.

        Raises:
            BrokerError: Redis has refused for good what was to be published, or was away when it was told to stop.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if patient:
            self._thread.join(None if self._wait else PATIENCE)
        with self._changed:
            self._abandoned = True
            while self._pending:
                self._drop(self._pending.popleft())
            self._changed.notify_all()
        self._thread.join(TIMEOUT)
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while (batch := self._next()) and self._deliver(batch):
                with self._changed:
                    self._records -= _rows(batch)
                    self._changed.notify_all()
        except Exception as error:
            with self._changed:
                self._error = error
                self._changed.notify_all()
        finally:
            self._client.close()

    def _next(self) -> list[Results]:
        """Wait for results and take a batch of them, a step's worth; empty if there will be no more.

        What was taken waits with the batch however old it gets, so it is no more than must be.
        """
        batch: list[Results] = []
        with self._changed:
            self._changed.wait_for(lambda: self._pending or self._closing)
            while self._pending and len(batch) < BATCH and _rows(batch) < BATCH:
                batch.append(self._pending.popleft())
        return batch

    def _deliver(self, batch: list[Results]) -> bool:
        """Commit a batch, however long that takes; return False if it was given up."""
        outage = Outage(self._url, self._advice)
        waits: Iterator[float] | None = None
        while not self._abandoned:
            try:
                self._streams.commit(batch)
            except (redis.RedisError, OSError) as error:
                if self._wait and not is_passing(error):
                    self._error = refusal(self._url, error, self._advice)
                    break
                if waits is None:
                    what = "waiting for it" if self._wait else f"keeping {self._settings.buffer} records meanwhile"
                    waits = outage.begin(error, what)
                if not self._rest(next(waits)):
                    where = address(self._url)
                    self._error = BrokerError(f"stopped while Redis at {where} was away; run again to complete it")
                    break
            else:
                if waits is not None:
                    with self._changed:
                        lost, self._lost = self._lost, 0
                    outage.end(f"; {lost} records were lost" if lost else "; none that waited was lost")
                return True
        with self._changed:
            for results in batch:
                self._drop(results)
            self._changed.notify_all()
        return False

    def _rest(self, seconds: float) -> bool:
        """Wait between two attempts; return False as soon as there shall be none."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._stopped():
                return False
            with self._changed:
                if self._changed.wait_for(lambda: self._abandoned, min(left, ASKING)):
                    break
        return True

    def _drop(self, results: Results) -> None:
        """Count results that will not be published; the caller holds the lock."""
        rows = len(results.emotions)
        self._records -= rows
        self._lost += rows
        if rows:
            self._tally.add(results.emotions[0].stamp.source, Count.UNPUBLISHED, rows)


def _rows(batch: list[Results]) -> int:
    return sum(len(results.emotions) for results in batch)
