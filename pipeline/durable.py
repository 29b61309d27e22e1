"""Files that appear whole or not at all, and stay whatever becomes of the machine."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import AffectError, InputError, OutputError

Fence = Callable[[], None]
"""Raises if another process writes the same now."""


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, durably: a new name is only as safe as the folder that lists it."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        _sync(path.parent)


def write_whole(write: Callable[[BinaryIO], object], path: Path, hidden: Path, fence: Fence | None = None) -> None:
    """Make ``path`` appear with all of its content, or not at all.

    Args:
        write: puts the content into an open file.
        path: what it is to be called.
        hidden: what it is called until it is whole; in the same folder.
        fence: called between the two.
    """
    try:
        with hidden.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if fence is not None:
            fence()
        try:
            hidden.rename(path)
        except FileNotFoundError:
            if fence is not None:
                fence()  # a successor has just taken it away
            raise
    except BaseException:
        with suppress(OSError):
            hidden.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def remove(path: Path) -> None:
    """Delete a file so that it does not come back whatever becomes of the machine; it may be gone already."""
    path.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unusable(out: Path, error: OSError) -> AffectError:
    """Return the error that tells why nothing can be written to a folder that was asked for."""
    told = failure(out, error)
    return InputError(str(told)) if isinstance(error, FileExistsError | NotADirectoryError) else told


def failure(path: Path, error: OSError) -> OutputError:
    """Return the error that tells what went wrong with a path, and the way out."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return OutputError(
            f"no space left for {path}; free some: what was written is whole, and a replay that is run again goes on "
            "from there"
        )
    why = "it is a file" if error.errno == errno.EEXIST else (error.strerror or str(error)).lower()
    return OutputError(f"cannot write to {path}: {why}; choose another folder with --out")
