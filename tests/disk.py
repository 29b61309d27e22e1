"""Disks that fail."""

import errno
import os
import stat
from pathlib import Path
from typing import Any


class FolderSync:
    """Folders that cannot be synced, as on a failing disk or a server that has gone; files can.

    Attributes:
        error: number of the error; 0 while all is well.
        synced: folders that were, by their inodes.
    """

    def __init__(self, monkeypatch: Any, error: int = errno.EIO) -> None:
        self.error = error
        self.synced: set[int] = set()
        real = os.fsync

        def fsync(descriptor: int) -> None:
            there = os.fstat(descriptor)
            if stat.S_ISDIR(there.st_mode):
                if self.error:
                    raise OSError(self.error, os.strerror(self.error))
                self.synced.add(there.st_ino)
            real(descriptor)

        monkeypatch.setattr("os.fsync", fsync)

    def has(self, folder: Path) -> bool:
        """Return whether a folder was synced."""
        return folder.stat().st_ino in self.synced
