"""What training makes small."""

import torch
from torch import Tensor
from torch.nn import functional


def losses(logits: Tensor, targets: Tensor, focus: float = 0.0) -> Tensor:
    """Cross-entropy of each row, in nats, against a distribution; its gradient is that of KL(target || prediction).

    Args:
        logits: (n, labels).
        targets: (n, labels), rows sum to 1.
        focus: exponent of the focal loss: each label's term counts by (1 - its probability) to this power, so that
            what is already known well counts little (Lin et al. 2017, "Focal loss for dense object detection").

    Returns:
        float32 (n,).
    """
    said = functional.log_softmax(logits.float(), 1)
    terms = targets * said
    if focus:
        terms = terms * (1 - said.exp()).clamp_min(1e-6).pow(focus)
    return -terms.sum(1)


def weighted(losses: Tensor, weights: Tensor) -> Tensor:
    """The mean of `losses` (n,) by `weights` (n,)."""
    return (losses * weights).sum() / weights.sum().clamp_min(torch.finfo(torch.float32).tiny)
