"""What the pipeline's own crops cost in accuracy, beside perfect ones of the same faces."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from rich.table import Table

from models.bootstrap import Estimate, Resamples
from models.crops.scene import found
from models.emotion.evaluate import report
from models.emotion.metrics import Faces, divergence, truth
from pipeline.errors import InputError
from pipeline.tracker.kalman import Doubles
from workers.engine import Engine

HEIGHTS: Final = (48, 64, 96, 128)
"""px."""


@dataclass(frozen=True)
class Row:
    """Faces of one height; all but the counts over those that were found."""

    height: float
    """px."""
    faces: int
    found: int
    perfect: Estimate
    """Accuracy on the faces as they were before they were pasted."""
    own: Estimate
    """Accuracy on the pipeline's crops."""
    lost: Estimate
    """Paired difference of the two, positive where the pipeline's are worse."""
    divergences: tuple[float, float]
    """KL(votes || prediction) on perfect and on own crops, nats."""
    scale: tuple[float, float]
    """Side of the crop over that of the face's picture: geometric mean, and standard deviation of the logarithm."""
    shift: tuple[float, float]
    """How far the crop's middle is off in x and y, px of 48: root mean square, length of the mean."""
    roll: float
    """Root mean square angle between crop and face, degrees."""


def measurable(faces: Faces, count: int | None, seed: int) -> Faces:
    """Return the faces that have a majority, or ``count`` of them taken by chance.

    Raises:
        InputError: none has.
    """
    rows = np.flatnonzero(truth(faces.votes).kept)
    if not len(rows):
        raise InputError("no face has an emotion with more than half of its votes, so none can be measured")
    if count is not None:
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:count])
    return faces.take(rows)


def measure(faces: Faces, engine: Engine, heights: Iterable[float] = HEIGHTS, seed: int = 0) -> Iterator[Row]:
    """Measure faces that all have a majority; sizes at which none was found are left out.

    Intervals are over people where the data name them, else over faces.
    """
    votes = truth(faces.votes)
    network = engine.classifier
    before = report(faces, network).probabilities
    right = before.argmax(1) == votes.majority
    for height in heights:
        seen = found(engine, faces.images, height, seed)
        if not len(seen.rows):
            continue
        after = network(seen.crops)
        hits = after.argmax(1) == votes.majority[seen.rows]
        shares = votes.shares[seen.rows]
        drawn = Resamples(len(hits), groups=faces.units(seen.rows))
        scale, shift, roll = misplacement(seen.errors, faces.images.shape[1])
        yield Row(
            height,
            len(faces.images),
            len(seen.rows),
            drawn.mean(right[seen.rows]),
            drawn.mean(hits),
            drawn.gain(right[seen.rows], hits),
            (float(divergence(shares, before[seen.rows]).mean()), float(divergence(shares, after).mean())),
            scale,
            shift,
            roll,
        )


def misplacement(errors: Doubles, side: int) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Return ``Row.scale``, ``Row.shift`` and ``Row.roll`` of (n, 2, 3) maps from crops to pictures of ``side`` px."""
    logs = np.log(np.hypot(errors[:, 0, 0], errors[:, 1, 0]))
    middles = (errors @ np.array([side / 2, side / 2, 1]) - side / 2) * (48 / side)
    angles = np.degrees(np.arctan2(errors[:, 1, 0], errors[:, 0, 0]))
    return (
        (float(np.exp(logs.mean())), float(logs.std())),
        (float(np.sqrt((middles**2).sum(1).mean())), float(np.hypot(*middles.mean(0)))),
        float(np.sqrt((angles**2).mean())),
    )


def tables(rows: Sequence[Row]) -> tuple[Table, Table]:
    """Return the figures, for people: what crops cost, and how they lie."""
    cost = Table(title="accuracy on perfect crops and on the pipeline's own")
    for name in ("height", "found", "perfect", "own", "points lost, 95 %", "KL", "own"):
        cost.add_column(name, justify="right")
    for row in rows:
        lost = row.lost
        cost.add_row(
            f"{row.height:g} px",
            f"{row.found:,}",
            f"{row.perfect.value:.4f}",
            f"{row.own.value:.4f}",
            f"{100 * lost.value:+.2f} ({100 * lost.low:+.2f} to {100 * lost.high:+.2f})",
            f"{row.divergences[0]:.3f}",
            f"{row.divergences[1]:.3f}",
        )
    place = Table(title="how the pipeline's crops lie")
    for name in ("height", "found", "scale", "spread", "shift, px of 48", "its mean", "roll"):
        place.add_column(name, justify="right")
    for row in rows:
        place.add_row(
            f"{row.height:g} px",
            f"{100 * row.found / row.faces:.0f} %",
            f"{row.scale[0]:.3f}",
            f"{100 * row.scale[1]:.0f} %",
            f"{row.shift[0]:.1f}",
            f"{row.shift[1]:.1f}",
            f"{row.roll:.1f}°",
        )
    return cost, place
