"""Training rows: targets from votes and from an earlier network, a part held out for calibration; near-duplicates."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.emotion.metrics import Faces, truth

DUPLICATE = 0.9
"""Two faces whose 24x24 reductions, either way round, correlate above this are taken for one photograph. Looked at on
FER+, pairs above it are nearly all the same picture or its neighbour from one shoot; below 0.88 they are strangers."""


@dataclass(frozen=True)
class Rows:
    """Rows to learn from.

    Attributes:
        images: uint8 (n, 48, 48).
        targets: float32 (n, 8), rows sum to 1.
        weights: float32 (n,), each row's share in the loss, 0-1.
    """

    images: NDArray[np.uint8]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]


def rows(faces: Faces, *, sharpen: float) -> Rows:
    """The rows with a vote left for an emotion; their targets are vote shares mixed with the majority label.

    Args:
        faces: faces and votes.
        sharpen: the majority label's part of the target on rows that have a majority, 0-1.
    """
    votes = truth(faces.votes)
    targets = votes.shares.copy()
    kept = votes.kept
    targets[kept] = (1 - sharpen) * targets[kept] + sharpen * np.eye(8)[votes.majority[kept]]
    usable = votes.weight > 0
    return Rows(faces.images[usable], targets[usable].astype(np.float32), votes.weight[usable].astype(np.float32))


def taught(rows: Rows, teacher: Callable[[NDArray[np.uint8]], NDArray[np.float32]], *, trust: float) -> Rows:
    """`rows` with `trust` (0-1) of each target what `teacher` says of the face, mean of the face and its mirror image.

    Ten votes are a small sample; what a network made of all faces is a steadier guess at how a hundred people would
    vote (Furlanello et al. 2018, "Born-again neural networks").
    """
    said = (teacher(rows.images) + teacher(np.ascontiguousarray(rows.images[:, :, ::-1]))) / 2
    return replace(rows, targets=((1 - trust) * rows.targets + trust * said).astype(np.float32))


def nearest(images: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How much each of `images` (n, 48, 48) resembles the most similar of `others` (m, 48, 48) or its mirror image.

    Returns:
        float32 (n,), the correlation of the 24x24 reductions, at most 1.
    """
    keys = _reduced(images)
    both = np.concatenate([_reduced(others), _reduced(others[:, :, ::-1])])
    return np.concatenate([(keys[i : i + 1024] @ both.T).max(1) for i in range(0, len(keys), 1024)])


def _reduced(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    small = images.reshape(len(images), 24, 2, 24, 2).mean((2, 4), dtype=np.float32).reshape(len(images), -1)
    small = small - small.mean(1, keepdims=True)
    return np.asarray(small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-6), np.float32)


def without(faces: Faces, others: NDArray[np.uint8]) -> Faces:
    """`faces` less those that are near-duplicates of any of `others` (m, 48, 48)."""
    new = nearest(faces.images, others) <= DUPLICATE
    return Faces(faces.images[new], faces.votes[new])


def hold_out(faces: Faces, share: float, seed: int) -> tuple[Faces, Faces]:
    """Splits off a random `share` of the rows; what is left holds no near-duplicate of them.

    Returns:
        The rows to learn from, and the rows held out.
    """
    order = np.random.default_rng(seed).permutation(len(faces.images))
    cut = round(share * len(order))
    out, rest = np.sort(order[:cut]), np.sort(order[cut:])
    held = Faces(faces.images[out], faces.votes[out])
    return without(Faces(faces.images[rest], faces.votes[rest]), held.images), held
