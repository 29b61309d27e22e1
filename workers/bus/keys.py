"""Names of what the bus keeps in Redis.

::

    affect:sources                       hash: source -> how to read it (JSON); what is to be read, changed by anybody
    affect:bus:sources                   set: sources that are under way
    affect:bus:frames:<source>           stream: ingest -> tracker
    affect:bus:faces                     stream: tracker -> inference, all sources, consumer group ``inference``
    affect:bus:pending                   hash: source -> its messages in ``affect:bus:faces``
    affect:bus:scores:<source>           stream: inference -> sink
    affect:bus:state:<worker>:<source>   hash: what a worker remembers of a source, and how far it has come
    affect:bus:lease:<worker>:<source>   string: token of the process that owns the source; expires
    affect:bus:census:<worker>           sorted set: tokens of living processes by when they count as dead
    affect:bus:memory                    string: another whenever Redis has lost what it knew
    affect:bus:poison                    stream: messages that were set aside, each with its reason; expires
    affect:bus:poisoned:<source>         sorted set: which of a source's messages were set aside -> when, s; expires
    affect:bus:failures:<source>         hash: worker -> why its work on the source failed last
    affect:counts:<source>               hash: what is counted of a source (see ``pipeline.tally``)

Entries of streams hold ``s`` (source), ``n`` (number of the message among its source's, from 1, without gaps) and
``m`` (the message, see ``workers.bus.codec``), or ``x`` in the place of ``m``: why the message was set aside.

Fields of ``affect:bus:state:<worker>:<source>``, all set by scripts::

    step     number of the last step that was finished, from 1
    by       token of the lease under which it was
    state    how far the source has come with it (``workers.bus.ledger.Position``)
    begun    owners that began since then, less those that ended on purpose; with any, the next takes one at a time
    since    time at which the last of them began, by the clock of Redis, s
    origin   digest of what the source was configured as when they began; in the state of ``ingest`` alone
    at       number of the message furthest on that an owner began with
    tried    owners that began with that message, less those that ended on purpose
    open     runs that have begun, less those whose end was written; in the state of ``ingest`` alone
"""

from typing import Final

SOURCES: Final = "affect:sources"
UNDER_WAY: Final = "affect:bus:sources"
FACES: Final = "affect:bus:faces"
PENDING: Final = "affect:bus:pending"
MEMORY: Final = "affect:bus:memory"
POISON: Final = "affect:bus:poison"
GROUP: Final = "inference"

OWNERS: Final = ("ingest", "tracker", "sink")
"""Workers that own sources, each named after its first stage."""


def frames(source: str) -> str:
    """Stream of a source's frames."""
    return f"affect:bus:frames:{source}"


def scores(source: str) -> str:
    """Stream of a source's scores."""
    return f"affect:bus:scores:{source}"


def state(worker: str, source: str) -> str:
    """Hash of what a worker remembers of a source."""
    return f"affect:bus:state:{worker}:{source}"


def lease(worker: str, source: str) -> str:
    """Who owns a source's part of the work."""
    return f"affect:bus:lease:{worker}:{source}"


def census(worker: str) -> str:
    """Which processes of a kind are alive."""
    return f"affect:bus:census:{worker}"


def counts(source: str) -> str:
    """What is counted of a source."""
    return f"affect:counts:{source}"


def poisoned(source: str) -> str:
    """Which messages of a source were set aside."""
    return f"affect:bus:poisoned:{source}"


def failures(source: str) -> str:
    """Why work on a source fails."""
    return f"affect:bus:failures:{source}"


def remembered(source: str) -> tuple[str, ...]:
    """All that is kept of a source but for its results and who owns it."""
    states = (state(worker, source) for worker in OWNERS)
    return (*states, frames(source), scores(source), counts(source), poisoned(source), failures(source))


def leases(source: str) -> tuple[str, ...]:
    """Who owns any part of a source's work."""
    return tuple(lease(worker, source) for worker in OWNERS)
