"""A csv of votes: a picture file and a count for each label in every row."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from models.emotion.faces.labelled import COLUMNS, MOST, LabelledFaces, Progress, labelled
from models.emotion.faces.names import KNOWN, column
from models.emotion.faces.pictures import read_face
from models.emotion.faces.rows import Row, open_table
from pipeline.errors import InputError

PICTURE: Final = ("image", "path", "file", "filename")
"""Names of the column of picture files."""

PERSON: Final = ("person", "subject", "people")
"""Names of the column of who is seen."""


def read_votes(path: Path, progress: Progress | None = None) -> LabelledFaces:
    """Reads a csv with a column of picture files (see `PICTURE`), one of counts for each label, perhaps one of people.

    Pictures are named relative to the csv and read by `read_face`. A file in which each row has one vote in all is one
    of single labels.

    Raises:
        InputError: a column is missing, unknown or there twice, a count is none, a row has no votes, or a picture is
            missing or cannot be read.
    """
    images, cast, people = [], [], []
    with open_table(path, progress) as table:
        picture, person, columns = _layout(path, table.columns)
        for line, row in table.rows:
            place = f"{str(path)!r} line {line}"
            votes = counts(row, columns, place)
            if not any(votes):
                raise InputError(f"{place}: no votes for {row[picture]!r}; give some or remove the line")
            try:
                images.append(read_face(path.parent / row[picture].strip()))
            except InputError as error:
                raise InputError(f"{place}: {error}") from error
            cast.append(votes)
            if person is not None:
                people.append(row[person].strip())
    if not images:
        raise InputError(f"{str(path)!r} has no rows below its header")
    seen = np.array(people, np.str_) if person is not None else None
    return labelled(path, np.stack(images), np.array(cast), known=columns.values(), people=seen)


def counts(row: Row, columns: Mapping[str, int], place: str) -> list[int]:
    """The votes of a row in the order of `COLUMNS`, from the columns that have any; `place` names it in messages.

    Raises:
        InputError: one is no count.
    """
    votes = [0] * len(COLUMNS)
    for name, index in columns.items():
        try:
            # Programs that know an empty cell write all of such a column as 3.0.
            value = float(row[name])
        except ValueError:
            value = math.nan
        if not (0 <= value <= MOST and value.is_integer()):
            raise InputError(f"{place}: {name} must be a count (0, 1, 2, ...), not {row[name]!r}")
        votes[index] = int(value)
    return votes


def _layout(path: Path, names: tuple[str, ...]) -> tuple[str, str | None, dict[str, int]]:
    """The column of pictures, that of people, and those of votes with the labels they count."""
    pictures = [name for name in names if name.casefold() in PICTURE]
    if len(pictures) != 1:
        has = ", ".join(map(repr, names))
        raise InputError(
            f"{str(path)!r} must have one column of picture files ({', '.join(PICTURE)}) or of pixels; it has: {has}"
        )
    people = [name for name in names if name.casefold() in PERSON]
    columns: dict[str, int] = {}
    for name in names:
        if name in pictures or name in people[:1]:
            continue
        index = column(name)
        if index is None:
            raise InputError(f"{str(path)!r}: column {name!r} is no label; remove it, or name it as one of: {KNOWN}")
        if index in columns.values():
            raise InputError(f"{str(path)!r} has two columns for {COLUMNS[index]}; leave one")
        columns[name] = index
    if not columns:
        raise InputError(f"{str(path)!r} has no column of votes; name them: {KNOWN}")
    return pictures[0], people[0] if people else None, columns
