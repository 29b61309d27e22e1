"""Everything that is told of a network, from one pass over the faces and a few more over changed ones."""

import hashlib
import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.emotion.bootstrap import Estimate, Resamples
from models.emotion.evaluate import PROTOCOL, Report, predict, resamples
from models.emotion.evaluation import clarity, panels, robustness, roc
from models.emotion.evaluation.calibration import Calibration, calibrate
from models.emotion.evaluation.comparison import Comparison, compare
from models.emotion.evaluation.confusion import Confusion
from models.emotion.evaluation.cost import cost
from models.emotion.evaluation.heatmap import occlusion
from models.emotion.evaluation.measures import MEASURES
from models.emotion.evaluation.sample import Sample
from models.emotion.faces import LabelledFaces
from models.emotion.metrics import divergence
from models.emotion.speed import milliseconds
from pipeline.inference.classifier import Classifier
from pipeline.labels import LABELS
from pipeline.onnx import open_session
from pipeline.settings import RuntimeSettings

KL: Final = MEASURES[0].name

MAPPED: Final = 16
"""Faces of each label that heat maps are made of."""

WRONG: Final = 32
"""Failures that are shown."""

PACKAGES: Final = ("affectstream", "onnxruntime", "numpy", "scipy", "opencv-python-headless")


@dataclass(frozen=True)
class Reference:
    """The network in one measure, beside what frames it; all over the same faces.

    Attributes:
        measure: its name.
        unit: "nats" or none.
        rising: more is better.
        network: its mean.
        floor: what a flawless predictor would score (see `panels`); None where each face has but one label.
        prior: what saying the mean shares of these very faces of every face would score.
        uniform: what saying an eighth of every label would score.
    """

    measure: str
    unit: str
    rising: bool
    network: Estimate
    floor: Estimate | None
    prior: Estimate
    uniform: Estimate


@dataclass(frozen=True)
class Raters:
    """A rater held out, and the network, both asked for the majority of that face's other raters (see `panels`)."""

    rater: Estimate
    network: Estimate


@dataclass(frozen=True)
class HeatMap:
    """Mean over `n` faces of a label that were given it: probability lost where they are covered, rows from the top."""

    label: str
    n: int
    lost: list[list[float]]


@dataclass(frozen=True)
class Timing:
    """Time per face on one core in calls of `batch` faces, median and fastest of `calls`, ms."""

    batch: int
    median: float
    fastest: float
    calls: int


@dataclass(frozen=True)
class Origin:
    """What was measured, on what, with what."""

    model: str
    file: str
    sha256: str
    labels: list[str]
    parameters: int | None
    macs: int | None
    counted: str
    data: str
    described: str
    data_sha256: str
    faces: int
    n: int
    protocol: str
    notes: list[str]
    draws: int
    date: str
    machine: str
    versions: dict[str, str]


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


def references(
    sample: Sample, found: NDArray[Any], floors: dict[str, NDArray[np.float64]] | None, drawn: Resamples
) -> list[Reference]:
    """Every measure of predictions `found` (m, 8), beside what frames it; `floors` see `panels.floor`."""
    shape = found.shape
    prior = np.broadcast_to(sample.shares.mean(0), shape)
    even = np.broadcast_to(sample.labels / sample.labels.sum(), shape)
    told = []
    for measure in MEASURES:
        network, known, uniform = (drawn.mean(measure.rows(sample.shares, one)) for one in (found, prior, even))
        floor = drawn.mean(floors[measure.name]) if floors is not None else None
        told.append(Reference(measure.name, measure.unit, measure.rising, network, floor, known, uniform))
    if sample.rated:
        cast = sample.votes[:, :8] * sample.labels
        shares = cast / cast.sum(1, keepdims=True)
        rows = [divergence(shares, one) for one in (found, np.broadcast_to(shares.mean(0), shape), even)]
        network, known, uniform = (drawn.mean(one) for one in rows)
        floor = drawn.mean(panels.unseen(cast))
        told.insert(1, Reference("the same, single votes kept", "nats", False, network, floor, known, uniform))
    return told


def raters(report: Report, faces: LabelledFaces, *, draws: int = 2000) -> Raters | None:
    """A held-out rater and the network, on all faces; None where faces have but one label each."""
    if not report.sample.rated:
        return None
    asked = panels.questions(faces.votes, report.sample.labels)
    weights = asked.times.sum(1)
    if not weights.any():
        return None
    drawn = Resamples(len(weights), groups=faces.people, draws=draws)
    answers = (np.arange(faces.votes.shape[1]), report.probabilities.argmax(1)[:, None])
    return Raters(*(drawn.ratio(asked.answered(one) / np.maximum(weights, 1), weights) for one in answers))


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
    heat, seen = _heatmaps(images[mapped], sample.majority[mapped], lost)
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


def _heatmaps(
    images: NDArray[np.uint8], labels: NDArray[np.int64], lost: NDArray[np.float32]
) -> tuple[list[HeatMap], NDArray[np.uint8]]:
    maps, means = [], [np.zeros((0, *images.shape[1:]), np.uint8)]
    for at in np.unique(labels):
        inside = labels == at
        mean = lost[inside].mean(0).astype(float).round(4).tolist()
        maps.append(HeatMap(LABELS[at], int(inside.sum()), mean))
        means.append(images[inside].mean(0).round().astype(np.uint8)[None])
    return maps, np.concatenate(means)


def timings(path: Path, seconds: float) -> list[Timing]:
    """Time per face on one core, in batches of 1, 8 and 32."""
    session = open_session(path, RuntimeSettings(threads=1, provider="cpu"))
    return [Timing(batch, *milliseconds(session, batch, seconds=seconds)) for batch in (1, 8, 32)]


def origin(faces: LabelledFaces, network: Classifier, path: Path, report: Report, *, draws: int, some: int) -> Origin:
    """What was measured, on what, with what."""
    sample = report.sample
    counts = cost(path)
    return Origin(
        model=network.id,
        file=path.name,
        sha256=network.card.sha256,
        labels=[label for label, has in zip(LABELS, sample.labels, strict=True) if has],
        parameters=counts.parameters if counts else None,
        macs=counts.macs if counts else None,
        counted="in the graph" if counts else "not counted: the package onnx is not installed",
        data=faces.name,
        described=faces.description,
        data_sha256=data_hash(faces),
        faces=len(faces.images),
        n=len(sample.rows),
        protocol=PROTOCOL,
        notes=notes(faces, sample, some),
        draws=draws,
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        machine=f"{_processor()}, {platform.system()}, Python {platform.python_version()}",
        versions={name: version(name) for name in PACKAGES},
    )


def notes(faces: LabelledFaces, sample: Sample, some: int | None = None) -> list[str]:
    """What a reader must know to read the numbers rightly."""
    told = []
    lacking = [label for label, has in zip(LABELS, sample.labels, strict=True) if not has]
    if lacking:
        told.append(
            f"The network has no {', no '.join(lacking)}: measured over the faces whose majority is among its "
            f"{int(sample.labels.sum())} labels, vote shares renormalised over these."
        )
    absent = [label for label in LABELS if label not in faces.labels]
    if absent:
        told.append(f"The data do not know {', '.join(absent)}: a network that says so is wrong on them.")
    if not sample.rated:
        told.append(
            "The data have one label for each face, no votes: there is no noise floor, no rater to compare with, "
            "no telling clear from subtle, and KL and calibration are against certainties."
        )
    if faces.people is not None:
        count = len(np.unique(faces.people[sample.rows]))
        told.append(f"Intervals are over {count:,} people rather than faces: those of one person resemble each other.")
    if some is not None and some < len(sample.rows):
        told.append(f"Robustness is measured on {some:,} of the faces, taken by chance.")
    return told


def data_hash(faces: LabelledFaces) -> str:
    """SHA-256 of the pixels and the votes (as int64) in their order, whatever file they came from."""
    digest = hashlib.sha256(np.ascontiguousarray(faces.images).tobytes())
    digest.update(np.ascontiguousarray(faces.votes, dtype="<i8").tobytes())
    return digest.hexdigest()


def _processor() -> str:
    """Name of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
