"""Random changes to whole batches of training faces: geometry, light, holes, and the damage that video does."""

import math

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.emotion.ingredients import Changes


def augment(faces: Tensor, changes: Changes) -> Tensor:
    """A changed copy of `faces`, float32 (n, 1, 48, 48), values 0-255, from torch's global random state.

    Args:
        faces: uint8 (n, 1, 48, 48), on the CPU, rows in random order.
        changes: what to do to them; what comes into view at the borders repeats what is nearest.
    """
    x = _light(_warp(faces.float(), changes), changes)
    count = round(changes.degrade * len(x))
    if count:
        # Rows come shuffled, so that the first ones are as random as any.
        x = torch.cat([_degrade(x[:count]), x[count:]])
    return _erase(x.clamp(0, 255), changes.erase)


def _uniform(n: int, low: float, high: float) -> Tensor:
    return torch.empty(n).uniform_(low, high)


def _factors(n: int, bounds: tuple[float, float]) -> Tensor:
    return torch.exp(_uniform(n, math.log(bounds[0]), math.log(bounds[1])))


def _warp(x: Tensor, changes: Changes) -> Tensor:
    """Mirror, turn, scale, stretch, shear and shift."""
    moved = (changes.rotate, changes.shear, changes.shift, changes.mirror)
    if not any(moved) and {changes.zoom, changes.stretch} == {(1.0, 1.0)}:
        return x
    n = len(x)
    turn = torch.randn(n) if changes.rotation == "normal" else _uniform(n, -1, 1)
    angle = turn * math.radians(changes.rotate)
    # The grid says where each px comes from: a face grows by the inverse of its factor.
    scale, stretch = 1 / _factors(n, changes.zoom), 1 / _factors(n, changes.stretch)
    shear = _uniform(n, -changes.shear, changes.shear)
    mirror = torch.where(torch.rand(n) < changes.mirror, -1.0, 1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = mirror * cos * scale * stretch
    theta[:, 0, 1] = (shear * cos - sin) * scale
    theta[:, 1, 0] = mirror * sin * scale
    theta[:, 1, 1] = (shear * sin + cos) * scale / stretch
    # The grid spans the side from -1 to 1.
    theta[:, :, 2] = (torch.rand(n, 2) - 0.5) * 4 * changes.shift
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


def _light(x: Tensor, changes: Changes) -> Tensor:
    """Contrast about the mean, brightness, gamma."""
    if {changes.contrast, changes.gamma} == {(1.0, 1.0)} and not changes.brightness:
        return x
    n = len(x)
    mean = x.mean((1, 2, 3), keepdim=True)
    contrast = _factors(n, changes.contrast).view(n, 1, 1, 1)
    brightness = _uniform(n, -changes.brightness, changes.brightness).view(n, 1, 1, 1)
    x = (x - mean) * contrast + mean + brightness
    gamma = _factors(n, changes.gamma).view(n, 1, 1, 1)
    return 255 * (x.clamp(0, 255) / 255).pow(gamma)


def _erase(x: Tensor, share: float) -> Tensor:
    """Fills a rectangle of 6-20 px a side with one gray level in a `share` of the faces, as hands and hair do."""
    if not share:
        return x
    n, size = len(x), x.shape[-1]
    height, width = _uniform(n, 6, 20), _uniform(n, 6, 20)
    top, left = torch.rand(n) * (size - height), torch.rand(n) * (size - width)
    at = torch.arange(size)
    down = (at >= top[:, None]) & (at < (top + height)[:, None])
    across = (at >= left[:, None]) & (at < (left + width)[:, None])
    hole = down[:, None, :, None] & across[:, None, None, :] & (torch.rand(n) < share).view(n, 1, 1, 1)
    return torch.where(hole, _uniform(n, 0, 255).view(n, 1, 1, 1), x)


def _degrade(x: Tensor) -> Tensor:
    """Damages the faces in four groups, each in its own way."""
    return torch.cat([_damage(group) for group in x.chunk(4)])


def _damage(x: Tensor) -> Tensor:
    """Shrink to 14-36 px (two groups of three) or else blur; compress and add noise at that size; enlarge again."""
    shape = x.shape[-2:]
    small = int(torch.randint(14, 49, ()))
    if small <= 36:
        x = functional.interpolate(x, (small, small), mode="bilinear", antialias=True, align_corners=False)
    elif torch.rand(()) < 0.7:
        x = _blur(x, float(torch.rand(()) + 0.4))
    if torch.rand(()) < 0.5:
        x = _compress(x, int(torch.randint(25, 90, ())))
    if torch.rand(()) < 0.3:
        x = x + torch.randn_like(x) * float(torch.rand(()) * 12)
    if small <= 36:
        mode = "bilinear" if torch.rand(()) < 0.5 else "bicubic"
        x = functional.interpolate(x, shape, mode=mode, align_corners=False)
    return x


def _blur(x: Tensor, sigma: float) -> Tensor:
    at = torch.arange(-4, 5, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    kernel = kernel / kernel.sum()
    x = functional.conv2d(functional.pad(x, (4, 4, 0, 0), mode="replicate"), kernel.view(1, 1, 1, 9))
    return functional.conv2d(functional.pad(x, (0, 0, 4, 4), mode="replicate"), kernel.view(1, 1, 9, 1))


def _compress(x: Tensor, quality: int) -> Tensor:
    """Through JPEG at `quality` (1-100) and back."""
    done = []
    for face in x.clamp(0, 255).round().to(torch.uint8).squeeze(1).numpy():
        _, code = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, quality])
        done.append(np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), np.float32))
    return torch.from_numpy(np.stack(done)).unsqueeze(1)
