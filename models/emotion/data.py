"""Training rows: targets from votes and from other networks, weights of rare labels; near-duplicates."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.emotion.faces import LabelledFaces
from models.emotion.metrics import truth
from pipeline.errors import InputError
from pipeline.labels import LABELS

DUPLICATE = 0.9
"""Two faces whose 24x24 reductions, either way round, correlate above this are taken for one photograph. Looked at on
FER+, pairs above it are nearly all the same picture or its neighbour from one shoot; below 0.88 they are strangers. Of
those found only where one is moved, a few up to 0.92 are strangers too."""

Teacher = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Probabilities (n, 8) of faces uint8 (n, 48, 48)."""


@dataclass(frozen=True)
class Rows:
    """Rows to learn from.

    Attributes:
        images: uint8 (n, 48, 48).
        targets: float32 (n, labels), rows sum to 1.
        weights: float32 (n,), each row's share in the loss, 0-1.
        places: int64 (n,), which rows of the data they are (see `LabelledFaces.rows`).
    """

    images: NDArray[np.uint8]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]
    places: NDArray[np.int64]


def on_labels(faces: LabelledFaces, labels: tuple[str, ...]) -> LabelledFaces:
    """`faces` with the votes for expressions that are not among `labels` taken for votes for "unknown"."""
    others = [column for column, label in enumerate(LABELS) if label not in labels]
    votes = faces.votes.copy()
    votes[:, len(LABELS)] += votes[:, others].sum(1)
    votes[:, others] = 0
    return replace(faces, votes=votes, labels=labels)


def rows(
    faces: LabelledFaces, *, targets: Literal["shares", "majority"] = "shares", sharpen: float = 0.0, lost: str = ""
) -> Rows:
    """The rows that can be learnt from, with their targets in the order of `faces.labels`.

    Args:
        faces: faces and votes, of `on_labels`.
        targets: the shares of the votes for each label, of all rows with such a vote, weighted by how many of their
            votes are; or the majority label, of the rows that have one, all of weight 1.
        sharpen: the majority label's part of the target of shares on rows that have a majority, 0-1.
        lost: what became of other rows, for the message of an error.

    Raises:
        InputError: no row can be learnt from, or a label has none.
    """
    votes = truth(faces.votes)
    found, kept = votes.shares.copy(), votes.kept
    mix = 1.0 if targets == "majority" else sharpen
    found[kept] = (1 - mix) * found[kept] + mix * np.eye(len(LABELS))[votes.majority[kept]]
    usable, weights = (kept, kept.astype(np.float64)) if targets == "majority" else (votes.weight > 0, votes.weight)
    columns = [LABELS.index(label) for label in faces.labels]
    found = found[usable][:, columns]
    absent = [label for label, sum_ in zip(faces.labels, found.sum(0), strict=True) if not sum_]
    if absent:
        others = [label for label in faces.labels if label not in absent]
        told = f"{faces.name}: no face to learn {absent[0]!r} from" + (f"; {lost}" if lost else "")
        way = f"; {'or ' if lost else ''}leave it out with --set labels=[{','.join(others)}]" if len(others) > 1 else ""
        raise InputError(told + way)
    return Rows(faces.images[usable], found.astype(np.float32), weights[usable].astype(np.float32), faces.rows[usable])


def mean(teachers: list[Teacher], labels: tuple[str, ...]) -> Teacher:
    """One teacher that says what several say on average, of `labels` only: (n, len(labels)), rows sum to 1."""
    columns = [LABELS.index(label) for label in labels]

    def say(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        said = sum((teacher(images) for teacher in teachers[1:]), start=teachers[0](images))[:, columns]
        return np.asarray(said / np.maximum(said.sum(1, keepdims=True), 1e-12), np.float32)

    return say


def taught(rows: Rows, teacher: Teacher, *, trust: float) -> Rows:
    """`rows` with `trust` (0-1) of each target what `teacher` says of the face, mean of the face and its mirror image.

    Ten votes are a small sample; what a network made of all faces is a steadier guess at how a hundred people would
    vote (Furlanello et al. 2018, "Born-again neural networks").
    """
    said = (teacher(rows.images) + teacher(np.ascontiguousarray(rows.images[:, :, ::-1]))) / 2
    return replace(rows, targets=((1 - trust) * rows.targets + trust * said).astype(np.float32))


def rarity(rows: Rows) -> NDArray[np.float64]:
    """How much more each row (n,) should count for all labels to count alike: 1 on average over the rows.

    The weight of a label is n / (labels x rows of it), scikit-learn's "balanced" after King and Zeng 2001, with the
    sums of targets for counts; that of a row is the mean over its target.
    """
    targets = rows.targets.astype(np.float64)
    weights: NDArray[np.float64] = targets @ (len(targets) / (targets.shape[1] * targets.sum(0)))
    return weights


def nearest(images: NDArray[np.uint8], others: NDArray[np.uint8], *, shift: int = 0) -> NDArray[np.float32]:
    """How alike each image (n, 48, 48) is to the most similar of `others` (m, 48, 48) or of their mirror images.

    Args:
        images: uint8.
        others: uint8, at least one.
        shift: 0, or by how many px each image is moved too, up, down, left, right and across; compared are the middle
            px then, which are there wherever it is moved.

    Returns:
        float32 (n,), the correlation of the reductions to half the size, at most 1.
    """
    margin = shift + shift % 2
    middle = slice(margin, 48 - margin)
    inner = others[:, middle, middle]
    both = np.concatenate([_reduced(inner), _reduced(inner[:, :, ::-1])])
    steps = (-shift, 0, shift) if shift else (0,)
    found = np.full(len(images), -1, np.float32)
    for down, across in product(steps, steps):
        keys = _reduced(images[:, margin + down : 48 - margin + down, margin + across : 48 - margin + across])
        for at in range(0, len(keys), 1024):
            part = slice(at, at + 1024)
            found[part] = np.maximum(found[part], (keys[part] @ both.T).max(1))
    return found


def _reduced(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    half = images.shape[1] // 2
    cells = images.reshape(len(images), half, 2, half, 2)
    small = cells.mean((2, 4), dtype=np.float32).reshape(len(images), half * half)
    small = small - small.mean(1, keepdims=True)
    return np.asarray(small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-6), np.float32)


def without(faces: LabelledFaces, others: NDArray[np.uint8], *, shift: int = 0) -> LabelledFaces:
    """`faces` less those that are near-duplicates of any of `others` (m, 48, 48), also where moved by `shift` px."""
    left = faces.take(nearest(faces.images, others) <= DUPLICATE)
    return left.take(nearest(left.images, others, shift=shift) <= DUPLICATE) if shift else left
