"""Real faces, cut out of photos so that they can be pasted into a scene."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from pipeline.errors import InputError
from pipeline.messages import Bytes, Floats
from pipeline.tracker.detector import Detections, Detector
from workers.scene import portrait

CLEAR: Final = 0.85
"""Lowest score of a face that is cut out."""

LARGE: Final = 90
"""Height of the smallest face that is cut out, px."""

MARGIN: Final = (1.5, 1.45)
"""Width and height of the cut-out ellipse over those of the face's box."""


@dataclass(frozen=True)
class Cutout:
    """A head without its surroundings."""

    image: Bytes
    """(h, w, 3) BGR."""
    alpha: Floats
    """(h, w) 1 within the head, 0 without."""
    box: tuple[float, float, float, float]
    """x, y, w, h of the face, px, as the detector sees it in the photo."""

    def mirrored(self) -> "Cutout":
        """Return the mirror image."""
        x, y, w, h = self.box
        width = self.image.shape[1]
        return Cutout(self.image[:, ::-1].copy(), self.alpha[:, ::-1].copy(), (width - x - w, y, w, h))

    def halved(self) -> "Cutout":
        """Return it at half the size, low-passed."""
        size = (max(1, self.image.shape[1] // 2), max(1, self.image.shape[0] // 2))
        image, alpha = (cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in (self.image, self.alpha))
        across, down = size[0] / self.image.shape[1], size[1] / self.image.shape[0]
        x, y, w, h = self.box
        box = (x * across, y * down, w * across, h * down)
        return Cutout(np.asarray(image, np.uint8), np.asarray(alpha, np.float32), box)


def cut_out(image: Bytes, box: tuple[float, float, float, float]) -> Cutout:
    """Cut an ellipse with a soft rim round the face out of an (H, W, 3) picture."""
    x, y, w, h = box
    middle = np.array([x + w / 2, y + h / 2])
    axes = np.array([w * MARGIN[0], h * MARGIN[1]]) / 2
    near = np.maximum(np.floor(middle - axes), 0).astype(int)
    far = np.minimum(np.ceil(middle + axes), image.shape[1::-1]).astype(int)
    rows, columns = np.mgrid[near[1] : far[1], near[0] : far[0]] + 0.5
    radius = np.hypot((columns - middle[0]) / axes[0], (rows - middle[1]) / axes[1])
    alpha = np.clip((1 - radius) / 0.1, 0, 1).astype(np.float32)
    return Cutout(image[near[1] : far[1], near[0] : far[0]].copy(), alpha, (x - near[0], y - near[1], w, h))


def cast(detector: Detector, photos: Path | None, rng: np.random.Generator, count: int) -> list[Cutout]:
    """Cut ``count`` faces out of a folder's photos, or out of the demo's portrait where there is none.

    Photos count where they show exactly one face, large and clear.

    Raises:
        InputError: the folder does not hold that many.
    """
    if photos is None:
        return _from_portrait(detector, rng, count)
    paths = sorted(path for path in photos.iterdir() if not path.name.startswith("background"))
    chosen: list[Cutout] = []
    for number in rng.permutation(len(paths)):
        if len(chosen) == count:
            return chosen
        read = cv2.imread(str(paths[number]))
        if read is None:
            continue
        image = np.asarray(read, np.uint8)
        box = _only_face(detector, image)
        if box is not None:
            chosen.append(cut_out(image, box))
    if len(chosen) < count:
        raise InputError(f"{str(photos)!r} holds {len(chosen)} photos of one clear face, {count} are needed")
    return chosen


def _only_face(detector: Detector, image: Bytes) -> tuple[float, float, float, float] | None:
    found = _detect(detector, image)
    if len(found.scores) != 1 or found.scores[0] < CLEAR or found.boxes[0, 3] < LARGE:
        return None
    x, y, w, h = (float(value) for value in found.boxes[0])
    inside = x >= 0 and y >= 0 and x + w <= image.shape[1] and y + h <= image.shape[0]
    return (x, y, w, h) if inside else None


def _detect(detector: Detector, image: Bytes) -> Detections:
    below, right = -image.shape[0] % 32, -image.shape[1] % 32
    return detector(np.pad(image, ((0, below), (0, right), (0, 0))))


def _from_portrait(detector: Detector, rng: np.random.Generator, count: int) -> list[Cutout]:
    image = portrait()
    found = _detect(detector, image)
    if not len(found.scores):
        raise InputError("the detector does not find the face of the demo's portrait; choose another network")
    x, y, w, h = (float(value) for value in found.boxes[0])
    box = (x, y, w, h)
    whole = cut_out(image, box)
    people = []
    for number in range(count):
        tint = rng.uniform(0.7, 1.15, 3)
        image = np.clip(whole.image * tint, 0, 255).astype(np.uint8)
        person = Cutout(image, whole.alpha, whole.box)
        people.append(person.mirrored() if number % 2 else person)
    return people
