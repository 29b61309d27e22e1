"""Which regions of a face decide: what covering each costs the label that was given.

Occlusion sensitivity (Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2014). It needs no
gradients, so it says the same of any network, quantised ones too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.labels import LABELS

PATCH: Final = 1 / 6
"""Side of the covered square, of the face's."""

STEP: Final = 1 / 12
"""From one square to the next, of the face's side."""


@dataclass(frozen=True)
class HeatMap:
    """Mean over `n` faces of a label that were given it: probability lost where they are covered, rows from the top."""

    label: str
    n: int
    lost: list[list[float]]


def occlusion(
    images: NDArray[np.uint8], predict: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """How much less probable the most probable label gets where faces (n, s, s) are covered.

    A square of the face's mean gray is moved over it.

    Returns:
        float32 (n, k, k), probability lost with the square at each of k x k places, rows from the top; negative where
        the label gets more probable.
    """
    count, side = images.shape[:2]
    square, places = round(PATCH * side), _places(side)
    before = predict(images)
    chosen = before.argmax(1)
    rows = np.arange(count)
    gray = images.mean((1, 2)).round().astype(np.uint8)[:, None, None]
    lost = np.zeros((count, len(places), len(places)), np.float32)
    for down, top in enumerate(places):
        for across, left in enumerate(places):
            hidden = images.copy()
            hidden[:, top : top + square, left : left + square] = gray
            lost[:, down, across] = before[rows, chosen] - predict(hidden)[rows, chosen]
    return lost


def _places(side: int) -> list[int]:
    """Where the square begins."""
    return [*range(0, side - round(PATCH * side) + 1, max(round(STEP * side), 1))]


def heatmaps(
    images: NDArray[np.uint8], labels: NDArray[np.int64], lost: NDArray[np.float32]
) -> tuple[list[HeatMap], NDArray[np.uint8]]:
    """Mean maps of `lost` (n, k, k) by the label (n,) of the faces (n, s, s), and the mean faces (labels, s, s)."""
    maps, means = [], [np.zeros((0, *images.shape[1:]), np.uint8)]
    for at in np.unique(labels):
        inside = labels == at
        mean = lost[inside].mean(0).astype(float).round(4).tolist()
        maps.append(HeatMap(LABELS[at], int(inside.sum()), mean))
        means.append(images[inside].mean(0).round().astype(np.uint8)[None])
    return maps, np.concatenate(means)
