"""The emotion network: a small residual net with squeeze-and-excitation, 48x48 luma in, eight logits out.

Sources: residual learning (He et al. 2016), squeeze-and-excitation (Hu et al. 2018). The stem is a 5x5 convolution
of stride 2: the first layers at full 48x48 would cost more than the rest of the network together.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

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
    """Two 3x3 convolutions with batch norm, a channel gate, and a shortcut round them."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.gate = SqueezeExcite(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            # Averaging before the 1x1 convolution keeps the three quarters of the pixels that a stride would drop.
            pool = nn.AvgPool2d(stride) if stride != 1 else nn.Identity()
            self.shortcut = nn.Sequential(pool, nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        y = functional.relu(self.norm1(self.conv1(x)))
        y = self.gate(self.norm2(self.conv2(y)))
        return functional.relu(y + self.shortcut(x))


class EmotionNet(nn.Module):
    """Logits (n, 8) of the eight expressions for faces (n, 1, 48, 48), values 0-255.

    Args:
        widths: channels of the stages, which run at 24x24, 12x12 and 6x6 px.
        depths: residual blocks per stage.
        dropout: share of the pooled features dropped in training.
    """

    def __init__(
        self, widths: tuple[int, ...] = (48, 96, 192), depths: tuple[int, ...] = (1, 2, 2), dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.config = {"widths": list(widths), "depths": list(depths), "dropout": dropout}
        self.stem = nn.Sequential(nn.Conv2d(1, widths[0], 5, 2, 2, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU())
        blocks: list[nn.Module] = []
        inputs = widths[0]
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for i in range(depth):
                blocks.append(Block(inputs, width, stride=2 if stage and not i else 1))
                inputs = width
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(inputs, 8)

    def forward(self, faces: Tensor) -> Tensor:
        """Returns the logits of `faces`, of any number type."""
        x = (faces.float() - MEAN) / STD
        x = self.blocks(self.stem(x))
        logits: Tensor = self.head(self.dropout(x.mean((2, 3))))
        return logits
