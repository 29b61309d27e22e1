"""Begin a training with the weights of an exported network, ours or a finer-tuned one: `train --start FILE.onnx`.

The export folds each normalisation into the convolution before it. Here it is unfolded again: with the mean and
variance that the convolution's answers have on some pictures, so that the network computes what the file computes and
yet is normalised as a network in training is.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from models.detector.boxes import STRIDES
from models.detector.network import Conv, Detector, Separable


def begin(network: Detector, path: Path, pictures: Tensor) -> None:
    """Give `network` the weights of the ONNX file that `models.detector.export` wrote, in place.

    `pictures`: (N, 3, H, W) float, as for the network; the statistics of the normalisations are theirs. Blocks with a
    shortcut that the file lacks begin as next to nothing: a network may be deeper than the one it begins with.
    Raises ValueError where the file is of another topology.
    """
    stored = {
        constant.name: torch.from_numpy(numpy_helper.to_array(constant).copy())
        for constant in onnx.load(str(path)).graph.initializer
    }

    def take(name: str, like: Tensor) -> Tensor:
        if name not in stored or stored[name].shape != like.shape:
            raise ValueError(f"{path} holds no {name!r} of shape {tuple(like.shape)}: it is another network's file")
        return stored[name]

    added = [
        part
        for name, part in network.named_modules()
        if isinstance(part, Separable) and part.shortcut and f"{name}.pointwise.weight" not in stored
    ]
    new = {block for part in added for block in (part.depthwise, part.pointwise)}
    blocks = {
        name.replace(".mix.", "."): block
        for name, block in network.named_modules()
        if isinstance(block, Conv) and block not in new
    }
    with torch.no_grad():
        for part in added:
            part.pointwise.norm.weight.fill_(NEXT_TO_NOTHING)
        for name, block in blocks.items():
            block.conv.weight.copy_(take(f"{name}.weight", block.conv.weight))
            _normalise(block.norm, take(f"{name}.bias", block.norm.bias), torch.zeros(()), torch.ones(()))
        for stride, head in zip(STRIDES, (network.head8, network.head16, network.head32), strict=True):
            head.out.weight.copy_(take(f"out{stride}.weight", head.out.weight))
            head.out.bias.copy_(take(f"out{stride}.bias", head.out.bias))
        answers: dict[str, Tensor] = {}
        hooks = [
            block.conv.register_forward_hook(lambda _, __, answer, name=name: answers.__setitem__(name, answer))
            for name, block in blocks.items()
        ]
        network.eval()
        network(pictures)
        network.train()
        for hook in hooks:
            hook.remove()
        for name, block in blocks.items():
            answer = answers[name]
            _normalise(block.norm, stored[f"{name}.bias"], answer.mean((0, 2, 3)), answer.var((0, 2, 3)))


NEXT_TO_NOTHING = 0.05
"""What a new block's answer is multiplied by; with 0 its rectifier would let nothing through to learn from."""


def _normalise(norm: nn.BatchNorm2d, bias: Tensor, mean: Tensor, variance: Tensor) -> None:
    """Make a normalisation with these statistics add `bias` and do no more."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(mean.expand_as(bias))
    norm.running_var.copy_(variance.expand_as(bias))
    norm.weight.copy_(torch.sqrt(norm.running_var + norm.eps))
    norm.bias.copy_(bias + norm.running_mean)
