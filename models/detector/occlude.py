"""Put something before a face of a training view: a second face that crosses it, or a piece of whatever is around."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from models.detector.boxes import Array, Image, move
from models.detector.label import REAL_SCORE

MOST = 0.5
"""Share of its box from which a covered face is neither a face nor not one."""
POINTS = 0.35
"""The same for its landmarks."""


def occlude(rng: Generator, image: Image, faces: Array, seen: Array, chosen: int) -> tuple[Array, Array]:
    """Cover a part of the face `chosen` of a uint8 BGR view, in place; the view's labels (N, 15) and `seen` (N,) after.

    What comes before it is an oval or rectangular piece of the same view, turned to its mirror image or not: half the
    time the face itself, which is a label more then, else any place. Faces mostly covered get the score -1.
    """
    height, width = image.shape[:2]
    x, y, w, h = faces[chosen, :4]
    box, centre = np.array([w, h]), np.array([x + w / 2, y + h / 2])
    double, mirrored = bool(rng.random() < 0.5), bool(rng.random() < 0.5)
    origin = centre if double else rng.uniform((0, 0), (width, height))
    scale, angle = np.exp(rng.uniform(-0.4, 0.5)), rng.uniform(0, 2 * np.pi)
    size = box * scale
    # As far from the face's centre as leaves about half to nine tenths of its box.
    away = np.array([np.cos(angle), np.sin(angle)]) * (size + box) / 2 * rng.uniform(0.45, 0.9)
    linear = np.diag([-scale if mirrored else scale, scale])
    matrix = np.column_stack([linear, centre + away - linear @ origin])
    piece = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    shape = _shape(centre + away, size * (1.15 if double else 1.0), (height, width), oval=double or rng.random() < 0.5)
    image[:] = np.rint(image + (piece.astype(np.float32) - image) * shape[..., None]).astype(np.uint8)
    faces, seen = faces.copy(), seen.copy()
    hidden = np.array([_share(shape, face) for face in faces])
    faces[(hidden > MOST) & (faces[:, 14] > 0), 14] = -1
    seen[hidden > POINTS] = 0
    if double:
        front = move(faces[[chosen]], matrix, mirrored)
        front[:, 14] = REAL_SCORE
        faces, seen = np.concatenate([faces, front]), np.append(seen, np.float32(1))
    return faces, seen


def _shape(
    centre: NDArray[np.float64], size: NDArray[np.float64], around: tuple[int, int], *, oval: bool
) -> NDArray[np.float32]:
    """An oval or a rectangle of `size` px (w, h) at `centre`: (height, width) of `around`, 1 inside, 0 outside."""
    shape = np.zeros(around, np.float32)
    if oval:
        whole = [int(v) for v in np.rint(np.concatenate([centre, size / 2]))]
        cv2.ellipse(shape, (whole[0], whole[1]), (whole[2], whole[3]), 0, 0, 360, [1.0], -1)
    else:
        low, high = np.rint(centre - size / 2).astype(int), np.rint(centre + size / 2).astype(int)
        cv2.rectangle(shape, (int(low[0]), int(low[1])), (int(high[0]), int(high[1])), [1.0], -1)
    return cv2.blur(shape, (3, 3)).astype(np.float32, copy=False)


def _share(shape: NDArray[np.float32], face: Array) -> float:
    """The share of a face's box (15,), as far as it is in the view, that the shape covers."""
    left, top = np.maximum(np.floor(face[:2]), 0).astype(int)
    right, bottom = np.ceil(face[:2] + face[2:4]).astype(int)
    box = shape[top : max(bottom, 0), left : max(right, 0)]
    return float(box.mean()) if box.size else 0.0
