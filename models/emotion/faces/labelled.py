"""Faces and what people say of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from models.emotion.metrics import Faces
from pipeline.errors import InputError
from pipeline.labels import LABELS

SIZE: Final = 48
"""Side of a face, px."""

COLUMNS: Final = (*LABELS, "unknown", "not-a-face")
"""What the columns of votes count, in the order of FER+."""

SINGLE: Final = 10
"""Votes that a single label counts as: as many as FER+ has of a face, and more than the slip of one that it drops."""

MOST: Final = 1_000_000
"""Votes for one label of one face above which a count is taken for a mistake."""

Progress = Callable[[float], None]
"""Told what share of the faces has been read, 0-1."""


@dataclass(frozen=True)
class LabelledFaces(Faces):
    """Faces of a data set, and what people say of them.

    Attributes:
        images: uint8 (n, 48, 48), full-range luma; n > 0.
        votes: int64 (n, 10), non-negative: the eight `LABELS`, then "unknown" and "not a face". A single label is
            `SINGLE` votes for it. Some rows may have none, but not all.
        people: who is seen, str (n,); None where the data set does not say.
        labels: those of the eight `LABELS` that the data set knows, in their order.
        name: of the data set, for titles and cards.
        description: how many faces and what is known of them, one line.
        part: of the data set, as it names them; None where it has none or all were read.
        taken: int64 (n,), the rows of the data, from 0 in the order they were read in, where only some were taken.
    """

    people: NDArray[np.str_] | None
    labels: tuple[str, ...]
    name: str
    description: str
    part: str | None = None
    taken: NDArray[np.int64] | None = None

    @property
    def rows(self) -> NDArray[np.int64]:
        """Which rows of the data these are, int64 (n,), from 0 in the order they were read in."""
        return np.arange(len(self.images)) if self.taken is None else self.taken

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: NDArray[Any]) -> Self:
        """The faces at `rows`: indices (m,) or bool (n,)."""
        people = None if self.people is None else self.people[rows]
        return replace(super().take(rows), people=people, taken=self.rows[rows])

    def units(self, rows: NDArray[np.integer[Any]]) -> NDArray[Any]:
        """As `Faces` has it, but people where they are known: the faces of one resemble each other."""
        return rows if self.people is None else self.people[rows]


def labelled(
    path: Path,
    images: NDArray[np.uint8],
    votes: NDArray[np.int64],
    *,
    known: Iterable[int],
    people: NDArray[np.str_] | None = None,
    part: str | None = None,
) -> LabelledFaces:
    """Faces from `path`, with a name, and a description that follows from the rest.

    Votes of one for each face are single labels that were written as such: they count as `SINGLE`.

    Args:
        path: file or folder that they were read from.
        images: see `LabelledFaces`.
        votes: int64 (n, 10).
        known: columns that the data set knows, 0-9.
        people: see `LabelledFaces`.
        part: see `LabelledFaces`.

    Raises:
        InputError: no row has a vote for an emotion.
    """
    if not votes[:, : len(LABELS)].any():
        raise InputError(f"{str(path)!r}: no row has a vote for any of the eight emotions")
    if (votes.sum(1) == 1).all():
        votes = votes * SINGLE
    labels = tuple(LABELS[index] for index in sorted(known) if index < len(LABELS))
    alone = bool((np.count_nonzero(votes, axis=1) <= 1).all())
    said = "one label each of" if alone else "votes for"
    people_said = "" if people is None else f", {len(np.unique(people)):,} people"
    description = f"{len(images):,} faces, {said} {', '.join(labels)}{people_said}"
    name = path.resolve().name if path.is_dir() else path.stem
    return LabelledFaces(images, votes, people, labels, f"{name} {part}" if part else name, description, part)


def single(columns: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Votes (n, 10) of faces with one label each, from the index (n,) of its column in `COLUMNS`."""
    votes = np.zeros((len(columns), len(COLUMNS)), np.int64)
    votes[np.arange(len(columns)), columns] = SINGLE
    return votes
