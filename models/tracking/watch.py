"""Runs the detector over a scene once and keeps what the tracker needs of every frame.

A flawless detector can stand in for the real one, to tell what the tracker confuses from what the detector misses.
"""

from collections.abc import Iterable, Sequence
from time import perf_counter
from typing import Final, NamedTuple

import cv2
import numpy as np

from models.tracking.truth import Truth
from pipeline.ingest.picture import detection_size
from pipeline.messages import Bytes, Floats
from pipeline.settings import DetectorSettings
from pipeline.tracker.appearance import appearances
from pipeline.tracker.cuts import thumbnail
from pipeline.tracker.detector import Detections, Detector
from pipeline.tracker.finder import TOO_SMALL

MISSED: Final = 0.02
"""Share of faces that the flawless detector misses, each frame by chance."""

BLUR: Final = (0.02, 0.03)
"""Standard deviations of its boxes' centre, face heights, and of the logarithms of their sides."""

POINTS: Final = np.array([[0.3, 0.38], [0.7, 0.38], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
"""(5, 2) where it puts the landmarks, in sides of the box."""

SCORE: Final = 0.9
"""Its score of every face."""


class Shown(NamedTuple):
    """One frame of a scene."""

    pts: float
    """s."""
    image: Bytes
    """(H, W, 3) BGR."""
    truth: Truth


class Watched(NamedTuple):
    """One frame as the tracker gets it."""

    pts: float
    """s."""
    found: Detections
    """In px of the frame."""
    appearances: Floats
    """(n, ``appearance.VALUES``) of the n found."""
    thumbnail: Bytes
    """For ``cuts.is_cut``."""
    pixel: float
    """px of the frame per px of the detector's picture."""
    truth: Truth
    seconds: float
    """How long the detector took, s."""
    flawless: tuple[Detections, Floats]
    """What a flawless detector would have found, and what that looks like."""


def watch(frames: Iterable[Shown], detector: Detector, settings: DetectorSettings, seed: int = 0) -> list[Watched]:
    """Detect as the pipeline does: in a picture of the size that ingest would make.

    ``seed``: of what the flawless detector misses, and by how much it is off.
    """
    rng = np.random.default_rng(seed)
    return [_watched(frame, detector, settings, rng) for frame in frames]


def _watched(frame: Shown, detector: Detector, settings: DetectorSettings, rng: np.random.Generator) -> Watched:
    rows, columns = frame.image.shape[:2]
    width, height = detection_size(columns, rows, settings)
    shrinks = width <= columns and height <= rows
    small = cv2.resize(frame.image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    picture = np.asarray(small, np.uint8)
    begun = perf_counter()
    found = detector(picture)
    seconds = perf_counter() - begun
    scale = np.array([columns / width, rows / height], np.float32)
    boxes = found.boxes * np.tile(scale, 2)
    large = boxes[:, 3] >= TOO_SMALL * settings.min_face
    kept = Detections(boxes[large], found.landmarks[large] * scale, found.scores[large])
    true = _true(frame.truth, rng)
    return Watched(
        pts=frame.pts,
        found=kept,
        appearances=appearances(picture, found.boxes[large]),
        thumbnail=thumbnail(picture),
        pixel=rows / height,
        truth=frame.truth,
        seconds=seconds,
        flawless=(true, appearances(picture, (true.boxes / np.tile(scale, 2)).astype(np.float32))),
    )


def flawless(frames: Sequence[Watched]) -> list[Watched]:
    """Replace what was found by the true faces in sight, with noise; a few are missed."""
    return [frame._replace(found=frame.flawless[0], appearances=frame.flawless[1]) for frame in frames]


def _true(truth: Truth, rng: np.random.Generator) -> Detections:
    boxes = truth.boxes[truth.glimpsed & (rng.uniform(size=len(truth.ids)) >= MISSED)].astype(np.float64)
    errors = rng.standard_normal(boxes.shape)
    middles = boxes[:, :2] + boxes[:, 2:] / 2 + BLUR[0] * boxes[:, 3:] * errors[:, :2]
    sides = boxes[:, 2:] * np.exp(BLUR[1] * errors[:, 2:])
    landmarks = (middles - sides / 2)[:, None] + POINTS * sides[:, None]
    return Detections(
        np.concatenate([middles - sides / 2, sides], 1).astype(np.float32),
        landmarks.astype(np.float32),
        np.full(len(boxes), SCORE, np.float32),
    )
