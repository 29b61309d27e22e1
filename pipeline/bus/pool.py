"""The two ends of an inference worker: one of many that share the faces of all sources."""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

import redis

from pipeline.bus import keys
from pipeline.bus.broker import Broker
from pipeline.bus.codec import decode, encode
from pipeline.bus.lease import TOKEN
from pipeline.bus.poison import Poison
from pipeline.channel import Closed
from pipeline.errors import MessageError, VersionError
from pipeline.messages import End, Faces, Scores
from pipeline.settings import BusSettings

log = logging.getLogger(__name__)

BLOCK: Final = 500
"""ms for which Redis is asked to wait for a message; then we look whether to stop."""

FORGOTTEN: Final = 3600_000
"""ms of idleness after which a consumer without work in hand is struck off."""


class PoolLink:
    """Takes messages that no other member of the group has, and publishes what it acknowledges in the same step.

    A member that died leaves what it had in hand; after ``settings.claim`` s another takes it over. One that was merely
    slow finds, when it commits, that the messages are no longer its own to acknowledge, and publishes nothing.

    Args:
        most: messages of one step.
        stopped: set when the work is to end.
    """

    def __init__(
        self, broker: Broker, settings: BusSettings, poison: Poison, most: int, stopped: threading.Event
    ) -> None:
        self._broker = broker
        self._settings = settings
        self._poison = poison
        self._most = most
        self._stopped = stopped
        self._taken: list[tuple[bytes, str, int]] = []
        """Entry, source and number of each message of the step."""
        self._claimed = 0.0
        self._join()

    def read(self) -> Sequence[Faces | End]:
        """See ``Link.read``; messages that cannot be worked on are set aside."""
        while not self._stopped.is_set():
            entries = self._abandoned() or self._new()
            messages: list[Faces | End] = []
            self._taken = []
            for name, fields in entries:
                message = self._read(name, fields)
                if message is not None:
                    messages.append(message)
                    self._taken.append((name, fields[b"s"].decode(), int(fields[b"n"])))
            if messages:
                return messages
        raise Closed

    def commit(self, outputs: Sequence[Scores | End | Exception]) -> None:
        """See ``Link.commit``; an exception in the place of an output is why that message must be set aside."""
        items = []
        for (name, source, number), output in zip(self._taken, outputs, strict=True):
            if isinstance(output, Exception):
                items.append((name, source, number, b"x", repr(output).encode()))
            else:
                items.append((name, source, number, b"m", encode(output, quality=None)))
        self._publish(items)

    def close(self) -> None:
        """See ``Link.close``: leave the group, unless something is still in hand for another to claim."""
        client = self._broker.client
        try:
            mine = client.xpending_range(keys.FACES, keys.GROUP, "-", "+", 1, consumername=TOKEN)
            if not mine:
                client.xgroup_delconsumer(keys.FACES, keys.GROUP, TOKEN)
        except (redis.RedisError, OSError):
            pass  # the others strike it off

    def _publish(self, items: Sequence[tuple[bytes, str, int, bytes, bytes]]) -> None:
        outboxes = {source: index for index, source in enumerate(dict.fromkeys(item[1] for item in items), 1)}
        names = (keys.FACES, keys.PENDING, *(keys.scores(source) for source in outboxes))
        parts = [
            part
            for name, source, number, field, value in items
            for part in (name, source, outboxes[source], number, field, value)
        ]
        self._request(lambda: self._broker.share(keys=names, args=(keys.GROUP, *parts)))

    def _new(self) -> list[Any]:
        answer = self._request(
            lambda: self._broker.client.xreadgroup(keys.GROUP, TOKEN, {keys.FACES: ">"}, count=self._most, block=BLOCK)
        )
        return [entry for _, entries in answer or () for entry in entries]

    def _abandoned(self) -> list[Any]:
        """Take over what another member has held for too long; looked for twice in that time."""
        if time.monotonic() - self._claimed < self._settings.claim / 2:
            return []
        self._claimed = time.monotonic()
        idle = int(self._settings.claim * 1000)
        client = self._broker.client
        answer = self._request(lambda: client.xautoclaim(keys.FACES, keys.GROUP, TOKEN, idle, count=self._most))
        entries = [(name, fields) for name, fields in answer[1] if fields]
        if entries:
            known = self._request(
                lambda: client.xpending_range(
                    keys.FACES, keys.GROUP, entries[0][0], entries[-1][0], len(entries), consumername=TOKEN
                )
            )
            often = {one["message_id"] for one in known if one["times_delivered"] > self._settings.tries}
            for name, fields in entries:
                if name in often:
                    self._set_aside(name, fields, "the process that worked on it died every time")
            entries = [entry for entry in entries if entry[0] not in often]
        for consumer in self._request(lambda: client.xinfo_consumers(keys.FACES, keys.GROUP)):
            if consumer["pending"] == 0 and consumer["idle"] > FORGOTTEN:
                client.xgroup_delconsumer(keys.FACES, keys.GROUP, consumer["name"])
        return entries

    def _read(self, name: bytes, fields: dict[bytes, bytes]) -> Faces | End | None:
        try:
            message = decode(fields[b"m"])
        except VersionError:
            raise
        except MessageError as error:
            self._set_aside(name, fields, str(error))
            return None
        if isinstance(message, Faces | End):
            return message
        self._set_aside(name, fields, f"faces were awaited, not {type(message).__name__}")
        return None

    def _set_aside(self, name: bytes, fields: dict[bytes, bytes], reason: str) -> None:
        source, number = fields[b"s"].decode(), int(fields[b"n"])
        self._poison.set_aside(source, number, fields[b"m"], reason)
        self._publish([(name, source, number, b"x", reason.encode())])

    def _request(self, request: Any) -> Any:
        """Ask Redis, founding the group anew if Redis lost its memory."""
        while True:
            try:
                return self._broker.call(request, self._stopped)
            except redis.ResponseError:
                log.warning("Redis has lost the group %s of %s; it is founded anew", keys.GROUP, keys.FACES)
                self._join()

    def _join(self) -> None:
        """Found the group unless it is there."""

        def found() -> bool:
            try:
                self._broker.client.xgroup_create(keys.FACES, keys.GROUP, id="0", mkstream=True)
            except redis.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise
                return False
            return True

        try:
            self._broker.call(found, self._stopped)
        except redis.ResponseError as error:
            raise self._broker.refusal(error) from None
