"""The two ends of a sink worker: from the scores of one source to its Parquet tables and its Redis Streams."""

import time
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from pipeline.messages import End, Results, Scores
from pipeline.settings import BusSettings, ParquetSettings
from pipeline.sink.parquet import ParquetWriter
from pipeline.sink.streams import Streams
from workers.bus.broker import Broker
from workers.bus.lease import Lease
from workers.bus.ordered import Ordered, Taken
from workers.bus.owned import Publisher

MOST: Final = 64
"""Messages of one step."""

PAUSE: Final = 1.0
"""s to wait for a message before it is looked whether a part is due."""


class SinkLink:
    """Acknowledges scores only when the Parquet part that holds their rows has its name, and outlives a power cut.

    Until then they stay in the inbox. Whoever takes over goes on from what was remembered at the last part, works
    through them again, and gets the same rows: those that are in a table or a stream already are passed over, because
    both know the last frame that they hold.
    """

    def __init__(
        self,
        inbox: Ordered,
        publisher: Publisher,
        parquet: ParquetWriter,
        streams: Streams,
        broker: Broker,
        lease: Lease,
        *,
        bus: BusSettings,
        parts: ParquetSettings,
    ) -> None:
        self._inbox = inbox
        self._publisher = publisher
        self._parquet = parquet
        self._streams = streams
        self._broker = broker
        self._lease = lease
        self._most_unacknowledged = bus.unsaved // 2
        self._part_seconds = parts.part_seconds
        self._batch: list[Taken] = []
        self._taken: list[str] = []
        """Entries whose rows may not be durable yet."""
        self._position = publisher.position
        self._saved = time.monotonic()

    @property
    def unsaved(self) -> int:
        """Messages whose rows may not be durable yet."""
        return len(self._taken)

    def read(self) -> Sequence[Scores | End]:
        """See ``Link.read``; empty after ``PAUSE`` s without a message."""
        self._batch = self._inbox.take(MOST, PAUSE)
        return [taken.message for taken in self._batch if isinstance(taken.message, Scores | End)]

    def commit(self, outputs: Sequence[Results]) -> None:
        """See ``Link.commit``."""
        for results in outputs:
            self._parquet.write(results)
        if outputs:
            # After a takeover most is in the streams already: it need not even be sent.
            news = self._broker.call(lambda: self._streams.news(outputs), self._lease.stopped)
            self._broker.call(lambda: self._streams.commit(news), self._lease.stopped)
        if self._batch:
            self._taken += [taken.id for taken in self._batch]
            self._position = replace(self._position, taken=self._batch[-1].number)
        ends = sum(isinstance(taken.message, End) for taken in self._batch)
        waited = time.monotonic() - self._saved
        if ends or len(self._taken) >= self._most_unacknowledged or (self._taken and waited >= self._part_seconds):
            self.save(ends)

    def save(self, ends: int = 0) -> None:
        """Make all rows durable, then acknowledge what they were made of, the ends of so many runs among it.

        Raises ``Lost`` where another has taken over; its rows are as good as these; ``OutputError`` where rows
        cannot be made durable.
        """
        # Where a part has its name, but may not outlive a power cut, this raises: the scores stay in the inbox, and
        # whoever takes them next passes over the rows and syncs the folder before it acknowledges.
        self._parquet.flush()
        self._publisher.publish((), self._taken, self._position, runs=-ends)
        self._position = self._publisher.position
        self._taken = []
        self._saved = time.monotonic()

    def leave(self) -> None:
        """Save what is not saved yet, so that whoever goes on need not work through it again."""
        if self._taken:
            self.save()

    def close(self) -> None:
        """See ``Link.close``; what was not saved is still in the inbox."""
