"""How the sources of the workers are doing, as Redis knows it."""

from dataclasses import dataclass
from typing import Any, Final

from pipeline.errors import InputError
from pipeline.redaction import shown
from pipeline.tally import Count
from workers.bus import keys
from workers.cluster.registry import described
from workers.status import SourceStatus

OVER: Final = "over"


@dataclass(frozen=True)
class Overview:
    """One source of the workers."""

    source: str
    stored: str | None
    """How it is to be read, as ``registry.stored`` has it; None for one that was taken out and is not yet over."""
    owned: tuple[str, ...]
    """Those of ``keys.OWNERS`` that a worker has."""
    under_way: bool
    """Whether anything of it is not yet finished."""
    counts: dict[str, int]
    """What was counted of it."""
    failures: dict[str, str]
    """Why the work of a stage that nobody has failed last."""

    @property
    def read_from(self) -> str:
        """The URL or path without secrets, or why there is none that can be used."""
        if self.stored is None:
            return "taken out; ending"
        try:
            return shown(described(self.stored).url.get_secret_value())
        except InputError as error:
            return f"cannot be read: {error}"

    @property
    def state(self) -> str:
        """Who works on it."""
        return " ".join(self.owned) or (OVER if self.counts and not self.under_way else "nobody")

    @property
    def status(self) -> SourceStatus:
        """The same in the words of all sources."""
        return SourceStatus(
            source=self.source,
            state=self.state,
            # Whether frames come is not told: only that somebody waits for them.
            up=None if "ingest" in self.owned or self.state == OVER else False,
            reason="; ".join(f"{stage} fails: {why}" for stage, why in self.failures.items()),
            read_from=self.read_from,
            counts={Count(what): number for what, number in self.counts.items() if what in _COUNTS},
        )


_COUNTS = frozenset(Count)


def overviews(client: Any) -> list[Overview]:
    """Return every source that is to be read or under way, by id.

    Args:
        client: of the workers' Redis.

    Raises:
        redis.RedisError, OSError: it does not answer.
    """
    known = {_text(name): _text(value) for name, value in client.hgetall(keys.SOURCES).items()}
    under_way = {_text(name) for name in client.smembers(keys.UNDER_WAY)}
    names = sorted(known.keys() | under_way)
    with client.pipeline(transaction=False) as pipe:  # there may be hundreds, and Redis far away
        for name in names:
            for stage in keys.OWNERS:
                pipe.exists(keys.lease(stage, name))
            pipe.hgetall(keys.counts(name))
            pipe.hgetall(keys.failures(name))
        answers = iter(pipe.execute())
    found = []
    for name in names:
        owned = tuple(stage for stage in keys.OWNERS if next(answers))
        counts = {_text(what): int(number) for what, number in sorted(next(answers).items())}
        failures = {_text(stage): _text(why) for stage, why in next(answers).items()}
        # Whoever owns it now may get on better than those before.
        told = {stage: why for stage, why in failures.items() if stage not in owned}
        found.append(Overview(name, known.get(name), owned, name in under_way, counts, told))
    return found


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
