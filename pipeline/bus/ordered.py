"""A source's messages out of a stream in the order in which they were made, whoever put them there when."""

import time
from typing import NamedTuple

from pipeline.bus.broker import Broker
from pipeline.bus.codec import decode, encode
from pipeline.bus.lease import Lease, Lost
from pipeline.bus.ledger import Ledger
from pipeline.bus.poison import Poison
from pipeline.channel import Closed
from pipeline.errors import MessageError, VersionError
from pipeline.messages import End, Faces, Frame, Scores

BLOCK = 500
"""ms for which Redis is asked to wait for a message; then we look whether to stop."""

FETCHED = 64
"""Entries that are fetched at once."""


class Taken(NamedTuple):
    """One message in its place."""

    id: bytes
    """Of the entry that holds it."""
    number: int
    message: Frame | Faces | Scores | End | None
    """None where it was set aside."""


class Ordered:
    """Reads one stream of one source from its beginning: what was dealt with is no longer in it.

    Args:
        key: of the stream.
        last: number of the last message that was dealt with.
        tries: how many owners may begin with the same message before it is taken to be what kills them.
    """

    def __init__(
        self, broker: Broker, lease: Lease, ledger: Ledger, poison: Poison, *, key: str, last: int, tries: int
    ) -> None:
        self._ledger = ledger
        self._tries = tries
        self._begun = False
        self._broker = broker
        self._lease = lease
        self._key = key
        self._last = last
        self._poison = poison
        self._cursor = b"0-0"
        self._early: dict[int, tuple[bytes, dict[bytes, bytes]]] = {}

    def take(self, most: int, within: float | None = None) -> list[Taken]:
        """Wait for the next message, at most ``within`` s; return up to ``most``, in order and without gaps.

        Raises:
            Closed: the work was stopped.
            Lost: the stream began anew, because Redis lost its memory.
            VersionError: a message is of another version; it stays where it is.
        """
        if not self._begun:
            most = 1
        taken: list[Taken] = []
        deadline = None if within is None else time.monotonic() + within
        while not taken:
            if self._lease.stopped.is_set():
                raise Closed
            while len(taken) < most and self._last + 1 in self._early:
                self._last += 1
                taken.append(self._read(self._last, *self._early.pop(self._last)))
            if not taken:
                if deadline is not None and time.monotonic() >= deadline:
                    return []
                self._fetch()
        if not self._begun:
            self._begun = True
            if self._ledger.begin() > self._tries:
                return [self._set_aside(taken[0])]
        return taken

    def _set_aside(self, taken: Taken) -> Taken:
        """What is left of a message on which every owner so far has died."""
        message = b"" if taken.message is None else encode(taken.message, quality=None)
        reason = "the process that worked on it died every time"
        self._poison.set_aside(self._lease.source, taken.number, message, reason)
        return taken._replace(message=None)

    def _fetch(self) -> None:
        answer = self._broker.call(
            lambda: self._broker.client.xread({self._key: self._cursor}, count=FETCHED, block=BLOCK),
            self._lease.stopped,
        )
        for _, entries in answer:
            for name, fields in entries:
                self._cursor = name
                number = int(fields[b"n"])
                if number <= self._last:
                    raise Lost("forgotten")
                self._early[number] = (name, fields)

    def _read(self, number: int, name: bytes, fields: dict[bytes, bytes]) -> Taken:
        if b"x" in fields:
            return Taken(name, number, None)
        try:
            return Taken(name, number, decode(fields[b"m"]))
        except VersionError:
            raise
        except MessageError as error:
            self._poison.set_aside(self._lease.source, number, fields.get(b"m", b""), str(error))
            return Taken(name, number, None)
