"""Which stages a process runs, and how they are joined to the others."""

from typing import Final, NamedTuple

from pipeline.errors import InputError
from pipeline.settings import BusSettings
from workers.bus import keys
from workers.bus.ledger import Outbox

STAGES: Final = ("ingest", "tracker", "inference", "sink")


class Layout(NamedTuple):
    """What one process does.

    Stages that own a source and follow each other are one chain, in which nothing touches the bus. The sink is always
    fed from the bus, even by its own process: scores, which hold no pixels, wait there until their rows are durable.
    """

    chain: tuple[str, ...]
    """Stages that own sources, from the first to the last; none for a process that only infers or only writes."""
    pool: bool
    """Whether the process is one of those that share the faces of all sources."""
    sink: bool
    """Whether the process writes."""

    @property
    def stages(self) -> tuple[str, ...]:
        """All stages, in order."""
        return (*self.chain, *(("inference",) if self.pool else ()), *(("sink",) if self.sink else ()))


def parse_layout(text: str) -> Layout:
    """Understand stages joined by ``+``.

    Raises:
        InputError: a stage is unknown, or the stages are not neighbours in their order.

    >>> parse_layout("ingest+tracker")
    Layout(chain=('ingest', 'tracker'), pool=False, sink=False)
    >>> parse_layout("inference+sink").stages
    ('inference', 'sink')
    """
    names = tuple(text.split("+"))
    for name in names:
        if name not in STAGES:
            raise InputError(f"there is no stage {name!r}; stages are {', '.join(STAGES)}")
    first = STAGES.index(names[0])
    if names != STAGES[first : first + len(names)]:
        raise InputError(f"{text!r} are not neighbours in their order, which is {'+'.join(STAGES)}")
    chain = tuple(name for name in names if name != "sink")
    pool = chain == ("inference",)
    return Layout(() if pool else chain, pool, "sink" in names)


def inbox(chain: tuple[str, ...], source: str) -> str | None:
    """Return the stream that a chain reads for a source; None for one that reads the source itself."""
    return None if chain[0] == "ingest" else keys.frames(source)


def outbox(chain: tuple[str, ...], source: str, bus: BusSettings) -> Outbox:
    """Return the stream that a chain publishes a source's messages to."""
    downstream = keys.scores(source), bus.unsaved
    if chain[-1] == "ingest":
        return Outbox(keys.frames(source), False, bus.pending_frames, *downstream)
    if chain[-1] == "tracker":
        return Outbox(keys.FACES, True, bus.pending, *downstream)
    return Outbox(keys.scores(source), False, bus.unsaved, *downstream)
