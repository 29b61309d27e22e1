"""Write a trained network as ONNX: `python -m models.detector.export`.

The graph is built node by node, normalisation folded into the convolutions, in the operators and the opset that
OpenCV's YuNet files use, so that every program which reads those reads this one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from models.detector.boxes import STRIDES
from models.detector.network import SIZES, Conv, Detector, Head, Separable
from models.program import run

OPSET = 11
IR_VERSION = 6


def fold(block: Conv) -> tuple[Tensor, Tensor]:
    """Weight and bias of the one convolution that does what convolution and normalisation do together."""
    norm = block.norm
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return block.conv.weight * gain[:, None, None, None], norm.bias - norm.running_mean * gain


class Graph:
    """An ONNX graph under construction; each method adds nodes and returns the name of the tensor they make."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """One node with one output, named `name`."""
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def constant(self, name: str, value: np.ndarray) -> str:
        """A constant, stored once."""
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def convolution(self, x: str, name: str, weight: Tensor, bias: Tensor, like: nn.Conv2d) -> str:
        """A convolution with these weights and the strides, padding and groups of `like`."""
        values = {"weight": weight, "bias": bias}
        inputs = [x, *(self.constant(f"{name}.{key}", value.detach().numpy()) for key, value in values.items())]
        pad = int(like.padding[0])
        kernel, strides = list(like.kernel_size), list(like.stride)
        return self.node("Conv", inputs, name, kernel_shape=kernel, strides=strides, pads=[pad] * 4, group=like.groups)

    def conv(self, x: str, name: str, block: Conv) -> str:
        """A `Conv` block."""
        weight, bias = fold(block)
        y = self.convolution(x, name, weight, bias, block.conv)
        return self.node("Relu", [y], f"{name}.relu") if block.relu else y

    def separable(self, x: str, name: str, block: Separable) -> str:
        """A `Separable` block."""
        y = self.conv(self.conv(x, f"{name}.depthwise", block.depthwise), f"{name}.pointwise", block.pointwise)
        return self.node("Add", [x, y], f"{name}.add") if block.shortcut else y

    def split(self, x: str, parts: dict[str, int]) -> list[str]:
        """The channels of `x` in parts, by name so many each."""
        names = [*parts]
        self.nodes.append(helper.make_node("Split", [x], names, f"{x}.split", axis=1, split=[*parts.values()]))
        return names

    def merge(self, side: str, above: str, name: str) -> str:
        """`side` plus twice enlarged `above`, rectified."""
        scales = self.constant("twice", np.array([1, 1, 2, 2], np.float32))
        region = self.constant("whole", np.zeros(0, np.float32))
        modes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        large = self.node("Resize", [above, region, scales], f"{name}.enlarge", **modes)
        return self.node("Relu", [self.node("Add", [side, large], f"{name}.add")], name)

    def head(self, x: str, stride: int, head: Head) -> None:
        """One level's outputs, under YuNet's names: both factors of the score are the same map, as it has one class."""
        x = self.separable(x, f"head{stride}", head.mix)
        out = self.convolution(x, f"out{stride}", head.out.weight, head.out.bias, head.out)
        score, box, shape = self.split(out, {f"score{stride}": 1, f"box{stride}": 4, f"shape{stride}": 10})
        centre, size = self.split(box, {f"centre{stride}": 2, f"size{stride}": 2})

        def flat(y: str, size: int, name: str) -> str:
            y = self.node("Transpose", [y], f"{name}.last", perm=[0, 2, 3, 1])
            rows = self.constant(f"rows{size}", np.array([1, -1, size], np.int64))
            return self.node("Reshape", [y, rows], name)

        def five(y: str) -> str:
            return self.node("Concat", [y] * 5, f"{y}.five", axis=1)

        logit = flat(score, 1, f"logit{stride}")
        self.node("Sigmoid", [logit], f"cls_{stride}")
        self.node("Sigmoid", [logit], f"obj_{stride}")
        flat(box, 4, f"bbox_{stride}")
        shape = self.node("Mul", [five(self.node("Exp", [size], f"size{stride}.exp")), shape], f"shape{stride}.sized")
        flat(self.node("Add", [five(centre), shape], f"points{stride}"), 10, f"kps_{stride}")


def build(network: Detector) -> onnx.ModelProto:
    """The network as a checked ONNX model: `input` float32 (1, 3, H, W) BGR in [0, 255]; `cls_8` ... `kps_32`."""
    graph, x = Graph(), "input"
    with torch.no_grad():
        for i, block in enumerate(network.stem):
            assert isinstance(block, Conv)
            x = graph.conv(x, f"stem.{i}", block)
        ends = []
        for stride, stage in zip(STRIDES, (network.stage8, network.stage16, network.stage32), strict=True):
            for i, separable in enumerate(stage):
                assert isinstance(separable, Separable)
                x = graph.separable(x, f"stage{stride}.{i}", separable)
            ends.append(x)
        p32 = graph.conv(ends[2], "lateral32", network.lateral32)
        p16 = graph.merge(graph.conv(ends[1], "lateral16", network.lateral16), p32, "merge16")
        p8 = graph.merge(graph.conv(ends[0], "lateral8", network.lateral8), p16, "merge8")
        heads = (network.head8, network.head16, network.head32)
        for stride, level, head in zip(STRIDES, (p8, p16, p32), heads, strict=True):
            graph.head(level, stride, head)
    sizes = (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
    outputs = [
        helper.make_tensor_value_info(f"{kind}_{stride}", TensorProto.FLOAT, [1, f"cells_{stride}", size])
        for kind, size in sizes
        for stride in STRIDES
    ]
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "height", "width"])
    whole = helper.make_graph(graph.nodes, "affect-detector", [picture], outputs, list(graph.constants.values()))
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(whole, opset_imports=[opset], ir_version=IR_VERSION, producer_name="affectstream")
    onnx.checker.check_model(model, full_check=True)
    return model


def trained(checkpoint: Path) -> Detector:
    """The network of a checkpoint, with the running mean of its weights, ready to infer."""
    state = torch.load(checkpoint, weights_only=True)
    network = Detector(SIZES[state["size"]])
    mean = state["mean"]
    network.load_state_dict({key.removeprefix("module."): value for key, value in mean.items() if key != "n_averaged"})
    network.eval()
    return network


def main() -> None:
    """Export a checkpoint, and note its hash in the card beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=Path("runs/detector/checkpoint.pt"))
    parser.add_argument("--out", type=Path, default=Path("models/detector.onnx"))
    args = parser.parse_args()
    network = build(trained(args.checkpoint)).SerializeToString()
    args.out.write_bytes(network)
    card = args.out.with_suffix(".json")
    if card.is_file():
        told = json.loads(card.read_text()) | {"sha256": hashlib.sha256(network).hexdigest()}
        card.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    run(main)
