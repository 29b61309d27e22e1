"""Everything that is told of a network, from one pass over the faces and a few more over changed ones."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.bootstrap import Estimate
from models.emotion.evaluate import Report, predict, resamples
from models.emotion.evaluation import clarity, panels, robustness, roc
from models.emotion.evaluation.calibration import Calibration, calibrate
from models.emotion.evaluation.comparison import Comparison, compare
from models.emotion.evaluation.confusion import Confusion
from models.emotion.evaluation.heatmap import HeatMap, heatmaps, occlusion
from models.emotion.evaluation.measures import KL
from models.emotion.evaluation.origin import Origin, origin
from models.emotion.evaluation.references import Raters, Reference, raters, references
from models.emotion.evaluation.sample import Sample
from models.emotion.faces import LabelledFaces
from models.emotion.speed import per_face
from pipeline.inference.classifier import Classifier
from pipeline.labels import LABELS
from pipeline.onnx import open_session
from pipeline.settings import RuntimeSettings

MAPPED: Final = 32
"""Faces of each label that heat maps are made of."""

WRONG: Final = 32
"""Failures that are shown."""


@dataclass(frozen=True)
class Timing:
    """Time per face on one core in calls of `batch` faces, median and fastest of `calls`, ms."""

    batch: int
    median: float
    fastest: float
    calls: int


@dataclass(frozen=True)
class Judgement:
    """All numbers of a report; what cannot be told of the data at hand is None or empty."""

    origin: Origin
    accuracy: Estimate
    raters: Raters | None
    confusion: Confusion
    roc: list[roc.Curve]
    references: list[Reference]
    calibration: Calibration
    clarity: list[clarity.Band]
    robustness: list[robustness.Curve]
    speed: list[Timing]
    heatmaps: list[HeatMap]
    against: Comparison | None


@dataclass(frozen=True)
class Pictures:
    """What a report shows besides numbers.

    Attributes:
        faces: per label of `Judgement.heatmaps` the mean face, uint8 (k, 48, 48).
        examples: faces, uint8 (e, 48, 48), and the probability each loses where it is covered, (e, p, p).
        said: of each example, its label and probability.
        wrong: places in the sample of the most confident failures, most confident first.
    """

    faces: NDArray[np.uint8]
    examples: tuple[NDArray[np.uint8], NDArray[np.float32]]
    said: list[str]
    wrong: NDArray[np.int64]


Progress = Callable[[float, str], None]
"""Told what share is done, 0-1, and what is next."""


def silent(share: float, what: str) -> None:
    """Tell nobody."""


def judge(
    faces: LabelledFaces,
    network: Classifier,
    path: Path,
    report: Report,
    *,
    against: Report | None = None,
    count: int | None = None,
    draws: int = 2000,
    seconds: float = 1.0,
    sweeps: tuple[robustness.Sweep, ...] = robustness.SWEEPS,
    told: Progress = silent,
) -> tuple[Judgement, Pictures]:
    """Judges a network.

    Args:
        faces: to measure on.
        network: to measure.
        path: its ONNX file.
        report: on `faces` by `network`, see `evaluate`.
        against: on `faces` by another network, to compare with.
        count: how many faces, taken by chance, are shown changed (None: all).
        draws: of the bootstrap.
        seconds: that each batch size is timed for.
        sweeps: ways in which faces are made worse.
        told: of progress.
    """
    sample, found = report.sample, report.found
    images, drawn = faces.images[sample.rows], resamples(faces, report.sample, draws=draws)
    told(0.0, "votes")
    floors = panels.floor(sample, faces.votes) if sample.rated else None
    some = np.sort(np.random.default_rng(0).permutation(len(images))[:count])
    mapped = _mapped(sample, found)
    changes = sum(level != one.clean for one in sweeps for level in one.levels)
    ask = _Asked(network, told, changes * len(some) + 5 * len(images) + len(mapped) * 122)
    ask.what = "consistency"
    stays = clarity.consistency(images, found.argmax(1), ask)
    few, several = sample.take(some), resamples(faces, sample.take(some), draws=draws)
    curves = []
    for one in sweeps:
        ask.what = one.name
        curves.append(robustness.sweep(one, images[some], few, found[some], ask, several))
    ask.what = "heat maps"
    lost = occlusion(images[mapped], ask)
    heat, seen = heatmaps(images[mapped], sample.majority[mapped], lost)
    told(1.0, "speed")
    judged = Judgement(
        origin(faces, network, path, report, draws=draws, some=len(some)),
        report.accuracy,
        raters(report, faces, draws=draws),
        report.confusion,
        roc.curves(sample, found, drawn),
        references(sample, found, floors, drawn),
        calibrate(sample, found, drawn),
        [] if floors is None else clarity.bands(sample, found, floors[KL], stays, drawn),
        curves,
        timings(path, seconds),
        heat,
        None if against is None else compare(faces, report, against, draws=draws),
    )
    shown = np.unique(sample.majority[mapped], return_index=True)[1]
    said = [f"{LABELS[row.argmax()]} {row.max():.2f}" for row in found[mapped][shown]]
    confident = np.argsort(-found.max(1), kind="stable")
    wrong = confident[(found.argmax(1) != sample.majority)[confident]][:WRONG]
    return judged, Pictures(seen, (images[mapped][shown], lost[shown]), said, wrong)


class _Asked:
    """A network that tells how many of the faces to come it has seen."""

    def __init__(self, network: Classifier, told: Progress, total: int) -> None:
        self.what = ""
        self._network, self._told, self._total, self._done = network, told, max(total, 1), 0

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = [np.zeros((0, len(LABELS)), np.float32)]
        for at in range(0, len(images), 256):
            parts.append(predict(images[at : at + 256], self._network))
            self._done += len(parts[-1])
            self._told(min(self._done / self._total, 1.0), self.what)
        return np.concatenate(parts)


def _mapped(sample: Sample, found: NDArray[Any]) -> NDArray[np.int64]:
    """Places in the sample of the faces to make heat maps of: some of each label that were given it, by chance."""
    rng = np.random.default_rng(0)
    right = found.argmax(1) == sample.majority
    chosen = [rng.permutation(np.flatnonzero(right & (sample.majority == at)))[:MAPPED] for at in range(len(LABELS))]
    return np.concatenate(chosen).astype(np.int64)


def timings(path: Path, seconds: float) -> list[Timing]:
    """Time per face on one core, in batches of 1, 8 and 32."""
    session = open_session(path, RuntimeSettings(threads=1, provider="cpu"))
    return [Timing(batch, *per_face([session], batch, seconds=seconds)[0]) for batch in (1, 8, 32)]
