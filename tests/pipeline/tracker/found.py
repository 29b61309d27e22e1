"""Detections for tests."""

import numpy as np

from pipeline.messages import Floats
from pipeline.tracker.appearance import VALUES
from pipeline.tracker.detector import Detections

SHAPE = np.array([[0.31, 0.39], [0.69, 0.39], [0.5, 0.6], [0.34, 0.76], [0.66, 0.76]], np.float32)
"""(5, 2) landmarks in the sides of a box."""


def found(*faces: tuple[float, ...]) -> Detections:
    """Make detections of (centre x, centre y, height[, score]) each; the usual score is 0.9."""
    rows = np.array([(*face, 0.9)[:4] for face in faces], np.float32).reshape(-1, 4)
    sides = rows[:, 2:3] * np.array([0.8, 1], np.float32)
    boxes = np.concatenate([rows[:, :2] - sides / 2, sides], 1)
    return Detections(boxes, boxes[:, None, :2] + SHAPE * sides[:, None], rows[:, 3])


def alike(*faces: tuple[float, ...]) -> tuple[Detections, Floats]:
    """Make detections as ``found`` does, and the appearances of faces that all look the same."""
    return found(*faces), np.zeros((len(faces), VALUES), np.float32)
