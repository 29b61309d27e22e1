"""Folders of runs: which kind of run they hold, one training at a time in each, and what is removed from them."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from models.emotion.runs import CHECKPOINT, CONFIG, CURVES, HISTORY, NETWORK, RECIPE, ROWS, TRIALS
from pipeline.errors import InputError

Kind = Literal["a training", "a training with folds", "a search"]

RESULTS = (NETWORK, NETWORK.replace(".onnx", ".json"), "result.json", "confusion.csv", ROWS)
"""What a run leaves when it is done."""

INNER: dict[str, Kind] = {"trial-*": "a search", "fold-*": "a training with folds"}
"""Folders within, by what they tell."""


def kind(folder: Path) -> Kind | None:
    """What was trained in `folder`; None where nothing was."""
    for pattern, found in INNER.items():
        if any(folder.glob(pattern)):
            return found
    return "a training" if (folder / CHECKPOINT).exists() else None


@contextmanager
def occupied(folder: Path, wanted: Kind) -> Iterator[None]:
    """Makes `folder`, if missing, and keeps other trainings from it.

    Raises:
        InputError: another training writes to it, or it holds one of another kind.
        OSError: it cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The folder itself is locked: a lock file would have to stay behind.
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"another training writes to {str(folder)!r} now; wait until it has ended, or give another --out"
            ) from None
        try:
            found = kind(folder)
            if found not in (None, wanted):
                raise InputError(f"{str(folder)!r} holds {found}, and this is {wanted}; give another --out")
            yield
        finally:
            with suppress(OSError):
                folder.rmdir()  # where nothing came of it
    finally:
        os.close(lock)


def clear(folder: Path) -> None:
    """Removes all that runs in `folder` left there; what is not theirs stays."""
    for inside in (path for pattern in INNER for path in folder.glob(pattern) if path.is_dir()):
        clear(inside)
        with suppress(OSError):
            inside.rmdir()
    remove(folder, (CHECKPOINT, RECIPE, CONFIG, HISTORY, CURVES, TRIALS, *RESULTS))


def remove(folder: Path, names: tuple[str, ...]) -> None:
    """Removes these files, and what was not written to the end by a run that was killed."""
    for path in (*(folder / name for name in names), folder / "checkpoint.part", *folder.glob(".*.part")):
        path.unlink(missing_ok=True)


def stopped(folder: Path, resume: bool) -> str:
    """What is left of a training that was stopped before its end; `resume`: whether it went on from a checkpoint."""
    patterns = (CHECKPOINT, *(f"{inside}/{CHECKPOINT}" for inside in INNER))
    if not any(any(folder.glob(pattern)) for pattern in patterns):
        return "stopped before an epoch was whole; the same command begins anew"
    command = "the same command" if resume else "the same command, without --no-resume,"
    return f"stopped; whole epochs are kept in {folder}, and {command} goes on from there"
