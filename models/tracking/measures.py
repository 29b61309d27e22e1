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

from models.bootstrap import Resamples
from models.tracking.truth import Truth
from pipeline.errors import InputError
from pipeline.messages import Floats
from pipeline.tracker.overlap import intersections, iou

MATCH: Final = 0.5
"""Least IoU of a face and its true box."""

WITHIN: Final = 0.5
"""Share of a box inside a face that does not count from which it is left out."""

ENOUGH: Final = 6
"""Sequences from which there are intervals: the bootstrap of fewer is far too narrow."""

COUNTED: Final = (
    "num_objects",
    "num_predictions",
    "idtp",
    "num_switches",
    "num_misses",
    "num_false_positives",
    "num_fragmentations",
    "num_detections",
)
"""What is counted in every sequence."""

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
    switch_rate: float
    """Switches per 1,000 face-frames."""
    match: float
    """Least IoU of a face and its true box."""
    idf1_ci95: tuple[float, float] | None
    """Bootstrap over sequences; None of fewer than ``ENOUGH``."""
    switch_rate_ci95: tuple[float, float] | None
    """The same."""


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
    counted = np.array([_counts(sequence, match) for sequence in sequences], np.float64)
    # Every measure but HOTA is made of sums over sequences, so that these can be drawn.
    faces, given, identified, switches, missed, wrong, fragments, found, distance = counted.T
    above, below = 2 * identified, faces + given
    with np.errstate(invalid="ignore", divide="ignore"):  # NaN of nobody
        mota = 1 - (missed + wrong + switches).sum() / faces.sum()
        overlap = 1 - distance.sum() / found.sum()
    return Measures(
        faces=int(faces.sum()),
        hota=hota(_joined(sequences)),
        idf1=float(above.sum() / below.sum()) if below.any() else 1.0,
        mota=float(mota),
        switches=int(switches.sum()),
        fragmentations=int(fragments.sum()),
        iou=float(overlap),
        switch_rate=float(1000 * switches.sum() / max(faces.sum(), 1)),
        match=match,
        idf1_ci95=_interval(above, below),
        switch_rate_ci95=_interval(1000 * switches, faces),
    )


def _counts(sequence: Sequence[Compared], match: float) -> list[float]:
    """Count what py-motmetrics calls ``COUNTED`` in one sequence, and sum 1 - IoU over the matched."""
    library = motmetrics()
    events = library.MOTAccumulator(auto_id=True)
    for frame in sequence:
        events.update(frame.true, frame.given, np.where(frame.similarity >= match, 1 - frame.similarity, np.nan))
    found = library.metrics.create().compute(events, metrics=[*COUNTED, "motp"], return_dataframe=False)
    distance = found["motp"] * found["num_detections"] if found["num_detections"] else 0.0
    return [*(float(found[name]) for name in COUNTED), float(distance)]


def _interval(above: NDArray[np.float64], below: NDArray[np.float64]) -> tuple[float, float] | None:
    """The 95 % interval of the ratio of two sums over sequences."""
    if len(above) < ENOUGH:
        return None
    draws = Resamples(len(above))
    totals = draws.totals(np.stack([above, below], 1))
    found = draws.estimate(0.0, totals[:, 0] / np.maximum(totals[:, 1], 1))
    return found.low, found.high


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
