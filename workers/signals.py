"""Ctrl-C that ends cleanly: the first asks, the second insists; so does a terminal that is closed."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """Give an event that SIGINT, SIGTERM or SIGHUP sets; a second SIGINT or SIGTERM raises ``KeyboardInterrupt``.

    SIGHUP is left alone where it is ignored, as under ``nohup``. The log tells at the end of SIGTERM and SIGHUP, which
    others send.
    """
    stopped = threading.Event()
    came: list[int] = []
    screens = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]

    def handle(number: int, _frame: FrameType | None) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        came.append(number)
        stopped.set()

    def hang_up(number: int, _frame: FrameType | None) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor in screens:  # writing to a terminal that is gone fails
            os.dup2(nowhere, descriptor)
        os.close(nowhere)
        came.append(number)
        stopped.set()  # never raises: the shell and the kernel both send it, so that it comes twice

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, hang_up)
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came and came[0] != signal.SIGINT:
            log.warning("ended by %s", signal.Signals(came[0]).name)
