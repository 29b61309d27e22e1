"""How accuracy falls as faces get worse, one way of getting worse at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.bootstrap import Estimate, Resamples
from models.emotion.evaluation.sample import Sample
from models.emotion.metrics import divergence

Face = NDArray[np.uint8]
Change = Callable[[Face, float, np.random.Generator], Face]
Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def shrunk(face: Face, size: float, rng: np.random.Generator) -> Face:
    """As a video would show it `size` px high: shrunk by area averaging, enlarged again bilinearly."""
    small = cv2.resize(face, (int(size), int(size)), interpolation=cv2.INTER_AREA)
    return _bytes(cv2.resize(small, face.shape[::-1], interpolation=cv2.INTER_LINEAR))


def blurred(face: Face, sigma: float, rng: np.random.Generator) -> Face:
    """Gaussian blur of standard deviation `sigma` px."""
    return _bytes(cv2.GaussianBlur(face, (0, 0), sigma)) if sigma else face


def noisy(face: Face, deviation: float, rng: np.random.Generator) -> Face:
    """Gaussian noise of so many gray levels of 255."""
    return _bytes(face + rng.normal(0, deviation, face.shape))


def turned(face: Face, degrees: float, rng: np.random.Generator) -> Face:
    """Rotated about its middle, anticlockwise, edges repeated."""
    return _moved(face, degrees, 1.0, (0.0, 0.0))


def shifted(face: Face, pixels: float, rng: np.random.Generator) -> Face:
    """Moved by so many px in a direction drawn by chance, edges repeated."""
    angle = rng.uniform(0, 2 * np.pi)
    return _moved(face, 0.0, 1.0, (pixels * np.cos(angle), pixels * np.sin(angle)))


def scaled(face: Face, factor: float, rng: np.random.Generator) -> Face:
    """Enlarged about its middle, edges repeated where it gets smaller."""
    return _moved(face, 0.0, factor, (0.0, 0.0))


def brightened(face: Face, levels: float, rng: np.random.Generator) -> Face:
    """Lighter by so many gray levels of 255, clipped as a camera does."""
    return _bytes(face + np.float64(levels))


def darkened(face: Face, light: float, rng: np.random.Generator) -> Face:
    """Lit by so much of the light, with the noise of a sensor (1.5 gray levels) and whole gray levels."""
    return _bytes(face * np.float64(light) + rng.normal(0, 1.5, face.shape)) if light < 1 else face


def contrasted(face: Face, factor: float, rng: np.random.Generator) -> Face:
    """Gray levels drawn apart, or together, about their mean, clipped."""
    return _bytes((face - face.mean()) * factor + face.mean())


def compressed(face: Face, quality: float, rng: np.random.Generator) -> Face:
    """Through JPEG at that quality (1-100) and back."""
    _, code = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), np.uint8)


def covered(face: Face, share: float, rng: np.random.Generator) -> Face:
    """That share of it under one gray, from a side drawn by chance."""
    hidden = face.copy()
    turned = np.rot90(hidden, int(rng.integers(4)))
    turned[: round(share * len(face))] = rng.integers(30, 200)
    return hidden


def _moved(face: Face, degrees: float, factor: float, shift: tuple[float, float]) -> Face:
    middle = (face.shape[1] - 1) / 2, (face.shape[0] - 1) / 2
    way = np.asarray(cv2.getRotationMatrix2D(middle, degrees, factor))
    way[:, 2] += np.asarray(shift)
    return _bytes(cv2.warpAffine(face, way, face.shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _bytes(values: NDArray[Any]) -> Face:
    return np.asarray(np.rint(values).clip(0, 255), np.uint8)


@dataclass(frozen=True)
class Sweep:
    """One way of getting worse, at levels from one end to the other."""

    name: str
    unit: str
    change: Change
    levels: tuple[float, ...]
    clean: float | None
    """The level that changes nothing; None where every one does."""


SWEEPS: Final = (
    Sweep("size", "px", shrunk, (48, 40, 32, 28, 24, 20, 16), 48),
    Sweep("blur", "px, standard deviation", blurred, (0, 0.5, 1, 1.5, 2, 3), 0),
    Sweep("noise", "gray levels of 255, standard deviation", noisy, (0, 5, 10, 20, 30, 40), 0),
    Sweep("rotation", "degrees", turned, (-45, -30, -20, -10, 0, 10, 20, 30, 45), 0),
    Sweep("shift", "px of 48, any direction", shifted, (0, 2, 4, 6, 8, 10), 0),
    Sweep("scale", "factor", scaled, (0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.35, 1.5), 1),
    Sweep("brightness", "gray levels of 255 added", brightened, (-120, -80, -40, 0, 40, 80, 120), 0),
    Sweep("low light", "share of the light", darkened, (1, 0.5, 0.25, 0.1, 0.05, 0.025), 1),
    Sweep("contrast", "factor", contrasted, (0.1, 0.25, 0.5, 1, 1.5, 2, 3), 1),
    Sweep("JPEG", "quality", compressed, (95, 75, 50, 30, 20, 10, 5), None),
    Sweep("occlusion", "share of the face, from a side", covered, (0, 0.1, 0.2, 0.3, 0.4, 0.5), 0),
)


@dataclass(frozen=True)
class Point:
    """The faces at one level."""

    level: float
    accuracy: Estimate
    divergence: Estimate
    """KL(votes || prediction), nats."""


@dataclass(frozen=True)
class Curve:
    """One sweep, measured."""

    name: str
    unit: str
    clean: float | None
    points: list[Point]


def degraded(images: NDArray[np.uint8], change: Change, level: float, seed: int = 0) -> NDArray[np.uint8]:
    """Each of `images` (n, s, s) changed, with what is drawn by chance drawn anew for each."""
    rng = np.random.default_rng(seed)
    return np.stack([change(face, level, rng) for face in images])


def sweep(
    one: Sweep,
    images: NDArray[np.uint8],
    sample: Sample,
    before: NDArray[np.float32],
    predict: Predict,
    drawn: Resamples,
) -> Curve:
    """Measure one sweep, level by level.

    Args:
        one: the sweep.
        images: (m, s, s), the faces of `sample`.
        sample: their votes.
        before: (m, 8), what is predicted of them as they are.
        predict: the network.
        drawn: draws of the m.
    """
    points = []
    for level in one.levels:
        given = before if level == one.clean else predict(degraded(images, one.change, level))
        hits = drawn.mean(given.argmax(1) == sample.majority)
        points.append(Point(level, hits, drawn.mean(divergence(sample.shares, given))))
    return Curve(one.name, one.unit, one.clean, points)
