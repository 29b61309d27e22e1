"""Where the replay of a long file was stopped, so that the next one goes on from there.

It is written once all rows before it are durable, and believed only where they still are.
"""

import secrets
from pathlib import Path
from typing import Final

import msgspec

from pipeline.durable import write_whole
from pipeline.errors import OutputError, StateError
from pipeline.state import pack, unpack
from pipeline.tracker.follower import Memory

VERSION: Final = 3
"""Of the layout: to be raised with every change to ``Milestone`` or to what is in it."""


class Followed(msgspec.Struct):
    """What following remembers after a part."""

    memory: Memory
    frames: int
    """Decoded so far."""
    before: int | None
    """Time stamp of the latest frame; see ``Part``."""


class Milestone(msgspec.Struct):
    """All that the rest of a run depends on."""

    begin: int
    """Time stamp of the first frame that is still to be scanned; see ``Part``."""
    followed: bytes
    """See ``Followed``."""
    given: set[int]
    """See ``follower.Memory``: that of the last row, which following may be ahead of."""
    sink: bytes
    """State of the sink stage."""
    written: int
    """Number of the last frame with rows that was written; -1 if there is none."""


def place(out: Path, source: str, run: str) -> Path:
    """Return where the milestone of a run is kept: a hidden file."""
    return out / f".stopped-{source}-{run}.state"


def save(path: Path, milestone: Milestone) -> None:
    """Write a milestone, whole or not at all; raises ``OutputError``."""
    hidden = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        write_whole(lambda file: file.write(pack("milestone", VERSION, milestone)), path, hidden)
    except OSError as error:
        raise OutputError(
            f"cannot write to {path.parent}: {error.strerror or error}; what was written is whole"
        ) from error


def load(path: Path) -> Milestone | None:
    """Read a milestone; None if there is none, or none that this version understands."""
    try:
        return unpack(path.read_bytes(), "milestone", VERSION, Milestone)
    except (OSError, StateError):
        return None
