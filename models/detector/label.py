"""Label photos with a teacher: `python -m models.detector.label`.

A teacher detector (any ONNX file of the YuNet kind) looks at every photo at four sizes, as it is and mirrored. Its
answers for one face are averaged, which gives steadier boxes and landmarks than any one look, and a score that says how
many looks agreed. Where a folder has `boxes.json` (real boxes), the faces in it are sure, whatever the teacher's
score, those that are masked get their real box, and those that the teacher missed are added without landmarks.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from models.detector.boxes import Array, Image, from_corners, mirror, suppress
from models.detector.find import OVERLAP, Finder, fit, read
from models.program import run
from pipeline.errors import InputError
from pipeline.tracker.overlap import iou

SIDES = (256, 416, 640, 896)
LOWEST = 0.1
REAL_SCORE = 0.95
BARE = "without_mask"
_teachers: list[Finder] = []


def look(teacher: Finder, image: Image) -> Array:
    """Merged labels (N, 15) of one picture, in its px; a score is the mean over the better half of the looks."""
    looks: list[Array] = []
    for side in SIDES:
        small, scale = fit(image, side)
        for flipped in (False, True):
            rows = teacher(small[:, ::-1] if flipped else small)
            rows = mirror(rows, small.shape[1]) if flipped else rows
            rows[:, :14] /= scale
            looks.append(rows)
    merged = []
    for best in suppress(np.concatenate(looks), OVERLAP):
        answers = [rows[iou(best[None], rows)[0].argmax()] for rows in looks if len(rows)]
        same = np.stack([row for row in answers if iou(best[None], row[None])[0, 0] > OVERLAP])
        scores = same[:, 14]
        mean = np.average(same, axis=0, weights=np.square(scores * (scores > 0.6 * scores.max())))
        half = len(looks) // 2
        mean[14] = np.sort(scores)[::-1][:half].sum() / half
        merged.append(mean)
    return suppress(np.asarray(merged, np.float32).reshape(-1, 15), OVERLAP)


def with_real(rows: Array, boxes: Array, masked: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Labels (N, 15) joined with real boxes (M, 4): the rows, and for each whether it has landmarks (0 or 1).

    `masked` (M,) says whose box takes the place of the teacher's, which guesses where a hidden chin is. For bare faces
    the teacher's stays: it is the same for a face in all photos, with real boxes and without.
    """
    overlap = iou(boxes, rows) if len(rows) else np.zeros((len(boxes), 1), np.float32)
    found = overlap.max(axis=1, initial=0) > 0.4
    rows = rows.copy()
    for box, covered, row in zip(boxes[found], masked[found], overlap[found].argmax(axis=1), strict=True):
        rows[row, 14] = max(rows[row, 14], REAL_SCORE)
        if covered:
            rows[row, :4] = box
    added = np.zeros((int((~found).sum()), 15), np.float32)
    added[:, :4], added[:, 14] = boxes[~found], REAL_SCORE
    return np.concatenate([rows, added]), np.repeat(np.array([1, 0], np.float32), [len(rows), len(added)])


def _start(teacher: Path) -> None:
    _teachers.append(Finder(teacher, LOWEST))


def _label(path: Path) -> Array:
    return look(_teachers[0], read(path))


def main() -> None:
    """Write an npz of `names` (P,), `counts` (P,), `faces` (F, 15) and `landmarked` (F,)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teacher", type=Path, required=True, help="an ONNX file of the YuNet kind")
    parser.add_argument("--folders", type=Path, nargs="+", required=True, help="folders of photos (*.webp)")
    parser.add_argument("--out", type=Path, default=Path("runs/detector/labels.npz"))
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    args = parser.parse_args()
    paths = [path for folder in args.folders for path in sorted(folder.glob("*.webp"))]
    if not paths:
        raise InputError(f"no photos (*.webp) in {', '.join(repr(str(folder)) for folder in args.folders)}")
    # Now rather than in each process, which could only say that it ended.
    Finder(args.teacher, LOWEST)
    with ProcessPoolExecutor(args.jobs, initializer=_start, initargs=(args.teacher,)) as pool:
        looked = pool.map(_label, paths, chunksize=16)
        labels = list(track(looked, "labelling", total=len(paths)))
    lists = {folder: folder / "boxes.json" for folder in args.folders}
    real = {folder: json.loads(path.read_text()) if path.is_file() else {} for folder, path in lists.items()}
    joined = []
    for path, rows in zip(paths, labels, strict=True):
        known = real[path.parent].get(path.name, [])
        masked = np.array([face["kind"] != BARE for face in known], bool)
        joined.append(with_real(rows, from_corners([face["box"] for face in known]), masked))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        args.out,
        names=np.asarray([f"{path.parent.name}/{path.name}" for path in paths]),
        counts=np.asarray([len(rows) for rows, _ in joined]),
        faces=np.concatenate([rows for rows, _ in joined]),
        landmarked=np.concatenate([seen for _, seen in joined]),
    )


if __name__ == "__main__":
    run(main)
