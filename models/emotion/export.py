"""Writes the trained network as ONNX with its card: `python -m models.emotion.export --run runs/emotion`.

What the pipeline would have to know is inside the graph: luma 0-255 goes in, calibrated probabilities come out. The
temperature (Guo et al. 2017, "On calibration of modern neural networks") is fitted on the held-out training rows.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.emotion.data import hold_out
from models.emotion.faces import read_faces
from models.emotion.metrics import Truth, divergence, truth
from models.emotion.network import Block, EmotionNet
from models.emotion.train import TrainingError, predict, read_checkpoint
from pipeline.card import shipped
from pipeline.errors import AffectError
from pipeline.labels import LABELS
from pipeline.onnx import file_hash, open_session
from pipeline.settings import RuntimeSettings

OPSET = 18
NAME, VERSION = "affect-emotion-1", "1.0.0"


class Shipped(nn.Module):
    """The network with its temperature and softmax: uint8 (n, 1, 48, 48) to probabilities (n, 8)."""

    def __init__(self, network: EmotionNet, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.network.head.weight.data /= temperature
        self.network.head.bias.data /= temperature

    def forward(self, faces: Tensor) -> Tensor:
        """Returns the probabilities of `faces`, rows that sum to 1."""
        return torch.softmax(self.network(faces), 1)


def fold(network: EmotionNet) -> EmotionNet:
    """Takes the batch norms into the convolutions before them, in place; the network must be in evaluation mode."""
    network.stem[0], network.stem[1] = fuse_conv_bn_eval(network.stem[0], network.stem[1]), nn.Identity()
    for block in network.blocks:
        assert isinstance(block, Block)
        block.conv1, block.norm1 = fuse_conv_bn_eval(block.conv1, block.norm1), nn.Identity()
        block.conv2, block.norm2 = fuse_conv_bn_eval(block.conv2, block.norm2), nn.Identity()
        if isinstance(block.shortcut, nn.Sequential):
            block.shortcut[1], block.shortcut[2] = (
                fuse_conv_bn_eval(block.shortcut[1], block.shortcut[2]),
                nn.Identity(),
            )
    return network


def fit_temperature(logits: NDArray[np.float64], votes: Truth) -> float:
    """The divisor of the logits (n, 8) that gives the least mean KL(votes || prediction) over the kept rows."""
    logits, shares = logits[votes.kept], votes.shares[votes.kept]

    def cost(temperature: float) -> float:
        scaled = logits / temperature
        powers = np.exp(scaled - scaled.max(1, keepdims=True))
        return float(divergence(shares, powers / powers.sum(1, keepdims=True)).mean())

    return float(minimize_scalar(cost, bounds=(0.3, 3.0), method="bounded").x)


def operations(network: EmotionNet) -> int:
    """Multiplications of one face in convolutions and linear layers."""
    counts: list[int] = []

    def count(layer: nn.Module, _: Any, output: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        counts.append(layer.weight.numel() * output[0].numel() // layer.weight.shape[0])

    hooks = [
        layer.register_forward_hook(count) for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        network(torch.zeros(1, 1, 48, 48, dtype=torch.uint8))
    for hook in hooks:
        hook.remove()
    return sum(counts)


def write(network: Shipped, path: Path) -> None:
    """Exports the graph with a free batch size, checks it, and compares it with torch on random faces.

    Raises:
        RuntimeError: ONNX Runtime and torch differ by more than 1e-5 in a probability.
    """
    faces = torch.randint(0, 256, (5, 1, 48, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
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
    path.write_bytes(proto.SerializeToString(deterministic=True))
    session = open_session(path, RuntimeSettings(threads=1, provider="cpu"))
    with torch.no_grad():
        expected = network(faces).numpy()
    worst = float(np.abs(session.run(None, {"faces": faces.numpy()})[0] - expected).max())
    if worst > 1e-5:
        raise RuntimeError(f"{path} and torch differ by {worst:.1e}")


def averaged(folders: Sequence[Path]) -> dict[str, Tensor]:
    """The mean of the averaged weights of runs, each of which began with the one before.

    Networks at the ends of learning-rate cycles lie round the same minimum, and their mean is nearer to its middle than
    any of them (Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization").
    """
    states = [read_checkpoint(folder)["average"] for folder in folders]
    return {
        name: sum(state[name] for state in states) / len(states) if value.is_floating_point() else value
        for name, value in states[-1].items()
    }


def stages(folder: Path) -> list[dict[str, Any]]:
    """The recipes of a run and of those that it began with, first to last; files are left out, they are local.

    What it trusted a teacher with is left in where it had one.
    """
    recipe = read_checkpoint(folder)["recipe"]
    before = stages(Path(recipe["start"])) if recipe.get("start") else []
    local = {"data", "start", "teacher"} if recipe.get("teacher") else {"data", "start", "teacher", "trust"}
    return [*before, {key: value for key, value in recipe.items() if key not in local}]


def card(path: Path, training: dict[str, Any]) -> dict[str, Any]:
    """The card of the network at `path`, figures left to `models.emotion.figures`."""
    return {
        "card": 1,
        "kind": "emotion",
        "name": NAME,
        "version": VERSION,
        "file": path.name,
        "sha256": file_hash(path),
        "license": "Apache-2.0",
        "summary": "Residual network with squeeze-and-excitation that predicts how ten people would share their votes "
        "among eight expressions for a 48x48 gray face.",
        "input": {"name": "faces", "dtype": "uint8", "layout": "NCHW", "channels": 1, "size": 48, "range": [0, 255]},
        "output": {"name": "probabilities", "kind": "probabilities"},
        "labels": list(LABELS),
        "alignment": {
            "template": [[15.1, 18.8], [32.8, 18.7], [24.0, 28.4], [16.4, 35.4], [31.5, 35.4]],
            "frame": 48,
            "description": "mean positions (x, y) in px of the right eye (image left), left eye, nose tip, right and "
            "left mouth corner in a 48-px frame",
        },
        "figures": [],
        "training": training,
        "limits": [
            "It says how people would label the expression that shows, not what anyone feels.",
            "Disgust, fear and contempt are rare in the training data: their figures are uncertain, their recall low.",
            "Faces below about 24 px, blurred, turned or covered are read less well (see the figures of shrunk faces).",
            "The training photographs come from web searches of the early 2010s: posed and strong expressions are "
            "over-represented. How the figures differ between groups of people (age, sex, skin tone, culture) was "
            "not measured.",
            "It expects upright faces placed as in `alignment`; scale errors of 20 % cost about 5 points of accuracy.",
        ],
        "intended_use": "Distributions of apparent expression over time, for research, media analysis and interfaces "
        "whose users know of it and have agreed.",
        "prohibited_use": "Inferring emotions of people at work or in education is prohibited in the European Union "
        "(EU AI Act, Article 5(1)(f)) save for medical or safety reasons. Do not use it to decide about a person, to "
        "detect lies, or to identify anyone.",
    }


def main() -> None:
    """Averages the weights of the runs, fits the temperature, writes ONNX and card."""
    parser = argparse.ArgumentParser(prog="python -m models.emotion.export", description=__doc__)
    parser.add_argument(
        "--run",
        type=Path,
        nargs="+",
        default=[Path("runs/emotion")],
        help="run folder; of several, each begun with the one before, the weights are averaged (default: runs/emotion)",
    )
    parser.add_argument("--out", type=Path, default=shipped("emotion"), help="ONNX file; the card goes beside it")
    options = parser.parse_args()
    recipe = read_checkpoint(options.run[-1])["recipe"]
    network = EmotionNet(dropout=recipe["dropout"])
    network.load_state_dict(averaged(options.run))
    network.eval()

    faces = read_faces(Path(recipe["data"]))
    learnt, held = hold_out(faces, recipe["held_out"], recipe["seed"])
    temperature = fit_temperature(predict(network, held.images).double().numpy(), truth(held.votes))
    parameters, macs = sum(weight.numel() for weight in network.parameters()), operations(network)
    write(Shipped(fold(network), temperature).eval(), options.out)

    training = {
        "data": f"FER+ votes on FER2013 Training: {len(learnt.images)} faces (left out of {len(faces.images)}: "
        f"{len(held.images)} held out for the temperature, and near-duplicates of these)",
        "terms": "FER2013 photographs are for research; FER+ votes are MIT. The weights hold no photograph.",
        "recipe": "SGD with Nesterov momentum, one cycle per stage, bfloat16, average of the weights (README.md)",
        "stages": stages(options.run[-1]),
        "averaged": f"weights of the last {len(options.run)} stages" if len(options.run) > 1 else "nothing",
        "seed": recipe["seed"],
        "temperature": round(temperature, 4),
        "parameters": parameters,
        "macs": macs,
        "architecture": network.config,
        "command": "python -m models.emotion.train",
    }
    text = json.dumps(card(options.out, training), indent=2) + "\n"
    options.out.with_suffix(".json").write_text(text)
    print(f"{options.out}: {parameters} parameters, {macs / 1e6:.0f} M MACs, temperature {temperature:.3f}")


if __name__ == "__main__":
    try:
        main()
    except (AffectError, TrainingError) as error:
        raise SystemExit(f"error: {error}") from error
