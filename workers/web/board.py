"""How sources are doing as a Redis knows it: those of workers, and whatever else is published there."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import redis

from pipeline.connection import NEEDED, lazy_client, refusal
from pipeline.errors import AffectError
from pipeline.sink import keys
from workers.cluster.overview import overviews
from workers.status import SourceStatus

RECENT: Final = 10.0
"""s since the last record for which a source counts as up, where nothing else is known of it."""
FRESH: Final = 1.0
"""s for which an answer is given again: a page asks every two."""


class RedisBoard:
    """What one server knows.

    Args:
        url: of the server.

    Raises:
        InputError: the URL cannot be used.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = lazy_client(url, NEEDED)
        self._lock = threading.Lock()
        self._looked = -FRESH
        """When it was last looked, by the monotonic clock, s."""
        self._told: list[SourceStatus] = []

    def statuses(self) -> Sequence[SourceStatus]:
        """See ``Board.statuses``; raises ``BrokerError``."""
        with self._lock:  # of several that ask at once the first does, for all
            if time.monotonic() - self._looked > FRESH:
                with self._asked() as client:
                    self._told = self._look(client)
                self._looked = time.monotonic()
            return self._told

    def ailment(self) -> str:
        """See ``Board.ailment``."""
        try:
            with self._asked() as client:
                client.ping()
        except AffectError as error:
            return str(error)
        return ""

    def _look(self, client: Any) -> list[SourceStatus]:
        found = {overview.source: overview.status for overview in overviews(client)}
        published = client.scan_iter(match=keys.emotions("*"), count=1000, _type="stream")
        streams = {key.decode(errors="replace").removeprefix(keys.emotions("")): key for key in published}
        others = [source for source in streams if source not in found]
        with client.pipeline(transaction=False) as pipe:
            for source in others:
                pipe.xrevrange(streams[source], count=1)
            for source, newest in zip(others, pipe.execute(), strict=True):
                found[source] = self._published(source, newest)
        return [found[source] for source in sorted(found)]

    def _published(self, source: str, newest: Any) -> SourceStatus:
        """What can be told of a source by its records alone, as of one that ``affectstream run`` watches elsewhere."""
        at = int(newest[0][0].split(b"-")[0]) / 1000 if newest else 0.0
        if time.time() - at < RECENT:
            return SourceStatus(source, "faces", up=True)
        when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
        return SourceStatus(source, "no faces", up=None, reason=f"the last was published {when}")

    @contextmanager
    def _asked(self) -> Iterator["redis.Redis"]:
        try:
            yield self._client
        except (redis.RedisError, OSError) as error:
            raise refusal(self._url, error, NEEDED) from None
