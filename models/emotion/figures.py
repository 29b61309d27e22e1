"""Measures a network, and with --write puts the figures into its card, where those of other commands stay.

`python -m models.emotion.figures --valid FERPLUS_VALID.npz --data FERPLUS_TRAIN.npz`. FER2013 holds many photographs
more than once, some both in training and in validation: so the figures of all validation faces, which is how others
measure, stand beside those of the faces without a near-copy in training.
"""

import argparse
import json
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import Any, Final

import onnxruntime as ort
from rich.console import Console
from rich.table import Table

from models.bootstrap import Estimate
from models.emotion.data import DUPLICATE, without
from models.emotion.evaluate import PROTOCOL, Report, open_network, report
from models.emotion.evaluation.origin import data_hash
from models.emotion.evaluation.robustness import degraded, shrunk
from models.emotion.faces import LabelledFaces, read_faces
from models.emotion.metrics import truth
from models.emotion.speed import per_face
from models.program import model_words, run
from models.written import writable, write_file
from pipeline.card import network_file
from pipeline.errors import InputError
from pipeline.inference.classifier import Classifier
from pipeline.onnx import open_session
from pipeline.settings import RuntimeSettings

PROGRAM = "python -m models.emotion.figures"
COMMAND = f"{PROGRAM} --valid FERPLUS_VALID.npz"
BOTH = f"{COMMAND} --data FERPLUS_TRAIN.npz"
RELEASED: Final = {
    "d7390aee7664545362293d71a9ca9f778cbb13a1442d5d18b82c5f3cd89571a7": "FER+ training",
    "1f9590d699b760ab05ee1f415ba096ada892b38fb76ba7575e574dc74a23379e": "FER+ validation (FER2013 PublicTest)",
}
"""Parts of FER+ as released, all rows in their order, by `data_hash`."""
SIZES = (32, 24, 16)
MOVED = 3
"""px by which near-copies in training may be moved, each way."""


def title(faces: LabelledFaces) -> str:
    """What a card calls the faces: a part of FER+ only if they are that part; else the name of their file."""
    return RELEASED.get(data_hash(faces)) or f"{faces.name} ({len(faces.images):,} faces)"


def entry(what: str, estimate: Estimate, data: str, command: str = COMMAND) -> dict[str, Any]:
    """A card's figure from an estimate."""
    source = {"data": data, "protocol": PROTOCOL, "command": command}
    return {"what": what, **estimate.told(), "n": estimate.n, **source}


def pair(measured: Report, data: str, suffix: str = "", command: str = COMMAND) -> list[dict[str, Any]]:
    """The two figures of a report that count most: majority accuracy, and KL(votes || prediction) in nats."""
    return [
        entry(f"majority accuracy{suffix}", measured.accuracy, data, command),
        entry(f"KL(votes || prediction){suffix}, nats", measured.divergence, data, command),
    ]


def unseen(faces: LabelledFaces, training: LabelledFaces, network: Classifier) -> list[dict[str, Any]]:
    """Figures over the faces that have no near-copy among the training faces.

    Raises:
        InputError: every face that could be measured on has one.
    """
    fresh = without(faces, training.images, shift=MOVED)
    if not truth(fresh.votes).kept.any():
        raise InputError("every face with a majority has a near-copy among the training faces; give another --data")
    data = (
        f"{title(faces)}, {len(faces.images) - len(fresh.images)} of {len(faces.images)} rows left out: faces that "
        f"nearly equal a training face (reductions to half the size, either way round, as they are or moved by {MOVED} "
        f"px, correlate above {DUPLICATE})"
    )
    return pair(report(fresh, network), data, ", faces without a near-copy in training", BOTH)


def table(measured: Report, heading: str) -> Table:
    """The per-class figures of a report, for people."""
    shown = Table(title=heading)
    for column in ("label", "n", "predicted", "precision", "recall", "95 %", "F1"):
        shown.add_column(column, justify="left" if column == "label" else "right")
    for row in measured.classes:
        interval = f"{row.recall.low:.2f} to {row.recall.high:.2f}" if row.n else ""
        precision, recall, f1 = (
            "" if isnan(one.value) else f"{one.value:.3f}" for one in (row.precision, row.recall, row.f1)
        )
        numbers = (precision, recall, interval, f1)
        shown.add_row(row.label, str(row.n), str(row.predicted), *numbers)
    return shown


def kept(figures: list[dict[str, Any]], measured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of a card's `figures` that stay beside what was `measured` now: other commands', of other things."""
    known = {figure["what"] for figure in measured}
    return [
        figure
        for figure in figures
        if figure.get("what") not in known and not str(figure.get("command")).startswith(PROGRAM)
    ]


def main() -> None:
    """Measures clean and shrunk faces, and the time per face."""
    parser = argparse.ArgumentParser(prog="python -m models.emotion.figures", description=__doc__)
    parser.add_argument("--valid", type=Path, required=True, help="npz of images and votes to measure on")
    parser.add_argument("--data", type=Path, help="npz that it learnt from: for the faces without a near-copy there")
    parser.add_argument(
        "--model", type=Path, help="ONNX file, or name of a shipped network (default: the standard one)"
    )
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="of timing per batch size; 0: no timing (default: %(default)s)"
    )
    parser.add_argument("--write", action="store_true", help="put them into the card, in place of those of before")
    options = parser.parse_args()
    model = network_file("emotion", options.model)
    console, path = Console(), model.with_suffix(".json")
    if options.write:
        writable(path)
    faces, network = read_faces(options.valid), open_network(model)
    measured_on, clean = title(faces), report(faces, network)
    figures = pair(clean, measured_on)
    if options.data:
        figures += unseen(faces, read_faces(options.data), network)
    else:
        console.print("[yellow]without --data, nothing is said of faces without a near-copy in training[/yellow]")
    for size in SIZES:
        small = report(replace(faces, images=degraded(faces.images, shrunk, size)), network)
        data = f"{measured_on}, faces shrunk to {size} px (area) and enlarged again (bilinear)"
        figures += pair(small, data, f" at {size} px")
    for row in clean.classes:
        if row.n:
            told = entry(f"recall of {row.label}", row.recall, measured_on) | {"n": row.n, "predicted": row.predicted}
            # JSON has no NaN: a label that was never predicted has no precision.
            precision = round(row.precision.value, 4) if row.predicted else None
            figures.append(told | {"precision": precision, "f1": round(row.f1.value, 4)})
    session = open_session(model, RuntimeSettings(threads=1, provider="cpu"))
    for batch in (1, 8) if options.seconds else ():
        ((median, fastest, calls),) = per_face([session], batch, seconds=options.seconds)
        told = {
            "what": f"ms per face, batch {batch}",
            "value": round(median, 3),
            "fastest": round(fastest, 3),
            "n": calls,
        }
        protocol = f"median of n calls, ONNX Runtime {ort.__version__}, one thread"
        figures.append(
            told | {"data": "random faces", "protocol": protocol, "command": "python -m models.emotion.speed"}
        )
    which = model_words("emotion", model)
    figures = [figure | {"command": f"{figure['command']}{which}"} for figure in figures]
    width = max(len(figure["what"]) for figure in figures)
    for figure in figures:
        interval = "{} to {}".format(*figure["ci95"]) if "ci95" in figure else ""
        line = f"{figure['what']:<{width}} {figure['value']:<8} {interval:<18} n = {figure['n']}"
        console.print(line, highlight=False, soft_wrap=True)
    console.print(table(clean, f"{clean.model} on {measured_on}"))
    if options.write:
        card = json.loads(path.read_text())
        card["figures"] = figures + kept(card.get("figures", []), figures)
        write_file(path, json.dumps(card, indent=2, ensure_ascii=False) + "\n")
        console.print(f"figures written to {path}")


if __name__ == "__main__":
    run(main)
