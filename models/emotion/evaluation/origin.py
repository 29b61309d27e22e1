"""Where numbers come from: network, data, protocol, machine."""

import hashlib
import json
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import scipy

from models.emotion.evaluate import PROTOCOL, Report
from models.emotion.evaluation.cost import cost
from models.emotion.evaluation.roc import FEWEST
from models.emotion.evaluation.sample import Sample
from models.emotion.faces import LabelledFaces
from pipeline.inference.classifier import Classifier
from pipeline.labels import LABELS


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
        notes=notes(faces, sample, network=path, some=some),
        draws=draws,
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        machine=f"{_processor()}, {platform.system()}, Python {platform.python_version()}",
        versions={
            "affectstream": version("affectstream"),
            "onnxruntime": ort.__version__,
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "opencv": cv2.__version__,
        },
    )


def notes(faces: LabelledFaces, sample: Sample, *, network: Path | None = None, some: int | None = None) -> list[str]:
    """What a reader must know to read the numbers rightly: of the faces, and of the `network` with a card beside it."""
    told = [] if network is None else familiar(faces, network)
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
    silent = int((faces.votes.sum(1) == 0).sum())
    if silent:
        told.append(f"{silent:,} of the {len(faces):,} faces have no votes and do not count.")
    copies = len(sample.rows) - len({face.tobytes() for face in faces.images[sample.rows]})
    if copies:
        told.append(
            f"{copies:,} of the {len(sample.rows):,} pictures that count equal an earlier one to the last pixel. They "
            "count again, so intervals are too narrow."
        )
    rare = [
        f"{label} {n}"
        for label, n in zip(LABELS, np.bincount(sample.majority, minlength=8), strict=True)
        if 0 < n < FEWEST
    ]
    if rare:
        told.append(
            f"Few faces: {', '.join(rare)}. Balanced accuracy and macro F1, the means over labels, are less certain "
            "than their intervals say."
        )
    if faces.people is not None:
        count = len(np.unique(faces.people[sample.rows]))
        told.append(f"Intervals are over {count:,} people rather than faces: those of one person resemble each other.")
    if some is not None and some < len(sample.rows):
        told.append(f"Robustness is measured on {some:,} of the faces, taken by chance.")
    return told


def familiar(faces: LabelledFaces, network: Path) -> list[str]:
    """A warning where the network learnt from these very faces, by the card beside it."""
    card = json.loads(network.with_suffix(".json").read_bytes())
    training = card.get("training")
    if not isinstance(training, dict):
        return []
    if "data_sha256" in training:
        if training["data_sha256"] != data_hash(faces):
            return []
        how = "from these very faces (training.data_sha256 of its card), save those that it held out"
    elif str(training.get("data")).partition(":")[0] == faces.name:
        how = "from faces of the same name, by its card"
    else:
        return []
    return [f"The network learnt {how}: what it is worth on faces that it has not seen is less."]


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
