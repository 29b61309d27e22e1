"""Files that appear whole or not at all, and stay whatever becomes of the machine."""

import errno
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO, Final

from pipeline.errors import AffectError, InputError, OutputError

log = logging.getLogger(__name__)

Fence = Callable[[], None]
"""Raises if another process writes the same now."""


UNSUPPORTED: Final = frozenset({errno.EINVAL, errno.ENOTSUP})
"""What a file system answers that syncs no folders: there is nothing to wait for."""


def make_folder(folder: Path) -> bool:
    """Make a folder and its parents, durably: a new name is only as safe as the folder that lists it.

    Returns:
        Whether they outlive a power cut too; where that is not sure it is warned of.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    synced = [_synced(path.parent) for path in missing]
    return all(synced)


def write_whole(write: Callable[[BinaryIO], object], path: Path, hidden: Path, fence: Fence | None = None) -> bool:
    """Make ``path`` appear with all of its content, or not at all.

    From when it has its name on it is there, for whoever reads the folder. An error after that would have the caller
    write the same a second time, so there is none.

    Args:
        write: puts the content into an open file.
        path: what it is to be called.
        hidden: what it is called until it is whole; in the same folder.
        fence: called between the two.

    Returns:
        Whether it outlives a power cut too; where that is not sure it is warned of.

    Raises:
        OSError: it could not be written; all is as it was.
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
    return _synced(path.parent)


def remove(path: Path) -> None:
    """Delete a file so that it does not come back whatever becomes of the machine; it may be gone already.

    Where a power cut may bring it back that is warned of.

    Raises:
        OSError: it is still there.
    """
    path.unlink(missing_ok=True)
    _synced(path.parent)


def sync(folder: Path) -> None:
    """Make sure that the names in a folder outlive a power cut; one that is gone has none. Raises ``OSError``."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


def _synced(folder: Path) -> bool:
    try:
        sync(folder)
    except OSError as error:
        _warn(folder, (error.strerror or str(error)).lower())
        return False
    return True


@cache  # once: it is said of the folder, not of each file
def _warn(folder: Path, why: str) -> None:
    log.warning("cannot sync %s (%s): a power cut may undo what was just written or deleted there", folder, why)


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
