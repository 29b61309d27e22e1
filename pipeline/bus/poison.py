"""Messages that nobody can work on: set aside with the reason, so that the rest goes on."""

import logging
from typing import Final

from pipeline.bus import keys
from pipeline.bus.broker import Broker
from pipeline.tally import Count, Tally

log = logging.getLogger(__name__)

KEPT: Final = 1000
"""Entries of ``affect:bus:poison``."""


class Poison:
    """Where one kind of worker sets messages aside."""

    def __init__(self, broker: Broker, worker: str, tally: Tally) -> None:
        self._broker = broker
        self._worker = worker
        self._tally = tally

    def set_aside(self, source: str, number: int, message: bytes, reason: str) -> None:
        """Keep message ``number`` of a source out of the way, count it and say so."""
        fields = {"worker": self._worker, "s": source, "n": number, "reason": reason, "m": message}
        self._broker.client.xadd(keys.POISON, fields, maxlen=KEPT)
        self._tally.add(source, Count.POISON)
        log.warning("%s: message %d of %s was set aside: %s", self._worker, number, source, reason)
