"""One source's part of the work in this process, in a thread of its own, for as long as the process owns the source."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from msgspec.structs import replace

from pipeline.channel import Closed
from pipeline.errors import AffectError, MessageError, ModelError, SourceError, StateError, VersionError
from pipeline.ingest.source import Source
from pipeline.messages import End, Frame
from pipeline.run import live_run
from workers.bus.codec import Message
from workers.bus.lease import Lease, Lost
from workers.bus.ledger import Ledger, Position
from workers.bus.ordered import Ordered
from workers.bus.owned import Publisher, ReaderLink, StreamLink
from workers.bus.poison import Poison
from workers.bus.reading import STEP, FileReading, LiveReading, Reading
from workers.chain import Chain
from workers.cluster.context import Context
from workers.cluster.layout import inbox, outbox
from workers.cluster.plan import EndOnly, GiveUp, Nothing, Read, plan, rest
from workers.cluster.registry import digest, source_of
from workers.worker import Worker

log = logging.getLogger(__name__)

GAP: Final = 3
"""Times ``bus.claim`` for which messages wait for a missing one that nobody holds before that is told: by then another
has taken it over."""

Out = TypeVar("Out")


class Shard(threading.Thread):
    """Base of both kinds.

    Attributes:
        survives_expiry: whether it may go on though its lease expired, if nobody has taken it since. So may one that
            changes nothing but Redis, whose next step is refused if it was anybody's meanwhile.
        error: what ended the work; None if it was stopped, or another has taken over.
        finished: whether there is nothing more to do for the source until its configuration changes.
        idle: whether it finished without doing anything, because an earlier owner had done all.

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
        self.idle = False
        self._context = context
        self._poison = Poison(context.broker, lease.worker, lease.stopped)
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

    @property
    def resumable(self) -> bool:
        """Whether another can go on where this one is stopped."""
        return True

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

    def _ordered(self, ledger: Ledger, key: str, *kinds: type[Message], held: float = 0.0) -> Ordered:
        """Read an inbox; ``held``: s for which whoever fills it may have a message in hand while later ones come."""
        broker, bus = self._context.broker, self._context.config.bus
        self._ledger = ledger
        self._inbox = Ordered(
            *(broker, self.lease, ledger, self._poison),
            key=key,
            kinds=kinds,
            tries=bus.tries,
            patience=held + GAP * bus.claim,
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
        self._origin = None if stored is None else digest(stored)
        self._reading: Reading | None = None
        """Of a chain that reads the source itself, from when the source is open."""
        self._ended = False

    @property
    def resumable(self) -> bool:
        """See ``Shard.resumable``."""
        return self._reading is None or self._reading.resumable

    def stop(self) -> None:
        """See ``Shard.stop``."""
        super().stop()
        self.end()

    def end(self) -> None:
        """See ``Shard.end``."""
        # It may be configured as before by the time somebody asks: then it is to be read again.
        self._ended = True
        if self._reading is not None:
            self._reading.stop()

    def _work(self) -> None:
        context, source = self._context, self.lease.source
        key = inbox(self._names, source)
        ledger = Ledger(
            context.broker,
            self.lease,
            inbox=key,
            outbox=outbox(self._names, source, context.config.bus),
            origin=(self._origin or "") if key is None else "",
        )
        position = ledger.load()
        if key is None:
            self._ledger = ledger
            self._reading = self._open(ledger, position)
            if self._reading is None:
                self.finished = self.idle = True
                return
            if self._ended:  # while it was opened, when there was nothing to stop yet
                self._reading.stop()
        # Without its end a source would be under way for ever.
        chain = self._chain(self._names, position, lambda message: [message] if isinstance(message, End) else [])
        publisher = Publisher(ledger, replace(position, chain="+".join(self._names)), chain, context.quality)
        if key is not None:
            Worker(self.name, chain, StreamLink(self._ordered(ledger, key, Frame, End), publisher, STEP)).run()
            return
        assert self._reading is not None
        try:
            Worker(self.name, chain, ReaderLink(self._reading, publisher, self._origin or "", self.lease.stopped)).run()
        finally:
            self.error = self._reading.error
        self.finished = not (self._ended or self.lease.stopped.is_set())

    def _open(self, ledger: Ledger, position: Position) -> Reading | None:
        """Open what is to be read from here on; None if there is nothing.

        Raises:
            InputError: what the source is configured as cannot be used.
            SourceError: it is a file, which cannot be opened, or a camera that is left alone for a while.
        """
        context, name, tries = self._context, self.lease.source, self._context.config.bus.tries
        source = None if self.stored is None else source_of(name, self.stored, context.config)
        run = None if source is None or source.live else self._run_of(source)
        match plan(position, self._origin, run, ledger.deaths, tries):
            case Nothing():
                return None
            case EndOnly(left):
                return Reading(End(name, left, complete=False))
            case GiveUp(after):
                assert source is not None
                assert run is not None
                error = SourceError(
                    f"{source.safe_url}: ends the process that reads it at frame {after + 1} or just behind, "
                    f"{ledger.deaths} times; convert it, or `affectstream sources remove {name}`, wait until `sources "
                    "list` no longer shows it, and add it again to try once more"
                )
                return Reading(End(name, run, complete=False), error=error, hopeless=True)
            case Read(resume, left, deaths):
                assert source is not None
                ends = () if left is None else (End(name, left, complete=False),)
                if run is None:
                    self._check_rested(source, ledger, deaths)
                    run = live_run() if resume is None else position.run
                    return LiveReading(
                        *ends,
                        source=source,
                        run=run,
                        tally=context.tally,
                        resume=resume,
                        ledger=ledger,
                        number=position.given + 1,
                    )
                return FileReading(
                    *ends,
                    source=source,
                    run=run,
                    tally=context.tally,
                    resume=resume,
                    ledger=ledger,
                    number=position.given + 1,
                    deaths=deaths,
                    tries=tries,
                    poison=self._poison,
                )

    def _check_rested(self, source: Source, ledger: Ledger, deaths: int) -> None:
        """Raise ``SourceError`` where too many owners have died of a live source only just now."""
        seconds = rest(source.id, deaths, self._context.config.bus.tries, source.settings.backoff[1])
        # It is less than 0 where the clock of Redis was set back.
        if seconds and 0 <= ledger.rested() < seconds:
            raise SourceError(
                f"{source.safe_url}: whoever opened it died before it gave a frame, {deaths} times; it is left alone "
                f"for {seconds:.0f} s after the last"
            )

    def _run_of(self, source: Source) -> str:
        """Return the run that reads a file."""
        # Only ingest by itself sends frames; they come out of a JPEG a little different.
        via = f"jpeg{self._context.quality}" if self._names == ("ingest",) and self._context.quality else ""
        return self._context.engine.run_of(source, via)
