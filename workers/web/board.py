"""How sources are doing as a Redis knows it: those of workers, and whatever else is published there."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import redis

from pipeline.connection import NEEDED, lazy_client, refusal
from pipeline.errors import AffectError
from workers.cluster.overview import overviews
from workers.status import SourceStatus

PREFIX: Final = "affect:emotions:"
RECENT: Final = 10.0
"""s since the last record for which a source counts as up, where nothing else is known of it."""


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

    def statuses(self) -> Sequence[SourceStatus]:
        """See ``Board.statuses``; raises ``BrokerError``."""
        with self._asked() as client:
            found = {overview.source: overview.status for overview in overviews(client)}
            for key in client.scan_iter(match=f"{PREFIX}*", count=1000, _type="stream"):
                source = key.decode(errors="replace").removeprefix(PREFIX)
                if source not in found:
                    found[source] = self._published(source)
        return [found[source] for source in sorted(found)]

    def ailment(self) -> str:
        """See ``Board.ailment``."""
        try:
            with self._asked() as client:
                client.ping()
        except AffectError as error:
            return str(error)
        return ""

    def _published(self, source: str) -> SourceStatus:
        """What can be told of a source by its records alone, as of one that ``affectstream run`` watches elsewhere."""
        newest: Any = self._client.xrevrange(f"{PREFIX}{source}", count=1)
        at = int(newest[0][0].split(b"-")[0]) / 1000 if newest else 0.0
        up = time.time() - at < RECENT
        when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
        return SourceStatus(source, "faces" if up else "no faces", up, "" if up else f"the last was published {when}")

    @contextmanager
    def _asked(self) -> Iterator["redis.Redis"]:
        try:
            yield self._client
        except (redis.RedisError, OSError) as error:
            raise refusal(self._url, error, NEEDED) from None
