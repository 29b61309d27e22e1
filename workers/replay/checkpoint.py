"""Where the replay of a long file was stopped, so that the next one goes on from there.

It is written once all rows before it are durable, and gone on from only if they are still there.
"""

import secrets
from pathlib import Path
from typing import Final

import msgspec

from pipeline.durable import write_whole
from pipeline.errors import OutputError, StateError
from pipeline.state import pack, unpack
from pipeline.tracker.follower import LAYOUT, FollowerMemory

VERSION: Final = LAYOUT + 3
"""Of the layout. It rises with that of a follower; the number added is to be raised with every other change to
``Checkpoint``, ``Followed`` or to what is in them."""


class Followed(msgspec.Struct):
    """What following remembers after a part."""

    memory: FollowerMemory
    frames: int
    """Decoded so far."""
    before: int | None
    """Time stamp of the latest frame; see ``Part``."""


class Checkpoint(msgspec.Struct):
    """All that the rest of a run depends on."""

    begin: int
    """Time stamp of the first frame that is still to be scanned; see ``Part``."""
    followed: bytes
    """See ``Followed``."""
    given: set[int]
    """See ``follower.FollowerMemory``: as it was after the last row; what was followed may be further on."""
    sink: bytes
    """State of the sink stage."""
    written: int
    """Number of the last frame with rows that was written; -1 if there is none."""


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all; raises ``OutputError``."""
    hidden = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        write_whole(lambda file: file.write(pack("checkpoint", VERSION, checkpoint)), path, hidden)
    except OSError as error:
        raise OutputError(
            f"cannot write to {path.parent}: {error.strerror or error}; what was written is whole"
        ) from error


def load(path: Path) -> Checkpoint | None:
    """Read a checkpoint; None if there is none, or none that this version understands."""
    try:
        return unpack(path.read_bytes(), "checkpoint", VERSION, Checkpoint)
    except (OSError, StateError):
        return None
