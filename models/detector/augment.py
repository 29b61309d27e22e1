"""Turn a labelled photo into a training view: scale, turn, flip, stretch, cover, write on, recolour, degrade."""

from __future__ import annotations

import string

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from models.detector.boxes import Array, Image, move
from models.detector.occlude import occlude

WRITTEN = 0.4
"""Share of the views without a face in which something is written."""

FILLED = 0.8
"""Share of the views that the photo fills, or nearly: there is more to see in a photo than in the colour round it."""

CROSSED = 0.25
"""Share of the views with a sure face in which something comes before one."""

NEVER = -2.0
"""Score of a label that says that there is no face in its box, whatever a teacher says."""

LETTERS = string.ascii_letters + string.digits


def view(
    rng: Generator, image: Image, faces: Array, seen: Array, width: int, height: int, stretched: bool
) -> tuple[Image, Array, Array]:
    """A random view `width` x `height` px of a uint8 BGR photo, with its labels moved along.

    `faces` (N, 15) are in the photo's px; `seen` (N,) is 1 where a face has landmarks; `stretched` says that its aspect
    is not to be trusted. Returns the view, the labels in its px (not clipped) and `seen`; what was painted where there
    is no face comes along as a label of the score `NEVER`.
    """
    matrix = _placement(rng, image, faces, width, height, stretched)
    mirrored = bool(np.linalg.det(matrix[:, :2]) < 0)
    moved = move(faces, matrix, mirrored)
    image, matrix = _shrunk(image, matrix)
    fill = rng.integers(0, 256, 3) if rng.random() < 0.5 else np.full(3, rng.integers(0, 2) * 114)
    border = [int(v) for v in fill]
    warped = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=border)
    out = warped.astype(np.uint8, copy=False)
    for face, whole in zip(moved, seen, strict=True):
        if whole and face[14] > 0.5 and rng.random() < 0.2:
            _cover(rng, out, face)
    bare = np.flatnonzero((seen > 0) & (moved[:, 14] > 0.5))
    if len(bare) and rng.random() < CROSSED:
        moved, seen = occlude(rng, out, moved, seen, int(rng.choice(bare)))
    if not (moved[:, 14] > 0.3).any() and rng.random() < WRITTEN:
        painted = _write(rng, out)
        moved, seen = np.concatenate([moved, painted]), np.concatenate([seen, np.zeros(len(painted), np.float32)])
    return degrade(rng, recolour(rng, out)), moved, seen


def _placement(
    rng: Generator, image: Image, faces: Array, width: int, height: int, stretched: bool
) -> NDArray[np.float64]:
    """The (2, 3) affine map from photo to view; mostly one that gives a face a log-uniform size, 9 px to overfull."""
    room = min(width, height)
    sure = np.flatnonzero(faces[:, 14] > 0.5)
    if len(sure) and rng.random() < 0.75:
        x, y, w, h = faces[rng.choice(sure), :4]
        target = np.exp(rng.uniform(np.log(max(9.0, room * 0.05)), np.log(room * 1.25)))
        scale = np.clip(target / np.sqrt(w * h), 0.04, 4.0)
        centre = (x + w / 2, y + h / 2)
        slack = max(0.15, 0.5 - 0.4 * target / room)
        place = (width * rng.uniform(0.5 - slack, 0.5 + slack), height * rng.uniform(0.5 - slack, 0.5 + slack))
    else:
        scale = max(width / image.shape[1], height / image.shape[0]) * np.exp(rng.uniform(-0.7, 0.9))
        centre = (image.shape[1] * rng.uniform(0.25, 0.75), image.shape[0] * rng.uniform(0.25, 0.75))
        place = (width / 2, height / 2)
    filled = rng.random() < FILLED
    if filled:
        scale = max(scale, 0.75 * max(width / image.shape[1], height / image.shape[0]))
    aspect = np.exp(rng.uniform(-0.25, 0.25) if stretched else rng.uniform(-0.08, 0.08))
    angle = np.deg2rad(np.clip(rng.normal(0, 20), -55, 55)) if rng.random() < 0.5 else 0.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([scale * aspect * rng.choice([-1, 1]), scale / aspect])
    shift = np.array(place) - linear @ np.array(centre)
    if filled:
        # Where the photo is larger than the view, no edge of it need be seen.
        photo, middle = np.array([image.shape[1], image.shape[0]]) / 2, np.array([width, height]) / 2
        room = np.maximum(np.abs(linear) @ photo - middle, 0)
        off = linear @ photo + shift - middle
        shift += np.where(room > 0, np.clip(off, -room, room) - off, 0)
    return np.column_stack([linear, shift])


def _shrunk(image: Image, matrix: NDArray[np.float64]) -> tuple[Image, NDArray[np.float64]]:
    """Halve the photo until the map no longer skips pixels."""
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    factor = 1
    while scale * factor < 0.7 and min(image.shape[:2]) // (factor * 2) >= 8:
        factor *= 2
    if factor == 1:
        return image, matrix
    size = (image.shape[1] // factor, image.shape[0] // factor)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    ratio = np.array([image.shape[1] / size[0], image.shape[0] / size[1]])
    linear = matrix[:, :2] * ratio
    # Pixel centres lie at half units: shrinking moves the origin.
    return small, np.column_stack([linear, matrix[:, 2] + matrix[:, :2] @ ((ratio - 1) / 2)])


def _cover(rng: Generator, image: Image, face: Array) -> None:
    """Paint a plain mask over nose and mouth, in place."""
    eyes, nose, mouth = face[4:8].reshape(2, 2), face[8:10], face[10:14].reshape(2, 2)
    across, down = eyes[1] - eyes[0], mouth.mean(axis=0) - eyes.mean(axis=0)
    top = eyes.mean(axis=0) + down * rng.uniform(0.3, 0.55)
    middle = nose * 0.3 + mouth.mean(axis=0) * 0.7
    wide = across * rng.uniform(0.7, 1.0)
    chin = middle + down * 0.7
    outline = [top - wide, top + wide, middle + wide * 0.85, chin + wide * 0.4, chin - wide * 0.4, middle - wide * 0.85]
    colour = rng.integers(0, 256, 3) if rng.random() < 0.5 else np.full(3, rng.integers(0, 256))
    cv2.fillPoly(image, [np.asarray(outline, np.int32)], [int(v) for v in colour], lineType=cv2.LINE_AA)


def _write(rng: Generator, image: Image) -> Array:
    """Paint words and discs, many of the colour of skin, in place; return them as labels (N, 15), score `NEVER`."""
    height, width = image.shape[:2]
    places = []
    for _ in range(rng.integers(1, 5)):
        tall = float(np.exp(rng.uniform(np.log(8), np.log(max(16.0, height * 0.5)))))
        x, y = int(width * rng.uniform(-0.2, 0.9)), int(height * rng.uniform(0.1, 1.1))
        rim = round(tall * rng.uniform(0, 0.12))
        inner, outer = _tint(rng), _tint(rng)
        if rng.random() < 0.35:
            axes = (round(tall * rng.uniform(0.3, 0.6)), round(tall / 2))
            for grown, colour in ((rim, outer), (0, inner)):
                size = (axes[0] + grown, axes[1] + grown)
                cv2.ellipse(image, (x, y), size, rng.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA)
            reach = max(axes) + rim
            places.append((x - reach, y - reach, 2 * reach, 2 * reach))
            continue
        word = "".join(rng.choice(list(LETTERS), rng.integers(1, 12)))
        font, stroke = int(rng.integers(0, 8)), max(1, round(tall * rng.uniform(0.05, 0.25)))
        for thick, colour in ((stroke + 2 * rim, outer), (stroke, inner)):
            cv2.putText(image, word, (x, y), font, tall / 22, colour, thick, cv2.LINE_AA)  # 22 px high at scale 1
        (across, up), below = cv2.getTextSize(word, font, tall / 22, stroke + 2 * rim)
        places.append((x - rim, y - up - rim, across + 2 * rim, up + below + 2 * rim))
    painted = np.zeros((len(places), 15), np.float32)
    painted[:, :4] = places
    painted[:, 14] = NEVER
    return painted


def _tint(rng: Generator) -> list[int]:
    """A BGR colour, more often than not one of skin, lit or shaded."""
    if rng.random() < 0.4:
        return [int(v) for v in rng.integers(0, 256, 3)]
    hue, saturation, value = rng.integers(3, 22), rng.integers(40, 220), rng.integers(60, 256)
    bgr = cv2.cvtColor(np.array([[[hue, saturation, value]]], np.uint8), cv2.COLOR_HSV2BGR)
    return [int(v) for v in bgr[0, 0]]


def recolour(rng: Generator, image: Image) -> Image:
    """Random exposure, contrast, colour balance and gamma by one table; now and then gray."""
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    gamma = np.exp(rng.uniform(0.4, 1.2) if rng.random() < 0.06 else rng.normal(0, 0.2))
    gain = np.exp(rng.normal(0, 0.18) + rng.normal(0, 0.06, 3))
    contrast = np.exp(rng.normal(0, 0.18))
    table = ((ramp**gamma * gain - 0.45) * contrast + 0.45 + rng.normal(0, 0.05)) * 255
    out = cv2.LUT(image, np.clip(table, 0, 255).astype(np.uint8).reshape(256, 1, 3))
    if rng.random() < 0.2:
        out = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return out.astype(np.uint8, copy=False)


def degrade(rng: Generator, image: Image) -> Image:
    """What lenses, sensors and codecs do: motion or focus blur, low resolution, noise, JPEG blocks."""
    out: np.ndarray = image
    kind = rng.random()
    if kind < 0.03:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.5, 1.8))
    elif kind < 0.06:
        length = int(rng.integers(3, 9))
        kernel = np.zeros((length, length), np.float32)
        angle = rng.uniform(0, np.pi)
        arm = np.array([np.cos(angle), np.sin(angle)]) * length / 2
        middle = np.full(2, (length - 1) / 2)
        start, end = np.rint(middle - arm).astype(int), np.rint(middle + arm).astype(int)
        cv2.line(kernel, (int(start[0]), int(start[1])), (int(end[0]), int(end[1])), [1.0])
        out = cv2.filter2D(out, -1, kernel / max(float(kernel.sum()), 1.0))
    elif kind < 0.09:
        factor = rng.uniform(0.4, 0.8)
        small = cv2.resize(out, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        out = cv2.resize(small, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.05:
        noise = rng.standard_normal(image.shape[:2], np.float32)[..., None] * rng.uniform(3, 16)
        out = np.clip(out + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.08:
        coded = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 75))])[1]
        out = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
    return out.astype(np.uint8, copy=False)
