"""What an owner does with a source that it reads itself, by what Redis remembers of it."""

import random
from typing import Final

import msgspec

from pipeline.messages import Resume
from workers.bus.ledger import Position

REST: Final = 600.0
"""s to which the time grows for which a camera is left alone, before it is spread over up to twice that."""


class Nothing(msgspec.Struct, frozen=True):
    """The source was read to its end, or it was taken out and no run of it is under way."""


class EndOnly(msgspec.Struct, frozen=True):
    """The source was taken out: its run is ended."""

    run: str


class GiveUp(msgspec.Struct, frozen=True):
    """So many owners died of the file that its run is ended, and it is not read again."""

    after: int
    """Number of the last frame that was passed on; -1 where there is none."""


class Read(msgspec.Struct, frozen=True):
    """The source is read: from its beginning, or where its run was left."""

    resume: Resume | None = None
    """The last frame that was passed on of the run that goes on; None: a run begins."""
    ended: str | None = None
    """A run that is ended first: of what the source was configured as before."""
    deaths: int = 0
    """Owners that died of what comes first, each without finishing a step."""


def plan(
    position: Position, origin: str | None, run: str | None, deaths: int, tries: int
) -> Nothing | EndOnly | GiveUp | Read:
    """Return what is to be done.

    Args:
        position: how far earlier owners have come.
        origin: digest of what the source is configured as; None if it was taken out.
        run: the run that reads it; None for a live source, whose runs are all new.
        deaths: owners that died since a step was last finished; a camera that they died of is left alone for a while,
            see ``rest``.
        tries: deaths after which the next frame of a file is left out. After as many more, what decodes the file, or
            frame after frame, is to blame.
    """
    under_way = bool(position.run) and not position.ended
    if origin is None:
        return EndOnly(position.run) if under_way else Nothing()
    same = position.origin == origin if run is None else position.run == run
    if same and position.complete:
        return Nothing()
    if under_way and not same:
        return Read(ended=position.run)  # earlier deaths belong to the old configuration
    resume = position.resume if under_way else None
    if run is not None and deaths >= 2 * tries:
        return GiveUp(-1 if resume is None else resume.frame)
    return Read(resume, deaths=deaths)


def rest(source: str, deaths: int, tries: int, longest: float) -> float:
    """Return how long a live source is left alone after the last of its owners' deaths, s.

    It takes down all other sources of its owner, one owner after the other; but it may be put right at any time. Those
    that had not given a frame when their owner died are left alone with it, as it is not known which of them it died
    of: so that they do not come back together each time, each is given a length of its own, and another by each death.

    Args:
        longest: wait before it is opened again where it merely fails, s.

    >>> [round(rest("door", deaths, 5, 30.0)) for deaths in (4, 5, 6, 100)]
    [0, 217, 321, 837]
    """
    if deaths < tries:
        return 0.0
    # Whoever asks again is to be told the same.
    return min(longest * deaths, REST) * random.Random(f"{deaths} {source}").uniform(1, 2)
