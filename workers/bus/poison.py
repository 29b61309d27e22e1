"""Messages that nobody can work on: set aside with the reason, so that the rest goes on."""

import logging
import threading
from typing import Final

import numpy as np
from msgspec.structs import replace

from pipeline.messages import Faces, Frame
from pipeline.tally import Count
from workers.bus import keys
from workers.bus.broker import Broker
from workers.bus.codec import Message, encode

log = logging.getLogger(__name__)

KEPT: Final = 1000
"""Entries of ``affect:bus:poison``, about, and messages of one source that are known to have been there."""

LIFE: Final = 7 * 86_400
"""s after the last entry at which they all go."""

DEADLY: Final = "the process that worked on it died every time"
"""Reason of what no attempt came back from."""


class Poison:
    """Where one kind of worker sets messages aside; ``stopped`` ends the wait for a Redis that is away."""

    def __init__(self, broker: Broker, worker: str, stopped: threading.Event) -> None:
        self._broker = broker
        self._worker = worker
        self._stopped = stopped

    def set_aside(self, source: str, number: int, message: Message | None, reason: str) -> None:
        """Note that message ``number`` of a source is out of the way, count it and say so, unless that was done before.

        What is kept holds no picture: faces come without their crops, frames and what cannot be read not at all.
        """
        fields: dict[str, str | int | bytes] = {
            "worker": self._worker,
            "s": source,
            "n": number,
            "reason": reason,
            "m": _without_pictures(message),
        }
        # Frames that come from a reader are numbered anew in each run, from 0.
        run = message.stamp.run if isinstance(message, Frame) else ""
        which = f"{self._worker}:{number}:{run}" if source and (number or run) else ""
        names = (keys.POISON, keys.poisoned(source), keys.counts(source), keys.SOURCES, keys.UNDER_WAY)
        told = [part for field in fields.items() for part in field]
        arguments = (source, Count.POISON, which, KEPT, LIFE, *told)
        new = self._broker.call(lambda: self._broker.set_aside(keys=names, args=arguments), self._stopped)
        if new:
            log.warning("%s: message %d of %s was set aside: %s", self._worker, number, source or "nobody", reason)


def _without_pictures(message: Message | None) -> bytes:
    if message is None or isinstance(message, Frame):
        return b""
    if isinstance(message, Faces):
        message = replace(message, crops=np.zeros((len(message.tracks), 1, 1), np.uint8))
    return encode(message, quality=None)
