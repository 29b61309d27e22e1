"""One process of a cluster: stages of the pipeline whose neighbours are other processes, joined by Redis Streams."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import redis

from pipeline.channel import Closed
from pipeline.connection import is_passing
from pipeline.messages import End, Faces, Scores
from pipeline.tally import Tally
from workers.bus import keys
from workers.bus.broker import Broker
from workers.bus.poison import Poison
from workers.bus.pool import PoolLink
from workers.chain import Chain
from workers.cluster.context import Context
from workers.cluster.keeper import GRACE, Keeper
from workers.cluster.layout import Layout
from workers.cluster.pulse import Pulse
from workers.engine import Engine
from workers.worker import Worker

log = logging.getLogger(__name__)

POLL: Final = 0.1
"""s between looks whether something is due."""


class Node:
    """Runs the stages of a layout until stopped.

    Args:
        url: of the Redis that all workers share.
        most: sources that this process owns at most; None: its share.
        pulse: beats while all goes well, for a health check from outside.

    Raises:
        BrokerError: Redis refuses for good.
    """

    def __init__(self, layout: Layout, url: str, engine: Engine, *, most: int | None, pulse: Pulse) -> None:
        self._broker = Broker(url)
        self._tally = Tally()
        self._pulse = pulse
        self._uncounted: set[str] = set()
        """Sources whose counts Redis has refused."""
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        context = Context(self._broker, engine, self._tally)
        kinds = [names for names in (layout.chain, ("sink",) if layout.sink else ()) if names]
        self._keepers = [Keeper(names, context, most) for names in kinds]
        self._pool = [threading.Thread(target=self._infer, args=(context,), daemon=True)] if layout.pool else []
        self._link: PoolLink | None = None
        """Of the pool's thread, once it has one."""
        bus = engine.config.bus
        self._period = min(bus.lease, bus.claim) / 3
        """s between beats: two may come late before a lease expires, or another takes over what is in hand."""

    def run(self, stopped: threading.Event) -> None:
        """Work until ``stopped`` is set, then finish the steps in hand.

        Raises:
            AffectError: the process cannot go on.
        """
        due = 0.0
        try:
            # Orchestrators start things in any order.
            self._broker.call(self._broker.client.ping, stopped)
            if self._broker.forgets:
                log.warning(
                    "Redis keeps no append-only file: if it dies, rows of the time since it last saved are lost, and "
                    "ids of tracks may be given twice; start it with --appendonly yes"
                )
            for thread in self._pool:
                thread.start()
            while not stopped.wait(POLL):
                if self._error is not None:
                    raise self._error
                if time.monotonic() >= due:
                    due = time.monotonic() + self._period
                    for keeper in self._keepers:
                        keeper.beat()
                    well = self._link is None or self._link.hold()
                    self._count()
                    if well:
                        self._pulse.beat()
        except Closed:
            pass
        finally:
            self._stopped.set()
            ends: list[Callable[[], None]] = [keeper.end for keeper in self._keepers]
            ends += [partial(self._end_member, thread) for thread in self._pool]
            # All at once: each keeps others from taking over what is in its own hands alone.
            with ThreadPoolExecutor(len(ends)) as together:
                for ended in [together.submit(end) for end in ends]:
                    ended.result()
            self._count()
            self._broker.close()
            self._pulse.close()

    def _infer(self, context: Context) -> None:
        """Be one of those that share the faces of all sources; the body of a thread."""
        config = context.config
        poison = Poison(self._broker, "inference", self._stopped)
        try:
            self._link = PoolLink(self._broker, config.bus, poison, config.emotion.batch, self._stopped)
            chain: Chain[Faces | End, Scores | End | Exception]
            chain = Chain([context.engine.inference()], config.bus.tries, lambda _, error: [error])
            Worker("inference", chain, self._link).run()
        except BaseException as error:
            self._error = error

    def _end_member(self, thread: threading.Thread) -> None:
        """Let a thread of the pool finish the step in hand, and nobody take that over meanwhile."""
        deadline = time.monotonic() + GRACE
        while thread.is_alive() and time.monotonic() < deadline:
            if self._link is not None:
                self._link.hold()
            thread.join(POLL)

    def _count(self) -> None:
        """Add what was counted since the last time to the counts in Redis; what it does not take is counted on."""
        counted = self._tally.take()
        answers: list[int | Exception]
        try:
            with self._broker.client.pipeline(transaction=False) as pipe:
                for source, counts in counted.items():
                    told = [part for what, number in counts.items() for part in (what.value, number)]
                    names = (keys.counts(source), keys.SOURCES, keys.UNDER_WAY)
                    self._broker.count(keys=names, args=(source, *told), client=pipe)
                answers = pipe.execute(raise_on_error=False)
        except (redis.RedisError, OSError) as error:
            answers = [error] * len(counted)
        for (source, counts), answer in zip(counted.items(), answers, strict=True):
            if isinstance(answer, Exception):
                for what, number in counts.items():
                    self._tally.add(source, what, number)
                if not is_passing(answer) and source not in self._uncounted:
                    self._uncounted.add(source)
                    log.warning("what is counted of %s cannot be stored: %s", source, self._broker.refusal(answer))
