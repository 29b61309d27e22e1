"""Training batches: photos kept in memory, random mosaics of views, and what each cell of the network should say."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from models.detector.augment import NEVER, view
from models.detector.boxes import STRIDES, Array, Image, held_back
from models.detector.find import read as read_picture
from models.detector.teacher import Teacher, cells
from pipeline.tracker.overlap import iou

# (side in px, pictures): each holds about as many pixels as the next.
BATCHES = ((256, 22), (320, 14), (416, 8))
GRIDS = ((1, 0.3), (2, 0.35), (3, 0.25), (4, 0.1))
# The face sizes (geometric mean side, px) between which each stride is fully responsible.
RANGES = {8: (1.0, 44.0), 16: (44.0, 150.0), 32: (150.0, 1e9)}
SMALLEST = 7.0
# Labels below this score are left out: the cells there learn "no face".
FAINTEST = 0.15
# A label from this score is wanted whatever the teacher says of the view at hand.
SURE = 0.6
BOXED = "detect_train/"
# How often photos without a sure face are drawn, for each time that one with a face is.
EMPTY = 2.0
# How much more often a photo is drawn on which a detector errs completely (`models.detector.mine`).
ERRING = 5.0
# Of two sure faces the larger is more often one that people would name: the logit of a score falls by this much with
# each halving of the face's side below `PLAIN` px, down to an eighth.
SLOPE = 0.8
PLAIN = 48.0
# Cells to which the teacher gives this score learn its box and its landmarks.
HEARD = 0.3
# IoU from which a cell's box is a labelled face's: the real box of a masked face and the teacher's have little more.
SAME = 0.35


@dataclass(frozen=True)
class Photo:
    """One photo (uint8 BGR), its faces (N, 15) and which of them have landmarks (N,).

    `stretched`: its aspect is not to be trusted. `boxed`: people drew boxes round its faces.
    """

    name: str
    image: Image
    faces: Array
    seen: Array
    stretched: bool
    boxed: bool


@dataclass(frozen=True)
class Batch:
    """One step's pictures and targets; A cells of all strides in a row, strides ascending, row-major.

    images (B, 3, S, S) uint8; score (B, A) wanted score; care (B, A) 0 where the score is left alone; box (B, A, 4) x,
    y, w, h in px; points (B, A, 10) px; weight (B, A) how much a cell's box counts; landmarked (B, A) the same for
    points.
    """

    images: NDArray[np.uint8]
    score: Array
    care: Array
    box: Array
    points: Array
    weight: Array
    landmarked: Array


def load(labels: Path, root: Path) -> list[Photo]:
    """The training photos: all that the labels name under `root`, without those held back."""
    cv2.setNumThreads(1)  # a loader is one process among others
    with np.load(labels) as file:
        names, counts, faces, seen = (file[key] for key in ("names", "counts", "faces", "landmarked"))
    ends = np.cumsum(counts)

    def read(i: int) -> Photo:
        image = read_picture(root / names[i])
        rows = np.arange(ends[i] - counts[i], ends[i])
        rows = rows[faces[rows, 14] > FAINTEST]
        stretched, boxed = Path(names[i]).name.startswith("people_"), names[i].startswith(BOXED)
        return Photo(str(names[i]), image, faces[rows], seen[rows], stretched, boxed)

    wanted = [i for i, name in enumerate(names) if not held_back(Path(name).name) or name.startswith(BOXED)]
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(read, wanted))


class Batches:
    """A map from step number to batch, the same for the same seed: what lets a stopped run go on as if it had not."""

    def __init__(
        self,
        photos: list[Photo],
        seed: int,
        teacher: Path,
        *,
        sized: bool = False,
        errors: NDArray[np.float64] | None = None,
    ) -> None:
        self.photos = photos
        self.teacher = Teacher(teacher)
        self.sized = sized
        self.seed = seed
        # Pictures whose faces people boxed teach the most, then those in which there is nothing but what is mistaken
        # for a face.
        sure = np.array([(p.faces[:, 14] > 0.5).any() for p in photos])
        weights = np.where(sure, 1.0, EMPTY) * np.where([p.boxed for p in photos], 2.5, 1.0)
        if errors is not None:
            weights *= 1 + ERRING * np.square(errors)
        self.weights = weights / weights.sum()

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, step))
        side, count = BATCHES[rng.choice(len(BATCHES), p=(0.3, 0.4, 0.3))]
        images = np.empty((count, side, side, 3), np.uint8)
        wanted = []
        for i in range(count):
            faces, seen = self._mosaic(rng, images[i])
            answer = self.teacher(images[i].transpose(2, 0, 1))
            wanted.append(follow(faces, seen, side, answer, sized=self.sized))
        stacked = (np.stack(parts) for parts in zip(*wanted, strict=True))
        return Batch(images.transpose(0, 3, 1, 2), *stacked)

    def _mosaic(self, rng: Generator, out: Image) -> tuple[Array, Array]:
        """Fill a picture with a grid of views; returns its faces (N, 15), clipped to their views, and `seen` (N,)."""
        side = out.shape[0]
        grid = int(rng.choice([g for g, _ in GRIDS], p=[p for _, p in GRIDS]))
        jitter = rng.uniform(-0.15, 0.15, (2, grid - 1)) / grid
        cuts = np.concatenate([np.zeros((2, 1)), np.arange(1, grid) / grid + jitter, np.ones((2, 1))], axis=1)
        xs, ys = np.rint(cuts * side).astype(int).tolist()
        faces, seen = [], []
        for top, bottom in pairwise(ys):
            for left, right in pairwise(xs):
                photo = self.photos[rng.choice(len(self.photos), p=self.weights)]
                part, rows, whole = view(
                    rng, photo.image, photo.faces, photo.seen, right - left, bottom - top, photo.stretched
                )
                out[top:bottom, left:right] = part
                rows, whole = clip(rows, whole, right - left, bottom - top)
                rows[:, :2] += (left, top)
                rows[:, 4:14] += np.tile(np.array([left, top], np.float32), 5)
                faces.append(rows)
                seen.append(whole)
        return np.concatenate(faces), np.concatenate(seen)


def clip(faces: Array, seen: Array, width: int, height: int) -> tuple[Array, Array]:
    """Cut labels (N, 15) to the view. A face mostly outside gets the score -1: neither a face nor not one."""
    high = np.minimum(faces[:, :2] + faces[:, 2:4], (width, height))
    low = np.maximum(faces[:, :2], 0)
    size = high - low
    inside = (size > 0).all(axis=1)
    visible = np.where(inside, size.prod(axis=1) / np.maximum(faces[:, 2:4].prod(axis=1), 1e-6), 0)
    out = faces.copy()
    out[:, :2], out[:, 2:4] = low, size
    side = np.sqrt(np.maximum(faces[:, 2:4], 1e-3).prod(axis=1))
    out[(visible < 0.5) | (side < SMALLEST), 14] = -1
    out[(visible < 0.3) & (faces[:, 14] < 0.5), 14] = 0
    out[faces[:, 14] == NEVER, 14] = NEVER
    keep = inside & (visible > 0.05)
    return out[keep], (seen * (visible > 0.6))[keep]


Targets = tuple[Array, Array, Array, Array, Array, Array]


def follow(faces: Array, seen: Array, side: int, answer: tuple[Array, Array, Array], *, sized: bool = False) -> Targets:
    """The teacher's answer to this very picture (score (A,), box (A, 4), points (A, 10)) as targets, cell by cell.

    The labels are steadier than any one answer: where a cell's box is a labelled face's, the face's box and landmarks
    are wanted. And where the teacher sees less of a face than the labels are sure of (turned, blurred, masked, small),
    the labels' score is wanted all the same: there the network is to be better than its teacher. Where a label says
    that nothing is (`NEVER`), the teacher is not heard. `sized` says that the teacher's scores are `rated` already.
    """
    score, box, points = answer
    faces = faces.copy()
    score = np.where(_within(faces[faces[:, 14] == NEVER], side), 0, score).astype(np.float32)
    box, points = steadied(faces, seen, score > HEARD, box, points)
    kept = (faces[:, 14] == -1) | (faces[:, 14] > SURE)
    faces[:, 14] = rated(faces[:, 14], faces[:, :4])
    want, care, own_box, own_points, weight, landmarked = targets(faces[kept], seen[kept], side)
    heard = np.where(score > HEARD, score, 0)
    score = score if sized else rated(score, box)
    own = want > score
    return (
        np.maximum(score, want),
        np.where(heard > 0, 1, care).astype(np.float32),
        np.where(own[:, None], own_box, box),
        np.where(own[:, None], own_points, points),
        np.where(own, weight, heard),
        np.where(own, landmarked, heard),
    )


def rated(scores: Array, boxes: Array) -> Array:
    """Scores (N,) of faces with these boxes (N, 4), px: those above 0 are lower the smaller the face is."""
    halvings = np.clip(np.log2(PLAIN / np.sqrt(np.maximum(boxes[:, 2:].prod(axis=1), 1e-3))), 0, 3)
    odds = scores / (1 - np.minimum(scores, 0.99)) * np.exp(-SLOPE * halvings)
    return np.where(scores > 0, odds / (1 + np.maximum(odds, 0)), scores).astype(np.float32)


def _within(boxes: Array, side: int, margin: float = 0.0) -> NDArray[np.bool_]:
    """Which cells (A,) have their centre in one of the boxes (N, 15), each larger by `margin` px all round."""
    centres, _ = cells(side)
    low, high = boxes[:, None, :2] - margin, boxes[:, None, :2] + boxes[:, None, 2:4] + margin
    inside = (centres > low) & (centres < high)
    return np.asarray(inside.all(axis=2).any(axis=0), np.bool_)


def steadied(faces: Array, seen: Array, heard: NDArray[np.bool_], box: Array, points: Array) -> tuple[Array, Array]:
    """Boxes (A, 4) and points (A, 10), those of labelled faces in the place of the teacher's where `heard` (A,)."""
    box, points = box.copy(), points.copy()
    known, whole = faces[faces[:, 14] > 0], seen[faces[:, 14] > 0] > 0
    chosen = np.flatnonzero(heard)
    if len(known) and len(chosen):
        overlap = iou(box[chosen], known)
        face = overlap.argmax(axis=1)
        same = overlap.max(axis=1) > SAME
        box[chosen[same]] = known[face[same], :4]
        same &= whole[face]
        points[chosen[same]] = known[face[same], 4:14]
    return box, points


def targets(faces: Array, seen: Array, side: int) -> Targets:
    """What each cell should say: score, care, box, points, weight, landmarked, as in `Batch`.

    Every face is a bell over the cells near its centre, on the stride of its size (near a border of two, on both). The
    bell's top is scaled to the face's score, so that a score means what the teacher's means.
    """
    total = len(cells(side)[0])
    care = np.ones(total, np.float32)
    care[_within(faces[faces[:, 14] < 0], side, margin=4)] = 0
    known = faces[:, 14] > 0
    faces, seen = faces[known], seen[known]
    if not len(faces):
        empty = np.zeros(total, np.float32)
        return empty, care, np.zeros((total, 4), np.float32), np.zeros((total, 10), np.float32), empty, empty
    bell = np.concatenate([_bells(faces, stride, side) for stride in STRIDES], axis=1)
    bell /= np.maximum(bell.max(axis=1, keepdims=True), 1e-9)
    owner = bell.argmax(axis=0)
    top = bell.max(axis=0)
    score = (bell * faces[:, 14:]).max(axis=0)
    care[top > 0.5] = 1
    weight = np.where(top > 0.25, top * faces[owner, 14], 0).astype(np.float32)
    return score, care, faces[owner, :4], faces[owner, 4:14], weight, weight * seen[owner]


def _bells(faces: Array, stride: int, side: int) -> Array:
    """Each face's bell over one stride's cells, (N, cells), scaled by how much that stride answers for its size."""
    size = np.maximum(faces[:, 2:4], 2.0)
    middle = faces[:, :2] + size / 2
    spread = np.maximum(0.18 * size, 0.55 * stride)
    steps = np.arange(side // stride, dtype=np.float32) * stride
    along, down = (np.exp(-0.5 * np.square((steps - middle[:, [k]]) / spread[:, [k]])) for k in (0, 1))
    octave = np.log2(np.sqrt(size.prod(axis=1)))
    low, high = (np.log2(bound) for bound in RANGES[stride])
    share = np.clip(1 - np.maximum(low - octave, octave - high) / 0.6, 0, 1)
    bells: Array = (share[:, None, None] * down[:, :, None] * along[:, None, :]).reshape(len(faces), -1)
    return bells.astype(np.float32, copy=False)
