"""Frames made of faces whose place is known, and the faces found in them again by the pipeline's own parts."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.ingest.picture import detection_size
from pipeline.messages import Bytes, Clock, Faces, Floats, Frame, Stamp
from pipeline.settings import DetectorSettings
from pipeline.tally import Tally
from pipeline.tracker.align import placements
from pipeline.tracker.kalman import Doubles
from pipeline.tracker.tracker import Seen
from workers.engine import Engine

Rows = NDArray[np.intp]

WIDTH: Final = 1280
HEIGHT: Final = 768
"""Size of a frame, px."""

CELL: Final = 2.0
"""Side of the square that each face has to itself, face heights."""

RIM: Final = 0.3
"""How far a face goes on beyond its picture before it has faded into the background, face heights."""

NEAR: Final = 0.35
"""Farthest that a box's centre may lie from that of the face that it is of, face heights."""


class Page(NamedTuple):
    """A frame full of faces."""

    frame: Frame
    rows: Rows
    """(k,) which faces these are."""
    places: Doubles
    """(k, 2, 3) maps from the coordinates of each face's picture to those of the frame, px."""


class Found(NamedTuple):
    """The n faces of a set that were found again."""

    rows: Rows
    """(n,) which faces these are, each once, rising."""
    crops: Bytes
    """(n, s, s)."""
    quality: Floats
    """(n,)."""
    errors: Doubles
    """(n, 2, 3) maps from the crop, enlarged to S px, to the face's picture: the unit map where all is right."""


def gray_frame(luma: Bytes, run: str, pts: float, settings: DetectorSettings) -> Frame:
    """Return an (H, W) full-range gray picture as ingest would pass it on; ``pts`` in s."""
    height, width = luma.shape
    small = cv2.resize(luma, detection_size(width, height, settings), interpolation=cv2.INTER_AREA)
    image = np.asarray(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR), np.uint8)
    time = round(pts * 1e6)
    stamp = Stamp("scene", run, 0, pts, time, Clock.FILE, time)
    return Frame(stamp, width, height, luma, True, image, settings.min_face)


def pages(images: Bytes, height: float, settings: DetectorSettings, seed: int) -> Iterator[Page]:
    """Paste (n, S, S) faces into frames so that each is ``height`` px high; one seed, one result.

    They lie a little off the middles of their cells, at any fraction of a pixel, upright as they are.
    """
    rng = np.random.default_rng(seed)
    cell = round(CELL * height)
    columns, lines = WIDTH // cell, HEIGHT // cell
    scale = height / images.shape[1]
    for number, first in enumerate(range(0, len(images), columns * lines)):
        rows = np.arange(first, min(first + columns * lines, len(images)))
        luma = _background(rng)
        places = np.zeros((len(rows), 2, 3))
        for slot, row in enumerate(rows):
            corner = np.array([slot % columns, slot // columns]) * cell
            within = (cell - height) / 2 + rng.uniform(-0.1, 0.1, 2) * height
            places[slot] = [[scale, 0, within[0]], [0, scale, within[1]]]
            _paste(images[row], luma[corner[1] : corner[1] + cell, corner[0] : corner[0] + cell], places[slot])
            places[slot, :, 2] += corner
        yield Page(gray_frame(luma, f"p{number}", 0.0, settings), rows, places)


def _background(rng: np.random.Generator) -> Bytes:
    """Draw soft patches of gray, (HEIGHT, WIDTH)."""
    patches = rng.uniform(60, 170, (6, 10)).astype(np.float32)
    return np.asarray(cv2.resize(patches, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).clip(0, 255), np.uint8)


def _paste(face: Bytes, cell: Bytes, place: Doubles) -> None:
    """Draw a face into its cell; ``place``, (2, 3), maps the face's coordinates to the cell's."""
    side, margin = len(face), len(face) // 2
    wide = cv2.copyMakeBorder(face, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    # What is repeated beyond the face would be streaks.
    soft = cv2.GaussianBlur(wide, (0, 0), side / 12)
    soft[margin:-margin, margin:-margin] = face
    scale = place[0, 0]
    shrunk = min(1.0, round(len(wide) * scale) / len(wide))
    if shrunk < 1:
        soft = cv2.resize(soft, (round(len(wide) * scale),) * 2, interpolation=cv2.INTER_AREA)
    warp = place.copy()
    warp[:, 2] -= scale * margin
    warp[:, :2] /= shrunk
    # OpenCV counts from the centres of pixels.
    warp[:, 2] += warp[:, :2].sum(1) / 2 - 0.5
    drawn = cv2.warpAffine(soft, warp, cell.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    lines, columns = np.mgrid[: cell.shape[0], : cell.shape[1]] + 0.5
    x, y = ((axis - shift) / scale / side - 0.5 for axis, shift in ((columns, place[0, 2]), (lines, place[1, 2])))
    beyond = np.hypot(np.maximum(np.abs(x) - 0.5, 0), np.maximum(np.abs(y) - 0.5, 0))
    alpha = np.clip(1 - beyond / RIM, 0, 1)
    cell[:] = np.rint(alpha * drawn + (1 - alpha) * cell)


def found(engine: Engine, images: Bytes, height: float, seed: int, *, unsure: bool = False) -> Found:
    """Paste (n, S, S) faces into frames and find them again; each frame is the first of its run.

    ``height``: of the faces, px. ``unsure``: also take what the detector sees but what is too unsure to begin a track.
    """
    stage, find, describe = engine.tracker(Tally()), engine.finder(), engine.describer()
    parts = []
    for page in pages(images, height, engine.config.detector, seed):
        if unsure:
            seen = find(page.frame).found
            assert seen is not None
            faces = describe(page.frame, Seen((), seen.boxes, seen.landmarks, seen.scores, ()))
        else:
            (faces,) = (answer for answer in stage.process([page.frame]) if isinstance(answer, Faces))
        parts.append(_matched(page, faces, crop_places(engine, faces), height, images.shape[1]))
    return Found(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def crop_places(engine: Engine, faces: Faces) -> Doubles:
    """Return the (n, 2, 3) maps by which the crops of ``faces`` were cut, where no box reaches beyond the frame."""
    return placements(faces.landmarks, faces.boxes, engine.classifier.template, engine.classifier.size)


def _matched(page: Page, faces: Faces, placed: Doubles, height: float, side: int) -> Found:
    """Tell which face of the page each crop is of: the surest of those that are near it."""
    middles = page.places @ np.array([side / 2, side / 2, 1])
    centres = faces.boxes[:, :2] + faces.boxes[:, 2:] / 2
    far = np.linalg.norm(middles[:, None] - centres, axis=2) > NEAR * height
    scores = np.where(far, -1, faces.scores)
    kept = np.flatnonzero(scores.max(1, initial=-1) >= 0)
    chosen = scores[kept].argmax(1) if len(kept) else np.zeros(0, np.intp)
    placed = placed[chosen]
    placed[:, :, :2] *= faces.crops.shape[1] / side
    errors = relative(page.places[kept], placed)
    return Found(page.rows[kept], faces.crops[chosen], faces.quality[chosen], errors)


def relative(places: Doubles, placed: Doubles) -> Doubles:
    """Return the (n, 2, 3) maps that do ``placed`` and then undo ``places``, both (n, 2, 3)."""
    undo = np.linalg.inv(places[:, :, :2])
    shift: Doubles = placed[:, :, 2:] - places[:, :, 2:]
    return np.concatenate([undo @ placed[:, :, :2], undo @ shift], 2)
