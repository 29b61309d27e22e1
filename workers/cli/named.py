"""Folders, sources and tracks as they are named on the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipeline.errors import InputError

TOLD: Final = 10
"""Sources or tracks that are told where another was asked for."""


def check_out(out: Path) -> None:
    """Raise ``InputError`` where there is no folder of that name."""
    if not out.is_dir():
        raise InputError(f"there is no folder {str(out)!r}; name the --out folder of a replay or run")


def check_source(source: str, out: Path) -> None:
    """Raise ``InputError`` where a folder has nothing of a source."""
    there = sorted({folder.name.removeprefix("source=") for folder in out.glob("*/source=*")})
    if source not in there:
        raise InputError(f"there is no source {source!r} in {str(out)!r}; there are: {_listed(there)}")


def no_track(name: str, known: Sequence[str], where: str = "") -> InputError:
    """Return the error that a track is not there, with the first of those that are."""
    return InputError(f"there is no track {name!r}{where}; there are: {_listed(known)}")


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:TOLD]) or 'none'}{', …' if len(names) > TOLD else ''}"
