"""Requests to Redis that wait while it is away: a worker neither crashes nor spins because of its broker."""

import logging
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

import redis

from pipeline.bus import scripts
from pipeline.channel import Closed
from pipeline.errors import BrokerError
from pipeline.sink.connection import address, connect, explain, is_passing, refusal

log = logging.getLogger(__name__)

BACKOFF: Final = (0.1, 3.0)
"""s between attempts while Redis is away: the first wait and the longest, doubled between."""

T = TypeVar("T")


class Broker:
    """A Redis server and the scripts that run there; may be shared by threads.

    Raises:
        BrokerError: nothing answers at ``url`` when this is made, or it refuses.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.client: Any = connect(url)  # redis-py types every answer as awaitable or not
        self.commit = self.client.register_script(scripts.COMMIT)
        self.share = self.client.register_script(scripts.SHARE)
        self.renew = self.client.register_script(scripts.RENEW)
        self.release = self.client.register_script(scripts.RELEASE)
        self.census = self.client.register_script(scripts.CENSUS)
        self._lock = threading.Lock()
        self._away = False

    def call(self, request: Callable[[], T], stopped: threading.Event) -> T:
        """Return the answer to a request that may be repeated, waiting for as long as Redis is away.

        Raises:
            Closed: ``stopped`` was set meanwhile.
            BrokerError: Redis refuses for good.
        """
        delay, longest = BACKOFF
        while True:
            try:
                answer = request()
            except (redis.RedisError, OSError) as error:
                if isinstance(error, redis.ResponseError) and "NOGROUP" in str(error):
                    raise
                if not is_passing(error):
                    raise refusal(self._url, error) from None
                self._note(error)
                if stopped.wait(delay):
                    raise Closed from None
                delay = min(2 * delay, longest)
            else:
                if self._away:
                    self._note(None)
                return answer

    def refusal(self, error: Exception) -> BrokerError:
        """Return the error that tells what is wrong with the server."""
        return refusal(self._url, error)

    def close(self) -> None:
        """Let go of all connections."""
        self.client.close()

    def _note(self, error: Exception | None) -> None:
        """Say once that Redis is away and once that it is back, whatever the number of threads that notice."""
        with self._lock:
            if error is not None and not self._away:
                log.warning("Redis at %s: %s; waiting for it", address(self._url), explain(self._url, error))
            elif error is None and self._away:
                log.warning("Redis at %s is back", address(self._url))
            self._away = error is not None
