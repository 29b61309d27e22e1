"""Keeps a process's share of the sources: claims what is free, renews what it has, lets go of what is too much."""

import logging
import math
import time
from collections.abc import Callable
from typing import Final

import redis

from pipeline.bus import keys
from pipeline.bus.lease import TOKEN, Lease
from pipeline.channel import Closed
from pipeline.errors import AffectError, InputError, SourceError
from pipeline.sink.connection import is_passing
from workers.shard import ChainShard, Shard, SinkShard, Tools

log = logging.getLogger(__name__)

PAUSE: Final = (1.0, 30.0)
"""s before work on a source that failed is tried again: the first wait and the longest, doubled between."""

GRACE: Final = 20.0
"""s that shards are given to finish the step in hand when the process ends."""


class Keeper:
    """Looks after the shards of one kind of worker.

    All living processes of a kind share the sources equally: each claims up to its share, and one that has more,
    because another has just come, lets go of one at a time.

    Args:
        names: stages of the chain, or ``("sink",)``. The first gives the kind its name, so that two kinds that would
            read the same inputs exclude each other.
        most: sources that this process takes at most; None: its share.
    """

    def __init__(self, names: tuple[str, ...], tools: Tools, most: int | None) -> None:
        self.kind = names[0]
        self.shards: dict[str, Shard] = {}
        self._names = names
        self._tools = tools
        self._most = most
        self._stored: dict[str, str] = {}
        """What the sources are configured as."""
        self._under_way: set[str] = set()
        self._begun: dict[str, str | None] = {}
        """What the source of each shard was configured as when it began."""
        self._finished: dict[str, str | None] = {}
        """Sources that need no work for as long as they are configured so."""
        self._failed: dict[str, tuple[float, float]] = {}
        """Monotonic time at which to try a source again, and the wait after that, s."""

    @property
    def period(self) -> float:
        """s between beats: two may come late before a lease expires."""
        return self._tools.config.bus.lease / 3

    def beat(self) -> None:
        """Do what is due; called every ``period`` s. What Redis does not answer waits for the next beat.

        Raises:
            AffectError: the process cannot go on.
        """
        self._reap()
        try:
            self._renew()
            self._look()
            self._claim()
        except (redis.RedisError, OSError) as error:
            if not is_passing(error):
                raise self._tools.broker.refusal(error) from None
            log.info("%s: no beat, because Redis is away", self.kind)

    def end(self) -> None:
        """Finish the steps in hand and let others have the sources."""
        for shard in self.shards.values():
            shard.stop()
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and any(shard.is_alive() for shard in self.shards.values()):
            time.sleep(0.05)
            self._quietly(self._renew)
        for shard in self.shards.values():
            if not shard.is_alive():
                self._quietly(shard.lease.release)
        self._quietly(lambda: self._tools.broker.census(keys=[keys.census(self.kind)], args=[TOKEN, 0]))

    def _reap(self) -> None:
        """Look after shards that have ended."""
        for source, shard in list(self.shards.items()):
            if shard.is_alive():
                continue
            del self.shards[source]
            self._quietly(shard.lease.release)
            error = shard.error
            if error is None and shard.finished:
                self._finished[source] = self._begun[source]
                self._failed.pop(source, None)
            elif isinstance(error, SourceError | InputError) or (
                error is not None and not isinstance(error, AffectError)
            ):
                self._fail(source, shard, error)
            elif error is not None:
                raise error

    def _fail(self, source: str, shard: Shard, error: BaseException) -> None:
        log.warning("%s: %s", shard.name, error, exc_info=None if isinstance(error, AffectError) else error)
        if shard.finished:
            self._finished[source] = self._begun[source]
        else:
            first, longest = PAUSE
            pause = self._failed.get(source, (0.0, first))[1]
            self._failed[source] = time.monotonic() + pause, min(2 * pause, longest)

    def _renew(self) -> None:
        for shard in self.shards.values():
            lease = shard.lease
            if shard.is_alive() and not lease.renew():
                # Expired, but nobody's: a chain may go on, because its next step is refused if it was anybody's since.
                if isinstance(shard, ChainShard) and lease.acquire():
                    continue
                shard.stop()

    def _look(self) -> None:
        """Read what is configured and under way, and end runs whose source was taken out or changed."""
        client = self._tools.broker.client
        self._stored = {name.decode(): text.decode() for name, text in client.hgetall(keys.SOURCES).items()}
        self._under_way = {name.decode() for name in client.smembers(keys.UNDER_WAY)}
        self._finished = {
            source: stored
            for source, stored in self._finished.items()
            if self._stored.get(source) == stored and (stored is not None or source in self._under_way)
        }
        for source, shard in self.shards.items():
            if isinstance(shard, ChainShard) and self._stored.get(source) != self._begun[source]:
                shard.end()

    def _wanted(self) -> list[str]:
        """Return the sources that need this kind of work."""
        if self.kind != "ingest":
            return sorted(self._under_way)
        return sorted((self._under_way | set(self._stored)) - set(self._finished))

    def _claim(self) -> None:
        broker, config = self._tools.broker, self._tools.config
        alive = broker.census(keys=[keys.census(self.kind)], args=[TOKEN, int(config.bus.lease * 1000)])
        wanted = self._wanted()
        share = math.ceil(len(wanted) / max(alive, 1))
        if self._most is not None:
            share = min(share, self._most)
        for source, shard in self.shards.items():
            if source not in wanted and self.kind != "ingest":
                shard.stop()
        if len(self.shards) > share:
            next(reversed(self.shards.values())).stop()
        now = time.monotonic()
        for source in wanted:
            if len(self.shards) >= share:
                break
            if source in self.shards or self._failed.get(source, (0.0, 0.0))[0] > now:
                continue
            lease = Lease(broker, self.kind, source, config.bus.lease)
            if lease.acquire():
                self._begin(lease)

    def _begin(self, lease: Lease) -> None:
        source = lease.source
        self._begun[source] = stored = self._stored.get(source)
        shard: Shard
        if self._names == ("sink",):
            shard = SinkShard(lease, self._tools)
        else:
            shard = ChainShard(lease, self._tools, self._names, stored)
        self.shards[source] = shard
        log.info("%s: owns %s", self.kind, source)
        shard.start()

    def _quietly(self, request: Callable[[], object]) -> None:
        try:
            request()
        except (redis.RedisError, OSError, Closed):
            log.info("%s: Redis is away; leases will expire", self.kind)
