"""Measure a detector beside its teacher: `python -m models.detector.measure`; --write puts figures into its card."""

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

from models.bootstrap import Resamples
from models.detector.boxes import Array, Image, held_back, mirror
from models.detector.curves import FALSE_PER_PHOTO
from models.detector.evaluate import ALL, LOW, SIDE, SMALLEST, look, read_photos
from models.detector.evaluate import told as views_told
from models.detector.find import Finder, fit, read
from models.detector.matching import SAME_REAL, match
from models.detector.speed import per_picture
from models.program import model_words, run
from models.written import writable, write_file
from pipeline.card import network_file
from pipeline.errors import InputError
from pipeline.tracker.overlap import iou

COMMAND = "python -m models.detector.measure --data DATA --teacher TEACHER.onnx"
SHIFTS = ((0, 0), (3, 2), (5, 7), (8, 4), (11, 13))
"""px, right and down."""
SAME = 0.5
"""IoU from which two detectors' boxes are one face."""
THIS = "this network"
PARTS = ("agreement", "jitter", "real", "speed")
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


def ratio(above: Numbers, below: Numbers) -> dict[str, Any]:
    """Sum over sum of per-photo numbers (P,), with a 95 % interval by bootstrap over photos."""
    draws = Resamples(len(above))
    drawn = draws.totals(np.stack([above, below], axis=1))
    value = above.sum() / max(below.sum(), 1e-9)
    found = draws.estimate(value, drawn[:, 0] / np.maximum(drawn[:, 1], 1e-9))
    return found.told() | {"n": int(below.sum())}


def figure(what: str, numbers: dict[str, Any], data: str, protocol: str) -> dict[str, Any]:
    """A card's figure."""
    return {"what": what} | numbers | {"data": data, "protocol": protocol, "command": COMMAND}


def photos_held_back(data: Path) -> list[Path]:
    """The photos that are kept for the measurement; raises InputError where there are none."""
    paths = [path for path in sorted((data / "photos").glob("*.webp")) if held_back(path.name)]
    if not paths:
        raise InputError(f"no photos held back in {str(data / 'photos')!r}; give --data the folder that holds photos/")
    return paths


def agreement_figures(data: Path, teacher: Finder, student: Finder, threshold: float) -> Iterator[dict[str, Any]]:
    """Recall, extra boxes and landmark error against the teacher, on the photos held back."""
    paths = photos_held_back(data)
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
    paths = photos_held_back(data)[::3]
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


def real_figures(data: Path, finders: dict[str, Finder]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Recall and average precision on real boxes of each detector, and the points of this one's curves by kind."""
    photos = read_photos(data / "detect_valid")
    sights = look(photos, [*finders.values()])
    told = dict(zip(finders, map(views_told, sights), strict=True))
    where = f"detect_valid ({len(photos.photos)})"
    how = f"faces at least {SMALLEST} px high; IoU ≥ {SAME_REAL}; {FALSE_PER_PHOTO} false boxes per photo"
    figures = []
    for name, views in told.items():
        (first, kinds), *others = views.items()
        for kind, one in kinds.items():
            score = next(point["score"] for point in one["curve"] if point["false_per_photo"] == FALSE_PER_PHOTO)
            protocol = f"photos {first}; {how} (score > {score:.3f})"
            figures.append(
                figure(f"recall of real boxes, {kind}, {name}", one["recall"] | {"n": one["n"]}, where, protocol)
            )
        whole = kinds[ALL]
        precision = whole["average_precision"] | {"n": whole["n"]}
        figures.append(figure(f"average precision, {name}", precision, where, f"photos {first}; IoU ≥ {SAME_REAL}"))
        for view, kinds in others:
            recall = kinds[ALL]["recall"] | {"n": kinds[ALL]["n"]}
            figures.append(figure(f"recall of real boxes, {view}, {name}", recall, where, f"photos {view}; {how}"))
    (_, kinds), *_ = told[THIS].items()
    return figures, {kind: one["curve"] for kind, one in kinds.items()}


def speed_figures(paths: dict[str, Path]) -> Iterator[dict[str, Any]]:
    """Time of each detector for a picture, at the size of most videos and at half of it."""
    for width, height in ((640, 384), (320, 192)):
        times = per_picture([*paths.values()], width=width, height=height)
        for name, (median, fastest, calls) in zip(paths, times, strict=True):
            told = {"value": round(median, 3), "fastest": round(fastest, 3), "n": calls}
            how = "median processor time of n calls, in turns with the other, ONNX Runtime, one thread, float32"
            small = f" of {width} px" * (width < SIDE)
            yield figure(f"ms per picture{small}, {name}", told, f"random pixels, {width}x{height}", how)


def main() -> None:
    """Measure and print; with --write, put the figures into the card beside the network."""
    parser = argparse.ArgumentParser(prog="python -m models.detector.measure", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds photos/ and detect_valid/")
    parser.add_argument("--teacher", type=Path, required=True, help="the teacher's ONNX file")
    parser.add_argument(
        "--model", type=Path, help="ONNX file, or name of a shipped detector (default: the standard one)"
    )
    parser.add_argument("--threshold", type=float, help="score (default: the card's)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="what to measure (default: everything)")
    parser.add_argument("--write", action="store_true", help="put the figures into the card")
    args = parser.parse_args()
    model = network_file("detector", args.model)
    file = model.with_suffix(".json")
    card = json.loads(file.read_text())
    if args.write:
        writable(file)
    threshold = card["threshold"] if args.threshold is None else args.threshold
    paths = {THIS: model, "the teacher": args.teacher}
    finders = {name: Finder(path, LOW) for name, path in paths.items()}
    figures: list[dict[str, Any]] = []
    if "agreement" in args.only:
        figures += agreement_figures(args.data, finders["the teacher"], finders[THIS], threshold)
    if "jitter" in args.only:
        figures += jitter_figures(args.data, finders)
    if "real" in args.only:
        told, card["curves"] = real_figures(args.data, finders)
        figures += told
    if "speed" in args.only:
        figures += speed_figures(paths)
    which = model_words("detector", model)
    figures = [row | {"command": f"{row['command']}{which}"} for row in figures]
    console = Console()
    width = max(len(row["what"]) for row in figures)
    for row in figures:
        interval = "{} to {}".format(*row["ci95"]) if "ci95" in row else ""
        line = f"{row['what']:<{width}} {row['value']:<8} {interval:<20} n = {row['n']}"
        console.print(line, highlight=False, soft_wrap=True)
    if args.write:
        card["figures"] = merged(card["figures"] if [*args.only] != [*PARTS] else [], figures)
        write_file(file, json.dumps(card, indent=2, ensure_ascii=False) + "\n")


def merged(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Figures of a card with some measured anew, in their places; those of no earlier name come last."""
    told = {row["what"]: row for row in old}
    return [*(told | {row["what"]: row for row in new}).values()]


if __name__ == "__main__":
    run(main)
