"""What faces look like, coarsely: it tells people in one picture apart for as long as they are followed.

Where the motion of two faces leaves open who is who, their appearances often do not: how light and of what colour the
box is in each of a few cells. That takes no network, and microseconds. Appearances of one face differ as the head turns
and as the light changes, those of two people by several times more, also where they are most alike: so the half of the
cells that agree best decides, and it does not matter what covers the others. The association adds the ratio of the two
likelihoods to that of motion. The more uncertain the motion, the flatter its likelihood, and the more the appearances
decide.

An appearance is a picture of a person, of 4 x 4 cells. It lives no longer than its track: in the tracker's memory and
in what the tracker must store to go on, on the bus and in the file that a stopped replay in parts leaves for the next.
It is in no output, and nobody who comes back later is known by it.
"""

from typing import Final

import cv2
import numpy as np

from pipeline.messages import Bytes, Floats
from pipeline.tracker.kalman import Doubles
from pipeline.tracker.overlap import intersections

CELLS: Final = 4
"""Cells along either side of the box."""

VALUES: Final = CELLS * CELLS * 3
"""Values of an appearance."""

TELLING: Final = 8
"""Cells that count, those in which two appearances differ least: others may be covered, turned away or in shadow."""

WEIGHTS: Final = np.sqrt(np.array([1, 4, 4], np.float32) / 3)
"""(3,) weights of luma and of both colour differences: colours differ less between faces, and vary less on one."""

ALIKE: Final = 5.5
"""Difference of two appearances that is as likely of one face as of two, levels of 255 (root mean square over
``TELLING``).

This and the slope: logistic regression on pairs up to 2.5 s apart, half of them from real recordings (talking, walking,
turning heads) and half from generated scenes that are not those measured (``models.tracking.likeness``)."""

SLOPE: Final = 3.3
"""What the logarithm of the likelihood ratio loses where the difference grows by e."""

SURE: Final = (5.0, 4.0)
"""Limits of the logarithm of the likelihood ratio, in favour of one face and against. The limit against is lower,
because a covered face looks unlike itself."""

MEMORY: Final = 3.0
"""s over which the appearance of a track is averaged."""

COVERED: Final = 0.2
"""Share of a face's box within another's from which its track's appearance ignores it: it may show the other."""


def appearances(image: Bytes, boxes: Floats) -> Floats:
    """Return the appearances, (n, ``VALUES``), of faces in an (H, W, 3) BGR picture.

    ``boxes``: (n, 4) x, y, w, h, px of that picture; what lies beyond it does not count.
    """
    if not len(boxes):
        return np.empty((0, VALUES), np.float32)
    size = image.shape[1::-1]
    near = np.clip(np.rint(boxes[:, :2]), 0, np.subtract(size, 1)).astype(int)
    far = np.clip(np.rint(boxes[:, :2] + boxes[:, 2:]), near + 1, size).astype(int)
    # Stacked, so that one call converts the colours of all.
    cells = np.concatenate(
        [
            cv2.resize(image[top:bottom, left:right], (CELLS, CELLS), interpolation=cv2.INTER_AREA)
            for (left, top), (right, bottom) in zip(near.tolist(), far.tolist(), strict=True)
        ]
    )
    separated = np.asarray(cv2.cvtColor(cells, cv2.COLOR_BGR2YCrCb), np.float32)
    return (separated * WEIGHTS).reshape(len(boxes), VALUES)


def unlikeness(known: Floats, seen: Floats) -> Doubles:
    """Return how unlike (m, ``VALUES``) tracks and (n, ``VALUES``) detections look, (m, n).

    Twice the negative logarithm of the ratio of the likelihoods that they are one face and that they are two.
    """
    squares = ((known[:, None] - seen) ** 2).reshape(len(known), len(seen), CELLS * CELLS, -1).mean(3, dtype=np.float64)
    difference = np.sqrt(np.partition(squares, TELLING - 1, axis=2)[:, :, :TELLING].mean(2))
    ratio = SLOPE * np.log(ALIKE / np.maximum(difference, 1e-3))
    cost: Doubles = -2 * np.clip(ratio, -SURE[1], SURE[0])
    return cost


def covered(boxes: Floats) -> Floats:
    """Return the share of each of (n, 4) boxes that lies within another, the largest if several do, (n,)."""
    shared = intersections(boxes, boxes)
    np.fill_diagonal(shared, 0)
    share: Floats = np.clip(shared.max(1, initial=0) / np.maximum(boxes[:, 2:].prod(1), 1e-9), 0, 1)
    return share
