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
from typing import IO


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
            is_well(self._stages, 60.0)  # for the sake of what the dead have left
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


def is_well(stages: str, within: float) -> bool:
    """Return whether this user has workers of these stages on this machine, and each has beaten in the last s.

    Files of workers that are gone are removed.
    """
    beaten = [time.time() - since < within for since in _beats(stages, within)]
    return bool(beaten) and all(beaten)


_SUFFIX = ".pulse"


def _prefix(stages: str) -> str:
    # What another user made there cannot be touched.
    return f"affectstream-{os.getuid()}-{stages}-"


def _beats(stages: str, within: float) -> Iterator[float]:
    """Give when each living worker beat last, s since 1970."""
    folder = Path(tempfile.gettempdir())
    for path in folder.iterdir():
        if not (path.name.startswith(_prefix(stages)) and path.name.endswith(_SUFFIX)):
            continue
        with suppress(OSError), closing(path.open("rb")) as file:
            beat = os.fstat(file.fileno()).st_mtime
            try:
                # Shared: two that look at once must not take each other for the worker.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                yield beat
            else:
                # One that was made just now may not be locked yet.
                if time.time() - beat > within:
                    path.unlink(missing_ok=True)
