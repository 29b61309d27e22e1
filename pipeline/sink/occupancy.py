"""Who is at work on the folder of the tables: any number of writers at once, or one who erases, alone.

Whoever is locks ``OUT/.writing``; the last to leave removes it. Readers of Parquet pass over names with a dot before
them.
"""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from pipeline.errors import InputError, OutputError

log = logging.getLogger(__name__)

NAME: Final = ".writing"

POLL: Final = 0.1
"""s between attempts."""

PATIENCE: Final = 1.0
"""s of waiting after which it is told."""


@contextmanager
def writing(out: Path, stopped: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Keep whoever would erase out of a folder, from when nobody erases there any more.

    Where the file system has no locks, nobody sees it.

    Args:
        out: the folder; it is there.
        stopped: asked while somebody erases there whether to wait no longer.

    Raises:
        OutputError: it was told to stop while it waited.
    """
    lock = _enter(out, stopped)
    try:
        yield
    finally:
        _leave(lock, out / NAME)


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Keep writers out of a folder; raises ``InputError`` where one is at work."""
    try:
        lock = _locked(out / NAME, fcntl.LOCK_EX)
    except BlockingIOError:
        raise InputError(f"another process writes to {str(out)!r}, or erases there; stop it first") from None
    if lock is None:
        log.warning("files in %s cannot be locked: what writes there is not seen, and must have ended", out)
    try:
        yield
    finally:
        _leave(lock, out / NAME)


def occupied(out: Path) -> bool:
    """Return whether anybody writes to a folder, or erases there; nothing is made or changed for it.

    Where the file system has no locks nobody is seen.
    """
    lock = _opened(out / NAME, 0)
    if lock is None:
        return False
    try:
        # Held for microseconds, and only where a process that was killed has left the file: a writer tries again.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(lock)  # which unlocks it
    return False


def _enter(out: Path, stopped: Callable[[], bool]) -> int | None:
    begun, told = time.monotonic(), False
    while True:
        try:
            return _locked(out / NAME, fcntl.LOCK_SH)
        except BlockingIOError:
            if stopped():
                raise OutputError(f"`affectstream erase` has {str(out)!r}; run again when it has ended") from None
        if not told and time.monotonic() - begun > PATIENCE:
            log.warning("waiting until `affectstream erase`, which has %s, has ended", out)
            told = True
        time.sleep(POLL)


def _locked(path: Path, how: int) -> int | None:
    """Return a descriptor that holds a lock on a file, which is made if missing; None where there are no locks.

    Raises:
        BlockingIOError: others hold one that excludes it.
    """
    while (lock := _opened(path, os.O_CREAT)) is not None:
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise
        except OSError:
            os.close(lock)
            return None
        if _is(path, lock):
            return lock
        os.close(lock)  # its last user has just removed it
    return None


def _opened(path: Path, create: int) -> int | None:
    for mode in (os.O_RDWR, os.O_RDONLY):  # NFS locks alone only what may be written; another user's may only be read
        with suppress(OSError):
            return os.open(path, mode | create, 0o666)
    return None


def _leave(lock: int | None, path: Path) -> None:
    if lock is None:
        return
    try:
        with suppress(OSError):  # others are at work
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(path, lock):
                path.unlink()
    finally:
        os.close(lock)


def _is(path: Path, lock: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(lock))
    except FileNotFoundError:
        return False
