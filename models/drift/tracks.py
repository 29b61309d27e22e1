"""Two outputs read as what each track adds to distributions: memory grows with tracks, not with rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.labels import LABELS

BINS: Final = 10
"""Parts of a distribution: between the deciles of both outputs together."""

VALUES: Final = (*LABELS, "quality", "score", "size")
"""What every row has a number of: p_<label>; crop quality and detector score, 0-1; root of the box's area, px."""

QUANTITIES: Final = (*VALUES, "dominant", "length")
"""All that is compared: the values, the dominant label, and the seconds from the first to the last row of a track."""

DOMINANT: Final = QUANTITIES.index("dominant")
LENGTH: Final = QUANTITIES.index("length")

NUMBERS: Final = (*(f"p_{label}" for label in LABELS), "quality", "score", "w", "h")
TEXTS: Final = ("source", "run", "track", "dominant", "clock", "model", "date")
FOLDERS: Final = ds.partitioning(pa.schema([("source", pa.string()), ("date", pa.string())]), flavor="hive")

BATCH: Final = 1 << 16
"""Rows in memory at a time."""

SHIFT: Final = 14
"""Bits of a float32 left out where deciles are looked for: they are exact to 0.2 %."""


@dataclass(frozen=True)
class Sample:
    """The tracks of an output, each with what it adds.

    Attributes:
        counts: int64 (t, q, BINS), values of each of `QUANTITIES` in each bin: one for each row, for the length one for
            each track. The first eight bins of the dominant label are `LABELS`.
        sums: float64 (t, q), sums of the same values; zero for the dominant label.
        keys: source and track id of each track.
        runs: run of each track, int64 (t,), numbered.
        days: source and day (UTC) of each track's first row, int64 (t,), numbered.
        spans: float64 (t, 2), media time of the first and the last row, s.
        models: names and hashes of the networks.
        clocks: where times come from.
        dates: days of the rows, UTC, in order.
        skipped: rows left out because a number is missing or the label unknown.
    """

    counts: NDArray[np.int64]
    sums: NDArray[np.float64]
    keys: list[tuple[str, str]]
    runs: NDArray[np.int64]
    days: NDArray[np.int64]
    spans: NDArray[np.float64]
    models: list[str]
    clocks: list[str]
    dates: list[str]
    skipped: int

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def rows(self) -> int:
        """How many rows the tracks have."""
        return int(self.counts[:, DOMINANT].sum())

    @property
    def sources(self) -> list[str]:
        """Ids of the sources, sorted."""
        return sorted({source for source, _ in self.keys})

    @property
    def rate(self) -> float:
        """Rows per second of a track; NaN if no track has two rows."""
        seconds = float((self.spans[:, 1] - self.spans[:, 0]).sum())
        return (self.rows - len(self)) / seconds if seconds > 0 else float("nan")

    def of(self, source: str) -> "Sample":
        """The tracks of one source; models, clocks, dates and `skipped` stay those of all."""
        at = np.array([index for index, key in enumerate(self.keys) if key[0] == source])
        keys = [self.keys[index] for index in at]
        return replace(
            self,
            counts=self.counts[at],
            sums=self.sums[at],
            keys=keys,
            runs=self.runs[at],
            days=self.days[at],
            spans=self.spans[at],
        )


def read_samples(ref: Path, new: Path, sources: Sequence[str] = ()) -> tuple[Sample, Sample]:
    """Reads two outputs, each a folder that has `emotions/` (or is it), or only some `sources` of them.

    Raises:
        InputError: a folder has no Parquet of ours, no rows, or lacks a column; a source is in neither.
    """
    outs = (ref, new)
    tables = [open_table(out) for out in outs]
    if sources:
        known = {source for table, out in zip(tables, outs, strict=True) for source in _sources(table, out)}
        for source in sources:
            if source not in known:
                raise InputError(
                    f"no source {source!r} in {str(ref)!r} or {str(new)!r}; there are: {', '.join(sorted(known))}"
                )
    fine = np.zeros((len(VALUES), 1 << (31 - SHIFT)), np.int64)
    for table, out in zip(tables, outs, strict=True):
        for batch in batches(table, out, NUMBERS, sources):
            values = _values(batch)
            for column, line in enumerate(values[np.isfinite(values).all(1)].T):
                # The bits of floats that are not negative, read as integers, are in the order of the floats.
                at = np.ascontiguousarray(np.maximum(line, 0) + np.float32(0)).view(np.uint32) >> SHIFT
                fine[column] += np.bincount(at, minlength=fine.shape[1])
    edges = [_deciles(line) for line in fine]
    parts = [_read(table, out, edges, sources) for table, out in zip(tables, outs, strict=True)]
    seconds = [part.spans[:, 1] - part.spans[:, 0] for part in parts]
    lengths = np.unique(np.quantile(np.concatenate(seconds), np.arange(1, BINS) / BINS))
    for part, each in zip(parts, seconds, strict=True):
        part.counts[np.arange(len(part)), LENGTH, np.searchsorted(lengths, each, side="right")] = 1
        part.sums[:, LENGTH] = each
    return parts[0], parts[1]


def open_table(out: Path) -> ds.Dataset:
    """The rows of an output; raises as `read_samples`."""
    folder = out / "emotions" if (out / "emotions").is_dir() else out
    files = sorted(str(path) for path in folder.rglob("*.parquet") if not path.name.startswith("."))
    if not files:
        raise InputError(f"no Parquet in {str(out)!r}; name the --out folder of a replay or run")
    try:
        table = ds.dataset(files, format="parquet", partitioning=FOLDERS, partition_base_dir=str(folder))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{str(out)!r} cannot be read: {_line(error)}") from error
    missing = [name for name in (*TEXTS, "pts", *NUMBERS) if name not in table.schema.names]
    if missing:
        raise InputError(f"{str(out)!r} has no column {', '.join(missing)}; name the --out folder of a replay or run")
    return table


def batches(
    table: ds.Dataset, out: Path, columns: Sequence[str], sources: Sequence[str] = ()
) -> Iterator[pa.RecordBatch]:
    """Columns of the rows of an output, or only of some `sources`, in the order of its files; none is empty."""
    chosen = ds.field("source").isin([*sources]) if sources else None
    try:
        # File by file: the scanner of all of them reads ahead without end where batches are taken slowly.
        for file in table.get_fragments(filter=chosen):
            read = file.to_batches(schema=table.schema, columns=[*columns], filter=chosen, batch_size=BATCH)
            yield from (batch for batch in read if batch.num_rows)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{str(out)!r} cannot be read: {_line(error)}") from error


def _sources(table: ds.Dataset, out: Path) -> set[str]:
    return {
        str(name) for batch in batches(table, out, ("source",)) for name in batch.column("source").unique().to_pylist()
    }


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _values(batch: pa.RecordBatch) -> NDArray[np.float32]:
    """The `VALUES` of each row, (n, v); NaN where a number is missing."""
    *values, width, height = (batch.column(name).to_numpy(zero_copy_only=False) for name in NUMBERS)
    with np.errstate(invalid="ignore"):
        size = np.sqrt(width * height)
    return np.stack([*values, size], 1).astype(np.float32)


def _deciles(fine: NDArray[np.int64]) -> NDArray[np.float32]:
    """Values between which a tenth of all lie, at most nine; fewer where many are alike."""
    sums = np.cumsum(fine)
    at = np.searchsorted(sums, np.arange(1, BINS) / BINS * sums[-1]) + 1
    return np.unique((at.astype(np.uint32) << SHIFT).view(np.float32))


def _read(table: ds.Dataset, out: Path, edges: list[NDArray[np.float32]], sources: Sequence[str]) -> Sample:
    found = _Growing()
    for batch in batches(table, out, (*TEXTS, "pts", *NUMBERS), sources):
        found.add(batch, edges)
    if not found.keys:
        which = f" of {', '.join(sources)}" if sources else ""
        raise InputError(
            f"{str(out)!r} has no rows{which}{' that are whole' if found.skipped else ''}; there is nothing to compare"
        )
    count = len(found.keys)
    return Sample(
        counts=found.counts[:count],
        sums=found.sums[:count],
        keys=[*found.keys],
        runs=np.array(found.runs),
        days=np.array(found.days),
        spans=found.spans[:count],
        models=sorted(found.seen["model"]),
        clocks=sorted(found.seen["clock"]),
        dates=sorted(found.seen["date"]),
        skipped=found.skipped,
    )


@dataclass
class _Growing:
    """A sample while it is read; arrays have room for more tracks than there are."""

    keys: dict[tuple[str, str], int] = field(default_factory=dict)
    runs: list[int] = field(default_factory=list)
    numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    """Number of each source's run."""
    days: list[int] = field(default_factory=list)
    dates: dict[tuple[str, str], int] = field(default_factory=dict)
    """Number of each source's day."""
    seen: dict[str, set[str]] = field(default_factory=lambda: {"model": set(), "clock": set(), "date": set()})
    skipped: int = 0
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros((64, len(QUANTITIES), BINS), np.int64))
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros((64, len(QUANTITIES))))
    spans: NDArray[np.float64] = field(default_factory=lambda: np.tile([np.inf, -np.inf], (64, 1)))

    def add(self, batch: pa.RecordBatch, edges: list[NDArray[np.float32]]) -> None:
        values = _values(batch)
        texts = {name: coded(batch.column(name)) for name in TEXTS}
        pts = batch.column("pts").to_numpy(zero_copy_only=False)
        names, codes = texts["dominant"]
        labels = np.array([LABELS.index(name) if name in LABELS else -1 for name in names])[codes]
        whole = np.isfinite(values).all(1) & np.isfinite(pts) & (labels >= 0)
        self.skipped += len(whole) - int(whole.sum())
        values, pts, labels = values[whole], pts[whole], labels[whole]
        for name, seen in self.seen.items():
            names, codes = texts[name]
            seen.update(names[code] for code in np.unique(codes[whole]))

        keys = [texts[name] for name in ("source", "track", "run", "date")]
        sizes = [len(names) for names, _ in keys]
        unique, at = np.unique(np.ravel_multi_index([codes[whole] for _, codes in keys], sizes), return_inverse=True)
        parts = zip(keys, np.unravel_index(unique, sizes), strict=True)
        found = zip(*([names[code] for code in chosen] for (names, _), chosen in parts), strict=True)
        tracks = np.array([self._track(*each) for each in found], np.int64)
        for column, line in enumerate(values.T):
            self._count(tracks, at, column, np.searchsorted(edges[column], line, side="right"))
            np.add.at(self.sums[:, column], tracks[at], line.astype(np.float64))
        self._count(tracks, at, DOMINANT, labels)
        np.minimum.at(self.spans[:, 0], tracks[at], pts)
        np.maximum.at(self.spans[:, 1], tracks[at], pts)

    def _count(self, tracks: NDArray[np.int64], at: NDArray[Any], column: int, bins: NDArray[Any]) -> None:
        found = np.bincount(at * BINS + bins, minlength=len(tracks) * BINS).reshape(-1, BINS)
        np.add.at(self.counts[:, column], tracks, found)

    def _track(self, source: str, track: str, run: str, date: str) -> int:
        """The number of a track, new ones with room for them; `date`: of the first row, if it is new."""
        number = self.keys.setdefault((source, track), len(self.keys))
        if number == len(self.runs):
            self.runs.append(self.numbers.setdefault((source, run), len(self.numbers)))
            self.days.append(self.dates.setdefault((source, date), len(self.dates)))
            if number == len(self.counts):
                self.counts, self.sums = (np.concatenate([a, np.zeros_like(a)]) for a in (self.counts, self.sums))
                self.spans = np.concatenate([self.spans, np.tile([np.inf, -np.inf], (number, 1))])
        return number


def coded(column: pa.Array) -> tuple[list[str], NDArray[np.int64]]:
    """Texts of a column, and for each row which; missing ones are empty."""
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    names = [str(name) for name in coded.dictionary.to_pylist()]
    codes = coded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)
    return [*names, ""], codes.astype(np.int64)
