"""Files that the commands of this package write: whole or not at all, so that a full disk costs no earlier file."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from pipeline.durable import write_whole
from pipeline.errors import OutputError


def write_file(path: Path, content: str | bytes) -> None:
    """Write `content`, text as UTF-8, under another name, and give it that of `path` once it is all on the disk.

    A link, and what is no plain file (a pipe, /dev/stdout), is written to as it is.

    Raises:
        OutputError: it cannot be written; what was at `path` before is still there.
    """
    coded = content.encode() if isinstance(content, str) else content
    hidden = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            path.write_bytes(coded)
        else:
            hidden.unlink(missing_ok=True)  # of a process of this number that was killed as it wrote
            write_whole(lambda file: file.write(coded), path, hidden)
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error.strerror}; choose another path") from error


def content(write: Callable[[BinaryIO], object]) -> bytes:
    """What a library puts into a file, made in memory: of a full disk each would tell in words of its own."""
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def write_json(path: Path, figures: Any) -> None:
    """Write what is made of dataclasses, lists and numbers as JSON; what is not a number (NaN) becomes null.

    Raises:
        OutputError: see `write_file`.
    """
    # The numbers of numpy that are no Python numbers are told as such.
    coded = msgspec.json.encode(figures, enc_hook=lambda number: number.item())
    write_file(path, msgspec.json.format(coded, indent=1) + b"\n")


def writable(path: Path) -> None:
    """See that `path` can be written to, before minutes are spent on what goes there.

    Raises:
        OutputError: its folder is not there or takes no file, or it is a folder itself.
    """
    if path.is_dir():
        why = "it is a folder"
    elif not path.parent.is_dir():
        why = "there is no such folder"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        why = "permission denied"
    else:
        return
    raise OutputError(f"cannot write {str(path)!r}: {why}; choose another path")
