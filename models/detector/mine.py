"""Find the photos on which a detector errs, so that a training sees them more often."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from models.detector.boxes import Array
from models.detector.data import SURE, Photo
from models.detector.find import Finder
from models.detector.matching import SAME_REAL
from pipeline.tracker.overlap import iou

TOUCHING = 0.05
"""IoU from which a box found may be a part of a labelled face: it does not count as false then."""


def errors(photos: Sequence[Photo], finder: Finder) -> NDArray[np.float64]:
    """How far a detector errs on each photo (P,), in [0, 1], as `error` says; a progress bar is shown."""
    return np.array([error(finder(photo.image), photo.faces) for photo in track(photos, "looking for errors")])


def error(found: Array, labels: Array) -> float:
    """The worst error of a photo: by how much a sure face's score falls short, or the score of what is no face.

    `found` and `labels` are rows (N, 15) and (M, 15) of faces.
    """
    overlap = iou(labels, found)
    sure = labels[:, 14] > SURE
    own = np.where(overlap > SAME_REAL, found[:, 14], 0).max(axis=1, initial=0)
    short = np.clip(labels[sure, 14] - own[sure], 0, 1)
    false = found[overlap.max(axis=0, initial=0) < TOUCHING, 14]
    return float(max(short.max(initial=0), false.max(initial=0)))
