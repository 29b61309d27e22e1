"""Run folders: what they hold beside the checkpoint and the network."""

import json
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from models.emotion.evaluation.origin import data_hash
from models.emotion.faces import LabelledFaces
from models.emotion.recipe import Recipe
from models.written import content, write_file
from pipeline.errors import InputError
from pipeline.labels import LABELS

RECIPE, CONFIG, HISTORY, CURVES, NETWORK = "recipe.yaml", "run.json", "history.jsonl", "curves.png", "network.onnx"
CHECKPOINT, ROWS, TRIALS = "checkpoint.pt", "test.npz", "trials.json"

PANELS = {
    "loss": ("training loss", "cross-entropy, nats"),
    "held_kl": ("held-out faces: KL(votes || prediction)", "nats"),
    "held_accuracy": ("held-out faces: accuracy", "share of faces"),
}
"""What is drawn over the epochs: key in the history, title, unit."""


@dataclass(frozen=True)
class Source:
    """Where the faces of a run come from.

    Attributes:
        faces: all of them, as read.
        path: file or folder that they were read from.
        votes: second file of votes, if any.
        sha256: of the images and votes.
    """

    faces: LabelledFaces
    path: Path
    votes: Path | None
    sha256: str


def describe(faces: LabelledFaces, path: Path, votes: Path | None = None) -> Source:
    """The faces with their hash, which is the same in whatever form they were read."""
    return Source(faces, path, votes, data_hash(faces))


def write_config(folder: Path, recipe: Recipe, source: Source, parts: str) -> None:
    """Writes the resolved recipe, which `affectstream train` takes again, and what else decided the run."""
    folder.mkdir(parents=True, exist_ok=True)
    values = recipe.model_dump(mode="json")
    write_file(folder / RECIPE, yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120))
    names = ("affectstream", "torch", "numpy", "onnxruntime", "onnx", "scikit-learn", "opencv-python-headless")
    told = {
        "data": {
            "path": str(source.path.absolute()),
            "votes": None if source.votes is None else str(source.votes.absolute()),
            "sha256": source.sha256,
            "faces": len(source.faces),
            "name": source.faces.name,
            "parts": parts,
        },
        "versions": {name: _version(name) for name in names} | {"python": platform.python_version()},
    }
    write_file(folder / CONFIG, json.dumps(told, indent=2) + "\n")


def read_config(folder: Path) -> dict[str, Any]:
    """What `write_config` wrote beside the recipe; raises InputError where there is none."""
    try:
        told: dict[str, Any] = json.loads((folder / CONFIG).read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{str(folder)!r} holds no {CONFIG} of a run ({error}); name the faces with --data") from None
    return told


def write_history(folder: Path, history: Sequence[dict[str, float]]) -> None:
    """Writes a line of JSON per epoch, anew: a run that was killed has each epoch once. What is not finite is null."""
    rows = [{key: round(value, 6) if math.isfinite(value) else None for key, value in told.items()} for told in history]
    write_file(folder / HISTORY, "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))


def write_rows(folder: Path, faces: LabelledFaces, said: NDArray[np.float32], part: str) -> None:
    """Writes the faces that a run was measured on into `test.npz`, without their pictures.

    It holds `rows` int64 (n,), their places in the data (see `LabelledFaces.rows`); `votes` int64 (n, 10), those for
    labels that the network does not know counted as for "unknown"; `probabilities` float32 (n, 8) in the order of
    `labels`, str (8,); and `part`, in words.

    Args:
        folder: of the run.
        faces: those measured.
        said: the network's probabilities, (n, 8).
        part: which faces they are.
    """
    arrays: dict[str, Any] = {
        "rows": faces.rows,
        "votes": faces.votes,
        "probabilities": said,
        "labels": LABELS,
        "part": part,
    }
    write_file(folder / ROWS, content(lambda file: np.savez_compressed(file, **arrays)))


def draw_curves(folder: Path, history: Sequence[dict[str, float]], title: str) -> None:
    """Draws training loss, held-out KL and held-out accuracy over the epochs as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    if not history:
        return
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    epochs = [told["epoch"] for told in history]
    for axes, (key, (name, unit)) in zip(figure.subplots(1, 3), PANELS.items(), strict=True):
        axes.plot(epochs, [told[key] for told in history], marker="." if len(epochs) < 20 else None)
        axes.set(title=name, xlabel="epoch", ylabel=unit)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
    figure.suptitle(title)
    write_file(folder / CURVES, content(lambda file: figure.savefig(file, format="png", dpi=120)))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
