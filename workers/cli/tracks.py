"""Tracks as they are named on the command line."""

from collections.abc import Sequence
from typing import Final

from pipeline.errors import InputError

TOLD: Final = 10
"""Tracks that are told where another was asked for."""


def no_track(name: str, known: Sequence[str], where: str = "") -> InputError:
    """Return the error that a track is not there, with the first of those that are."""
    more = ", …" if len(known) > TOLD else ""
    return InputError(f"there is no track {name!r}{where}; there are: {', '.join(known[:TOLD]) or 'none'}{more}")
