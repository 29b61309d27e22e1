"""Faces in one picture, by a network of the YuNet kind.

YuNet (Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", 2023) answers for every cell of three grids:
a class score, an objectness, a box and five landmarks. The decoding follows OpenCV's ``FaceDetectorYN``, so that its
file and ours are interchangeable.
"""

from functools import lru_cache
from typing import Final, NamedTuple

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from pipeline.messages import Bytes, Floats
from pipeline.tracker import contract
from pipeline.tracker.contract import STRIDES, VALUES
from pipeline.tracker.overlap import iou

MOST: Final = 5000
"""Candidates, best first, that non-maximum suppression looks at: bounds its time on a picture full of texture."""

FARTHEST: Final = 1e6
"""Largest coordinate and side of a face, px."""

SAME: Final = 0.7
"""IoU with a detection from which a box dropped for it is of the same face, and counts in its mean; below, it may be a
neighbour's."""

AT_ONCE: Final = 256
"""Detections whose means are taken together: bounds the memory."""


class Detections(NamedTuple):
    """The n faces found in one picture, best score first, in px of that picture."""

    boxes: Floats
    """(n, 4) x, y, w, h; may reach beyond the picture."""
    landmarks: Floats
    """(n, 5, 2) x, y of the right eye, left eye, nose tip, right and left mouth corner (the person's)."""
    scores: Floats
    """(n,) in [0, 1]."""


class Detector:
    """Runs the network and decodes its answer.

    ``session``: of a network with one float input (1, 3, H, W), BGR, 0 to 255, and the outputs of ``VALUES``; its H
    and W may be free or fixed. ``low``: lowest score returned. ``overlap``: IoU above which the lower of two
    detections is dropped. Raises ``ModelError`` if the network is another (see ``contract``).
    """

    def __init__(self, session: ort.InferenceSession, *, low: float, overlap: float) -> None:
        self._session = session
        self._low = low
        self._overlap = overlap
        # Now rather than at the first frame.
        contract.names(None, session)
        contract.cells(None, session)
        self._input, self._fixed = session.get_inputs()[0].name, contract.fixed_size(session)
        self._names = [f"{value}_{stride}" for stride in STRIDES for value in VALUES]

    def __call__(self, image: Bytes) -> Detections:
        """Find the faces of an (H, W, 3) BGR picture whose sides are multiples of 32."""
        if self._fixed is None:
            return self._detect(image)
        fitted, scale = _fit(image, self._fixed)
        boxes, landmarks, scores = self._detect(fitted)
        return Detections(boxes / scale, landmarks / scale, scores)

    def _detect(self, image: Bytes) -> Detections:
        height, width = image.shape[:2]
        tensor = np.empty((1, 3, height, width), np.float32)
        for channel in range(3):
            tensor[0, channel] = image[:, :, channel]
        outputs = dict(zip(self._names, self._session.run(self._names, {self._input: tensor}), strict=True))

        def joined(value: str) -> Floats:
            return np.concatenate([outputs[f"{value}_{stride}"][0] for stride in STRIDES])

        squares = squared_scores(joined("cls"), joined("obj"))[:, 0]
        chosen = np.flatnonzero(squares >= self._low**2)
        scores: Floats = np.sqrt(squares[chosen])
        column, row, stride = _grid(height, width)[chosen].T
        cell = np.stack([column, row], -1)
        box = joined("bbox")[chosen]
        size = np.exp(np.minimum(box[:, 2:], 20)) * stride[:, None]
        corner = (cell + box[:, :2]) * stride[:, None] - size / 2
        landmarks = (cell[:, None] + joined("kps")[chosen].reshape(-1, 5, 2)) * stride[:, None, None]
        boxes: Floats = np.concatenate([corner, size], 1)
        # What is not a number, or far outside any picture, is no face.
        sound = np.flatnonzero((np.abs(boxes) < FARTHEST).all(1) & (np.abs(landmarks) < FARTHEST).all((1, 2)))
        best = sound[np.argsort(-scores[sound], kind="stable")][:MOST]
        return _distinct(Detections(boxes[best], landmarks[best], scores[best]), self._overlap)


def _distinct(found: Detections, overlap: float) -> Detections:
    """Return one detection for each face: greedy non-maximum suppression, then box voting.

    A face answers in several cells. The best one's box is replaced by the mean of all that are of the same face,
    weighted by their scores (Gidaris and Komodakis, "Object Detection via a Multi-Region and Semantic
    Segmentation-Aware CNN Model", 2015), and so are its landmarks: each cell errs by itself, so their mean is steadier.
    """
    if not len(found.scores):
        return found
    kept = np.asarray(cv2.dnn.NMSBoxes(found.boxes.tolist(), found.scores.tolist(), 0.0, overlap), np.int64).ravel()
    values = np.concatenate([found.boxes, found.landmarks.reshape(-1, 10)], 1)
    means: Floats = np.concatenate(
        [_mean(values, found.scores, kept[at : at + AT_ONCE]) for at in range(0, len(kept), AT_ONCE)]
    )
    return Detections(means[:, :4], means[:, 4:].reshape(-1, 5, 2), found.scores[kept])


def _mean(values: Floats, scores: Floats, rows: NDArray[np.int64]) -> Floats:
    """Return for some of the (n, 14) boxes and landmarks the mean of all that are of the same face as they."""
    weights = np.where(iou(values[rows], values) >= SAME, scores, 0)
    # An empty box overlaps nothing, not even itself.
    weights[range(len(rows)), rows] = scores[rows]
    mean: Floats = weights @ values / weights.sum(1, keepdims=True)
    return mean


def squared_scores(cls: Floats, obj: Floats) -> Floats:
    """Return the squares of the scores, in [0, 1]: a score is the geometric mean of the two values of its cell.

    Values a little outside [0, 1] do occur. Each is brought back by itself, or two below 0 would make one above.
    """
    squares: Floats = np.clip(cls, 0, 1) * np.clip(obj, 0, 1)
    return squares


@lru_cache(maxsize=8)
def _grid(height: int, width: int) -> Floats:
    """(cells, 3): column, row and stride of every cell, in the order of the network's outputs."""
    grids = []
    for stride in STRIDES:
        rows, columns = np.mgrid[: height // stride, : width // stride]
        grids.append(np.stack([columns.ravel(), rows.ravel(), np.full(rows.size, stride)], 1))
    return np.concatenate(grids).astype(np.float32)


def _fit(image: Bytes, shape: tuple[int, int]) -> tuple[Bytes, float]:
    """Bring a picture to a fixed (H, W), shrunk if it must be and padded with black at the right and below."""
    height, width = image.shape[:2]
    scale = min(1.0, shape[0] / height, shape[1] / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    fitted = np.zeros((*shape, 3), np.uint8)
    fitted[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
    return fitted, scale
