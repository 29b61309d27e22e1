"""FER2013 as it was released, in a csv of pixels, with the votes of FER+ in a csv of their own.

Goodfellow et al. 2013, "Challenges in representation learning: a report on three machine learning contests"; Barsoum
et al. 2016, whose `fer2013new.csv` has a row for each row of `fer2013.csv`, in the same order.
"""

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.emotion.faces.labelled import COLUMNS, SINGLE, SIZE, LabelledFaces, Progress, labelled
from models.emotion.faces.names import column
from models.emotion.faces.rows import open_table
from models.emotion.faces.votes import counts
from pipeline.errors import InputError

EMOTIONS: Final = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""What the numbers 0-6 of FER2013 stand for."""

NAME: Final = "Image name"
"""Column of FER+ that is empty where its authors leave the picture out."""


def read_fer2013(
    path: Path, votes: Path | None = None, part: str | None = None, progress: Progress | None = None
) -> LabelledFaces:
    """Reads a csv with the columns `emotion` (0-6), `pixels` (2,304 numbers 0-255) and perhaps `Usage`.

    With `votes`, the csv of FER+, its counts take the place of the emotion, and pictures without a name there are left
    out, as its authors do (28,558, 3,579 and 3,573 of the three parts remain).

    Args:
        path: csv of pixels.
        votes: csv with a row for each row of `path`: `Usage`, `Image name`, and counts for the eight expressions,
            unknown and NF.
        part: only rows with this Usage (Training, PublicTest, PrivateTest; in any case).
        progress: told how far `path` has been read.

    Raises:
        InputError: a file or column is missing, a row is not as above, the files do not fit each other, or there is no
            row of that part.
    """
    said = _votes(votes) if votes is not None else []
    images: list[NDArray[np.uint8]] = []
    cast: list[list[int]] = []
    usages: list[str] = []
    with open_table(path, progress) as table:
        # Whoever measures on pixels with FER+'s votes needs no emotion in the csv of pixels.
        table.require("pixels", *(() if said else ("emotion",)), *(("Usage",) if part or said else ()))
        for line, row in table.rows:
            place, number = f"{str(path)!r} line {line}", len(usages)
            usages.append(row.get("Usage", "").strip())
            if number < len(said) and said[number].usage != usages[-1]:
                raise InputError(
                    f"{place}: Usage is {usages[-1]!r} but {said[number].usage!r} in the same row of {str(votes)!r}; "
                    "the files must have the same rows in the same order"
                )
            if part and usages[-1].casefold() != part.casefold():
                continue
            counted = said[number].votes if number < len(said) else None
            if not said:
                counted = _single(row["emotion"], place)
            if counted is not None:
                images.append(_pixels(row["pixels"], place))
                cast.append(counted)
    if not usages:
        raise InputError(f"{str(path)!r} has no rows below its header")
    if said and len(said) != len(usages):
        raise InputError(
            f"{str(path)!r} has {len(usages)} rows but {str(votes)!r} has {len(said)}; each must have one for each row "
            "of the other"
        )
    if part:
        parts = {usage.casefold(): usage for usage in usages}
        if part.casefold() not in parts:
            raise InputError(f"{str(path)!r} has no rows of Usage {part!r}; it has: {', '.join(parts.values())}")
        part = parts[part.casefold()]
    if not images:
        raise InputError(f"{str(votes)!r} names no picture of those of {str(path)!r} that were asked for")
    known = range(len(COLUMNS)) if said else [COLUMNS.index(name) for name in EMOTIONS]
    return labelled(path, np.stack(images), np.array(cast), known=known, part=part)


def _pixels(text: str, place: str) -> NDArray[np.uint8]:
    try:
        values = bytes(map(int, text.split()))
    except ValueError as error:
        raise InputError(f"{place}: pixels must be whole numbers 0-255, separated by spaces") from error
    if len(values) != SIZE * SIZE:
        raise InputError(f"{place}: {len(values)} pixels, not {SIZE * SIZE} ({SIZE} rows of {SIZE})")
    return np.frombuffer(values, np.uint8).reshape(SIZE, SIZE)


def _single(emotion: str, place: str) -> list[int]:
    numbers = [str(number) for number in range(len(EMOTIONS))]
    if emotion.strip() not in numbers:
        raise InputError(f"{place}: emotion must be a number 0-6 ({', '.join(EMOTIONS)}), not {emotion!r}")
    name = EMOTIONS[int(emotion)]
    return [SINGLE if each == name else 0 for each in COLUMNS]


class _Row(NamedTuple):
    usage: str
    votes: list[int] | None
    """In the order of `COLUMNS`; None where the picture has no name."""


def _votes(path: Path) -> list[_Row]:
    with open_table(path) as table:
        table.require("Usage", NAME)
        columns = {name: index for name in table.columns if (index := column(name)) is not None}
        table.require(*(name for index, name in enumerate(COLUMNS) if index not in columns.values()))
        rows = []
        for line, row in table.rows:
            votes = counts(row, columns, f"{str(path)!r} line {line}")
            rows.append(_Row(row["Usage"].strip(), votes if row[NAME].strip() else None))
    if not rows:
        raise InputError(f"{str(path)!r} has no rows below its header")
    return rows
