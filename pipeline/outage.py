"""Waiting out a Redis that is away: it is said once, and whoever waits neither gives up nor spins."""

import logging
import threading
from collections.abc import Iterator
from typing import Final

from pipeline.backoff import delays
from pipeline.connection import address, explain

log = logging.getLogger(__name__)

BACKOFF: Final = (0.1, 3.0)
"""s between attempts while Redis is away: the first wait and the longest, doubled between."""


class Outage:
    """Tells when a server is away or takes no writes, and when that is over; may be shared by threads.

    Each request that fails begins it, and ends it when it waits no more.

    Args:
        url: of the server.
        advice: see ``explain``.
    """

    def __init__(self, url: str, advice: str) -> None:
        self._url = url
        self._advice = advice
        self._lock = threading.Lock()
        self._waiting = 0
        """Requests that wait."""

    def begin(self, error: Exception, meanwhile: str = "waiting for it") -> Iterator[float]:
        """Say that the server is away, unless others wait already, and return how long to wait before each attempt, s.

        Args:
            error: what the client raised.
            meanwhile: what is done until the server is back.
        """
        with self._lock:
            self._waiting += 1
            if self._waiting == 1:
                why = explain(self._url, error, self._advice)
                log.warning("Redis at %s: %s; %s", address(self._url), why, meanwhile)
        return delays(*BACKOFF)

    def end(self, note: str | None = "") -> None:
        """Say that the server is back, once nobody waits any more: it may answer some while it refuses others.

        Args:
            note: what to say besides; None where the request was given up.
        """
        with self._lock:
            self._waiting -= 1
            if self._waiting == 0 and note is not None:
                log.warning("Redis at %s is back%s", address(self._url), note)
