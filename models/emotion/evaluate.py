"""Measures an expression network, ours or another with a card, on faces with votes: one pass over all of them."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.bootstrap import Estimate, Resamples
from models.emotion.evaluation.confusion import ClassFigures, Confusion, confusion
from models.emotion.evaluation.sample import Sample, sample
from models.emotion.faces import read_faces
from models.emotion.metrics import Faces, divergence
from pipeline.inference.classifier import Classifier
from pipeline.settings import EmotionSettings, RuntimeSettings

PROTOCOL = (
    "FER+: single votes dropped; rows where one of the eight emotions holds more than half of the remaining votes"
)


@dataclass(frozen=True)
class Report:
    """What was measured.

    Attributes:
        model: name and hash of the network.
        rows: faces in the file.
        sample: those that count (see `PROTOCOL`), with a majority among the labels that the network has.
        accuracy: how often the most probable label is the majority label, over the sample.
        divergence: KL(votes || prediction) over the sample, nats (zeros: see `metrics.divergence`).
        confusion: which label was taken for which, over the sample.
        probabilities: float32 (rows, 8), every row of the file, in its order.
    """

    model: str
    rows: int
    sample: Sample
    accuracy: Estimate
    divergence: Estimate
    confusion: Confusion
    probabilities: NDArray[np.float32]

    @property
    def classes(self) -> list[ClassFigures]:
        """Precision, recall and F1 of each label, over the sample."""
        return self.confusion.classes

    @property
    def found(self) -> NDArray[np.float32]:
        """Probabilities (m, 8) of the sample."""
        return self.probabilities[self.sample.rows]


def evaluate(path: Path, model: Path | None = None, *, batch: int = 64) -> Report:
    """Measures the network `model` (None: the one shipped) on the faces and votes in `path`.

    Args:
        path: of any form that `read_faces` reads.
        model: ONNX file with its card beside it.
        batch: faces per call of the network.

    Raises:
        InputError: the faces, the model or its card is missing or cannot be read, or no face has a majority.
        ModelError: the network is none, or does not fit its card.
    """
    return report(read_faces(path), open_network(model, batch=batch))


def open_network(model: Path | None = None, *, batch: int = 64) -> Classifier:
    """Opens a network for measuring: one thread, on the CPU."""
    return Classifier.load(EmotionSettings(model=model, batch=batch), RuntimeSettings(threads=1, provider="cpu"))


def predict(images: NDArray[np.uint8], network: Classifier) -> NDArray[np.float32]:
    """Probabilities (n, 8) of square faces (n, s, s) of any size."""
    if images.shape[1] != network.size:
        side = (network.size, network.size)
        images = np.stack([cv2.resize(face, side, interpolation=cv2.INTER_LINEAR) for face in images]).astype(np.uint8)
    return network(images)


def report(faces: Faces, network: Classifier, *, draws: int = 2000) -> Report:
    """Runs the network on all faces and measures it on those that count.

    Raises:
        InputError: none does.
    """
    chosen = sample(faces.votes, network.card.labels)
    return judged(faces, chosen, network.id, predict(faces.images, network), resamples(faces, chosen, draws=draws))


def judged(faces: Faces, chosen: Sample, model: str, probabilities: NDArray[np.float32], drawn: Resamples) -> Report:
    """The report on predictions (n, 8) of all faces."""
    found = probabilities[chosen.rows]
    top = found.argmax(1)
    return Report(
        model=model,
        rows=len(faces.images),
        sample=chosen,
        accuracy=drawn.mean(top == chosen.majority),
        divergence=drawn.mean(divergence(chosen.shares, found)),
        confusion=confusion(chosen.majority, top, drawn),
        probabilities=probabilities,
    )


def resamples(faces: Faces, chosen: Sample, *, draws: int = 2000) -> Resamples:
    """Draws of the sample: of people, where the data say who is seen, since the faces of one resemble each other."""
    return Resamples(len(chosen.rows), groups=faces.units(chosen.rows), draws=draws)
