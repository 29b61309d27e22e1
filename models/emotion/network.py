"""The networks: a small residual net with squeeze-and-excitation, and plain stacks; 48x48 luma in, logits out.

Sources: residual learning (He et al. 2016), squeeze-and-excitation (Hu et al. 2018). The stem is a 5x5 convolution
of stride 2: the first layers at full 48x48 would cost more than the rest of the network together.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.emotion.ingredients import Plain, Residual
from pipeline.errors import InputError

MEAN, STD = 127.5, 64.0
"""Luma, in levels of 0-255, is shifted and scaled by these before the first convolution."""


class SqueezeExcite(nn.Module):
    """Scales each channel by a gate in (0, 1) computed from the mean of every channel."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        # Pooling and 1x1 convolutions rather than a mean and linear layers: ONNX Runtime keeps its blocked channel
        # layout through them.
        self.down = nn.Conv2d(channels, channels // reduction, 1)
        self.up = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Returns `x` (n, c, h, w) with its channels scaled."""
        return x * torch.sigmoid(self.up(functional.relu(self.down(functional.avg_pool2d(x, x.shape[-1])))))


class Block(nn.Module):
    """Two 3x3 convolutions with batch norm, a channel gate, and a shortcut round them.

    Args:
        norms: without, the convolutions have biases instead.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, *, norms: bool = True) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=not norms)
        self.norm1 = _norm(outputs, norms)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=not norms)
        self.norm2 = _norm(outputs, norms)
        self.gate = SqueezeExcite(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            # Averaging before the 1x1 convolution keeps the three quarters of the pixels that a stride would drop.
            pool = nn.AvgPool2d(stride) if stride != 1 else nn.Identity()
            self.shortcut = nn.Sequential(pool, nn.Conv2d(inputs, outputs, 1, bias=not norms), _norm(outputs, norms))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        y = functional.relu(self.norm1(self.conv1(x)))
        y = self.gate(self.norm2(self.conv2(y)))
        return functional.relu(y + self.shortcut(x))


class EmotionNet(nn.Module):
    """Logits (n, outputs) for faces (n, 1, 48, 48), values 0-255.

    Args:
        widths: channels of the stages, which run at 24x24, 12x12 and 6x6 px.
        depths: residual blocks per stage.
        dropout: share of the pooled features dropped in training.
        outputs: how many labels.
        norms: batch norms after the convolutions; without, these have biases, as they have once norms are folded.
    """

    def __init__(
        self,
        widths: Sequence[int] = (48, 96, 192),
        depths: Sequence[int] = (1, 2, 2),
        dropout: float = 0.0,
        outputs: int = 8,
        *,
        norms: bool = True,
    ) -> None:
        super().__init__()
        stem = nn.Conv2d(1, widths[0], 5, 2, 2, bias=not norms)
        self.stem = nn.Sequential(stem, _norm(widths[0], norms), nn.ReLU())
        blocks: list[nn.Module] = []
        inputs = widths[0]
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for i in range(depth):
                blocks.append(Block(inputs, width, stride=2 if stage and not i else 1, norms=norms))
                inputs = width
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(inputs, outputs)

    def forward(self, faces: Tensor) -> Tensor:
        """Returns the logits of `faces`, of any number type."""
        x = (faces.float() - MEAN) / STD
        x = self.blocks(self.stem(x))
        logits: Tensor = self.head(self.dropout(x.mean((2, 3))))
        return logits

    def fold(self) -> None:
        """Takes the batch norms into the convolutions before them; the network must be in evaluation mode."""
        _fold(self.stem, "0", "1")
        for block in self.blocks:
            _fold(block, "conv1", "norm1")
            _fold(block, "conv2", "norm2")
            if isinstance(block.shortcut, nn.Sequential):
                _fold(block.shortcut, "1", "2")


class PlainNet(nn.Module):
    """Logits (n, outputs) for faces (n, 1, 48, 48), values 0-255, scaled to 0-1: the classic stack of layers.

    Args:
        convolutions: channels and side of the kernel of each; ReLU and 2x2 max-pooling follow.
        dense: units of the hidden layers; ReLU follows.
        padded: each convolution gives as many px as it takes.
        dropout: share of the features dropped before each dense layer in training.
        outputs: how many labels.
    """

    def __init__(
        self,
        convolutions: Sequence[tuple[int, int]],
        dense: Sequence[int],
        padded: bool = True,
        dropout: float = 0.0,
        outputs: int = 8,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs, side = 1, 48
        for channels, kernel in convolutions:
            layers += [nn.Conv2d(inputs, channels, kernel, padding=kernel // 2 if padded else 0), nn.ReLU()]
            layers.append(nn.MaxPool2d(2))
            inputs, side = channels, (side if padded else side - kernel + 1) // 2
            if side < 1:
                raise InputError(f"architecture.convolutions {list(convolutions)}: a face of 48 px has no px left")
        layers.append(nn.Flatten())
        inputs *= side * side
        for units in dense:
            layers += [nn.Dropout(dropout), nn.Linear(inputs, units), nn.ReLU()]
            inputs = units
        self.layers = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(inputs, outputs)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                # As Keras begins, in which such networks are published; torch's own weights are smaller.
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, faces: Tensor) -> Tensor:
        """Returns the logits of `faces`, of any number type."""
        logits: Tensor = self.head(self.dropout(self.layers(faces.float() / 255)))
        return logits

    def fold(self) -> None:
        """Nothing to do: it has no norms."""


Network = EmotionNet | PlainNet


def build(architecture: Residual | Plain, outputs: int, *, dropout: bool = True) -> Network:
    """A network with random weights, for so many labels; without `dropout`, for what never trains."""
    drop = architecture.dropout if dropout else 0.0
    network: Network
    if isinstance(architecture, Residual):
        network = EmotionNet(architecture.widths, architecture.depths, drop, outputs, norms=architecture.norms)
    else:
        network = PlainNet(architecture.convolutions, architecture.dense, architecture.padded, drop, outputs)
    network.to(memory_format=torch.channels_last)
    return network


def operations(network: Network) -> int:
    """Multiplications of one face in convolutions and linear layers; the network must be in evaluation mode."""
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


def predict(network: nn.Module, images: NDArray[np.uint8], batch: int = 256) -> Tensor:
    """Logits (n, labels), float32, on the CPU, of `images` uint8 (n, 48, 48); leaves the network in evaluation mode."""
    network.eval()
    device = next(network.parameters()).device
    parts = torch.from_numpy(images).unsqueeze(1).split(batch)
    with torch.no_grad():
        found = [network(part.to(device).contiguous(memory_format=torch.channels_last)) for part in parts]
    return torch.cat([part.float().cpu() for part in found])


def _norm(channels: int, wanted: bool) -> nn.Module:
    return nn.BatchNorm2d(channels) if wanted else nn.Identity()


def _fold(holder: nn.Module, convolution: str, norm: str) -> None:
    layer, after = holder.get_submodule(convolution), holder.get_submodule(norm)
    if isinstance(after, nn.BatchNorm2d):
        setattr(holder, convolution, fuse_conv_bn_eval(layer, after))
        setattr(holder, norm, nn.Identity())
