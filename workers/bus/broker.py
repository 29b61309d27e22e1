"""Requests to Redis that wait while it is away: a worker neither crashes nor spins because of its broker."""

import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

import redis

from pipeline.channel import Closed
from pipeline.connection import NEEDED, connect, is_passing, refusal
from pipeline.errors import BrokerError
from pipeline.outage import Outage
from workers.bus import scripts

BLOCK: Final = 500
"""ms for which Redis is asked to wait for a message; then whoever waits looks whether to stop."""

T = TypeVar("T")


class GroupLost(Exception):  # noqa: N818 (to be made good, not told)
    """A consumer group is not there any more: Redis lost its memory, or somebody deleted the stream."""


class Broker:
    """A Redis server and the scripts that run there; may be shared by threads.

    Raises:
        InputError: the URL cannot be used.
        BrokerError: what answers at ``url`` refuses for good. That nothing answers is waited out by whoever asks first.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.client: Any = connect(url, patient=True, advice=NEEDED)  # redis-py types every answer as awaitable or not
        self.commit = self.client.register_script(scripts.COMMIT)
        self.capacity = self.client.register_script(scripts.CAPACITY)
        self.share = self.client.register_script(scripts.SHARE)
        self.hold = self.client.register_script(scripts.HOLD)
        self.leave = self.client.register_script(scripts.LEAVE)
        self.set_aside = self.client.register_script(scripts.SET_ASIDE)
        self.attempt = self.client.register_script(scripts.ATTEMPT)
        self.withdraw = self.client.register_script(scripts.WITHDRAW)
        self.acquire = self.client.register_script(scripts.ACQUIRE)
        self.renew = self.client.register_script(scripts.RENEW)
        self.release = self.client.register_script(scripts.RELEASE)
        self.census = self.client.register_script(scripts.CENSUS)
        self.count = self.client.register_script(scripts.COUNT)
        self.tell = self.client.register_script(scripts.TELL)
        self._outage = Outage(url, NEEDED)

    @property
    def forgets(self) -> bool:
        """Whether the server has no append-only file: what it was told since it last saved is lost when it dies."""
        try:
            return bool(self.client.info("persistence").get("aof_enabled") == 0)
        except (redis.RedisError, OSError):  # away, or not for us to ask
            return False

    def call(self, request: Callable[[], T], stopped: threading.Event) -> T:
        """Return the answer to a request that may be repeated, waiting for as long as Redis is away.

        Raises:
            Closed: ``stopped`` was set meanwhile.
            GroupLost: the request is about a consumer group that is not there.
            BrokerError: Redis refuses for good.
        """
        try:
            return request()
        except (redis.RedisError, OSError) as error:
            self._check(error)
            waits = self._outage.begin(error)
        note = None
        try:
            while not stopped.wait(next(waits)):
                try:
                    answer = request()
                except (redis.RedisError, OSError) as error:
                    self._check(error)
                else:
                    note = ""
                    return answer
            raise Closed
        finally:
            self._outage.end(note)

    def refusal(self, error: Exception) -> BrokerError:
        """Return the error that tells what is wrong with the server."""
        return refusal(self._url, error, NEEDED)

    def close(self) -> None:
        """Let go of all connections."""
        self.client.close()

    def _check(self, error: Exception) -> None:
        """Raise what waiting does not help against."""
        if isinstance(error, redis.ResponseError) and _is_lost(error):
            raise GroupLost from None
        if not is_passing(error):
            raise refusal(self._url, error, NEEDED) from None


def _is_lost(error: redis.ResponseError) -> bool:
    return "NOGROUP" in str(error) or "no such key" in str(error)
