"""Keeps a process's share of the sources: claims what is free, renews what it has, lets go of what is too much."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple

import redis

from pipeline.channel import Closed
from pipeline.connection import is_passing
from pipeline.errors import AffectError, InputError, OutputError, SourceError, StateError
from workers.bus import keys
from workers.bus.lease import Lease, acquire, new_token, renew
from workers.cluster.context import Context
from workers.cluster.shard import ChainShard, Shard
from workers.cluster.share import Member, fair_share
from workers.cluster.sink_shard import SinkShard
from workers.cluster.wanted import Configured, UnderWay

log = logging.getLogger(__name__)

PAUSE: Final = (1.0, 30.0)
"""s before work on a source that failed is tried again: the first wait and the longest, doubled between."""

REMIND: Final = 3600.0
"""s after which a reason why work on a source fails is told again."""

GRACE: Final = 20.0
"""s that shards are given to finish the step in hand when the process ends."""


class _Failure(NamedTuple):
    """That work on a source failed."""

    again: float
    """Monotonic time at which it may be tried again, or was begun again, s."""
    pause: float
    """Wait after that, s."""
    reason: str
    told: float
    """Monotonic time at which the reason was told, s."""


class Keeper:
    """Looks after the shards of one kind of worker.

    All living processes of a kind share the sources equally: each claims up to its share, and one that has more,
    because another has just come, lets go of one at a time, but of none with which no other can go on.

    Args:
        names: stages of the chain, or ``("sink",)``. The first gives the kind its name, so that two kinds that would
            read the same inputs exclude each other.
        most: sources that this process takes at most; None: its share.
    """

    def __init__(self, names: tuple[str, ...], context: Context, most: int | None) -> None:
        self.kind = names[0]
        self.shards: dict[str, Shard] = {}
        self._context = context
        client = context.broker.client
        self._sources = Configured(client) if self.kind == "ingest" else UnderWay(client)
        self._shard: Callable[[Lease, Context, str | None], Shard]
        self._shard = SinkShard if self.kind == "sink" else partial(ChainShard, names=names)
        self._finished: dict[str, str | None] = {}
        """Sources that need no work for as long as they are configured so."""
        self._failed: dict[str, _Failure] = {}
        self._away: float | None = None
        """Monotonic time since when Redis has been away, s."""
        # The oldest come first where shares are not even, so that no source moves to a newcomer without need.
        self._member = Member(f"{time.time_ns():020}-{new_token()}", most or 0)
        self._idle = False
        """Whether there is something to do, and others do it."""

    def beat(self) -> None:
        """Do what is due; called several times in a lease. What Redis does not answer waits for the next beat.

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
                raise self._context.broker.refusal(error) from None
            self._miss()
        else:
            if self._away is not None:
                log.info("%s: goes on; Redis was away for %.1f s", self.kind, time.monotonic() - self._away)
                self._away = None

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
        self._quietly(lambda: self._context.broker.census(keys=[keys.census(self.kind)], args=[str(self._member), 0]))

    def _reap(self) -> None:
        """Look after shards that have ended."""
        for source, shard in list(self.shards.items()):
            if shard.is_alive():
                failed = self._failed.get(source)
                if failed is not None and time.monotonic() >= failed.again + PAUSE[1]:
                    del self._failed[source]
                    self._tell(source, "")
                    log.info("%s: owns %s, and it works again", self.kind, source)
                continue
            del self.shards[source]
            self._quietly(shard.lease.release)
            error = shard.error
            if error is None and shard.finished:
                self._finished[source] = shard.stored
                self._failed.pop(source, None)
                if not shard.idle:  # else it is an earlier owner who knows how it ended
                    self._tell(source, "")
            elif isinstance(error, SourceError | InputError | OutputError | StateError) or (
                error is not None and not isinstance(error, AffectError)
            ):
                self._fail(source, shard, error)
            elif error is not None:
                raise error

    def _fail(self, source: str, shard: Shard, error: BaseException) -> None:
        now, (first, longest) = time.monotonic(), PAUSE
        # What nobody foresaw may quote anything.
        foreseen = isinstance(error, AffectError)
        self._tell(source, str(error) if foreseen else f"{type(error).__name__}; the log of its worker tells more")
        failed = self._failed.get(source)
        if failed is None or failed.reason != str(error) or now >= failed.told + REMIND:
            log.warning("%s: %s", shard.name, error, exc_info=None if foreseen else error)
            told = now
        else:
            told = failed.told
        if shard.finished:
            self._finished[source] = shard.stored
        else:
            pause = first if failed is None else failed.pause
            self._failed[source] = _Failure(now + pause, min(2 * pause, longest), str(error), told)

    def _tell(self, source: str, reason: str) -> None:
        """Let whoever lists the sources know why this kind of work on one fails; empty: it does not."""
        names = (keys.failures(source), keys.SOURCES, keys.UNDER_WAY)
        with suppress(redis.RedisError, OSError):
            self._context.broker.tell(keys=names, args=(source, self.kind, reason))

    def _renew(self) -> None:
        broker = self._context.broker
        alive = {shard.lease: shard for shard in self.shards.values() if shard.is_alive()}
        held = set(renew(broker, list(alive)))
        # The others have expired, but perhaps they are nobody's.
        held.update(acquire(broker, [lease for lease in alive.keys() - held if alive[lease].survives_expiry]))
        for lease in alive.keys() - held:
            alive[lease].stop()

    def _look(self) -> None:
        """Read what is configured and under way, and end runs whose source was taken out or changed."""
        self._recall()
        before = self._sources.stored
        self._sources.look()
        now = self._sources.stored
        self._failed = {
            source: failed for source, failed in self._failed.items() if now.get(source) == before.get(source)
        }
        self._finished = {
            source: stored
            for source, stored in self._finished.items()
            if now.get(source) == stored and (stored is not None or source in self._sources.under_way)
        }
        for source, shard in self.shards.items():
            if now.get(source) != shard.stored:
                shard.end()

    def _recall(self) -> None:
        """Forget that sources were finished whose state is gone from Redis: configured again, they begin anew.

        To be called before ``affect:sources`` is read, or a source that is just being removed would be begun anew.
        """
        finished = [source for source, stored in self._finished.items() if stored is not None]
        with self._context.broker.client.pipeline(transaction=False) as asked:
            for source in finished:
                asked.exists(keys.state(self.kind, source))
            for source, known in zip(finished, asked.execute(), strict=True):
                if not known:
                    del self._finished[source]

    def _claim(self) -> None:
        broker, config = self._context.broker, self._context.config
        alive = broker.census(keys=[keys.census(self.kind)], args=[str(self._member), int(config.bus.lease * 1000)])
        wanted = self._sources.wanted(self._finished)
        share = fair_share(len(wanted), [Member.parse(text.decode()) for text in alive], self._member)
        for source, shard in self.shards.items():
            if source not in wanted and not self._sources.ends_by_itself:
                shard.stop()
        if len(self.shards) > share:
            # Uneven shares are better than a recording that is cut off.
            for shard in [shard for shard in reversed(self.shards.values()) if shard.resumable][:1]:
                shard.stop()
        now = time.monotonic()
        free = [
            source
            for source in wanted
            if source not in self.shards and not (source in self._failed and self._failed[source].again > now)
        ]
        if (room := share - len(self.shards)) > 0:
            # Most may be others': they are not asked for one by one.
            leases = [Lease(broker, self.kind, source, config.bus.lease) for source in free]
            for lease in acquire(broker, leases, room):
                self._begin(lease)
        # What fails is begun again and again.
        idle = not set(wanted) <= set(self._failed) and set(self.shards) <= set(self._failed)
        if idle and not self._idle:
            log.info("%s: idle; every source is owned by another worker or waits to be tried again", self.kind)
        self._idle = idle

    def _begin(self, lease: Lease) -> None:
        source = lease.source
        shard = self._shard(lease, self._context, self._sources.stored.get(source))
        self.shards[source] = shard
        if source in self._failed:
            self._failed[source] = self._failed[source]._replace(again=time.monotonic())
        else:
            log.info("%s: owns %s", self.kind, source)
        shard.start()

    def _quietly(self, request: Callable[[], object]) -> None:
        try:
            request()
        except (redis.RedisError, OSError, Closed):
            self._miss()

    def _miss(self) -> None:
        if self._away is None:
            self._away = time.monotonic()
            log.info("%s: Redis is away; leases will expire", self.kind)
