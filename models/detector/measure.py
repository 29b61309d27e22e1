"""Measure a detector beside its teacher and write the figures into its card: `python -m models.detector.measure`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from models.detector.boxes import Array, Image, from_corners, held_back, iou, mirror
from models.detector.find import Finder, fit, read
from models.detector.speed import beside
from pipeline.card import shipped

COMMAND = "python -m models.detector.measure --data DATA --teacher TEACHER.onnx"
SIDE = 640
LOW = 0.05
SHIFTS = ((0, 0), (3, 2), (5, 7), (8, 4), (11, 13))
"""px, right and down."""
SAME = 0.5
"""IoU from which two detectors' boxes are one face."""
SAME_REAL = 0.4
"""IoU from which a box is a real one's: the real ones are drawn tighter, mostly round the mask."""
SMALLEST = 16
"""Height in px below which neither real boxes nor those found in their photos count."""
FALSE_PER_PHOTO = 0.1
AHEAD = 0.3
"""Least distance of the eyes of a face that looks ahead, in sides of its box: in profiles they fall together."""
Numbers = NDArray[np.float64]


class Errors(NamedTuple):
    """Landmark errors of one face against the teacher, as shares of the inter-ocular distance."""

    student: float
    teacher: float
    """The teacher's own: its answer to the mirror image, mirrored back."""
    ahead: bool
    """Whether the face looks ahead."""


@dataclass(frozen=True)
class Agreement:
    """One photo: the teacher's confident faces, how many of them were found, boxes that touch none of its faces, and
    the landmark errors of the faces found here and by the teacher in the mirror image.
    """

    sure: int
    found: int
    extra: int
    errors: list[Errors]


def agreement(teacher: Array, mirrored: Array, student: Array, threshold: float) -> Agreement:
    """Compare two detectors' rows (N, 15) for one picture of 640 px.

    A teacher's face counts if its score is at least 0.8 and its shorter side 20 px; a box is extra if it touches no
    teacher's box of score 0.3 or more. `mirrored` is what the teacher finds in the mirror image, mirrored back.
    """
    student = student[student[:, 14] >= threshold]
    sure = teacher[(teacher[:, 14] >= 0.8) & (teacher[:, 2:4].min(axis=1) >= 20)]
    pairs = match(student, sure, SAME)
    touched = iou(student, teacher[teacher[:, 14] >= 0.3])
    again = {j: i for i, j in match(mirrored, sure, SAME)}
    errors = [
        Errors(landmark_error(student[i], sure[j]), landmark_error(mirrored[again[j]], sure[j]), looks_ahead(sure[j]))
        for i, j in pairs
        if j in again
    ]
    return Agreement(len(sure), len(pairs), int((touched.max(axis=1, initial=0) == 0).sum()), errors)


def match(found: Array, wanted: Array, same: float) -> list[tuple[int, int]]:
    """Pair boxes found, best score first, each with the free wanted box it overlaps most, from an IoU of `same`."""
    overlap = iou(found, wanted)
    pairs = []
    for i in np.argsort(-found[:, 14], kind="stable"):
        if overlap.shape[1] and overlap[i].max() >= same:
            j = int(overlap[i].argmax())
            pairs.append((int(i), j))
            overlap[:, j] = 0
    return pairs


def landmark_error(face: Array, wanted: Array) -> float:
    """Mean distance of the five landmarks over the wanted face's inter-ocular distance."""
    gaps = (face[4:14] - wanted[4:14]).reshape(5, 2)
    return float(np.linalg.norm(gaps, axis=1).mean() / max(eyes_apart(wanted), 1e-6))


def eyes_apart(face: Array) -> float:
    """Distance of the eyes of a row (15,), px."""
    return float(np.linalg.norm(face[4:6] - face[6:8]))


def looks_ahead(face: Array) -> bool:
    """Whether the eyes of a row (15,) are as far apart as those of a face that looks ahead."""
    return eyes_apart(face) >= AHEAD * float(np.sqrt(face[2] * face[3]))


@dataclass(frozen=True)
class Truth:
    """One photo with real boxes (N, 4), which of them wear a mask (N,), and what was found in it (M, 15)."""

    boxes: Array
    masked: NDArray[np.bool_]
    found: Array


def recall_at_false(photos: Sequence[Truth]) -> tuple[float, dict[str, tuple[Numbers, Numbers]]]:
    """Recall of real boxes at 0.1 false boxes per photo; a box that is no real one's is false.

    Returns the score threshold that it takes, and for masked and unmasked the counts, per photo (P,), of faces found
    and of all.
    """
    matches = [dict(match(photo.found, photo.boxes, SAME_REAL)) for photo in photos]
    false = []
    for photo, pairs in zip(photos, matches, strict=True):
        rows = photo.found
        false += [row[14] for i, row in enumerate(rows) if i not in pairs and row[3] >= SMALLEST]
    allowed = int(FALSE_PER_PHOTO * len(photos))
    threshold = float(sorted(false)[-allowed - 1]) if len(false) > allowed else 0.0
    counts: dict[str, tuple[Numbers, Numbers]] = {}
    for kind, wears in (("unmasked", False), ("masked", True)):
        found, total = np.zeros(len(photos)), np.zeros(len(photos))
        for p, (photo, pairs) in enumerate(zip(photos, matches, strict=True)):
            wanted = (photo.masked == wears) & (photo.boxes[:, 3] >= SMALLEST)
            total[p] = wanted.sum()
            found[p] = sum(wanted[j] for i, j in pairs.items() if photo.found[i, 14] > threshold)
        counts[kind] = found, total
    return threshold, counts


def ratio(above: Numbers, below: Numbers) -> dict[str, Any]:
    """Sum over sum of per-photo numbers (P,), with a 95 % interval by bootstrap over photos."""
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(above), (2000, len(above)))
    resampled = above[draws].sum(axis=1) / np.maximum(below[draws].sum(axis=1), 1e-9)
    low, high = np.percentile(resampled, [2.5, 97.5])
    value = float(above.sum() / max(below.sum(), 1e-9))
    return {"value": round(value, 4), "ci95": [round(float(low), 4), round(float(high), 4)], "n": int(below.sum())}


def figure(what: str, numbers: dict[str, Any], data: str, protocol: str) -> dict[str, Any]:
    """A card's figure."""
    return {"what": what} | numbers | {"data": data, "protocol": protocol, "command": COMMAND}


def agreement_figures(data: Path, teacher: Finder, student: Finder, threshold: float) -> Iterator[dict[str, Any]]:
    """Recall, extra boxes and landmark error against the teacher, on the photos held back."""
    paths = [path for path in sorted((data / "photos").glob("*.webp")) if held_back(path.name)]
    rows = []
    for path in track(paths, "photos held back"):
        picture = read(path)
        scale = SIDE / max(picture.shape[:2])
        again = mirror(teacher.at(np.ascontiguousarray(picture[:, ::-1]), SIDE), picture.shape[1])
        told = [in_pixels(found, scale) for found in (teacher.at(picture, SIDE), again, student.at(picture, SIDE))]
        rows.append(agreement(told[0], told[1], told[2], threshold))
    where = f"photos held back from training ({len(paths)})"
    how = f"pictures scaled to {SIDE} px; faces: teacher's score ≥ 0.8, ≥ 20 px; IoU ≥ {SAME}; score ≥ {threshold}"
    ones = np.ones(len(rows))
    counts = np.array([row.found for row in rows], np.float64)
    recall = ratio(counts, np.array([row.sure for row in rows], np.float64))
    yield figure("recall of the teacher's confident faces", recall, where, how)
    extra = ratio(np.array([row.extra for row in rows], np.float64), ones)
    yield figure("extra boxes per photo", extra, where, f"{how}; extra: touches no teacher's box of score ≥ 0.3")
    yield from error_figures([row.errors for row in rows], where, how)


def error_figures(photos: Sequence[Sequence[Errors]], where: str, how: str) -> Iterator[dict[str, Any]]:
    """Mean and median landmark error of this network, and over the same faces the teacher's own, its noise floor."""
    how = f"{how}; mean of five points; faces found, also by the teacher in the mirror image"
    for faces, which in (("", photos), (", faces ahead", [[face for face in row if face.ahead] for row in photos])):
        counts = np.array([len(row) for row in which], np.float64)
        for who, errors in (
            ("", [[face.student for face in row] for row in which]),
            (", the teacher mirrored", [[face.teacher for face in row] for row in which]),
        ):
            what = f"landmark error / inter-ocular distance{faces}{who}"
            protocol = how + f"; eyes ≥ {AHEAD} sides apart" * bool(faces)
            yield figure(what, ratio(np.array([sum(row) for row in errors]), counts), where, protocol)
            everything = np.concatenate(errors)
            median = {"value": round(float(np.median(everything)), 4), "n": len(everything)}
            yield figure(f"median {what}", median, where, protocol)


def in_pixels(rows: Array, scale: float) -> Array:
    """Rows (N, 15) times a scale, their scores left."""
    return np.concatenate([rows[:, :14] * scale, rows[:, 14:]], axis=1)


def jitter_figures(data: Path, finders: dict[str, Finder]) -> Iterator[dict[str, Any]]:
    """How much each detector's landmarks move against the face when the picture is shifted by a few px."""
    paths = [path for path in sorted((data / "photos").glob("*.webp")) if held_back(path.name)][::3]
    told: dict[str, list[list[float]]] = {name: [] for name in finders}
    for path in track(paths, "shifted photos"):
        small, _ = fit(read(path), SIDE)
        for name, finder in finders.items():
            told[name].append(jitter(finder, small))
    how = f"pictures of {SIDE} px shifted by {len(SHIFTS)} amounts; faces: score ≥ 0.8, eyes ≥ {AHEAD} sides apart"
    for name, rows in told.items():
        total, count = np.array([sum(row) for row in rows]), np.array([len(row) for row in rows], np.float64)
        what = f"landmark jitter / inter-ocular distance, {name}"
        yield figure(what, ratio(total, count), f"photos held back from training ({len(paths)})", how)


def jitter(finder: Finder, picture: Image) -> list[float]:
    """For each sure face that looks ahead: deviation of its landmarks over shifts, over the distance of the eyes."""
    looks = []
    for dx, dy in SHIFTS:
        rows = finder(np.pad(picture, ((dy, 0), (dx, 0), (0, 0))))
        rows[:, [0, *range(4, 14, 2)]] -= dx
        rows[:, [1, *range(5, 14, 2)]] -= dy
        looks.append(rows)
    sure = looks[0][(looks[0][:, 14] >= 0.8) & (looks[0][:, 2:4].min(axis=1) >= 20)]
    pairs = [{j: i for i, j in match(rows, sure, SAME)} for rows in looks]
    spreads = []
    for j, face in enumerate(sure):
        if looks_ahead(face) and all(j in found for found in pairs):
            points = np.stack([rows[found[j], 4:14] for rows, found in zip(looks, pairs, strict=True)])
            spreads.append(float(np.sqrt(points.var(axis=0).reshape(5, 2).sum(axis=1)).mean()) / eyes_apart(face))
    return spreads


def truth_figures(data: Path, finders: dict[str, Finder]) -> Iterator[dict[str, Any]]:
    """Recall on real boxes, masked and unmasked, of each detector."""
    folder = data / "detect_valid"
    lists = json.loads((folder / "boxes.json").read_text())
    photos: dict[str, list[Truth]] = {name: [] for name in finders}
    for file, faces in track(sorted(lists.items()), "real boxes"):
        picture = read(folder / file)
        boxes = from_corners([face["box"] for face in faces])
        masked = np.array([face["kind"] != "without_mask" for face in faces], np.bool_)
        for name, finder in finders.items():
            photos[name].append(Truth(boxes, masked, whole(finder, picture)))
    for name, seen in photos.items():
        threshold, counts = recall_at_false(seen)
        how = (
            f"size as it is, ≤ {SIDE} px; faces at least {SMALLEST} px high; IoU ≥ {SAME_REAL}; "
            f"{FALSE_PER_PHOTO} false boxes per photo (score > {threshold:.3f})"
        )
        for kind, (found, total) in counts.items():
            yield figure(f"recall of real boxes, {kind}, {name}", ratio(found, total), "detect_valid (350)", how)


def whole(finder: Finder, picture: Image) -> Array:
    """Faces of a picture at its own size, shrunk to 640 px if it is larger."""
    return finder.at(picture, min(SIDE, max(picture.shape[:2])))


def main() -> None:
    """Measure and print; with --write, put the figures into the card beside the network."""
    parser = argparse.ArgumentParser(prog="python -m models.detector.measure", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds photos/ and detect_valid/")
    parser.add_argument("--teacher", type=Path, required=True, help="the teacher's ONNX file")
    parser.add_argument("--model", type=Path, default=shipped("detector"), help="ONNX file (default: the one shipped)")
    parser.add_argument("--threshold", type=float, help="score (default: the card's)")
    parser.add_argument("--write", action="store_true", help="put the figures into the card")
    args = parser.parse_args()
    card = args.model.with_suffix(".json")
    threshold = json.loads(card.read_text())["threshold"] if args.threshold is None else args.threshold
    finders = {"this network": Finder(args.model, LOW), "the teacher": Finder(args.teacher, LOW)}
    figures = list(agreement_figures(args.data, finders["the teacher"], finders["this network"], threshold))
    figures += jitter_figures(args.data, finders)
    figures += truth_figures(args.data, finders)
    times = beside([args.model, args.teacher])
    for name, (median, fastest, calls) in zip(finders, times, strict=True):
        told = {"value": round(median, 3), "fastest": round(fastest, 3), "n": calls}
        protocol = "median of n calls, in turns with the other, ONNX Runtime, one thread, 640x384, float32"
        figures.append(figure(f"ms per picture, {name}", told, "random pixels", protocol))
    console = Console()
    width = max(len(row["what"]) for row in figures)
    for row in figures:
        interval = "{} to {}".format(*row["ci95"]) if "ci95" in row else ""
        line = f"{row['what']:<{width}} {row['value']:<8} {interval:<20} n = {row['n']}"
        console.print(line, highlight=False, soft_wrap=True)
    if args.write:
        card.write_text(
            json.dumps(json.loads(card.read_text()) | {"figures": figures}, indent=2, ensure_ascii=False) + "\n"
        )


if __name__ == "__main__":
    main()
