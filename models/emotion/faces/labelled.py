"""Faces and what people say of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.emotion.metrics import Faces
from pipeline.labels import LABELS

SIZE: Final = 48
"""Side of a face, px."""

COLUMNS: Final = (*LABELS, "unknown", "not-a-face")
"""What the columns of votes count, in the order of FER+."""

SINGLE: Final = 10
"""Votes that a single label counts as: as many as FER+ has of a face, and more than the slip of one that it drops."""

Progress = Callable[[int, int], None]
"""Told how many of how many faces have been read."""


@dataclass(frozen=True)
class LabelledFaces(Faces):
    """Faces of a data set, and what people say of them.

    Attributes:
        images: uint8 (n, 48, 48), full-range luma; n > 0.
        votes: int64 (n, 10), non-negative: the eight `LABELS`, then "unknown" and "not a face". A single label is
            `SINGLE` votes for it. A row may have none, but not all of them.
        people: who is seen, str (n,); None where the data set does not say.
        labels: those of the eight `LABELS` that the data set knows, in their order.
        name: of the data set, for titles and cards.
        description: how many faces and what is known of them, one line.
        part: of the data set, as it names them; None where it has none or all were read.
    """

    people: NDArray[np.str_] | None
    labels: tuple[str, ...]
    name: str
    description: str
    part: str | None = None

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: NDArray[Any]) -> "LabelledFaces":
        """The faces at `rows`: indices (m,) or bool (n,)."""
        people = None if self.people is None else self.people[rows]
        return replace(self, images=self.images[rows], votes=self.votes[rows], people=people)


def single(columns: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Votes (n, 10) of faces with one label each, from the index (n,) of its column in `COLUMNS`."""
    votes = np.zeros((len(columns), len(COLUMNS)), np.int64)
    votes[np.arange(len(columns)), columns] = SINGLE
    return votes
