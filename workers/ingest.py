"""The ingest worker: one source's frames into the tracker's inbox."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from pipeline.channel import Channel, Closed
from pipeline.errors import SourceError
from pipeline.ingest.failures import unexpected
from pipeline.ingest.source import Source
from pipeline.messages import End, Frame
from workers.worker import Worker


class Reader(Protocol):
    """What reads a source: a file's or a live one's."""

    source: Source
    run: str

    def __iter__(self) -> Iterator[Frame | End]:
        """Give every frame of the run, then its end."""
        ...

    def stop(self) -> None:
        """Make the iteration end soon; may be called from another thread."""
        ...


class Unchanged:
    """The stage of the ingest worker: a reader's frames are ready to go."""

    def process(self, inputs: Sequence[Frame | End]) -> Sequence[Frame | End]:
        """Return the inputs."""
        return inputs


class SourceLink:
    """Reads a source on one side, feeds the tracker on the other.

    A source that fails for good ends its run and is reported; the other sources go on.
    """

    def __init__(
        self, reader: Reader, outbox: Channel[Frame | End], failed: Callable[[Source, SourceError], None]
    ) -> None:
        self._reader = reader
        self._messages = iter(reader)
        self._outbox = outbox
        self._failed = failed
        self._ended = False

    def read(self) -> Sequence[Frame | End]:
        """See ``Link.read``."""
        try:
            message = next(self._messages)
        except StopIteration:
            raise Closed from None
        except Exception as error:
            source = self._reader.source
            self._failed(source, error if isinstance(error, SourceError) else unexpected(error, source))
            self._messages = iter(())
            message = End(self._reader.source.id, self._reader.run, complete=False)
        self._ended = isinstance(message, End)
        return (message,)

    def commit(self, outputs: Sequence[Frame | End]) -> None:
        """See ``Link.commit``."""
        for output in outputs:
            self._outbox.put(output)

    def close(self) -> None:
        """See ``Link.close``."""
        if not self._ended:
            self._reader.stop()
        self._outbox.finish()


def ingest_worker(
    reader: Reader, outbox: Channel[Frame | End], failed: Callable[[Source, SourceError], None]
) -> Worker[Frame | End, Frame | End]:
    """Wire a reader to the tracker."""
    return Worker(f"ingest {reader.source.id}", Unchanged(), SourceLink(reader, outbox, failed))
