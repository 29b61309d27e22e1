"""Writes a trained network as ONNX with its card; `affectstream train` does so at its end.

What the pipeline would have to know is inside the graph: luma 0-255 goes in, calibrated probabilities come out. The
temperature (Guo et al. 2017, "On calibration of modern neural networks") is fitted on the held-out training rows.
"""

import hashlib
import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from models.emotion.checkpoint import read_checkpoint, recipe_of
from models.emotion.evaluation.origin import data_hash
from models.emotion.faces import LabelledFaces
from models.emotion.folds import Parts
from models.emotion.metrics import divergence, truth
from models.emotion.network import Network, operations, predict
from models.emotion.outcome import Outcome
from models.emotion.recipe import DESCRIPTION, Recipe
from models.emotion.start import network_file
from models.written import write_file
from pipeline.card import emotion_card
from pipeline.errors import ModelError
from pipeline.labels import LABELS
from pipeline.onnx import file_hash, open_session
from pipeline.settings import RuntimeSettings

OPSET = 18

_ELSEWHERE = {*DESCRIPTION, "labels", "start", "teachers"}


class Shipped(nn.Module):
    """The network with its temperature and softmax: uint8 (n, 1, 48, 48) to probabilities (n, labels)."""

    def __init__(self, network: Network, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.network.head.weight.data /= temperature
        self.network.head.bias.data /= temperature

    def forward(self, faces: Tensor) -> Tensor:
        """Returns the probabilities of `faces`, rows that sum to 1."""
        return torch.softmax(self.network(faces), 1)


def fit_temperature(logits: NDArray[np.float64], shares: NDArray[np.float64]) -> float:
    """The divisor of the `logits` (n, labels) that gives the least mean KL(shares || prediction)."""

    def cost(temperature: float) -> float:
        scaled = logits / temperature
        powers = np.exp(scaled - scaled.max(1, keepdims=True))
        return float(divergence(shares, powers / powers.sum(1, keepdims=True)).mean())

    return float(minimize_scalar(cost, bounds=(0.3, 3.0), method="bounded").x)


def write_graph(network: Shipped, path: Path) -> None:
    """Exports the graph with a free batch size, checks it, and compares it with torch on random faces.

    Raises:
        ModelError: ONNX Runtime and torch differ by more than 1e-5 in a probability.
    """
    faces = torch.randint(0, 256, (5, 1, 48, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    # The exporter speaks of libraries that nothing here needs, and warns of itself.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)
        program = torch.onnx.export(
            network, (faces,), dynamo=True, opset_version=OPSET, verbose=False,
            input_names=["faces"], output_names=["probabilities"], dynamic_shapes=({0: torch.export.Dim("n")},),
        )  # fmt: skip
    assert program is not None
    proto = program.model_proto
    # Traces of the exporter (source lines, file names) say nothing about the network and would change its hash.
    for node in proto.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    onnx.checker.check_model(proto, full_check=True)
    coded = proto.SerializeToString(deterministic=True)
    with TemporaryDirectory() as folder:
        draft = Path(folder) / path.name
        draft.write_bytes(coded)
        session = open_session(draft, RuntimeSettings(threads=1, provider="cpu"))
        with torch.no_grad():
            expected = network(faces).numpy()
        worst = float(np.abs(session.run(None, {"faces": faces.numpy()})[0] - expected).max())
    if not worst <= 1e-5:  # nor is it NaN
        raise ModelError(f"{path} and torch differ by {worst:.1e}; tell us, with the recipe")
    write_file(path, coded)


def export(
    network: Network, recipe: Recipe, parts: Parts, path: Path, *, data: str | None = None, runs: int = 1
) -> float:
    """Fits the temperature on the held-out rows and writes `path` and the card beside it.

    Where both are there, of this very network and these rows, the file stays, and the card alone is written anew.

    Args:
        network: in evaluation mode, on the CPU; it is changed.
        recipe: resolved, that of the (last) run.
        parts: that the run had.
        path: ONNX file.
        data: hash of all faces that the parts are of (see `evaluation.origin.data_hash`), for the card.
        runs: how many runs the weights are the mean of.

    Returns:
        The temperature.

    Raises:
        ModelError: what was written does not do what the network did.
    """
    assert recipe.labels is not None
    made_of = _made_of(network, recipe.labels, parts.held)
    made = _made(path, made_of)
    if made is None:
        votes = truth(parts.held.votes)
        columns = [LABELS.index(label) for label in recipe.labels]
        logits = predict(network, parts.held.images[votes.kept]).double().numpy()
        temperature = fit_temperature(logits, votes.shares[votes.kept][:, columns])
        made = {
            "temperature": round(temperature, 4),
            "parameters": sum(weight.numel() for weight in network.parameters()),
            "macs": operations(network),
            "made_of": made_of,
        }
        network.fold()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_graph(Shipped(network, temperature).eval(), path)
    copies = "" if recipe.split.duplicates or parts.copies else "; near-duplicates of the rows kept apart are left out"
    training = {
        "data": f"{parts.learn.name}: {parts}{copies}",
        "data_sha256": data,
        "terms": recipe.terms,
        "recipe": f"{recipe.about} (models/emotion/README.md)",
        "stages": stages(recipe),
        "averaged": f"weights of the last {runs} stages" if runs > 1 else "nothing",
        "seed": recipe.seed,
        **made,
        "architecture": recipe.architecture.model_dump(mode="json"),
        "command": "affectstream train",
    }
    _write_card(path, card(path, recipe, training))
    return float(made["temperature"])


def _made_of(network: Network, labels: Sequence[str], held: LabelledFaces) -> str:
    """SHA-256 of all that a file follows from: weights, labels, and the rows that the temperature is fitted on."""
    digest = hashlib.sha256(" ".join([*labels, data_hash(held)]).encode())
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _made(path: Path, made_of: str) -> dict[str, Any] | None:
    """What the card says that was found out of the network as it was written; None where that was another, or none."""
    try:
        told = json.loads(path.with_suffix(".json").read_text())
        made: dict[str, Any] = {key: told["training"][key] for key in ("temperature", "parameters", "macs", "made_of")}
        return made if made["made_of"] == made_of and told["sha256"] == file_hash(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_card(path: Path, told: dict[str, Any]) -> None:
    write_file(path.with_suffix(".json"), json.dumps(told, indent=2) + "\n")


def stages(recipe: Recipe) -> list[dict[str, Any]]:
    """What decided a run and those that it began with, first to last; paths are left out, they are local."""
    told = recipe.model_dump(mode="json", exclude_defaults=True, exclude=_ELSEWHERE)
    # What a reader looks for first, default or not.
    told |= {"epochs": recipe.epochs, "batch": recipe.batch, "optimizer": recipe.optimizer.model_dump()}
    told |= {"seed": recipe.seed}
    if recipe.start is None:
        return [told]
    start = network_file(recipe.start)
    if start.suffix == ".onnx":
        return [{"network": emotion_card(start).id}, told]
    return [*stages(recipe_of(read_checkpoint(start))), told]


def card(path: Path, recipe: Recipe, training: dict[str, Any]) -> dict[str, Any]:
    """The card of the network at `path`, without figures."""
    assert recipe.labels is not None
    return {
        "card": 1,
        "kind": "emotion",
        "name": recipe.name,
        "version": recipe.version,
        "file": path.name,
        "sha256": file_hash(path),
        "license": recipe.license,
        "summary": recipe.summary or recipe.about,
        "input": {"name": "faces", "dtype": "uint8", "layout": "NCHW", "channels": 1, "size": 48, "range": [0, 255]},
        "output": {"name": "probabilities", "kind": "probabilities"},
        "labels": list(recipe.labels),
        "alignment": {
            "template": [[15.1, 18.8], [32.8, 18.7], [24.0, 28.4], [16.4, 35.4], [31.5, 35.4]],
            "frame": 48,
            "description": "mean positions (x, y) in px of the right eye (image left), left eye, nose tip, right and "
            "left mouth corner in a 48-px frame of FER2013",
        },
        "figures": [],
        "training": training,
        "limits": ["It says how people would label the expression that shows, not what anyone feels.", *recipe.limits],
        "intended_use": "Distributions of apparent expression over time, for research, media analysis and interfaces "
        "whose users know of it and have agreed.",
        "prohibited_use": "Inferring emotions of people at work or in education is prohibited in the European Union "
        "(EU AI Act, Article 5(1)(f)) save for medical or safety reasons. Do not use it to decide about a person, to "
        "detect lies, or to identify anyone.",
    }


def add_figures(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Writes what was measured into the card of the network at `path`, in place of the figures in it."""
    figures = []
    for outcome in outcomes:
        both = (("majority accuracy", outcome.accuracy), ("KL(votes || prediction), nats", outcome.divergence))
        for what, found in both:
            source = {"data": outcome.part, "command": "affectstream train"}
            figures.append({"what": what, **found.told(), **outcome.size, **source})
    _write_card(path, json.loads(path.with_suffix(".json").read_text()) | {"figures": figures})
