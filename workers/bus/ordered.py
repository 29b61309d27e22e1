"""A source's messages out of a stream in the order in which they were made, whoever put them there when."""

import logging
import math
import time
from typing import Final, NamedTuple

from pipeline.channel import Closed
from pipeline.errors import MessageError, VersionError
from pipeline.messages import End
from workers.bus.broker import BLOCK, Broker
from workers.bus.codec import Message, decode_one_of
from workers.bus.lease import Lease, Lost
from workers.bus.ledger import Ledger
from workers.bus.poison import DEADLY, Poison

log = logging.getLogger(__name__)

FETCHED: Final = 64
"""Entries that are fetched at once."""


class Taken(NamedTuple):
    """One message in its place."""

    id: str
    """Of the entry that holds it."""
    number: int
    message: Message | None
    """None where it was set aside."""


class Ordered:
    """Reads one stream of one source from its beginning: what was dealt with is no longer in it.

    Args:
        key: of the stream.
        kinds: what may come; anything else is set aside, and so is what tells of another source.
        tries: how many owners may begin with the same message before it is taken to be what kills them.
        patience: s for which later messages wait for a missing one before that is told.
    """

    def __init__(
        self,
        broker: Broker,
        lease: Lease,
        ledger: Ledger,
        poison: Poison,
        *,
        key: str,
        kinds: tuple[type[Message], ...],
        tries: int,
        patience: float,
    ) -> None:
        self._ledger = ledger
        self._kinds = kinds
        self._tries = tries
        self._patience = patience
        self._begun = False
        self._broker = broker
        self._lease = lease
        self._key = key
        self._last = ledger.taken
        self._poison = poison
        self._cursor = b"0-0"
        self._early: dict[int, tuple[bytes, dict[bytes, bytes]]] = {}
        self._missing = 0
        """Number of the message that was missing last though later ones had come."""
        self._told_at = 0.0
        """Monotonic time at which that is told, s; infinity once it was."""
        self._taken: list[Taken] = []

    def take(self, most: int, within: float | None = None) -> list[Taken]:
        """Wait for the next message, at most ``within`` s; return up to ``most``, in order and without gaps.

        Raises:
            Closed: the work was stopped.
            Lost: the stream began anew, because Redis lost its memory; or the source is owned no more.
            VersionError: a message is of another version; it stays where it is.
        """
        self._taken = self._take(1 if not self._begun or self._ledger.one_at_a_time else most, within)
        if self._taken and (not self._begun or self._ledger.one_at_a_time):
            tried = self._ledger.attempt(self._taken[0].number, first=not self._begun)
            self._begun = True
            if tried > self._tries:
                self._taken = [self._set_aside(self._taken[0])]
        return self._taken

    def number(self, message: Message) -> int:
        """Return the number of one of the messages that were taken last; 0 for any other."""
        return next((taken.number for taken in self._taken if taken.message is message), 0)

    def _take(self, most: int, within: float | None) -> list[Taken]:
        taken: list[Taken] = []
        fetched = False
        deadline = None if within is None else time.monotonic() + within
        while not taken:
            if self._lease.stopped.is_set():
                raise Closed
            while len(taken) < most and self._last + 1 in self._early:
                self._last += 1
                taken.append(self._read(self._last, *self._early.pop(self._last)))
            if not taken:
                self._tell_of_a_gap()
                left = BLOCK if deadline is None else int(1000 * (deadline - time.monotonic()))
                if left <= 0 and fetched:
                    return []
                self._fetch(min(max(left, 1), BLOCK))
                fetched = True
        return taken

    def _tell_of_a_gap(self) -> None:
        """Warn, once for each, of a message that does not come though later ones did long ago."""
        now, missing = time.monotonic(), self._last + 1
        if self._early and missing != self._missing:
            self._missing, self._told_at = missing, now + self._patience
        elif self._early and now >= self._told_at:
            self._told_at = math.inf
            source = self._lease.source
            log.warning(
                "%s: message %d of %s has not come for %g s, and %d behind it wait; unless a worker before this one "
                "still has it in hand, it is lost: `affectstream sources remove %s --forget`, then add it again, to "
                "begin anew",
                *(self._lease.worker, missing, source, self._patience, len(self._early), source),
            )

    def _set_aside(self, taken: Taken) -> Taken:
        """What is left of a message on which every owner so far has died.

        An end stays as it is: without it its source would be under way for ever.
        """
        if isinstance(taken.message, End):
            return taken
        self._poison.set_aside(self._lease.source, taken.number, taken.message, DEADLY)
        return taken._replace(message=None)

    def _fetch(self, block: int) -> None:
        answer = self._broker.call(
            lambda: self._broker.client.xread({self._key: self._cursor}, count=FETCHED, block=block),
            self._lease.stopped,
        )
        for _, entries in answer:
            for name, fields in entries:
                self._cursor = name
                number = number_of(fields)
                if number > self._last:
                    self._early[number] = (name, fields)
                elif number <= self._ledger.taken and self._ledger.is_current():
                    self._remove(name, number)
                else:
                    raise Lost("forgotten")

    def _remove(self, name: bytes, number: int) -> None:
        """Take out what cannot belong here: what was dealt with leaves the stream in the same step."""
        reason = "its number was dealt with already" if number else "it has no number"
        self._poison.set_aside(self._lease.source, number, None, reason)
        self._broker.call(lambda: self._broker.client.xdel(self._key, name), self._lease.stopped)

    def _read(self, number: int, entry: bytes, fields: dict[bytes, bytes]) -> Taken:
        name = entry.decode()
        if b"x" in fields:
            return Taken(name, number, None)
        try:
            return Taken(name, number, decode_one_of(fields.get(b"m", b""), self._kinds, self._lease.source))
        except VersionError:
            raise
        except MessageError as error:
            self._poison.set_aside(self._lease.source, number, None, str(error))
            return Taken(name, number, None)


def number_of(fields: dict[bytes, bytes]) -> int:
    """Return the number of an entry's message; 0 where there is none, because something else put the entry there."""
    try:
        return max(0, int(fields[b"n"]))
    except (KeyError, ValueError):
        return 0
