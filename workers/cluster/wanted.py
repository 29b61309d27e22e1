"""Which sources need work, as Redis tells: those that are configured, or those that are under way."""

import logging
from collections.abc import Container
from typing import Any

from workers.bus import keys
from workers.bus.lease import new_token
from workers.cluster.registry import tidy

log = logging.getLogger(__name__)


class UnderWay:
    """Sources that are under way, whoever reads them: the work of all but ingest.

    Attributes:
        stored: what the sources are configured as.
        under_way: sources of which a run has begun and its end was not written yet.
    """

    ends_by_itself = False
    """Whether work on a source that is not wanted any more goes on to an end of its own."""

    def __init__(self, client: Any) -> None:
        self.stored: dict[str, str] = {}
        self.under_way: set[str] = set()
        self._client = client

    def look(self) -> None:
        """Read what is configured and under way."""
        stored, under_way = self._client.hgetall(keys.SOURCES), self._client.smembers(keys.UNDER_WAY)
        self.stored = {name.decode(errors="replace"): text.decode(errors="replace") for name, text in stored.items()}
        self.under_way = {name.decode() for name in under_way}

    def wanted(self, finished: Container[str]) -> list[str]:
        """Return the sources that need work; ``finished``: those that need no more for as long as they are as now."""
        return sorted(self.under_way)


class Configured(UnderWay):
    """Sources that are configured, or were and have a run that is to be ended: the work of ingest.

    Should Redis lose its memory, what was to be read is put back: whoever configured it may be far away. Sources that
    were taken out, by whomever, are forgotten when they are over.
    """

    ends_by_itself = True

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self._vanished: set[str] = set()
        """Sources that were taken out, and may have to be forgotten."""
        self._memory = b""
        """What Redis calls its memory; another once it was lost."""

    def look(self) -> None:
        """See ``UnderWay.look``."""
        self._put_back()
        before = self.stored
        super().look()
        self._vanished |= before.keys() - self.stored.keys()
        self._vanished = {source for source in self._vanished if not tidy(self._client, source)}

    def wanted(self, finished: Container[str]) -> list[str]:
        """See ``UnderWay.wanted``."""
        return sorted(source for source in self.under_way | self.stored.keys() if source not in finished)

    def _put_back(self) -> None:
        """If Redis lost its memory, tell it again what is to be read, unless somebody already did."""
        memory = self._client.get(keys.MEMORY)
        if memory is None:
            self._client.set(keys.MEMORY, new_token(), nx=True)
            memory = self._client.get(keys.MEMORY)
        if self._memory not in {b"", memory} and self.stored:
            log.warning("Redis has lost its memory; put back what was to be read: %s", ", ".join(sorted(self.stored)))
            for source, stored in self.stored.items():
                self._client.hsetnx(keys.SOURCES, source, stored)
        self._memory = memory
