"""What an owner reads of a source until the end of its run, for whatever reason that comes."""

from collections.abc import Iterator
from typing import Final

from pipeline.errors import SourceError
from pipeline.ingest.file import FileReader
from pipeline.ingest.live import LiveReader
from pipeline.ingest.source import Source
from pipeline.messages import End, Frame, Resume
from pipeline.tally import Tally
from workers.bus.ledger import Ledger
from workers.bus.poison import DEADLY, Poison

STEP: Final = 4
"""Messages of one step: more cost less each, but wait for each other; those of a live source are not to wait."""


class Reading:
    """Ends of runs that earlier owners left, and nothing else; base of what reads on behind them. To be iterated once.

    Args:
        ends: they come first.

    Attributes:
        most: messages of one step; the same for all of a class.
        error: why the run ended early; None while that is not known.
        hopeless: whether the source is not to be read again though its run ended early.
    """

    most = STEP

    def __init__(self, *ends: End, error: SourceError | None = None, hopeless: bool = False) -> None:
        self.error = error
        self.hopeless = hopeless
        self._ends = ends

    def __iter__(self) -> Iterator[Frame | End]:
        yield from self._ends
        yield from self._read()

    @property
    def resumable(self) -> bool:
        """Whether another owner can go on behind what was read; may be read from any thread."""
        return True

    def stop(self) -> None:
        """Make the iteration end soon; may be called from another thread."""

    def _read(self) -> Iterator[Frame | End]:
        return iter(())


class LiveReading(Reading):
    """A camera or a recording on the web; see ``LiveReader`` for what is given.

    Iterating raises ``SourceError`` where a camera fails, which is to be tried again. A recording on the web that fails
    ends its run for good, because no reader ever goes on in the middle of it.

    That an owner begins is noted in the ledger: opening the source, or its first frame, may be what kills.

    Args:
        ledger: the owner's.
        number: of the next message of the source.
    """

    most = 1

    def __init__(
        self, *ends: End, source: Source, run: str, tally: Tally, resume: Resume | None, ledger: Ledger, number: int
    ) -> None:
        super().__init__(*ends)
        self._reader = LiveReader(source, run, tally, resume=resume)
        self._ledger = ledger
        self._number = number + len(ends)

    @property
    def resumable(self) -> bool:
        """See ``Reading.resumable``."""
        return not self._reader.finite

    def stop(self) -> None:
        """See ``Reading.stop``."""
        self._reader.stop()

    def _read(self) -> Iterator[Frame | End]:
        reader = self._reader
        self._ledger.attempt(self._number, first=True)
        try:
            yield from reader
        except SourceError as error:
            if not reader.finite:
                raise
            self.error, self.hopeless = error, True
            yield End(reader.source.id, reader.run, complete=False)


class FileReading(Reading):
    """What a file holds behind a frame, less the next one if too many owners died of it.

    A file that fails ends its run; put right, it is read again. That an owner begins is noted in the ledger once all
    before what is new is passed: decoding that again takes minutes in a long file, and who dies then does not die of
    what comes next.

    Args:
        resume: the last frame that was passed on; None: the file is read from its beginning.
        ledger: the owner's.
        number: of the next message of the source.
        deaths: earlier owners that died of what comes next, see ``workers.cluster.plan``.
        tries: deaths after which the next frame is left out.
        poison: where it is set aside then.

    Raises:
        SourceError: the file cannot be opened.
    """

    def __init__(
        self,
        *ends: End,
        source: Source,
        run: str,
        tally: Tally,
        resume: Resume | None,
        ledger: Ledger,
        number: int,
        deaths: int,
        tries: int,
        poison: Poison,
    ) -> None:
        super().__init__(*ends)
        self._deaths = deaths
        self._tries = tries
        self._poison = poison

        def begin() -> None:
            ledger.attempt(number, first=True)

        if resume is None:
            begin()  # opening the file may be what kills
            self._reader = FileReader(source, run, tally)
        else:
            self._reader = FileReader(source, run, tally, after=resume.frame, passed=begin)

    def stop(self) -> None:
        """See ``Reading.stop``."""
        self._reader.stop()

    def _read(self) -> Iterator[Frame | End]:
        reader = self._reader
        messages = iter(reader)
        try:
            first = next(messages)
            if self._deaths < self._tries or isinstance(first, End):
                yield first
            elif self._deaths == self._tries:  # by the first that leaves it out
                self._poison.set_aside(reader.source.id, first.stamp.frame, first, DEADLY)
            yield from messages
        except SourceError as error:
            self.error = error
            yield End(reader.source.id, reader.run, complete=False)
