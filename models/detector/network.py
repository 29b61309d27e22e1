"""The face detector's network: anchor-free, three strides, one face score, a box and five landmarks per cell.

The scheme is YuNet's (Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", 2023): a small backbone, a
feature pyramid at strides 8, 16 and 32, and a light head on each level. The topology is our own. Three dense strided
convolutions bring the picture to stride 8 before any depthwise convolution runs, because depthwise layers at
high resolution are bound by memory, and residual blocks with 5x5 depthwise kernels see overfull faces at strides 16
and 32 and small ones in their surroundings at stride 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

OUTPUTS = 15  # 1 score logit, 4 box values, 10 shape values
SHAPE = [-0.18, -0.12, 0.17, -0.12, -0.01, 0.08, -0.15, 0.24, 0.14, 0.24]
"""A face looking ahead: the landmarks' x, y from the box's centre, in units of its sides."""


@dataclass(frozen=True)
class Size:
    """How wide and deep a network is."""

    stem: tuple[int, int]
    """Channels at strides 2 and 4."""
    widths: tuple[int, int, int]
    """Channels at strides 8, 16 and 32."""
    near: tuple[int, ...]
    """Kernels of the blocks at stride 8."""
    blocks: int
    """Blocks with a shortcut at strides 16 and 32, each."""
    neck: int
    """Channels of the pyramid and the heads."""


SIZES = {
    "standard": Size(stem=(16, 32), widths=(64, 96, 128), near=(3, 3, 5, 5), blocks=3, neck=64),
    "fast": Size(stem=(8, 16), widths=(32, 48, 64), near=(3, 5), blocks=2, neck=32),
}


class Conv(nn.Module):
    """Convolution, batch normalisation and, unless `relu` is False, a ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, relu: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """Apply the three."""
        x = self.norm(self.conv(x))
        return functional.relu(x) if self.relu else x


class Separable(nn.Module):
    """A depthwise then a pointwise convolution; with a shortcut round both where the shape allows it."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, shortcut: bool = True) -> None:
        super().__init__()
        self.depthwise = Conv(inputs, inputs, kernel, stride, groups=inputs)
        self.pointwise = Conv(inputs, outputs, 1)
        self.shortcut = shortcut and stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Apply both, and the shortcut."""
        y: Tensor = self.pointwise(self.depthwise(x))
        return x + y if self.shortcut else y


class Head(nn.Module):
    """One level's head: a separable convolution, then a linear map to the score, the box and the face's shape.

    The shape is the landmarks in the box's own frame, from its centre, in units of its sides: nearly the same for a
    small face and a large one, so that the last layer need not multiply.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = Separable(width, width, 3, shortcut=False)
        self.out = nn.Conv2d(width, OUTPUTS, 1)
        nn.init.normal_(self.out.weight, std=0.01)
        with torch.no_grad():
            # Rare positives: begin by answering "no face" nearly everywhere (Lin et al., "Focal Loss", 2017).
            self.out.bias[:5] = torch.tensor([-4.6, 0, 0, 0, 0])
            self.out.bias[5:] = torch.tensor(SHAPE)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, h, w) to (N, 15, h, w)."""
        x = self.mix(x)
        # Landmarks need more digits than a half-precision number has.
        with torch.autocast(x.device.type, enabled=False):
            y: Tensor = self.out(x.float())
            centre, size = y[:, 1:3].repeat(1, 5, 1, 1), y[:, 3:5].exp().repeat(1, 5, 1, 1)
            return torch.cat([y[:, :5], centre + size * y[:, 5:]], dim=1)


class Detector(nn.Module):
    """BGR pictures in, three raw maps out.

    Input: (N, 3, H, W) float, BGR, 0 to 255, H and W multiples of 32.
    Output: a tuple of three tensors (N, 15, H/s, W/s) for s in 8, 16, 32: channel 0 is the score's logit; 1-4 are the
    box centre's offset from the cell's corner and the logarithm of its size; 5-14 the landmarks' offsets (right eye,
    left eye, nose, right and left mouth corner, as x, y pairs): all in units of the stride.
    """

    def __init__(self, size: Size = SIZES["standard"]) -> None:
        super().__init__()
        (s2, s4), (w8, w16, w32), neck = size.stem, size.widths, size.neck
        self.stem = nn.Sequential(Conv(3, s2, 3, 2), Conv(s2, s4, 3, 2), Conv(s4, w8, 3, 2))
        self.stage8 = nn.Sequential(*(Separable(w8, w8, kernel) for kernel in size.near))
        self.stage16 = nn.Sequential(Separable(w8, w16, 5, 2), *(Separable(w16, w16, 5) for _ in range(size.blocks)))
        self.stage32 = nn.Sequential(Separable(w16, w32, 5, 2), *(Separable(w32, w32, 5) for _ in range(size.blocks)))
        self.lateral8 = Conv(w8, neck, 1, relu=False)
        self.lateral16 = Conv(w16, neck, 1, relu=False)
        self.lateral32 = Conv(w32, neck, 1)
        self.head8, self.head16, self.head32 = Head(neck), Head(neck), Head(neck)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Raw maps of float pictures (N, 3, H, W)."""
        c8 = self.stage8(self.stem(x))
        c16 = self.stage16(c8)
        p32 = self.lateral32(self.stage32(c16))
        p16 = functional.relu(self.lateral16(c16) + functional.interpolate(p32, scale_factor=2.0))
        p8 = functional.relu(self.lateral8(c8) + functional.interpolate(p16, scale_factor=2.0))
        return self.head8(p8), self.head16(p16), self.head32(p32)
