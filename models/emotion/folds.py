"""Which rows are learnt from, held out and tested on: random parts, parts by person, folds; no near-duplicates."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.emotion.data import without
from models.emotion.faces import LabelledFaces
from models.emotion.ingredients import Split
from pipeline.errors import InputError


@dataclass(frozen=True)
class Parts:
    """The parts of a data set.

    Attributes:
        learn: to learn from.
        held: held out for early stopping, a search and the temperature.
        test: for the last measurement; None where `held` has to do.
    """

    learn: LabelledFaces
    held: LabelledFaces
    test: LabelledFaces | None

    def __str__(self) -> str:
        tested = f", {len(self.test):,} to test on" if self.test is not None else ""
        return f"{len(self.learn):,} to learn from, {len(self.held):,} held out{tested}"


def divide(faces: LabelledFaces, split: Split, seed: int) -> Parts:
    """Splits a test part off, if any, then the held-out part.

    Raises:
        InputError: the split is by person and the data do not say who is who, or a part would be empty.
    """
    rest, test = hold_out(faces, split.test, split, seed) if split.test else (faces, None)
    learn, held = hold_out(rest, split.held_out * len(faces) / len(rest), split, seed)
    return Parts(learn, held, test)


def folds(faces: LabelledFaces, split: Split, seed: int) -> Iterator[Parts]:
    """Cross-validation: each fold is tested on once, by a network that learnt from the others.

    Folds have the same shares of the majority labels as nearly as may be; by person, no person is in two of them. What
    is held out is a part of what the other folds hold.

    Raises:
        InputError: as `divide` does, or a label has fewer faces or people than there are folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    people = _people(faces) if split.by == "person" else None
    splitter = StratifiedKFold if people is None else StratifiedGroupKFold
    labels = faces.votes[:, :8].argmax(1)
    units = np.arange(len(faces)) if people is None else people
    counts = [len(np.unique(units[labels == label])) for label in np.unique(labels)]
    if min(counts) < split.folds:
        raise InputError(
            f"{split.folds} folds cannot be made where a label has only {min(counts)} "
            f"{'faces' if people is None else 'people'}; give a smaller --set split.folds="
        )
    cuts = splitter(split.folds, shuffle=True, random_state=seed).split(faces.images[:, 0], labels, people)
    for rest, out in cuts:
        test = faces.take(out)
        left = faces.take(rest)
        if not split.duplicates:
            left = without(left, test.images)
        learn, held = hold_out(left, split.held_out, split, seed)
        yield Parts(learn, held, test)


def hold_out(faces: LabelledFaces, share: float, split: Split, seed: int) -> tuple[LabelledFaces, LabelledFaces]:
    """Splits off a random `share` of the rows or people; unless `split.duplicates`, what is left has no copy of them.

    Returns:
        The rows to learn from, and the rows held out.

    Raises:
        InputError: as `divide` does.
    """
    people = _people(faces) if split.by == "person" else None
    order = np.random.default_rng(seed).permutation(len(faces) if people is None else np.unique(people))
    cut = round(share * len(order))
    out = np.isin(np.arange(len(faces)) if people is None else people, order[:cut])
    if not 0 < out.sum() < len(faces):
        raise InputError(
            f"a share of {share:.2g} of {len(order)} {'faces' if people is None else 'people'} leaves a part without "
            "any; give more data or another --set split.held_out="
        )
    held, rest = faces.take(out), faces.take(~out)
    return (rest if split.duplicates else without(rest, held.images)), held


def _people(faces: LabelledFaces) -> NDArray[np.str_]:
    if faces.people is None:
        raise InputError(f"{faces.name} does not say who is who, so it cannot be split by person; --set split.by=face")
    return faces.people
