"""The names of checkpoints: hidden files in the folder of results, one of each replay that was stopped on its way."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"\.stopped-(?P<source>.+)-(?P<run>r[0-9a-f]{11})\.state(?P<hidden>\.[0-9a-f]{8}\.tmp)?")


def place(out: Path, source: str, run: str) -> Path:
    """Return where the checkpoint of a run is kept."""
    return out / f".stopped-{source}-{run}.state"


def of_source(out: Path, source: str) -> list[Path]:
    """Return the checkpoints of all runs of a source, those among them that were never finished."""
    return sorted(path for path, name in _named(out) if name["source"] == source)


def stopped_runs(out: Path) -> set[tuple[str, str]]:
    """Return the sources and runs that have a checkpoint."""
    return {(name["source"], name["run"]) for _, name in _named(out) if not name["hidden"]}


def _named(out: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    return ((path, match) for path in out.glob(".stopped-*") if (match := _NAME.fullmatch(path.name)))
