"""What the teacher says of every cell of a training picture: the targets that the network is to reproduce."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.detector.boxes import STRIDES, Array
from pipeline.tracker.detector import squared_scores


class Teacher:
    """A detector of the YuNet kind on one CPU thread, undecoded and unsuppressed."""

    def __init__(self, network: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])

    def __call__(self, image: NDArray[np.uint8]) -> tuple[Array, Array, Array]:
        """Score (A,), box (A, 4) x, y, w, h in px and points (A, 10) in px of all A cells.

        `image` is (3, S, S) BGR, S a multiple of 32. The cells are those of all strides, ascending, row-major.
        """
        names = [f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES]
        outputs = self.session.run(names, {"input": image[None].astype(np.float32)})
        cls, obj, box, points = (np.concatenate(outputs[i : i + 3], axis=1)[0] for i in (0, 3, 6, 9))
        corner, stride = cells(image.shape[-1])
        size = np.exp(box[:, 2:]) * stride[:, None]
        middle = corner + box[:, :2] * stride[:, None]
        score = np.sqrt(squared_scores(cls, obj))[:, 0]
        return score, np.concatenate([middle - size / 2, size], axis=1), np.tile(corner, 5) + points * stride[:, None]


def cells(side: int) -> tuple[Array, Array]:
    """Points (A, 2) in px and strides (A,) of a square picture's cells; a cell's point is its corner, as in YuNet."""
    corners, strides = [], []
    for stride in STRIDES:
        steps = np.arange(side // stride, dtype=np.float32) * stride
        corners.append(np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2))
        strides.append(np.full(len(corners[-1]), stride, np.float32))
    return np.concatenate(corners), np.concatenate(strides)
