"""Real tracks: the raw distributions that a replay wrote. Their truth is unknown."""

from pathlib import Path
from typing import Final

import pandas as pd

from models.smoothing.series import Track
from pipeline.errors import InputError
from pipeline.labels import LABELS

SHORTEST: Final = 25
"""Rows of a track below which it says too little."""


def read_tracks(folder: Path) -> list[Track]:
    """Read an output, a folder that has ``emotions/`` (or is it); tracks of fewer than ``SHORTEST`` rows are left out.

    Raises:
        InputError: the folder holds no tracks.
    """
    # Not all of the output: the table of tracks beside it has no distributions.
    within = folder / "emotions" if (folder / "emotions").is_dir() else folder
    columns = ["source", "track", "pts", "quality", *(f"p_{label}" for label in LABELS)]
    try:
        rows = pd.read_parquet(within, columns=columns).sort_values("pts", kind="stable")
    except (OSError, ValueError) as error:
        raise InputError(f"no emotions in {str(folder)!r}; name the --out folder of a replay") from error
    if rows.empty:
        raise InputError(f"no rows in {str(folder)!r}; replay videos that show faces")
    tracks = []
    for _, part in rows.groupby(["source", "track"], observed=True):
        if len(part) >= SHORTEST:
            values = part[columns[3:]].to_numpy(float)
            tracks.append(Track(part["pts"].to_numpy(float), values[:, 1:], values[:, 0]))
    if not tracks:
        raise InputError(f"no track of {SHORTEST} rows in {str(folder)!r}; replay longer videos")
    return tracks
