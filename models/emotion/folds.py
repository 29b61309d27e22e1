"""Which rows are learnt from, held out and tested on: random parts, parts by person, folds; no near-duplicates."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.emotion.data import without
from models.emotion.faces import LabelledFaces
from models.emotion.ingredients import Split
from pipeline.errors import InputError

MANY = 0.2
"""Share of the faces to learn from; where more of them are near-copies, it is said."""


@dataclass(frozen=True)
class Parts:
    """The parts of a data set.

    Attributes:
        learn: to learn from.
        held: held out for early stopping, a search and the temperature.
        test: for the last measurement; None where `held` has to do.
        copies: how many faces are left out because they nearly equal one of `held` or `test`.
    """

    learn: LabelledFaces
    held: LabelledFaces
    test: LabelledFaces | None
    copies: int = 0

    def __str__(self) -> str:
        tested = f", {len(self.test):,} to test on" if self.test is not None else ""
        copies = f"; {self.copies:,} near-copies of those kept apart are left out" if self.copies else ""
        return f"{len(self.learn):,} to learn from, {len(self.held):,} held out{tested}{copies}"

    @property
    def many_copies(self) -> bool:
        """Whether so many are left out that dividing in another way would be better."""
        return self.copies > MANY * (self.copies + len(self.learn))

    def lost(self, split: Split) -> str:
        """What became of near-copies, and how to divide otherwise; empty where there are none."""
        if not self.copies:
            return ""
        ways = ["--set split.duplicates=true learns from them too"]
        if self.learn.people is not None and split.by != "person":
            ways.insert(0, "--set split.by=person keeps people apart instead")
        return (
            f"{self.copies:,} of {self.copies + len(self.learn):,} faces nearly equal one that is kept apart and are "
            f"not learnt from: {', '.join(ways)}"
        )


def divide(faces: LabelledFaces, split: Split, seed: int) -> Parts:
    """Splits a test part off, if any, then the held-out part.

    Raises:
        InputError: the split is by person and the data do not say who is who, or a part would be empty.
    """
    rest, test = hold_out(faces, split.test, split, seed) if split.test else (faces, None)
    learn, held = hold_out(rest, split.held_out * len(faces) / len(rest), split, seed)
    return _parted(faces, learn, held, test)


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
        yield _parted(faces, learn, held, test)


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
        units, more = ("faces", "") if people is None else ("people", " or --set split.by=face")
        raise InputError(
            f"a share of {share:.2g} of {len(order)} {units} leaves a part without any; give more data, another "
            f"--set split.held_out={more}"
        )
    held, rest = faces.take(out), faces.take(~out)
    return (rest if split.duplicates else without(rest, held.images)), held


def _parted(faces: LabelledFaces, learn: LabelledFaces, held: LabelledFaces, test: LabelledFaces | None) -> Parts:
    kept = len(learn) + len(held) + (0 if test is None else len(test))
    return Parts(learn, held, test, copies=len(faces) - kept)


def _people(faces: LabelledFaces) -> NDArray[np.str_]:
    if faces.people is None:
        raise InputError(f"{faces.name} does not say who is who, so it cannot be split by person; --set split.by=face")
    return faces.people
