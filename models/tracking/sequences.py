"""Annotated videos of one face each, alone and tiled into one frame.

An annotation goes on while a face is turned away or another is in front, so only frames count in which the face can be
seen: where the detector, given the annotated box alone and much enlarged, finds one face at a low score, and only one,
in most of the frames around. This says nothing of the tracker, which sees the whole frame at the size that the pipeline
gives it. The annotated person stays the same one however long the face is away. Clear faces that nobody annotated count
neither for nor against.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import av
import cv2
import numpy as np

from models.tracking.measures import WITHIN
from models.tracking.truth import Truth, truth
from models.tracking.watch import Shown
from pipeline.errors import InputError
from pipeline.messages import Bytes, Floats
from pipeline.tracker.detector import Detections, Detector
from pipeline.tracker.overlap import intersections

ENLARGED: Final = 128
"""px to which the longer side of an annotated box is enlarged."""

AROUND: Final = 6
"""Frames before and after one, most of which must show the face too."""

CLEAR: Final = 0.8
"""Score of a face that is there although nobody annotated it."""

LATER: Final = 60
"""Frames by which each further tile is ahead, so that the same video looks different."""

TILE: Final = (480, 360)
"""Width and height of a tile, px."""

LOOSE: Final = 0.3
"""Least IoU of a face and its annotation: some are drawn round the head, not the face."""


class Sequence(NamedTuple):
    """One annotated video."""

    name: str
    fps: float
    images: list[Bytes]
    """(H, W, 3) BGR each."""
    truths: list[Truth]
    """The annotated face of each frame, id 0, and others that are there, which do not count."""


def load(folder: Path, detector: Detector) -> list[Sequence]:
    """Read ``boxes.json`` and the videos it names; ``detector`` should answer at low scores.

    Raises:
        InputError: a file is missing or does not hold what it should.
    """
    index = folder / "boxes.json"
    try:
        known: dict[str, Any] = json.loads(index.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{str(index)!r} cannot be read ({error}); give the folder that holds tracks/") from error
    return [_sequence(folder / f"{name}.mp4", entry, detector) for name, entry in sorted(known.items())]


def _sequence(path: Path, entry: dict[str, Any], detector: Detector) -> Sequence:
    try:
        with av.open(str(path)) as container:
            images = [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in container.decode(video=0)]
    except (OSError, av.FFmpegError) as error:
        raise InputError(f"{str(path)!r} cannot be read: {error}") from error
    corners = np.array(entry["boxes_xyxy"], np.float32).reshape(-1, 4)
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)
    visible = steady([shows_one_face(image, box, detector) for image, box in zip(images, boxes, strict=False)])
    truths = []
    for image, box, seen in zip(images, boxes, visible, strict=False):
        others = strangers(image, box, detector)
        every = [box, *others]
        truths.append(truth(range(len(every)), every, [seen, *(False for _ in others)]))
    return Sequence(path.stem, float(entry["fps"]), images[: len(truths)], truths)


def steady(flags: Iterable[bool]) -> list[bool]:
    """Keep what holds here and in most of the ``AROUND`` flags before and after."""
    values = np.array(list(flags), float)
    ones = np.ones(2 * AROUND + 1)
    share = np.convolve(values, ones, "same") / np.convolve(np.ones(len(values)), ones, "same")
    return [bool(value) for value in (values > 0) & (share > 0.5)]


def shows_one_face(image: Bytes, box: Floats, detector: Detector) -> bool:
    """Say whether a face, and only one, can be seen in a box, x, y, w, h, of an (H, W, 3) picture."""
    w, h = float(box[2]), float(box[3])
    if w <= 0 or h <= 0:
        return False
    found, scale = _enlarged(image, box, detector)
    middles = np.abs(found.boxes[:, :2] + found.boxes[:, 2:] / 2 - ENLARGED)
    # What is much smaller than the box is a pattern in the hair.
    large = found.boxes[:, 3] >= 0.4 * h * scale
    inside = (middles <= np.array([w, h]) * scale / 2).all(1)
    near = (middles <= np.array([w, h]) * scale * 0.75).all(1)
    return bool((inside & large).any() and (near & large).sum() == 1)


def _enlarged(image: Bytes, box: Floats, detector: Detector) -> tuple[Detections, float]:
    """Detect in the box's surroundings, twice its size; return what was found, in px of that view, and its scale."""
    x, y, w, h = (float(value) for value in box)
    side = 2 * ENLARGED
    scale = ENLARGED / max(w, h)
    matrix = np.array([[scale, 0, side / 2 - (x + w / 2) * scale], [0, scale, side / 2 - (y + h / 2) * scale]])
    large = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return detector(np.asarray(large, np.uint8)), scale


def strangers(image: Bytes, box: Floats, detector: Detector) -> list[Floats]:
    """Return boxes, x, y, w, h, px, of clear faces of a picture elsewhere than in the annotated box."""
    rows, columns = image.shape[:2]
    wide, high = (-(-2 * side // 32) * 32 for side in (columns, rows))
    found = detector(np.asarray(cv2.resize(image, (wide, high), interpolation=cv2.INTER_CUBIC), np.uint8))
    scale = np.array([wide / columns, high / rows], np.float32)
    places: Floats = (found.boxes / np.tile(scale, 2)).astype(np.float32)
    within = intersections(places, box[None])[:, 0] / places[:, 2:].prod(1)
    return list(places[(found.scores >= CLEAR) & (within < WITHIN)])


def alone(sequence: Sequence) -> Iterator[Shown]:
    """Show one sequence."""
    times = [number / sequence.fps for number in range(len(sequence.images))]
    for time, image, one in zip(times, sequence.images, sequence.truths, strict=True):
        yield Shown(time, image, one)


def tiled(sequences: list[Sequence], first: int, *, mirrored: bool) -> Iterator[Shown]:
    """Show four tiles in one frame, 2 x 2, as long as the shortest lasts.

    ``first``: number of the sequence in the first tile; the others follow, over again where there are fewer than four.
    """
    chosen = [sequences[(first + number) % len(sequences)] for number in range(4)]
    starts = [LATER * (number // len(sequences)) for number in range(4)]
    length = min(len(one.images) - start for one, start in zip(chosen, starts, strict=True))
    times = [number / chosen[0].fps for number in range(length)]
    scales = [min(TILE[0] / one.images[0].shape[1], TILE[1] / one.images[0].shape[0]) for one in chosen]
    corners = [(TILE[0] * (number % 2), TILE[1] * (number // 2)) for number in range(4)]

    def known(frame: int) -> Truth:
        ids: list[int] = []
        places: list[Floats] = []
        for number, (one, start) in enumerate(zip(chosen, starts, strict=True)):
            there = one.truths[start + frame]
            ids += [100 * number + face for face in there.ids]
            places.append(there.boxes * np.float32(scales[number]) + np.array([*corners[number], 0, 0], np.float32))
        boxes = np.concatenate(places)
        if mirrored:
            boxes[:, 0] = 2 * TILE[0] - boxes[:, 0] - boxes[:, 2]
        truths = [one.truths[start + frame] for one, start in zip(chosen, starts, strict=True)]
        counted = np.concatenate([one.counted for one in truths])
        return Truth(tuple(ids), boxes, counted, np.concatenate([one.glimpsed for one in truths]))

    for frame, time in enumerate(times):
        canvas = np.zeros((2 * TILE[1], 2 * TILE[0], 3), np.uint8)
        for sequence, start, scale, (left, top) in zip(chosen, starts, scales, corners, strict=True):
            tile = cv2.resize(sequence.images[start + frame], None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
            canvas[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
        yield Shown(time, np.ascontiguousarray(canvas[:, ::-1]) if mirrored else canvas, known(frame))
