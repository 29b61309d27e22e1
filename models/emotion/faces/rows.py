"""Rows of a csv, each with the number of its line, so that a message can name it."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

from models.emotion.faces.labelled import Progress
from pipeline.errors import InputError

Row = dict[str, str]


@dataclass(frozen=True)
class Table:
    """A csv that is being read.

    Attributes:
        path: of the file.
        columns: names of its columns, without the spaces round them, each once.
        rows: number of its (last) line, and the value of each column, row by row; blank lines are left out. Raises
            InputError at a row that is longer or shorter than the header, and at what is no text.
    """

    path: Path
    columns: tuple[str, ...]
    rows: Iterator[tuple[int, Row]]

    def require(self, *names: str) -> None:
        """Raises InputError if any of the columns is missing."""
        missing = [name for name in names if name not in self.columns]
        if missing:
            has = ", ".join(map(repr, self.columns))
            raise InputError(f"{str(self.path)!r} has no column {' and no column '.join(missing)}; it has: {has}")


@contextmanager
def open_table(path: Path, progress: Progress | None = None) -> Iterator[Table]:
    """Opens a csv in UTF-8; `progress` is told how far its rows have been read.

    Raises:
        InputError: there is no such file, it is empty, or a name stands twice in its header.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    size = max(path.stat().st_size, 1)
    # The signature that some spreadsheets begin a file with is no part of the first name.
    with TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)

        def lines() -> Iterator[list[str]]:
            try:
                yield from reader
            except (csv.Error, UnicodeDecodeError) as error:
                reason = "not text in UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
                raise InputError(f"{str(path)!r} after line {reader.line_num} is no csv: {reason}") from error

        def rows() -> Iterator[tuple[int, Row]]:
            for cells in each:
                if not cells:
                    continue
                if len(cells) != len(columns):
                    raise InputError(
                        f"{str(path)!r} line {reader.line_num} has {len(cells)} values, not one for each of the "
                        f"{len(columns)} columns"
                    )
                yield reader.line_num, dict(zip(columns, cells, strict=True))
                if progress is not None:
                    progress(raw.tell() / size)

        each = lines()
        columns = tuple(name.strip() for name in next(each, ()))
        if not columns:
            raise InputError(f"{str(path)!r} is empty; its first line must name its columns")
        twice = [name for name in columns if columns.count(name) > 1]
        if twice:
            raise InputError(f"{str(path)!r} has the column {twice[0]!r} twice; leave one")
        yield Table(path, columns, rows())
