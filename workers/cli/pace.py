"""What few frames per second do to tracks and smoothing, said before they do it."""

import logging
from collections.abc import Iterable

from workers.config import Config

log = logging.getLogger(__name__)


def warn_of_gaps(config: Config, rates: Iterable[float | None]) -> None:
    """Warn where frames lie further apart than a face is waited for.

    Args:
        rates: frames per second that sources are sampled at; None: all.
    """
    slowest = min((fps for fps in rates if fps is not None), default=None)
    if slowest is None:
        return
    apart = 1 / slowest
    waits = {
        "followed": ("tracker.patience", config.tracker.patience),
        "smoothed": ("smoother.gap", config.smoother.gap),
    }
    ended = {what: wait for what, wait in waits.items() if apart > wait[1]}
    if ended:
        log.warning(
            "at %g frames per second frames are %.3g s apart: no face is %s from one to the next; raise %s above that",
            slowest,
            apart,
            " or ".join(ended),
            " and ".join(f"{name} ({seconds:g} s)" for name, seconds in ended.values()),
        )
