"""FER2013 as it was released, in a csv of pixels, with the votes of FER+ in a csv of their own.

Goodfellow et al. 2013, "Challenges in representation learning: a report on three machine learning contests"; Barsoum
et al. 2016, whose `fer2013new.csv` has a row for each row of `fer2013.csv`, in the same order.
"""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.emotion.faces.labelled import COLUMNS, SIZE, LabelledFaces, Progress, labelled, single
from models.emotion.faces.names import column
from models.emotion.faces.rows import Table, open_table
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
    said = _votes(votes) if votes is not None else None
    images: list[NDArray[np.uint8]] = []
    emotions: list[int] = []
    usages: list[str] = []
    with open_table(path, progress) as table:
        # Whoever measures on pixels with FER+'s votes needs no emotion in the csv of pixels.
        table.require("pixels", *(() if said is not None else ("emotion",)), *(("Usage",) if part or said else ()))
        for line, row in table.rows:
            place = f"{str(path)!r} line {line}"
            usage = row.get("Usage", "").strip()
            if said is not None and len(usages) < len(said[0]) and said[0][len(usages)] != usage:
                raise InputError(
                    f"{place}: Usage is {usage!r} but {said[0][len(usages)]!r} in the same row of {str(votes)!r}; the "
                    "files must have the same rows in the same order"
                )
            usages.append(usage)
            images.append(_pixels(row["pixels"], place))
            emotions.append(_emotion(row["emotion"], place) if said is None else 0)
    if not images:
        raise InputError(f"{str(path)!r} has no rows below its header")
    if said is not None and len(said[0]) != len(images):
        raise InputError(
            f"{str(path)!r} has {len(images)} rows but {str(votes)!r} has {len(said[0])}; each must have one for each "
            "row of the other"
        )
    chosen = np.ones(len(images), bool)
    if part:
        chosen = np.array([usage.casefold() == part.casefold() for usage in usages])
        if not chosen.any():
            has = ", ".join(dict.fromkeys(usages))
            raise InputError(f"{str(path)!r} has no rows of Usage {part!r}; it has: {has}")
        part = usages[int(chosen.argmax())]
    if said is not None:
        chosen &= said[1]
        known, cast = range(len(COLUMNS)), said[2]
    else:
        numbers = np.array([COLUMNS.index(name) for name in EMOTIONS])
        known, cast = numbers.tolist(), single(numbers[emotions])
    if not chosen.any():
        raise InputError(f"{str(votes)!r} names no picture of those of {str(path)!r} that were asked for")
    return labelled(path, np.stack(images)[chosen], cast[chosen], known=known, part=part)


def _pixels(text: str, place: str) -> NDArray[np.uint8]:
    try:
        values = bytes(map(int, text.split()))
    except ValueError as error:
        raise InputError(f"{place}: pixels must be whole numbers 0-255, separated by spaces") from error
    if len(values) != SIZE * SIZE:
        raise InputError(f"{place}: {len(values)} pixels, not {SIZE * SIZE} ({SIZE} rows of {SIZE})")
    return np.frombuffer(values, np.uint8).reshape(SIZE, SIZE)


def _emotion(text: str, place: str) -> int:
    if text.strip() not in map(str, range(len(EMOTIONS))):
        raise InputError(
            f"{place}: emotion must be a number 0-{len(EMOTIONS) - 1} ({', '.join(EMOTIONS)}), not {text!r}"
        )
    return int(text)


def _votes(path: Path) -> tuple[list[str], NDArray[np.bool_], NDArray[np.int64]]:
    """The usage of each row, whether its picture has a name, and its votes (n, 10)."""
    with open_table(path) as table:
        table.require("Usage", NAME)
        columns = _columns(table)
        usages, named, cast = [], [], []
        for line, row in table.rows:
            usages.append(row["Usage"].strip())
            named.append(bool(row[NAME].strip()))
            cast.append(counts(row, columns, f"{str(path)!r} line {line}"))
    if not cast:
        raise InputError(f"{str(path)!r} has no rows below its header")
    return usages, np.array(named), np.array(cast)


def _columns(table: Table) -> dict[str, int]:
    columns = {name: index for name in table.columns if (index := column(name)) is not None}
    table.require(*(name for index, name in enumerate(COLUMNS) if index not in columns.values()))
    return columns
