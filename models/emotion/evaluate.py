"""Measures an expression network, ours or another with a card, on an npz of faces and votes."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.emotion.faces import read_faces
from models.emotion.metrics import ClassFigures, Estimate, Faces, divergence, estimate, per_class, truth
from pipeline.errors import InputError
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
        accuracy: how often the most probable label is the majority label, over the kept rows (see `PROTOCOL`).
        divergence: KL(votes || prediction) over the kept rows, nats (zeros: see `metrics.divergence`).
        classes: precision, recall and F1 of each label, over the kept rows.
        probabilities: float32 (rows, 8), every row of the file, in its order.
    """

    model: str
    rows: int
    accuracy: Estimate
    divergence: Estimate
    classes: list[ClassFigures]
    probabilities: NDArray[np.float32]


def evaluate(npz: Path, model: Path | None = None, *, batch: int = 64) -> Report:
    """Measures the network `model` (None: the one shipped) on the faces and votes in `npz`.

    Args:
        npz: `images` uint8 (n, 48, 48) and `votes` (n, 8) or (n, 10); see `read_faces`.
        model: ONNX file with its card beside it.
        batch: faces per call of the network.

    Raises:
        InputError: the npz, the model or its card is missing; the npz cannot be measured on (see `read_faces`), or
            no row of it has a majority.
        ModelError: the network is none, or does not fit its card.
    """
    faces = read_faces(npz)
    if not truth(faces.votes).kept.any():
        raise InputError(
            f"{str(npz)!r}: no row has an emotion with more than half of its votes, so none can be measured"
        )
    return report(faces, open_network(model, batch=batch))


def open_network(model: Path | None = None, *, batch: int = 64) -> Classifier:
    """Opens a network for measuring: one thread, on the CPU."""
    return Classifier.load(EmotionSettings(model=model, batch=batch), RuntimeSettings(threads=1, provider="cpu"))


def report(faces: Faces, network: Classifier) -> Report:
    """Runs the network on all faces and measures it on the kept rows, of which there must be one at least."""
    images = faces.images
    if images.shape[1] != network.size:
        side = (network.size, network.size)
        images = np.stack([cv2.resize(face, side, interpolation=cv2.INTER_LINEAR) for face in images]).astype(np.uint8)
    probabilities = network(images)
    votes = truth(faces.votes)
    majority, found = votes.majority[votes.kept], probabilities[votes.kept]
    chosen = found.argmax(1)
    return Report(
        model=network.id,
        rows=len(images),
        accuracy=estimate(chosen == majority),
        divergence=estimate(divergence(votes.shares[votes.kept], found)),
        classes=per_class(majority, chosen),
        probabilities=probabilities,
    )


def shrunk(faces: Faces, size: int) -> Faces:
    """`faces` as a video would show them `size` px high: shrunk by area averaging, enlarged again bilinearly."""
    small = (cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA) for face in faces.images)
    side = faces.images.shape[1:]
    images = np.stack([cv2.resize(face, side, interpolation=cv2.INTER_LINEAR) for face in small]).astype(np.uint8)
    return Faces(images, faces.votes)
