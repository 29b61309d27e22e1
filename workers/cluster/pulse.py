"""How a worker's health is seen from outside: a file that it touches while all goes well.

Each process has a file of its own, which it keeps locked for as long as it lives: so the files of those that are gone
are known, even where a number of theirs was given to another process or their folder is shared with other containers.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, Final

YOUNG: Final = 60.0
"""s for which a file without a lock may be that of a worker that has only just made it."""


class Pulse:
    """The pulse of this process, which works on these stages; there is none before the first beat."""

    def __init__(self, stages: str) -> None:
        self._stages = stages
        self._file: IO[bytes] | None = None

    def beat(self) -> None:
        """Tell that all goes well."""
        if self._file is not None and os.fstat(self._file.fileno()).st_nlink == 0:
            self.close()  # somebody has cleared the folder
        if self._file is None:
            sweep(self._stages)
            self._file = tempfile.NamedTemporaryFile(  # noqa: SIM115 (closed by ``close``)
                prefix=_prefix(self._stages), suffix=_SUFFIX, delete=False
            )
            fcntl.flock(self._file, fcntl.LOCK_EX)
        os.utime(self._file.fileno())

    def close(self) -> None:
        """Leave nothing behind."""
        if self._file is not None:
            Path(self._file.name).unlink(missing_ok=True)
            self._file.close()
            self._file = None


def ailment(stages: str, within: float) -> str:
    """Say what is wrong with this user's workers of these stages on this machine; empty where nothing is.

    All is well where there are any, and each has beaten in the last ``within`` s.
    """
    silent = max((time.time() - beat for _, beat, alive in _files(stages) if alive), default=None)
    if silent is None:
        return f"no worker {stages!r} of this user is at work on this machine"
    return f"a worker {stages!r} has been silent for {silent:.0f} s" if silent >= within else ""


def sweep(stages: str) -> None:
    """Remove the files of this user's workers of these stages that are gone."""
    for path, beat, alive in _files(stages):
        if not alive and time.time() - beat > YOUNG:
            with suppress(OSError):
                path.unlink()


_SUFFIX = ".pulse"


def _prefix(stages: str) -> str:
    # What another user made there cannot be touched.
    return f"affectstream-{os.getuid()}-{stages}-"


def _files(stages: str) -> Iterator[tuple[Path, float, bool]]:
    """Give each file, when its worker beat last, s since 1970, and whether that is alive: it holds the lock."""
    folder = Path(tempfile.gettempdir())
    for path in folder.iterdir():
        if not (path.name.startswith(_prefix(stages)) and path.name.endswith(_SUFFIX)):
            continue
        with suppress(OSError), closing(path.open("rb")) as file:
            beat, alive = os.fstat(file.fileno()).st_mtime, False
            try:
                # Shared: two that look at once must not take each other for the worker.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                alive = True
            yield path, beat, alive
