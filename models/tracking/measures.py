"""The field's measures of multiple-object tracking.

MOTA, switches, fragmentations and box IoU (CLEAR MOT, Bernardin and Stiefelhagen, 2008) and IDF1 (Ristani et al.,
2016) are py-motmetrics'. HOTA (Luiten et al., 2021), which it does not have, follows the paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from models.tracking.truth import Truth
from pipeline.errors import InputError
from pipeline.messages import Floats
from pipeline.tracker.overlap import intersections, iou

MATCH: Final = 0.5
"""Least IoU of a face and its true box."""

WITHIN: Final = 0.5
"""Share of a box inside a face that does not count from which it is left out."""

ALPHAS: Final = np.arange(0.05, 0.99, 0.05)
"""IoU thresholds that HOTA is averaged over."""


class Compared(NamedTuple):
    """One frame's n counted faces against the m that were followed."""

    true: tuple[int, ...]
    given: tuple[int, ...]
    similarity: Floats
    """(n, m) IoU."""


@dataclass(frozen=True)
class Measures:
    """The measures over some sequences."""

    faces: int
    """Face-frames that counted."""
    hota: float
    idf1: float
    mota: float
    switches: int
    fragmentations: int
    iou: float
    """Mean over the matched."""

    @property
    def switch_rate(self) -> float:
        """Switches per 1,000 face-frames."""
        return 1000 * self.switches / max(self.faces, 1)


def compared(truth: Truth, given: Sequence[int], boxes: Floats, match: float = MATCH) -> Compared:
    """Compare a frame's followed faces, ids and (m, 4) boxes, with its truth.

    A box that lies on a face which does not count, and on none that does, is left out.
    """
    similarity = iou(truth.boxes, boxes)
    within = intersections(truth.boxes, boxes) / np.maximum(boxes[:, 2:].prod(1), 1e-9)
    matched = (similarity[truth.counted] >= match).any(0)
    kept = matched | ~(within[~truth.counted] >= WITHIN).any(0)
    true = tuple(face for face, counts in zip(truth.ids, truth.counted, strict=True) if counts)
    numbers = tuple(number for number, stays in zip(given, kept, strict=True) if stays)
    return Compared(true, numbers, similarity[np.ix_(truth.counted, kept)])


def measure(sequences: Sequence[Sequence[Compared]], match: float = MATCH) -> Measures:
    """Measure sequences together; ids of one sequence are others than those of another.

    Raises:
        InputError: py-motmetrics is not installed.
    """
    library = motmetrics()
    frames = _joined(sequences)
    events = library.MOTAccumulator(auto_id=True)
    for frame in frames:
        events.update(frame.true, frame.given, np.where(frame.similarity >= match, 1 - frame.similarity, np.nan))
    names = ("num_objects", "num_predictions", "idf1", "mota", "num_switches", "num_fragmentations", "motp")
    found = library.metrics.create().compute(events, metrics=names, return_dataframe=False)
    return Measures(
        faces=int(found["num_objects"]),
        hota=hota(frames),
        idf1=float(found["idf1"]),
        mota=float(found["mota"]),
        switches=int(found["num_switches"]),
        fragmentations=int(found["num_fragmentations"]),
        iou=1 - float(found["motp"]),
    )


def hota(frames: Sequence[Compared]) -> float:
    """HOTA, averaged over ``ALPHAS``, of frames with unique ids."""
    true = {face: row for row, face in enumerate(dict.fromkeys(face for frame in frames for face in frame.true))}
    given = {face: row for row, face in enumerate(dict.fromkeys(face for frame in frames for face in frame.given))}
    if not true or not given:
        return 1.0 if len(true) == len(given) else 0.0
    pairs = [
        (np.array([true[face] for face in frame.true], int), np.array([given[face] for face in frame.given], int))
        for frame in frames
    ]
    potential = np.zeros((len(true), len(given)))
    lengths = np.bincount(np.concatenate([rows for rows, _ in pairs]), minlength=len(true))[:, None]
    spans = np.bincount(np.concatenate([columns for _, columns in pairs]), minlength=len(given))
    for frame, (rows, columns) in zip(frames, pairs, strict=True):
        total = frame.similarity.sum(0) + frame.similarity.sum(1)[:, None] - frame.similarity
        potential[np.ix_(rows, columns)] += frame.similarity / np.maximum(total, 1e-9)
    alignment = potential / (lengths + spans - potential)

    matches = np.zeros((len(ALPHAS), len(true), len(given)))
    for frame, (rows, columns) in zip(frames, pairs, strict=True):
        row, column = linear_sum_assignment(-alignment[np.ix_(rows, columns)] * frame.similarity)
        alike: NDArray[np.bool_] = frame.similarity[row, column] >= ALPHAS[:, None] - 1e-9
        matches[:, rows[row], columns[column]] += alike
    hits = matches.sum((1, 2))
    detection = hits / (lengths.sum() + spans.sum() - hits)
    association = (matches**2 / (lengths + spans - matches)).sum((1, 2)) / np.maximum(hits, 1)
    return float(np.sqrt(detection * association).mean())


def _joined(sequences: Sequence[Sequence[Compared]]) -> list[Compared]:
    """Put sequences one behind another, with ids that stay apart."""
    frames: list[Compared] = []
    numbers: dict[tuple[int, bool, int], int] = {}
    for part, sequence in enumerate(sequences):
        for frame in sequence:
            true = tuple(numbers.setdefault((part, True, face), len(numbers)) for face in frame.true)
            given = tuple(numbers.setdefault((part, False, face), len(numbers)) for face in frame.given)
            frames.append(Compared(true, given, frame.similarity))
    return frames


def motmetrics() -> Any:
    """Import py-motmetrics.

    Raises:
        InputError: it is not installed.
    """
    try:
        import motmetrics as library
    except ImportError as error:
        raise InputError(
            "tracking is measured by py-motmetrics: pip install '.[evaluate]' in the folder of the sources"
        ) from error
    return library
