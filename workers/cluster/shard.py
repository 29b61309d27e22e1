"""One source's part of the work in this process, in a thread of its own, for as long as the process owns the source."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import chain as joined
from typing import TypeVar

from msgspec.structs import replace

from pipeline.channel import Closed
from pipeline.errors import AffectError, MessageError, ModelError, SourceError, StateError, VersionError
from pipeline.ingest.file import FileReader
from pipeline.ingest.live import LiveReader
from pipeline.ingest.source import Source
from pipeline.messages import End, Frame
from pipeline.run import live_run
from workers.bus.codec import Message
from workers.bus.lease import Lease, Lost
from workers.bus.ledger import Ledger, Position
from workers.bus.ordered import Ordered
from workers.bus.owned import Publisher, ReaderLink, StreamLink
from workers.bus.poison import DEADLY, Poison
from workers.cluster.chain import Chain
from workers.cluster.context import Context
from workers.cluster.layout import inbox, outbox
from workers.cluster.registry import digest, source_of
from workers.ingest import Reader
from workers.worker import Worker

log = logging.getLogger(__name__)

Out = TypeVar("Out")

STEP = 4
"""Messages of one step of a chain; a live reader gives them one by one."""


class Shard(threading.Thread):
    """Base of both kinds.

    Attributes:
        survives_expiry: whether it may go on though its lease expired, if nobody has taken it since. So may one that
            changes nothing but Redis, whose next step is refused if it was anybody's meanwhile.
        error: what ended the work; None if it was stopped, or another has taken over.
        finished: whether there is nothing more to do for the source until its configuration changes.

    Args:
        stored: what the source is configured as (see ``workers.cluster.registry``); None if it was taken out.
    """

    survives_expiry = False

    def __init__(self, lease: Lease, context: Context, stored: str | None) -> None:
        super().__init__(name=f"{lease.worker} {lease.source}", daemon=True)
        self.lease = lease
        self.stored = stored
        self.error: BaseException | None = None
        self.finished = False
        self._context = context
        self._poison = Poison(context.broker, lease.worker, context.tally, lease.stopped)
        self._ledger: Ledger | None = None
        self._inbox: Ordered | None = None

    def run(self) -> None:
        """Work until stopped; the body of the thread."""
        try:
            self._work()
        except Closed:
            pass
        except Lost as lost:
            log.warning("%s: %s", self.name, _LOST.get(str(lost), "its lease ran out, or another has taken over"))
        except BaseException as error:
            self.error = error
        finally:
            if self._ledger is not None and not _may_be_of_a_message(self.error):
                self._ledger.withdraw()
            self.lease.stopped.set()

    def stop(self) -> None:
        """End after the step in hand, so that another may go on."""
        self.lease.stopped.set()

    def end(self) -> None:
        """Put an end to the run, because the source was taken out or is configured otherwise now.

        Nothing is to be done where the source is not read here: the end of its run comes by itself.
        """

    def _work(self) -> None:
        raise NotImplementedError

    def _chain(
        self, names: tuple[str, ...], position: Position, instead: Callable[[Message], Sequence[Out]]
    ) -> Chain[Message, Out]:
        """Make the stages, and have them remember what ``position`` says.

        ``instead``: gives what is passed on of a message that nobody can work on.
        """

        def give_up(message: Message, error: Exception) -> Sequence[Out]:
            self._poison.set_aside(self.lease.source, self._number(message), message, repr(error))
            return instead(message)

        source, name = self.lease.source, "+".join(names)
        if position.chain not in {"", name}:
            raise StateError(
                f"source {source!r} was last worked on by a worker of {position.chain}, not {name}; run that until the "
                "source is over, or add the source under another name"
            )
        context = self._context
        chain: Chain[Message, Out] = Chain(context.stages(names), context.config.bus.tries, give_up)
        if position.chain:
            try:
                chain.restore(position.stages)
            except StateError as error:
                raise StateError(f"source {source!r}: {error}") from None
        return chain

    def _number(self, message: Message) -> int:
        """Return the number of a message in its stream; of one that comes from a reader, the number of its frame."""
        if self._inbox is not None:
            return self._inbox.number(message)
        return message.stamp.frame if isinstance(message, Frame) else 0

    def _ordered(self, ledger: Ledger, key: str, *kinds: type[Message]) -> Ordered:
        context = self._context
        self._ledger = ledger
        self._inbox = Ordered(
            context.broker, self.lease, ledger, self._poison, key=key, kinds=kinds, tries=context.config.bus.tries
        )
        return self._inbox


_LOST = {"forgotten": "Redis has lost what was remembered of it; it begins anew from what is there"}


def _may_be_of_a_message(error: BaseException | None) -> bool:
    """Return whether what ended the work may be the doing of the message in hand, rather than of the disk or Redis."""
    if isinstance(error, AffectError):
        return isinstance(error, ModelError | MessageError) and not isinstance(error, VersionError)
    return error is not None


class ChainShard(Shard):
    """Runs the stages of a chain for one source."""

    survives_expiry = True

    def __init__(self, lease: Lease, context: Context, stored: str | None, names: tuple[str, ...]) -> None:
        super().__init__(lease, context, stored)
        self._names = names
        self._reader: Reader | None = None
        self._ended = False
        self._deaths = 0
        """Owners that died of the file since a step of it was last finished."""
        self._hopeless = False
        """Whether it is not to be read again: so many died of it, or it is a recording on the web that broke off."""

    def stop(self) -> None:
        """See ``Shard.stop``."""
        super().stop()
        self.end()

    def end(self) -> None:
        """See ``Shard.end``."""
        # It may be configured as before by the time somebody asks: then it is to be read again.
        self._ended = True
        self._stop_reader()

    def _stop_reader(self) -> None:
        if self._reader is not None:
            self._reader.stop()

    def _work(self) -> None:
        context, source = self._context, self.lease.source
        key = inbox(self._names, source)
        ledger = Ledger(context.broker, self.lease, inbox=key, outbox=outbox(self._names, source, context.config.bus))
        position = ledger.load()
        messages = None if key is not None else self._messages(ledger, position)
        if key is None and messages is None:
            self.finished = True
            return
        # Without its end a source would be under way for ever.
        chain = self._chain(self._names, position, lambda message: [message] if isinstance(message, End) else [])
        publisher = Publisher(ledger, replace(position, chain="+".join(self._names)), chain, context.quality)
        link: StreamLink | ReaderLink
        if messages is None:
            assert key is not None
            link = StreamLink(self._ordered(ledger, key, Frame, End), publisher, STEP)
        else:
            origin = "" if self.stored is None else digest(self.stored)
            live = isinstance(self._reader, LiveReader)
            most = 1 if live else STEP
            link = ReaderLink(
                messages, publisher, origin, self.lease.stopped, most, self._stop_reader, lambda: self._hopeless
            )
        Worker(self.name, chain, link).run()
        self.finished = key is None and not (self._ended or self.lease.stopped.is_set())

    def _messages(self, ledger: Ledger, position: Position) -> Iterator[Frame | End] | None:
        """Return what is to be read from here on; None if there is nothing."""
        over = End(self.lease.source, position.run, complete=False)
        begun = bool(position.run) and not position.ended
        if self.stored is None:
            return iter((over,)) if begun else None
        source = source_of(self.lease.source, self.stored, self._context.config)
        run = None if source.live else self._run_of(source)
        same = position.origin == digest(self.stored) if run is None else position.run == run
        if same and position.complete:
            return None
        resume = position.resume if begun and same else None
        changed = begun and not same
        messages: Iterator[Frame | End]
        if run is None:
            run = position.run if begun and same else live_run()
            self._reader = LiveReader(source, run, self._context.tally, resume=resume)
            messages = self._read(self._reader)
        else:
            after = -1 if resume is None else resume.frame
            self._ledger = ledger

            def attempt() -> None:
                ledger.attempt(position.given + 1, first=True)
                # Earlier deaths belong to the old configuration: counting starts at 0.
                self._blame(source, after, 0 if changed else ledger.begun - 1)

            messages = self._read_file(source, run, after, attempt)
        return joined((over,) if changed else (), messages)

    def _read_file(self, source: Source, run: str, after: int, attempt: Callable[[], None]) -> Iterator[Frame | End]:
        """Give what a file holds behind a frame, less what kills whoever works on it.

        Args:
            attempt: notes that what is new is begun, once all before it is passed: decoding that again takes minutes
                in a long file, and who dies then does not die of the file.
        """
        if after < 0:
            try:
                attempt()
            except SourceError as error:
                self.error = error
                return iter((End(source.id, run, complete=False),))
        passed = attempt if after >= 0 else None
        self._reader = FileReader(source, run, self._context.tally, after=after, passed=passed)
        return self._without_deadly(self._read(self._reader))

    def _blame(self, source: Source, after: int, deaths: int) -> None:
        """Take note of how many owners began with what lies behind a frame and finished nothing.

        After ``bus.tries`` of them the next frame is set aside; if as many more die, what decodes the file or frame
        after frame is to blame, and its run ends.

        Raises:
            SourceError: so many died that the file is not to be read.
        """
        self._deaths = deaths
        if deaths >= 2 * self._context.config.bus.tries:
            self._hopeless = True
            raise SourceError(
                f"{source.safe_url}: ends the process that reads it at frame {after + 1} or just behind, {deaths} "
                f"times; convert it, or `affectstream sources remove {source.id}`, wait until `sources list` no longer "
                "shows it, and add it again to try once more"
            )

    def _without_deadly(self, messages: Iterator[Frame | End]) -> Iterator[Frame | End]:
        first = next(messages)
        tries = self._context.config.bus.tries
        if self._deaths >= tries and isinstance(first, Frame):
            if self._deaths == tries:  # by the first that leaves it out
                self._poison.set_aside(self.lease.source, first.stamp.frame, first, DEADLY)
        else:
            yield first
        yield from messages

    def _run_of(self, source: Source) -> str:
        """Return the run that reads a file."""
        # Only ingest by itself sends frames; they come out of a JPEG a little different.
        via = f"jpeg{self._context.quality}" if self._names == ("ingest",) and self._context.quality else ""
        return self._context.engine.run_of(source, via)

    def _read(self, reader: Reader) -> Iterator[Frame | End]:
        """Give what the reader gives.

        A file or a recording on the web that fails ends its run; a camera that fails is tried again. A file may be put
        right, and is then read again; of a recording no reader ever goes on in the middle.
        """
        try:
            yield from reader
        except SourceError as error:
            if isinstance(reader, LiveReader):
                if not reader.finite:
                    raise
                self._hopeless = True
            self.error = error
            yield End(reader.source.id, reader.run, complete=False)
