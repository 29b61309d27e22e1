"""Where the replay of a long file was stopped, so that the next one goes on from there.

It is written once all rows before it are durable, and gone on from only if they are still there.
"""

import re
import secrets
from collections.abc import Iterator
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

_NAME: Final = re.compile(r"\.stopped-(?P<source>.+)-(?P<run>r[0-9a-f]{11})\.state(?P<hidden>\.[0-9a-f]{8}\.tmp)?")


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


def place(out: Path, source: str, run: str) -> Path:
    """Return where the checkpoint of a run is kept: a hidden file."""
    return out / f".stopped-{source}-{run}.state"


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


def of_source(out: Path, source: str) -> list[Path]:
    """Return the checkpoints of all runs of a source, those among them that were never finished."""
    return sorted(path for path, name in _named(out) if name["source"] == source)


def stopped_runs(out: Path) -> set[tuple[str, str]]:
    """Return the sources and runs that have a checkpoint."""
    return {(name["source"], name["run"]) for _, name in _named(out) if not name["hidden"]}


def _named(out: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    return ((path, match) for path in out.glob(".stopped-*") if (match := _NAME.fullmatch(path.name)))
