"""What the network is taught to minimise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Losses:
    """The three terms, scalars: faces, boxes, landmarks; and the sum that is descended."""

    score: Tensor
    box: Tensor
    points: Tensor

    @property
    def total(self) -> Tensor:
        """The weighted sum."""
        return self.score + 2.0 * self.box + 3.0 * self.points


def losses(maps: tuple[Tensor, Tensor, Tensor], want: dict[str, Tensor], centres: Tensor, strides: Tensor) -> Losses:
    """Compare raw maps (B, 15, H, W) per stride with targets as in `data.Batch`.

    Score: quality focal loss (Li et al., "Generalized Focal Loss", 2020). Box: complete IoU (Zheng et al., 2020).
    Landmarks: a Huber loss, nearly an absolute error beyond 2 %, in units of 2.5 times the distance of the eyes (about
    the face's side when it looks ahead, and half of it in profile).
    """
    flat = torch.cat([m.flatten(2) for m in maps], dim=2).transpose(1, 2).float()
    logit, score = flat[..., 0], want["score"]
    gap = (score - logit.sigmoid()).abs()
    focal = functional.binary_cross_entropy_with_logits(logit, score, reduction="none") * gap * want["care"]
    chosen = want["weight"] > 0
    weight = want["weight"][chosen]
    norm = weight.sum().clamp(min=1.0)
    stride = strides.expand(len(flat), -1)[chosen][:, None]
    corner = centres.expand(len(flat), -1, -1)[chosen]
    raw, box, points = flat[chosen], want["box"][chosen], want["points"][chosen]
    middle = raw[:, 1:3] * stride + corner
    size = raw[:, 3:5].clamp(max=6).exp() * stride
    box_loss = (ciou(middle, size, box[:, :2] + box[:, 2:] / 2, box[:, 2:]) * weight).sum() / norm
    side = box[:, 2:].prod(dim=1).clamp(min=1.0).sqrt()
    eyes = (points[:, 0:2] - points[:, 2:4]).norm(dim=1)
    unit = 2.5 * torch.maximum(eyes, 0.2 * side)
    error = (raw[:, 5:] * stride + corner.repeat(1, 5) - points) / unit[:, None]
    landmarked = want["landmarked"][chosen]
    huber = functional.smooth_l1_loss(error, torch.zeros_like(error), beta=0.02, reduction="none").sum(dim=1)
    points_loss = (huber * landmarked).sum() / landmarked.sum().clamp(min=1.0)
    return Losses(2.0 * focal.sum() / norm, box_loss, points_loss)


def ciou(middle: Tensor, size: Tensor, want_middle: Tensor, want_size: Tensor) -> Tensor:
    """1 - complete IoU of N boxes given by centre and size (N, 2) each; (N,), from 0 (same) up."""
    low = torch.maximum(middle - size / 2, want_middle - want_size / 2)
    high = torch.minimum(middle + size / 2, want_middle + want_size / 2)
    inner = (high - low).clamp(min=0).prod(dim=1)
    union = size.prod(dim=1) + want_size.prod(dim=1) - inner
    iou = inner / union.clamp(min=1e-6)
    hull = torch.maximum(middle + size / 2, want_middle + want_size / 2) - torch.minimum(
        middle - size / 2, want_middle - want_size / 2
    )
    distance = (middle - want_middle).square().sum(dim=1) / hull.square().sum(dim=1).clamp(min=1e-6)
    aspect = (torch.atan(want_size[:, 0] / want_size[:, 1]) - torch.atan(size[:, 0] / size[:, 1])).square() * 0.4053
    with torch.no_grad():
        share = aspect / (1 - iou + aspect).clamp(min=1e-6)
    return 1 - iou + distance + share * aspect
