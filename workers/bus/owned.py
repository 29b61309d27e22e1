"""The two ends of a worker that owns a source: from a reader or a stream, to a stream."""

import threading
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

from msgspec.structs import replace

from pipeline.channel import Closed
from pipeline.messages import End, Frame, Resume
from workers.bus.codec import Message, encode
from workers.bus.ledger import Ledger, Position
from workers.bus.ordered import Ordered, Taken
from workers.bus.reading import Reading


class Memory(Protocol):
    """What the stages of an owner remember."""

    def states(self) -> tuple[bytes, ...]:
        """Return what each stage remembers, from the first to the last."""
        ...


class Publisher:
    """Puts an owner's outputs into its outbox, numbered."""

    def __init__(self, ledger: Ledger, position: Position, memory: Memory, quality: int | None) -> None:
        self.position = position
        self._ledger = ledger
        self._memory = memory
        self._quality = quality

    def publish(self, outputs: Sequence[Message], taken: Sequence[str], position: Position, *, runs: int = 0) -> None:
        """Publish outputs, take the inputs with these ids away and move to ``position``, all in one step.

        See ``Ledger.commit`` for ``runs`` and for what is raised.
        """
        given = position.given
        numbered = [(given + 1 + i, encode(output, quality=self._quality)) for i, output in enumerate(outputs)]
        position = replace(position, given=given + len(numbered), stages=self._memory.states())
        self._ledger.commit(position, taken, numbered, runs=runs)
        self.position = position


class ReaderLink:
    """From the reader of a source to a stream.

    Args:
        reading: what is read, from where ``publisher.position`` says on. The first message comes by itself, so that
            whoever dies of it is known.
        publisher: the other end.
        origin: digest of what the source is configured as.
        stopped: set when the source is to be left as it is, for another to go on with.
    """

    def __init__(self, reading: Reading, publisher: Publisher, origin: str, stopped: threading.Event) -> None:
        self._reading = reading
        self._messages = iter(reading)
        self._publisher = publisher
        self._origin = origin
        self._stopped = stopped
        self._last: Frame | End | None = None

    def read(self) -> Sequence[Frame | End]:
        """See ``Link.read``."""
        batch = list(islice(self._messages, 1))
        most = 1 if self._last is None else self._reading.most
        while batch and len(batch) < most and not isinstance(batch[-1], End):
            batch += islice(self._messages, 1)
        if not batch or self._stopped.is_set():
            raise Closed
        self._last = batch[-1]
        return batch

    def commit(self, outputs: Sequence[Message]) -> None:
        """See ``Link.commit``."""
        position = self._publisher.position
        begins = position.ended or not position.run
        if isinstance(self._last, Frame):
            stamp = self._last.stamp
            resume = Resume(stamp.frame, stamp.pts, stamp.time, stamp.clock, stamp.arrived)
            position = replace(position, run=stamp.run, resume=resume, origin=self._origin, ended=False, complete=False)
        elif self._last is not None:
            complete = self._last.complete or self._reading.hopeless
            position = replace(position, run=self._last.run, origin=self._origin, ended=True, complete=complete)
        self._publisher.publish(outputs, (), position, runs=int(begins))

    def close(self) -> None:
        """See ``Link.close``."""
        self._reading.stop()


class StreamLink:
    """From a stream to a stream, for one source; ``most``: messages of one step."""

    def __init__(self, inbox: Ordered, publisher: Publisher, most: int) -> None:
        self._inbox = inbox
        self._publisher = publisher
        self._most = most
        self._taken: list[Taken] = []

    def read(self) -> Sequence[Message]:
        """See ``Link.read``; empty where all that came was set aside."""
        self._taken = self._inbox.take(self._most)
        return [taken.message for taken in self._taken if taken.message is not None]

    def commit(self, outputs: Sequence[Message]) -> None:
        """See ``Link.commit``."""
        position = replace(self._publisher.position, taken=self._taken[-1].number)
        self._publisher.publish(outputs, [taken.id for taken in self._taken], position)

    def close(self) -> None:
        """See ``Link.close``; neighbours in other processes need not be told."""
