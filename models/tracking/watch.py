"""Runs the detector over a scene once and keeps what the tracker needs of every frame."""

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np

from models.tracking.truth import Truth
from pipeline.ingest.picture import detection_size
from pipeline.messages import Bytes
from pipeline.settings import DetectorSettings
from pipeline.tracker.cuts import thumbnail
from pipeline.tracker.detector import Detections, Detector
from pipeline.tracker.finder import TOO_SMALL


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
    thumbnail: Bytes
    """For ``cuts.is_cut``."""
    pixel: float
    """px of the frame per px of the detector's picture."""
    truth: Truth


def watch(frames: Iterable[Shown], detector: Detector, settings: DetectorSettings) -> list[Watched]:
    """Detect as the pipeline does: in a picture of the size that ingest would make."""
    return [_watched(frame, detector, settings) for frame in frames]


def _watched(frame: Shown, detector: Detector, settings: DetectorSettings) -> Watched:
    rows, columns = frame.image.shape[:2]
    width, height = detection_size(columns, rows, settings)
    shrinks = width <= columns and height <= rows
    small = cv2.resize(frame.image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    picture = np.asarray(small, np.uint8)
    found = detector(picture)
    scale = np.array([columns / width, rows / height], np.float32)
    boxes = found.boxes * np.tile(scale, 2)
    large = boxes[:, 3] >= TOO_SMALL * settings.min_face
    kept = Detections(boxes[large], found.landmarks[large] * scale, found.scores[large])
    return Watched(frame.pts, kept, thumbnail(picture), rows / height, frame.truth)
