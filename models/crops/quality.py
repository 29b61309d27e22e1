"""What a crop's quality is worth: accuracy and calibration of the network on degraded faces, by bands of quality."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from models.bootstrap import Estimate, Resamples
from models.crops.scene import found
from models.emotion.evaluation.calibration import calibration_error, tempered
from models.emotion.evaluation.robustness import Change, blurred, covered, darkened, noisy
from models.emotion.metrics import Faces, divergence, truth
from pipeline.messages import Bytes, Floats
from pipeline.sink.record import entropy
from workers.engine import Engine

HEIGHTS: Final = (16, 20, 26, 34, 48, 64)
"""px at which faces are shown."""

BANDS: Final = (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Limits between bands of quality."""

DEGRADATIONS: Final[tuple[Change, ...]] = (
    # Not at all; blur of up to 4 px of 48; noise of up to 50 of 255; 3 % of the light at least; up to 60 % covered;
    # and, as in a dark room, blur with noise of up to 25.
    lambda face, amount, rng: face,
    lambda face, amount, rng: blurred(face, 0.1 + 3.9 * amount, rng),
    lambda face, amount, rng: noisy(face, 50 * amount, rng),
    lambda face, amount, rng: darkened(face, 0.03**amount, rng),
    lambda face, amount, rng: covered(face, 0.6 * amount, rng),
    lambda face, amount, rng: noisy(blurred(face, 0.1 + 3.9 * amount, rng), 25 * amount, rng),
)
"""Ways to degrade a face by an amount of 0-1."""


class Judged(NamedTuple):
    """The n showings of degraded faces that the detector saw."""

    rows: NDArray[np.intp]
    """(n,) which of the faces these are; one that was shown often may be there often."""
    quality: Floats
    """(n,) as the pipeline computes it."""
    probabilities: Floats
    """(n, 8) of the pipeline's crops."""


def judge(faces: Faces, engine: Engine, showings: int = 4, seed: int = 0) -> Judged:
    """Show every face ``showings`` times, each time degraded in one way and at one size, both drawn by chance.

    Everything that the detector sees counts, as it would on a track that goes on.
    """
    parts = [_shown(faces.images, engine, seed + number) for number in range(showings)]
    return Judged(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _shown(images: Bytes, engine: Engine, seed: int) -> Judged:
    rng = np.random.default_rng(seed)
    ways, sizes = (rng.integers(len(choices), size=len(images)) for choices in (DEGRADATIONS, HEIGHTS))
    amounts = rng.uniform(size=len(images))
    drawn = zip(images, ways, amounts, strict=True)
    degraded = np.stack([DEGRADATIONS[way](face, amount, rng) for face, way, amount in drawn])
    parts = []
    for number, height in enumerate(HEIGHTS):
        rows = np.flatnonzero(sizes == number)
        if len(rows):
            seen = found(engine, degraded[rows], height, seed, unsure=True)
            parts.append((rows[seen.rows], seen.quality, engine.classifier(seen.crops)))
    return Judged(*(np.concatenate(column) for column in zip(*parts, strict=True)))


@dataclass(frozen=True)
class Row:
    """The faces of one band of quality."""

    band: tuple[float, float]
    accuracy: Estimate
    divergence: Estimate
    """KL(votes || prediction), nats."""
    tempered: float
    """The lowest that one temperature for the whole band, chosen in hindsight, would make of it."""
    confidence: float
    """Mean probability of the most probable label."""
    calibration: float
    """Expected calibration error: mean distance of confidence and accuracy over bins of confidence."""
    entropy: float
    """Mean, over that of the uniform distribution."""


def bands(faces: Faces, judged: Judged) -> Iterator[Row]:
    """Measure each band of quality that holds faces, then all together; all faces must have a majority.

    Intervals are over faces, each with all its showings in the band; over people where the data name them.
    """
    votes = truth(faces.votes)
    limits = [*pairwise(BANDS), (BANDS[0], BANDS[-1])]
    for low, high in limits:
        within = (judged.quality >= low) & ((judged.quality < high) | (high == BANDS[-1]))
        if not within.any():
            continue
        rows, given = judged.rows[within], judged.probabilities[within]
        hits = given.argmax(1) == votes.majority[rows]
        # Showings of one face resemble each other.
        drawn = Resamples(len(hits), groups=faces.units(rows))
        yield Row(
            (low, high),
            drawn.mean(hits),
            drawn.mean(divergence(votes.shares[rows], given)),
            tempered(votes.shares[rows], given)[1],
            float(given.max(1).mean()),
            calibration_error(given.max(1), hits),
            float(np.mean([entropy(tuple(row)) for row in given.tolist()])),
        )


def table(rows: Iterable[Row]) -> Table:
    """Return the figures, for people."""
    shown = Table(title="degraded faces by quality")
    for name in ("quality", "shown", "% right (95 %)", "% sure", "ECE", "KL", "tempered", "entropy"):
        shown.add_column(name, justify="right")
    for row in rows:
        hit = row.accuracy
        shown.add_row(
            f"{row.band[0]:g}-{row.band[1]:g}",
            f"{hit.n:,}",
            f"{100 * hit.value:.1f} ({100 * hit.low:.1f} to {100 * hit.high:.1f})",
            f"{100 * row.confidence:.1f}",
            f"{row.calibration:.3f}",
            f"{row.divergence.value:.3f}",
            f"{row.tempered:.3f}",
            f"{row.entropy:.3f}",
        )
    return shown
