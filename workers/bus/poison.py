"""Messages that nobody can work on: set aside with the reason, so that the rest goes on."""

import logging
import threading
from typing import Final

import numpy as np
from msgspec.structs import replace

from pipeline.messages import Faces, Frame
from pipeline.tally import Count, Tally
from workers.bus import keys
from workers.bus.broker import Broker
from workers.bus.codec import Message, encode

log = logging.getLogger(__name__)

KEPT: Final = 1000
"""Entries of ``affect:bus:poison``, about."""

LIFE: Final = 7 * 86_400
"""s after the last entry at which they all go."""

DEADLY: Final = "the process that worked on it died every time"
"""Reason of what no attempt came back from."""


class Poison:
    """Where one kind of worker sets messages aside; ``stopped`` ends the wait for a Redis that is away."""

    def __init__(self, broker: Broker, worker: str, tally: Tally, stopped: threading.Event) -> None:
        self._broker = broker
        self._worker = worker
        self._tally = tally
        self._stopped = stopped

    def set_aside(self, source: str, number: int, message: Message | None, reason: str) -> None:
        """Note that message ``number`` of a source is out of the way, count it and say so.

        What is kept holds no picture: faces come without their crops, frames and what cannot be read not at all.
        """
        fields: dict[str, str | int | bytes] = {
            "worker": self._worker,
            "s": source,
            "n": number,
            "reason": reason,
            "m": _without_pictures(message),
        }
        self._broker.call(lambda: self._add(fields), self._stopped)
        if source:
            self._tally.add(source, Count.POISON)
        log.warning("%s: message %d of %s was set aside: %s", self._worker, number, source or "nobody", reason)

    def _add(self, fields: dict[str, str | int | bytes]) -> None:
        with self._broker.client.pipeline(transaction=False) as both:
            both.xadd(keys.POISON, fields, maxlen=KEPT)
            both.expire(keys.POISON, LIFE)
            both.execute()


def _without_pictures(message: Message | None) -> bytes:
    if message is None or isinstance(message, Frame):
        return b""
    if isinstance(message, Faces):
        message = replace(message, crops=np.zeros((len(message.tracks), 1, 1), np.uint8))
    return encode(message, quality=None)
