"""How far the owner of a source has come, kept in Redis and moved on together with what it publishes."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec
import redis

from pipeline.backoff import delays
from pipeline.channel import Closed
from pipeline.errors import StateError
from pipeline.messages import Resume
from workers.bus import keys
from workers.bus.broker import Broker
from workers.bus.lease import Lease, Lost

LAYOUT: Final = 1
"""Version of ``Position``."""

ROOM: Final = (0.005, 0.1)
"""s between looks whether the next worker has made room: the first wait and the longest, doubled between."""


class Position(msgspec.Struct, frozen=True, array_like=True):
    """How far an owner has come with a source."""

    layout: int = LAYOUT
    taken: int = 0
    """Number of the last message taken from the inbox; 0 where there is none, as in front of a reader."""
    given: int = 0
    """Number of the last message put into the outbox."""
    stages: tuple[bytes, ...] = ()
    """What each stage remembers."""
    chain: str = ""
    """Names of the stages, joined by ``+``; ``given`` counts their outputs. Empty before the first step."""
    run: str = ""
    """The run that is being read; only of an owner that reads the source itself, as what follows."""
    resume: Resume | None = None
    """Where in the source to go on."""
    origin: str = ""
    """Digest of what the source was configured as."""
    ended: bool = False
    """Whether the end of the run was published."""
    complete: bool = False
    """Whether nothing is left to be read of the source, rather than an end put to the run."""


class Outbox(NamedTuple):
    """Where an owner publishes."""

    key: str
    shared: bool
    """Whether all sources go into the same stream."""
    most: int
    """Messages of a source that may wait there."""
    downstream: str
    """The sink's inbox, two steps on: it grows while no sink runs, so its length bounds this step too."""
    downstream_most: int


class Capacity(msgspec.Struct):
    """What outputs want; the names are those of ``scripts.CAPACITY``, and the others of ``Outbox``."""

    source: str
    outputs: int
    """Messages."""
    shared: bool
    most: int
    downstream_most: int


class Step(msgspec.Struct):
    """A step of an owner; the names are those of ``scripts.COMMIT``."""

    number: int
    """1 for the first of a source."""
    token: str
    """Of the lease."""
    lease: int
    """ms from this step on."""
    strict: bool
    """Whether an expired lease is lost even if nobody else took it."""
    capacity: Capacity
    runs: int
    """Runs that begin with this step, or less than 0, of how many the end was written."""
    taken: Sequence[str]
    """Ids of the entries of the inbox that were dealt with."""


class Ledger:
    """Reads and moves on the position of one source.

    Args:
        lease: the claim on the source.
        inbox: key of the stream that inputs are taken from; None in front of a reader.
        outbox: where outputs go; None at the end of the pipeline.
        strict: whether an expired lease is lost even if nobody else took it: where something beside Redis is written.
        origin: digest of what the source is configured as, in front of a reader; else empty.
    """

    def __init__(
        self,
        broker: Broker,
        lease: Lease,
        *,
        inbox: str | None,
        outbox: Outbox | None,
        strict: bool = False,
        origin: str = "",
    ) -> None:
        self._broker = broker
        self._lease = lease
        self._key = keys.state(lease.worker, lease.source)
        self._inbox = inbox or self._key  # a key that a script must be given, though it will not be used
        self._outbox = outbox or Outbox(self._key, False, 0, self._key, 0)
        self._strict = strict
        self._origin = origin
        self._way_out = f"`affectstream sources remove {lease.source} --forget`, then add it again, to begin anew"
        self._step = 0
        self._attempted = 0
        """Number of the message that was begun with last, of a step that is not finished; 0 where there is none."""
        self.taken = 0
        """Number of the last message that was dealt with for good."""
        self.begun = 0
        """Owners that have begun without finishing a step, this one among them; known from ``attempt`` on."""
        self.deaths = 0
        """Owners that had begun without finishing a step when the position was loaded, and died of it most likely; of a
        reader, only those since the source was configured as it is."""

    @property
    def one_at_a_time(self) -> bool:
        """Whether earlier owners have begun without finishing a step: each message may be what killed them."""
        return self.begun > 1

    def load(self) -> Position:
        """Return the stored position, or that of a source nobody has worked on.

        Raises:
            StateError: it was written by another version.
        """
        step, stored, begun, origin = self._broker.call(
            lambda: self._broker.client.hmget(self._key, "step", "state", "begun", "origin"), self._lease.stopped
        )
        self._step = int(step or 0)
        self.deaths = int(begun or 0) if origin in {None, self._origin.encode()} else 0
        if stored is None:
            return Position()
        try:
            position = msgspec.msgpack.decode(stored, type=Position)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StateError(f"{self._key} cannot be read ({error}); {self._way_out}") from None
        if position.layout != LAYOUT:
            raise StateError(
                f"{self._key} was written by another version (layout {position.layout}, this program knows {LAYOUT}); "
                f"update the older program, or {self._way_out}"
            )
        self.taken = position.taken
        return position

    def attempt(self, number: int, *, first: bool) -> int:
        """Note that work on a message is begun, an owner's first or not; return how many owners have tried it so far.

        Only those count that came to this message since a step was last finished; 0 where one of them got past it.

        Raises:
            Lost: another owns the source, or nobody does; nothing was noted.
        """
        lease = self._lease
        names, arguments = (lease.key, self._key), (lease.token, number, int(first), self._origin)
        noted = self._broker.call(lambda: self._broker.attempt(keys=names, args=arguments), lease.stopped)
        if noted is None:
            lease.stopped.set()
            raise Lost
        self.begun, tried = noted
        self._attempted = number
        return int(tried)

    def rested(self) -> int:
        """Return how long ago the last owner began, s by the clock of Redis."""
        client, stopped = self._broker.client, self._lease.stopped
        since = self._broker.call(lambda: client.hget(self._key, "since"), stopped)
        now, _ = self._broker.call(client.time, stopped)
        return int(now) - int(since or 0)

    def withdraw(self) -> None:
        """Take back what ``attempt`` noted: the owner ends on purpose, and no message is to blame for it.

        While Redis is away nothing is taken back.
        """
        if self._attempted:
            with suppress(redis.RedisError, OSError):
                self._broker.withdraw(keys=[self._lease.key, self._key], args=[self._lease.token, self._attempted])
            self._attempted = 0

    def is_current(self) -> bool:
        """Return whether what Redis remembers is the last step of this owner, or the one that it began with."""
        step = self._broker.call(lambda: self._broker.client.hget(self._key, "step"), self._lease.stopped)
        return int(step or 0) == self._step

    def commit(
        self, position: Position, taken: Sequence[str], outputs: Sequence[tuple[int, bytes]], *, runs: int = 0
    ) -> None:
        """Take the inputs with these ids away, publish outputs (number, message) and store the position, as one.

        Waits for room in the outbox, and while Redis is away. ``runs``: how many begin with this step, or less than 0,
        of how many the end was written; after the last of them the source is no longer under way.

        Raises:
            Lost: another owns the source; nothing was changed.
            Closed: the work was stopped; nothing was changed.
        """
        lease, outbox = self._lease, self._outbox
        capacity = Capacity(lease.source, len(outputs), outbox.shared, outbox.most, outbox.downstream_most)
        step = Step(self._step + 1, lease.token, lease.milliseconds, self._strict, capacity, runs, taken)
        arguments = [
            *(msgspec.msgpack.encode(step), msgspec.msgpack.encode(position)),
            *(part for output in outputs for part in output),
        ]
        names = (
            lease.key,
            self._key,
            self._inbox,
            outbox.key,
            keys.PENDING,
            outbox.downstream,
            keys.UNDER_WAY,
            keys.SOURCES,
            keys.state("ingest", lease.source),
            keys.failures(lease.source),
            *(keys.remembered(lease.source) if runs < 0 else ()),
        )
        while True:
            answer = self._broker.call(lambda: self._broker.commit(keys=names, args=arguments), lease.stopped)
            if answer == b"done":
                self._step += 1
                self.taken = position.taken
                self._attempted = 0
                self.begun = 0
                return
            if answer != b"full":
                lease.stopped.set()
                raise Lost(answer.decode())
            # The messages in hand are worked on: a death while waiting for room must not be blamed on them.
            self.withdraw()
            self._await_room(capacity)

    def _await_room(self, capacity: Capacity) -> None:
        """Wait until there is room, asking for that alone: a step may hold megabytes."""
        outbox, stopped = self._outbox, self._lease.stopped
        names = (outbox.key, keys.PENDING, outbox.downstream)
        arguments = [msgspec.msgpack.encode(capacity)]
        for delay in delays(*ROOM):
            if stopped.wait(delay):
                raise Closed
            if self._broker.call(lambda: self._broker.capacity(keys=names, args=arguments), stopped):
                return
