"""Beginning with the weights of an earlier network: a run's, or those inside an ONNX file exported here."""

import json
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper

from models.emotion.checkpoint import Weights, final_weights, read_checkpoint, recipe_of
from models.emotion.ingredients import Plain, Residual, Started
from models.emotion.network import Network
from models.emotion.recipe import Recipe, bundled, make
from models.emotion.runs import CHECKPOINT
from pipeline.card import emotion_card, shipped
from pipeline.errors import InputError


@dataclass(frozen=True)
class Start:
    """A network to begin with: what it is made of, its labels in the order of its outputs, its weights by name."""

    architecture: Residual | Plain
    labels: tuple[str, ...]
    weights: Weights


def network_file(name: str) -> Path:
    """The path of an ONNX file; ``shipped`` is the one that travels with the package."""
    return shipped("emotion") if name == "shipped" else Path(name)


def open_start(name: str) -> Start:
    """Reads a run folder or an ONNX file exported here.

    Raises:
        InputError: there is none, or it is not of this trainer.
    """
    path = network_file(name)
    if path.suffix != ".onnx":
        state = read_checkpoint(path)
        recipe = recipe_of(state)
        assert recipe.labels is not None
        assert not isinstance(recipe.architecture, Started)
        return Start(recipe.architecture, recipe.labels, final_weights(state))
    if not path.is_file():
        raise InputError(f"start {name!r}: there is no such file")
    labels = tuple(emotion_card(path).labels)
    told = json.loads(path.with_suffix(".json").read_text()).get("training", {}).get("architecture")
    if told is None:
        raise InputError(f"start {name!r}: its card does not say training.architecture; give one exported here")
    # What is exported has its norms folded into the convolutions.
    values = {"name": "residual"} | told
    values |= {"norms": False} if values["name"] == "residual" else {}
    recipe = make({"name": "start", "about": "", "architecture": values}, f"the card of {name!r}")
    assert not isinstance(recipe.architecture, Started)
    tensors = {tensor.name: tensor for tensor in onnx.load(str(path)).graph.initializer}
    weights = {
        key.removeprefix("network."): torch.from_numpy(numpy_helper.to_array(tensor).copy())
        for key, tensor in tensors.items()
        if key.startswith("network.")
    }
    return Start(recipe.architecture, labels, weights)


def resolve(recipe: Recipe, known: tuple[str, ...]) -> Recipe:
    """`recipe` with its labels named, and with the architecture of the network that it starts with where it asks so.

    Raises:
        InputError: a network to start with or to learn from cannot be had, or the data lack a label (see
            `Recipe.outputs`).
    """
    for name in recipe.teachers:
        _require("teachers", network_file(name), "teachers=[…]")
    if recipe.start is not None:
        path = network_file(recipe.start)
        _require("start", path if path.suffix == ".onnx" else path / CHECKPOINT, "start=…")
    changes: dict[str, object] = {"labels": recipe.outputs(known)}
    if isinstance(recipe.architecture, Started):
        assert recipe.start is not None
        architecture = open_start(recipe.start).architecture
        changes["architecture"] = architecture.model_copy(update={"dropout": recipe.architecture.dropout})
    return recipe.model_copy(update=changes)


def _require(setting: str, file: Path, change: str) -> None:
    """Raises InputError where there is no such file, naming the recipe that makes it, if one does."""
    if file.is_file():
        return
    what, run = "network" if file.suffix == ".onnx" else "checkpoint", file.parent.name
    how = f"train it first (affectstream train {run}), or " if run in bundled() else "give another: "
    raise InputError(f"{setting}: no {what} at {str(file)!r}; {how}--set {change}")


def begin(network: Network, start: Start, labels: tuple[str, ...]) -> None:
    """Gives `network` the weights of `start`: of the head, those of labels that both have; the others stay random.

    Raises:
        InputError: the architectures differ in more than the width of the first stage.
    """
    wanted = network.state_dict()
    state = _fitted(start.weights, wanted)
    for part in ("head.weight", "head.bias"):
        old, new = start.weights[part], wanted[part].clone()
        for row, label in enumerate(labels):
            if label in start.labels:
                new[row] = old[start.labels.index(label)]
        state[part] = new
    network.load_state_dict(state)


def _fitted(state: Weights, wanted: Weights) -> Weights:
    """`state` with the first stage slimmed to the width `wanted`: the strongest channels are kept.

    How strong a channel of the residual stream is, the norms say whose outputs are added up in it (Liu et al. 2017,
    "Learning efficient convolutional networks through network slimming").
    """
    missing = sorted(set(wanted) - set(state))
    if missing:
        raise InputError(f"the network to start with has no {missing[0]!r}: it is of another architecture")
    inner = stream = gate = None
    if "stem.1.weight" in wanted and len(wanted["stem.1.weight"]) < len(state["stem.1.weight"]):
        keep = len(wanted["stem.1.weight"])
        stream = _strongest(state["stem.1.weight"].abs() + state["blocks.0.norm2.weight"].abs(), keep)
        inner = _strongest(state["blocks.0.norm1.weight"].abs(), keep)
        hidden = len(wanted["blocks.0.gate.down.bias"])
        gate = _strongest(state["blocks.0.gate.up.weight"].abs().sum((0, 2, 3)), hidden)
    outputs = {"blocks.0.gate.down": gate, "blocks.0.norm1": inner, "blocks.0.conv1": inner}
    inputs = {"blocks.0.gate.up": gate, "blocks.0.conv2": inner}
    slimmed = ("stem.", "blocks.0.", "blocks.1.conv1.", "blocks.1.shortcut.")
    fitted = {}
    for name, want in wanted.items():
        value, layer = state[name], name.rpartition(".")[0]
        if stream is not None and name.startswith(slimmed) and value.shape != want.shape:
            if len(value) != len(want):
                value = value[outputs.get(layer, stream)]
            if value.ndim > 1 and value.shape[1] != want.shape[1]:
                value = value[:, inputs.get(layer, stream)]
        if not name.startswith("head") and value.shape != want.shape:
            raise InputError(
                f"the network to start with differs in {name!r}: {tuple(value.shape)} where {tuple(want.shape)} is "
                "wanted; only its first stage can be slimmed"
            )
        fitted[name] = value
    return fitted


def _strongest(power: torch.Tensor, count: int) -> torch.Tensor:
    return power.topk(count).indices.sort().values
