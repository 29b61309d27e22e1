"""Who owns a source's part of the work: one process at a time, for as long as it is alive to renew."""

import secrets
import threading
from collections.abc import Callable, Sequence
from typing import Any

from workers.bus import keys
from workers.bus.broker import Broker


def new_token() -> str:
    """Return a name that nobody else has."""
    return secrets.token_hex(8)


class Lost(Exception):  # noqa: N818 (an end, not an error)
    """Another process owns the source now, or Redis has forgotten it: nothing may be published any more."""


class Lease:
    """A claim on one source's part of the work, renewed from the thread that keeps all of a process's claims.

    Args:
        worker: kind of worker, which is the stages it runs.
        source: id of the source.
        seconds: how long the owner may be silent before another takes over.
    """

    def __init__(self, broker: Broker, worker: str, source: str, seconds: float) -> None:
        self.worker = worker
        self.source = source
        self.key = keys.lease(worker, source)
        self.milliseconds = int(seconds * 1000)
        self._broker = broker
        self.stopped = threading.Event()
        """Set when the work is to end after the step in hand, and when the claim is lost."""
        self.token = new_token()
        """Another for every claim, so that an owner that comes back late is told from its successor, even from one in
        the same process."""

    def acquire(self) -> bool:
        """Take the source if nobody owns it; return whether that succeeded."""
        return bool(acquire(self._broker, [self]))

    def renew(self) -> bool:
        """Go on owning it; return whether that succeeded."""
        return bool(renew(self._broker, [self]))

    def verify(self) -> None:
        """Raise ``Lost`` unless the source is owned by this claim just now.

        To be called between preparing and doing what cannot be taken back. While Redis is away it waits, unless the
        work is to end: then it raises ``Closed``.
        """
        if not self._broker.call(self.renew, self.stopped):
            self.stopped.set()
            raise Lost

    def release(self) -> None:
        """Let another have it."""
        self._broker.release(keys=[self.key], args=[self.token])


def acquire(broker: Broker, leases: Sequence[Lease], most: int | None = None) -> list[Lease]:
    """Take the sources that nobody owns, the first ``most`` of them, by one request; return the claims that succeeded.

    A request for each would take longer than a lease where there are hundreds and Redis is far away.
    """
    return _held(broker.acquire, leases, len(leases) if most is None else most)


def renew(broker: Broker, leases: Sequence[Lease]) -> list[Lease]:
    """Go on owning sources, all by one request; return the claims that succeeded."""
    return _held(broker.renew, leases)


def _held(script: Callable[..., Any], leases: Sequence[Lease], *more: int) -> list[Lease]:
    """Return those claims of which a script says that they are held; ``more``: its last arguments."""
    if not leases:
        return []
    arguments = [part for lease in leases for part in (lease.token, lease.milliseconds)]
    answers = script(keys=[lease.key for lease in leases], args=[*arguments, *more])
    return [lease for lease, held in zip(leases, answers, strict=True) if held]
