"""Run a detector file on a whole picture, with the pipeline's own decoding."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from models.detector.boxes import Array, Image
from pipeline.errors import InputError
from pipeline.onnx import open_session
from pipeline.settings import DetectorSettings, RuntimeSettings
from pipeline.tracker.detector import Detector

OVERLAP = DetectorSettings().overlap


class Finder:
    """Finds the faces of pictures of any size with a network of the YuNet kind, on one CPU thread.

    `low` is the lowest score returned.
    """

    def __init__(self, network: Path, low: float) -> None:
        self.detector = Detector(
            open_session(network, RuntimeSettings(threads=1, provider="cpu")), low=low, overlap=OVERLAP
        )

    def __call__(self, image: Image) -> Array:
        """Faces (N, 15), best first, of a uint8 BGR (H, W, 3) picture, in its px."""
        below, right = -image.shape[0] % 32, -image.shape[1] % 32
        found = self.detector(np.pad(image, ((0, below), (0, right), (0, 0))))
        points = found.landmarks.reshape(-1, 10)
        return np.concatenate([found.boxes, points, found.scores[:, None]], axis=1).astype(np.float32)

    def at(self, image: Image, side: int) -> Array:
        """The same after scaling the picture to `side` px on its long side; in the px of the picture given."""
        small, scale = fit(image, side)
        rows = self(small)
        rows[:, :14] /= scale
        return rows


def fit(image: Image, side: int) -> tuple[Image, float]:
    """The picture scaled to `side` px on its long side, and the scale."""
    scale = side / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return resized.astype(np.uint8, copy=False), scale


def read(path: Path) -> Image:
    """Read a picture as uint8 BGR (H, W, 3). Raises InputError if it cannot be read."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"{str(path)!r} is no picture that can be read")
    return image.astype(np.uint8, copy=False)
