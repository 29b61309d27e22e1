"""Run folders: what they hold beside the checkpoint and the network."""

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from models.emotion.evaluation.origin import data_hash
from models.emotion.faces import LabelledFaces
from models.emotion.recipe import Recipe
from pipeline.errors import InputError

RECIPE, CONFIG, HISTORY, CURVES, NETWORK = "recipe.yaml", "run.json", "history.jsonl", "curves.png", "network.onnx"


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
    (folder / RECIPE).write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120))
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
    (folder / CONFIG).write_text(json.dumps(told, indent=2) + "\n")


def read_config(folder: Path) -> dict[str, Any]:
    """What `write_config` wrote beside the recipe; raises InputError where there is none."""
    try:
        told: dict[str, Any] = json.loads((folder / CONFIG).read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{str(folder)!r} holds no {CONFIG} of a run ({error}); name the faces with --data") from None
    return told


def write_history(folder: Path, history: Sequence[dict[str, float]]) -> None:
    """Writes a line of JSON per epoch, anew: a run that was killed has each epoch once."""
    text = "".join(json.dumps({key: round(value, 6) for key, value in told.items()}) + "\n" for told in history)
    part = folder / f"{HISTORY}.part"
    part.write_text(text)
    part.replace(folder / HISTORY)


def draw_curves(folder: Path, history: Sequence[dict[str, float]], title: str) -> None:
    """Draws loss, held-out KL and held-out accuracy over the epochs as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not history:
        return
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    epochs = [told["epoch"] for told in history]
    left.plot(epochs, [told["loss"] for told in history], label="training loss")
    left.plot(epochs, [told["held_kl"] for told in history], label="held-out KL, nats")
    right.plot(epochs, [told["held_accuracy"] for told in history], color="tab:green", label="held-out accuracy")
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(title)
    figure.savefig(folder / CURVES, dpi=120)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
