"""Rows taken out of both Parquet tables again: those of a source, of some of its tracks, or from before a day.

A part that loses some of its rows is written anew under its name, with its metadata. One that loses all of them is
removed, save for the newest of a file's run: replay goes by it, and would bring the rows back. A source that is erased
as a whole leaves nothing, so that its file may be replayed as a new one.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.durable import failure, remove, write_whole
from pipeline.run import is_of_file
from pipeline.sink.columns import TEXT, TIME
from pipeline.sink.parts import PartFile, footer, hidden_name, is_last, parts, read_part, unfinished

# In this order: replay goes by the last part of ``emotions``, which is therefore the last to go.
TIMES: Final = {"tracks": "last_time", "emotions": "time"}
"""Tables, and in each the column that says whether a row is from before a day."""


@dataclass(frozen=True)
class Selection:
    """What is to be erased.

    Attributes:
        source: id of the source.
        tracks: ids of its tracks; empty: all.
        before: only what is from before this moment; None: from any.
    """

    source: str
    tracks: frozenset[str] = frozenset()
    before: datetime | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing of the source is to be left."""
        return not self.tracks and self.before is None


class Loss(NamedTuple):
    """What one part loses."""

    table: str
    path: Path
    run: str
    gone: int
    """Rows."""
    left: int
    """Rows."""
    stays: bool
    """Whether the part stays, with the rows that are left or without any."""


def known_tracks(out: Path, source: str) -> set[str]:
    """Return the ids of the tracks of a source; raises ``OutputError`` where a part is damaged."""
    found: set[str] = set()
    for part in _all_parts(out, source):
        found.update(_text(read_part(part.path, ["track"])["track"]).unique().to_pylist())
    return found


def losses(out: Path, selection: Selection) -> list[Loss]:
    """Return what the parts of a source lose, in the order in which they may safely lose it.

    Raises:
        OutputError: a part is damaged.
    """
    found = []
    for table in TIMES:
        those = sorted(parts(_folder(out, table, selection.source)), key=lambda part: (part.last, part.path))
        newest = {part.run: part.path for part in those}
        for part in those:
            if selection.whole:
                found.append(Loss(table, part.path, part.run, footer(part.path).num_rows, 0, stays=False))
                continue
            taken = _taken(read_part(part.path, ["track", TIMES[table]]), table, selection)
            gone = pc.sum(taken).as_py() or 0
            left = len(taken) - gone
            marks = is_of_file(part.run) and newest[part.run] == part.path
            if gone:
                found.append(Loss(table, part.path, part.run, gone, left, stays=left > 0 or marks))
    return found


def erase(loss: Loss, selection: Selection) -> None:
    """Take out of a part what it is to lose, so that no crash brings it back.

    Raises:
        OutputError: it is damaged, or the folder cannot be written; the part is as it was.
    """
    try:
        if loss.stays:
            _rewrite(loss, selection)
        else:
            remove(loss.path)
            for folder in (loss.path.parent, loss.path.parent.parent):
                with suppress(OSError):  # there is more in it
                    folder.rmdir()
    except OSError as error:
        raise failure(loss.path.parent, error) from error


def being_written(out: Path, source: str, *, abandoned: bool) -> list[Path]:
    """Return the hidden files of parts of a source; ``abandoned``: only those of processes that are gone."""
    return [path for table in TIMES for path in unfinished(_folder(out, table, source), None, abandoned=abandoned)]


def incomplete_runs(out: Path, source: str) -> list[str]:
    """Return the runs of files that a replay may still add rows to."""
    newest = {part.run: part.path for part in sorted(parts(_folder(out, "emotions", source)))}
    return [run for run, path in newest.items() if is_of_file(run) and not is_last(path)]


def _rewrite(loss: Loss, selection: Selection) -> None:
    with pq.ParquetFile(loss.path) as file:
        rows = file.read()
    kept = rows.filter(pc.invert(_taken(rows, loss.table, selection)))
    for index, field in enumerate(kept.schema):
        if field.type == TEXT:  # or its dictionary would still name what is gone
            column = _text(kept.column(index)).dictionary_encode()
            kept = kept.set_column(index, field, column)
    kept = kept.unify_dictionaries().replace_schema_metadata(rows.schema.metadata)
    written = loss.path.stat().st_mtime_ns

    def write(file: BinaryIO) -> None:
        pq.write_table(kept, file, compression="zstd")
        file.flush()
        # When the run wrote it: replay tells by it whether a file has changed since.
        os.utime(file.fileno(), ns=(written, written))

    write_whole(write, loss.path, loss.path.with_name(hidden_name(loss.run)))


def _taken(rows: pa.Table, table: str, selection: Selection) -> Any:
    """Return which rows of a table are to go, as Arrow's booleans."""
    taken: Any = pa.array([True] * rows.num_rows, pa.bool_())
    if selection.tracks:
        taken = pc.is_in(_text(rows["track"]).combine_chunks(), pa.array(sorted(selection.tracks), pa.string()))
    if selection.before is not None:
        moment = pa.scalar(selection.before, TIME)
        taken = pc.and_(taken, pc.less(rows[TIMES[table]].combine_chunks(), moment))
    return taken


def _text(column: Any) -> Any:
    return column.cast(pa.string())


def _folder(out: Path, table: str, source: str) -> Path:
    return out / table / f"source={source}"


def _all_parts(out: Path, source: str) -> Iterator[PartFile]:
    for table in TIMES:
        yield from parts(_folder(out, table, source))
