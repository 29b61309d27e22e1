"""Faces found beside faces that are known: which found box stands for which known one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.detector.boxes import Array
from pipeline.tracker.overlap import iou

SAME_REAL = 0.4
"""IoU from which a box is a real one's: the real ones are drawn tighter, mostly round the mask."""
FALSE, LEFT_OUT = -1, -2
"""In place of a kind: no known face's box; the box of a face that does not count."""


def match(found: Array, wanted: Array, same: float) -> list[tuple[int, int]]:
    """Pair boxes found, best score first, each with the free wanted box it overlaps most, from an IoU of `same`."""
    overlap = iou(found, wanted)
    pairs = []
    for i in np.argsort(-found[:, 14], kind="stable"):
        if overlap.shape[1] and overlap[i].max() >= same:
            j = int(overlap[i].argmax())
            pairs.append((int(i), j))
            overlap[:, j] = 0
    return pairs


@dataclass(frozen=True)
class Truth:
    """The known faces of one picture.

    Attributes:
        boxes: (N, 4) x, y, w, h, px.
        kinds: (N,) index of each one's kind, or `LEFT_OUT`: finding it is neither right nor wrong.
        smallest: height in px below which boxes found are not looked at.
    """

    boxes: Array
    kinds: NDArray[np.int64]
    smallest: float


@dataclass(frozen=True)
class Matches:
    """All boxes found in a set of pictures, best score first.

    Attributes:
        scores: (D,).
        kinds: (D,) of the known face that each stands for, or `FALSE` or `LEFT_OUT`.
        photos: (D,) number of the picture of each.
        totals: (kinds, P) known faces of each kind in each picture.
    """

    scores: NDArray[np.float64]
    kinds: NDArray[np.int64]
    photos: NDArray[np.int64]
    totals: NDArray[np.int64]


def matches(found: Sequence[Array], truths: Sequence[Truth], kinds: int) -> Matches:
    """Match the rows (M, 15) found in each picture with its known faces, which are of so many kinds."""
    scores, stand_for, photos = [], [], []
    for number, (rows, truth) in enumerate(zip(found, truths, strict=True)):
        told = np.where(rows[:, 3] >= truth.smallest, FALSE, LEFT_OUT)
        for i, j in match(rows, truth.boxes, SAME_REAL):
            told[i] = truth.kinds[j]
        scores.append(rows[:, 14].astype(np.float64))
        stand_for.append(told)
        photos.append(np.full(len(rows), number))
    every = np.concatenate(scores)
    order = np.argsort(-every, kind="stable")
    totals = [np.bincount(truth.kinds[truth.kinds >= 0], minlength=kinds) for truth in truths]
    return Matches(
        every[order], np.concatenate(stand_for)[order], np.concatenate(photos)[order], np.stack(totals, axis=1)
    )
