"""Messages that nobody can work on: set aside with the reason, so that the rest goes on."""

import logging
import threading
from typing import Final

from pipeline.tally import Count, Tally
from workers.bus import keys
from workers.bus.broker import Broker

log = logging.getLogger(__name__)

KEPT: Final = 1000
"""Entries of ``affect:bus:poison``, about."""

LARGEST: Final = 65_536
"""Bytes of a message that is kept with its reason; of larger ones, as frames are, only the reason is."""

DEADLY: Final = "the process that worked on it died every time"
"""Reason of what no attempt came back from."""


class Poison:
    """Where one kind of worker sets messages aside; ``stopped`` ends the wait for a Redis that is away."""

    def __init__(self, broker: Broker, worker: str, tally: Tally, stopped: threading.Event) -> None:
        self._broker = broker
        self._worker = worker
        self._tally = tally
        self._stopped = stopped

    def set_aside(self, source: str, number: int, message: bytes, reason: str) -> None:
        """Keep message ``number`` of a source out of the way, count it and say so."""
        kept = message if len(message) <= LARGEST else b""
        fields = {"worker": self._worker, "s": source, "n": number, "reason": reason, "m": kept}
        self._broker.call(lambda: self._broker.client.xadd(keys.POISON, fields, maxlen=KEPT), self._stopped)
        if source:
            self._tally.add(source, Count.POISON)
        log.warning("%s: message %d of %s was set aside: %s", self._worker, number, source or "nobody", reason)
