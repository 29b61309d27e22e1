"""How the connection to a live source is doing, and what is said of it: once for each change, not at each attempt."""

import logging
import time
from enum import StrEnum

from pipeline.errors import SourceError
from pipeline.ingest.event_clock import LiveClock, skew_in_words
from pipeline.ingest.failures import Unforeseen
from pipeline.ingest.source import Source

logger = logging.getLogger(__name__)


class Phase(StrEnum):
    """What a live source is doing."""

    CONNECTING = "connecting"
    LIVE = "live"
    WAITING = "waiting"
    ENDED = "ended"


class ConnectionStatus:
    """What is known of the connection to a live source.

    Attributes:
        ended: whether it is read no more, whatever the thread that reads it may still find out.
        reason: why it waits; empty otherwise.
        refusal: why it will never work, as far as is known.
        unforeseen: tells errors that nobody foresaw.
    """

    def __init__(self, source: Source) -> None:
        self.ended = False
        self.reason = ""
        self.refusal: SourceError | None = None
        self.unforeseen = Unforeseen(source)
        self._source = source
        self._phase = Phase.CONNECTING
        self._since = 0.0
        """Monotonic time since when it has been away, s."""
        self._skewed = False
        """Whether it was told that the camera's clock is far from ours."""

    @property
    def phase(self) -> Phase:
        """What it is doing."""
        return Phase.ENDED if self.ended else self._phase

    def live(self) -> None:
        """Note that it gives frames."""
        if self._phase is Phase.WAITING:
            logger.warning("%s: back after %.1f s", self._source.id, time.monotonic() - self._since)
        self._phase, self.reason, self.refusal = Phase.LIVE, "", None

    def waits(self, why: SourceError, since: float) -> None:
        """Note why it is away, and since when by the monotonic clock, s; tell it once per reason."""
        reason = str(why)
        if (self._phase, self.reason) != (Phase.WAITING, reason):
            if why is self.refusal:
                longest = self._source.settings.backoff[1]
                logger.error("%s: %s; tried every %g s while others go on", self._source.id, reason, longest)
            else:
                logger.warning("%s: %s; trying again until it works", self._source.id, reason)
        if self._phase is not Phase.WAITING:
            self._since = since
        self._phase, self.reason = Phase.WAITING, reason

    def clock_skew(self, skew: float) -> None:
        """Tell once that the camera's clock is far from this machine's: by ``skew`` s ahead of it."""
        if not self._skewed and (words := skew_in_words(skew)):
            self._skewed = True
            if abs(skew) * 1e6 > LiveClock.ABSURD:
                effect = "that is not believed, and times are those of arrival; set it (NTP)"
            else:
                effect = (
                    "times are by it; set whichever is wrong (NTP, time zone), or go by arrival with "
                    "ingest.camera_clock: false"
                )
            logger.warning("%s: the camera's clock is %s this machine's: %s", self._source.id, words, effect)
