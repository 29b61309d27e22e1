"""The two ends of an inference worker: one of many that share the faces of all sources."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

import redis

from pipeline.channel import Closed
from pipeline.errors import MessageError, VersionError
from pipeline.messages import End, Faces, Scores
from pipeline.settings import BusSettings
from workers.bus import keys
from workers.bus.broker import BLOCK, Broker, GroupLost
from workers.bus.codec import Message, decode, decode_one_of, encode
from workers.bus.lease import new_token
from workers.bus.ordered import number_of
from workers.bus.poison import DEADLY, Poison

log = logging.getLogger(__name__)

FORGOTTEN: Final = 3600_000
"""ms of idleness after which a consumer without work in hand is struck off."""

HUNG: Final = 900.0
"""s after which a step is taken to hang, though its process lives: others may take over what it has in hand. Building
the engine of a network for a GPU takes minutes."""


class _InHand(NamedTuple):
    """A message that this member works on."""

    id: bytes
    """Of the entry that holds it."""
    source: str
    number: int
    data: bytes


class PoolLink:
    """Takes messages that no other member of the group has, and publishes what it acknowledges in the same step.

    A member that died leaves what it had in hand; after ``settings.claim`` s another takes it over, one message at a
    time, because one of them may be what the member died of. One that is merely slow is told from it by its ``hold``.
    One that slept finds, when it commits, which messages another has acknowledged meanwhile, and publishes nothing of
    them.

    Args:
        batch: faces of one step, about: how many a message holds is known only of the step before.
        stopped: set when the work is to end.
    """

    def __init__(
        self, broker: Broker, settings: BusSettings, poison: Poison, batch: int, stopped: threading.Event
    ) -> None:
        self._broker = broker
        self._settings = settings
        self._poison = poison
        self._batch = batch
        self._most = batch
        """Messages of the next step."""
        self._stopped = stopped
        self._taken: list[_InHand] = []
        self._since: float | None = None
        """Monotonic time at which work on it began, s; None while there is none."""
        self._told: float | None = None
        """``_since`` of the last step that was said to hang."""
        self._looked = 0.0
        """Monotonic time at which nothing was found abandoned, s."""
        self._name = new_token()
        self._join()

    def read(self) -> Sequence[Faces | End]:
        """See ``Link.read``; messages that cannot be worked on are set aside.

        Raises:
            VersionError: a message is of another version; it stays in the group for whoever can read it.
        """
        while not self._stopped.is_set():
            abandoned = self._abandoned()
            messages: list[Faces | End] = []
            self._taken = []
            for name, fields in abandoned or self._new():
                in_hand = _in_hand(name, fields)
                message = self._read(in_hand, abandoned=bool(abandoned))
                if message is not None:
                    messages.append(message)
                    self._taken.append(in_hand)
            if messages:
                self._since = time.monotonic()
                faces = sum(len(message.tracks) for message in messages if isinstance(message, Faces))
                self._most = max(1, self._batch * len(messages) // max(faces, len(messages)))
                return messages
        raise Closed

    def commit(self, outputs: Sequence[Scores | End | Exception]) -> None:
        """See ``Link.commit``; an exception in the place of an output is why that message must be set aside."""
        self._since = None  # waiting for Redis is no work
        items = []
        for in_hand, output in zip(self._taken, outputs, strict=True):
            if isinstance(output, Exception):
                self._poison.set_aside(in_hand.source, in_hand.number, decode(in_hand.data), repr(output))
                items.append((in_hand, b"x", repr(output).encode()))
            else:
                items.append((in_hand, b"m", encode(output, quality=None)))
        self._publish(items)

    def hold(self) -> bool:
        """Let nobody take over what is in hand, however long the step takes, up to ``HUNG`` s.

        To be called several times in ``settings.claim``, from another thread than the one that works: that this one is
        alive is all there is to tell a slow step from a deadly one. While Redis is away nothing is done. Return whether
        the step goes on, as far as can be told: one that takes longer is taken to hang, which is told once.
        """
        taken, since = self._taken, self._since
        if taken and since is not None and time.monotonic() - since >= HUNG:
            if self._told != since:
                self._told = since
                log.warning(
                    "inference: works on message %d of %s, and on %d that came with it, for %g s: it hangs, most "
                    "likely; others take them over, and this worker is no longer healthy",
                    *(taken[0].number, taken[0].source, len(taken) - 1, HUNG),
                )
            return False
        if taken:
            names = [in_hand.id for in_hand in taken]
            with suppress(redis.RedisError, OSError):
                self._broker.hold(keys=[keys.FACES], args=[keys.GROUP, self._name, *names])
        return True

    def close(self) -> None:
        """See ``Link.close``: leave the group, unless something is still in hand for another to claim."""
        with suppress(redis.RedisError, OSError):  # the others strike it off
            self._leave(self._name)

    def _publish(self, items: Sequence[tuple[_InHand, bytes, bytes]]) -> None:
        outboxes = {source: index for index, source in enumerate(dict.fromkeys(item[0].source for item in items), 1)}
        names = (keys.FACES, keys.PENDING, *(keys.scores(source) for source in outboxes))
        parts = [
            part
            for (name, source, number, _), field, value in items
            for part in (name, source, outboxes[source], number, field, value)
        ]
        self._request(lambda: self._broker.share(keys=names, args=(keys.GROUP, *parts)))

    def _new(self) -> list[Any]:
        answer = self._request(
            lambda: self._broker.client.xreadgroup(
                keys.GROUP, self._name, {keys.FACES: ">"}, count=self._most, block=BLOCK
            )
        )
        return [entry for _, entries in answer or () for entry in entries]

    def _abandoned(self) -> list[Any]:
        """Take over one message that another member has held for too long.

        Where there is none, look again after half of that time.
        """
        if time.monotonic() - self._looked < self._settings.claim / 2:
            return []
        client, idle, cursor = self._broker.client, int(self._settings.claim * 1000), b"0-0"
        while True:
            claim = partial(client.xautoclaim, keys.FACES, keys.GROUP, self._name, idle, count=1)
            cursor, entries, *_ = self._request(partial(claim, start_id=cursor))
            for name, fields in entries:
                if fields:
                    return [(name, fields)]
                self._let_go()
            if cursor == b"0-0":
                break
        self._looked = time.monotonic()
        self._strike_off()
        return []

    def _let_go(self) -> None:
        """Acknowledge what was taken over although its entry is gone from the stream.

        Redis 6.2 does not name the lost entry. Nothing else is in hand just now, so what is pending is it. Redis 7
        acknowledges it by itself.
        """
        client = self._broker.client
        mine = self._request(lambda: client.xpending_range(keys.FACES, keys.GROUP, "-", "+", 1, self._name))
        for pending in mine:
            self._acknowledge(pending["message_id"])

    def _deliveries(self, name: bytes) -> int:
        """Return how many members have been given an entry."""
        known = self._request(lambda: self._broker.client.xpending_range(keys.FACES, keys.GROUP, name, name, 1))
        return int(known[0]["times_delivered"]) if known else 0

    def _strike_off(self) -> None:
        """Forget members that have been silent for long and have nothing in hand."""
        client = self._broker.client
        for member in self._request(lambda: client.xinfo_consumers(keys.FACES, keys.GROUP)):
            if member["pending"] == 0 and member["idle"] > FORGOTTEN:
                self._request(partial(self._leave, member["name"]))

    def _leave(self, member: str | bytes) -> None:
        """Take a member out of the group; what it was handed only just now keeps it there, for another to claim."""
        self._broker.leave(keys=[keys.FACES], args=[keys.GROUP, member])

    def _read(self, in_hand: _InHand, *, abandoned: bool) -> Faces | End | None:
        try:
            message = decode_one_of(in_hand.data, (Faces, End), in_hand.source)
        except VersionError:
            self._hand_back(in_hand.id)
            raise
        except MessageError as error:
            self._set_aside(in_hand, None, str(error))
            return None
        assert isinstance(message, Faces | End)
        if not (in_hand.source and in_hand.number):
            self._set_aside(in_hand, message, "it has no source or no number")
        # Without its end a source would be under way for ever.
        elif abandoned and isinstance(message, Faces) and self._deliveries(in_hand.id) > self._settings.tries:
            self._set_aside(in_hand, message, DEADLY)
        else:
            return message
        return None

    def _hand_back(self, name: bytes) -> None:
        """Take back that this member was given an entry: it ends because of it, but has not died of it."""
        claim = partial(self._broker.client.xclaim, keys.FACES, keys.GROUP, self._name, 0, [name], justid=True)
        deliveries = self._deliveries(name)
        self._request(lambda: claim(retrycount=max(0, deliveries - 1)))

    def _set_aside(self, in_hand: _InHand, message: Message | None, reason: str) -> None:
        self._poison.set_aside(in_hand.source, in_hand.number, message, reason)
        if in_hand.source and in_hand.number:
            self._publish([(in_hand, b"x", reason.encode())])
        else:
            self._acknowledge(in_hand.id)  # nobody waits for it

    def _acknowledge(self, name: bytes) -> None:
        self._request(lambda: self._broker.client.xack(keys.FACES, keys.GROUP, name))

    def _request(self, request: Callable[[], Any]) -> Any:
        """Ask Redis, founding the group anew if Redis lost its memory."""
        while True:
            try:
                return self._broker.call(request, self._stopped)
            except GroupLost:
                log.warning("Redis has lost the group %s of %s; it is founded anew", keys.GROUP, keys.FACES)
                self._join()

    def _join(self) -> None:
        """Found the group unless it is there."""

        def found() -> None:
            try:
                self._broker.client.xgroup_create(keys.FACES, keys.GROUP, id="0", mkstream=True)
            except redis.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

        self._broker.call(found, self._stopped)


def _in_hand(name: bytes, fields: dict[bytes, bytes]) -> _InHand:
    """Read an entry, whoever put it there."""
    source = fields.get(b"s", b"").decode(errors="replace")
    return _InHand(name, source, number_of(fields), fields.get(b"m", b""))
