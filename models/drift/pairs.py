"""Two outputs of the same videos, face by face: what another network says of the same crops.

Runs and tracks have other ids then, for these follow from the networks; but a face is the same that has the same
source, frame, and number after the last `-` of its track, and the same box.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.dataset as ds
from numpy.typing import NDArray

from models.drift.tracks import BATCH, batches, coded, open_table
from pipeline.labels import LABELS
from pipeline.run import split_track

NEAR: Final = 1.0
"""px by which boxes of the same face may differ at most: replays on other machines round otherwise."""

MOST: Final = 0.5
"""Share of the rows of a source, on the side that has fewer, from which it counts as the same video."""

COLUMNS: Final = ("source", "run", "frame", "track", "dominant", "x", "y", "w", "h", *(f"p_{name}" for name in LABELS))

_NUMBERS: Final = 1 << 31
"""More than the tracks of a run."""

_Rows = NDArray[np.float64]
"""Rows of one run (n, 3 + 4 + 8): frame, number of the track, dominant label, box, distribution."""


@dataclass(frozen=True)
class Paired:
    """What two outputs say of the same faces in the same frames.

    Attributes:
        sources: ids of the videos that are the same.
        rows: how many rows REF and NEW have of these.
        both: how many of them are of the same face in the same frame.
        agreement: share of those with the same dominant label.
        differences: mean absolute difference of each p_<label>, in the order of `LABELS`.
    """

    sources: list[str]
    rows: tuple[int, int]
    both: int
    agreement: float
    differences: list[float]


def paired(ref: Path, new: Path, sources: list[str]) -> Paired | None:
    """Compares the same faces of two outputs in those of `sources` that are the same videos; None if none is.

    A source of which an output has several runs is left out: its frames would be told twice. Memory does not grow with
    rows.

    Raises:
        InputError: a folder cannot be read.
    """
    tables = [(open_table(out), out) for out in (ref, new)]
    found: list[str] = []
    total = np.zeros(4 + len(LABELS))
    for source in sources:
        try:
            sums = _sums(*(_runs(table, out, source) for table, out in tables))
        except _SeveralError:
            continue
        if sums[2] > MOST * min(sums[0], sums[1]):
            found.append(source)
            total += sums
    if not found:
        return None
    before, after, both = (int(value) for value in total[:3])
    return Paired(found, (before, after), both, float(total[3] / both), (total[4:] / both).tolist())


class _SeveralError(Exception):
    """A source has several runs."""


def _runs(table: ds.Dataset, out: Path, source: str) -> Iterator[_Rows]:
    """The rows of the only run of a source, in the order of frames; those that are not whole are left out."""
    seen = set[str]()
    for batch in batches(table, out, COLUMNS, (source,)):
        texts = {name: coded(batch.column(name)) for name in ("run", "track", "dominant")}
        names, codes = texts["run"]
        seen.update(names[code] for code in np.unique(codes))
        if len(seen) > 1:
            raise _SeveralError
        columns = [batch.column("frame").to_numpy(zero_copy_only=False)]
        for of, (names, codes) in ((_number, texts["track"]), (_label, texts["dominant"])):
            columns.append(np.array([of(name) for name in names])[codes])
        columns += [batch.column(name).to_numpy(zero_copy_only=False) for name in COLUMNS[5:]]
        rows = np.stack([column.astype(np.float64) for column in columns], 1)
        yield rows[np.isfinite(rows).all(1)]


def _number(track: str) -> float:
    number = split_track(track)[1]
    return int(number) if number.isdecimal() else np.nan


def _label(name: str) -> float:
    return LABELS.index(name) if name in LABELS else np.nan


def _sums(ref: Iterator[_Rows], new: Iterator[_Rows]) -> NDArray[np.float64]:
    """How many rows REF, NEW and both have, how many of the last agree, and the sums of their differences."""
    sums = np.zeros(4 + len(LABELS))
    streams, ends = (ref, new), [-1.0, -1.0]
    held = [np.empty((0, len(COLUMNS) - 2))] * 2
    while min(ends) < np.inf:
        side = int(np.argmin(ends))
        more = next(streams[side], None)
        if more is None:
            ends[side] = np.inf
        elif len(more):
            held[side] = np.concatenate([held[side], more])
            ends[side] = max(ends[side], more[:, 0].max())
        # The last frame of a batch may go on in the next.
        done = [rows[:, 0] < min(ends) for rows in held]
        sums += _joined(held[0][done[0]], held[1][done[1]])
        held = [rows[~each] for rows, each in zip(held, done, strict=True)]
        if min(sums[:2]) > 2 * BATCH and sums[2] < MOST / 2 * min(sums[:2]):
            break  # a camera, seen at another time
    return sums


def _joined(ref: _Rows, new: _Rows) -> NDArray[np.float64]:
    """See `_sums`."""
    keys, others = (rows[:, 0].astype(np.int64) * _NUMBERS + rows[:, 1].astype(np.int64) for rows in (ref, new))
    _, one, other = np.intersect1d(keys, others, return_indices=True)
    pairs = np.stack([ref[one], new[other]])
    pairs = pairs[:, (np.abs(pairs[0, :, 3:7] - pairs[1, :, 3:7]) <= NEAR).all(1)]
    agree = int((pairs[0, :, 2] == pairs[1, :, 2]).sum())
    return np.array([len(ref), len(new), pairs.shape[1], agree, *np.abs(pairs[0, :, 7:] - pairs[1, :, 7:]).sum(0)])
