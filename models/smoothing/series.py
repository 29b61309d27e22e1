"""Faces whose true distributions are known, seen as an expression network sees them.

An expression is held, then changes within a few frames. What is seen of it differs by Gaussian errors of log-ratios,
part of which last for some frames (a face that turns, a crop that drifts), by single frames that show something else
altogether, and by frames that are missing. Tracks differ in their noise by far more than frames of one track do.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.sink.smoother import FLOOR

Doubles = NDArray[np.float64]

LABELS: Final = 8

NOISE: Final = (0.1, 0.9)
"""Standard deviation of a log-ratio at full quality; a series draws its own, log-uniformly."""

LASTING: Final = 0.5
"""Share of that variance whose errors last, on average for ``MEMORY`` s."""

MEMORY: Final = 0.1

ODD: Final = 1 / 40
"""Share of frames that show something else altogether."""


@dataclass(frozen=True)
class Track:
    """What is seen of one face, n times."""

    pts: Doubles
    """(n,) media time, s, increasing."""
    seen: Doubles
    """(n, 8) raw distributions."""
    quality: Doubles
    """(n,) in [0, 1]."""


@dataclass(frozen=True)
class Series(Track):
    """A track whose truth is known; the variances of its errors are divided by its quality."""

    truth: Doubles
    """(n, 8) true distributions."""
    hold: NDArray[np.int64]
    """(n,) number of the expression that is held, -1 while it changes."""


def generate(seed: int, seconds: float = 60.0, memory: float = MEMORY) -> Series:
    """Return a series of about ``seconds`` s whose errors last ``memory`` s; the same seed gives the same."""
    rng = np.random.default_rng(seed)
    pts = _times(rng, seconds)
    ratios, hold = _expressions(rng, pts, seconds)
    quality = np.clip(0.65 + 0.2 * _wander(rng, pts, 2.0), 0.15, 1.0)
    spread = np.exp(rng.uniform(*np.log(NOISE))) / np.sqrt(quality)
    lasting = np.stack([_wander(rng, pts, memory) for _ in range(LABELS)], axis=1)
    brief = rng.normal(size=ratios.shape)
    seen = ratios + spread[:, None] * (np.sqrt(LASTING) * lasting + np.sqrt(1 - LASTING) * brief)
    odd = rng.random(len(pts)) < ODD
    seen[odd] = rng.normal(0.0, 2.0, (int(odd.sum()), LABELS))
    return Series(pts, softmax(seen), quality, softmax(ratios), hold)


def softmax(ratios: Doubles) -> Doubles:
    """Return the distributions, (..., 8), of log-ratios."""
    values = np.exp(ratios - ratios.max(axis=-1, keepdims=True))
    result: Doubles = values / values.sum(axis=-1, keepdims=True)
    return result


def log_ratios(distributions: Doubles) -> Doubles:
    """Return centred log-ratios, (n, 8), as the smoother takes them, of (n, 8) distributions."""
    logs = np.log(FLOOR + (1 - FLOOR * LABELS) * distributions)
    result: Doubles = logs - logs.mean(axis=1, keepdims=True)
    return result


def distributions(ratios: Doubles) -> Doubles:
    """Undo ``log_ratios``: the distributions, (n, 8), of (n, 8) means of log-ratios."""
    values = softmax(ratios)
    # Medians of single log-ratios may lie below what the floor leaves.
    values = np.maximum(values - FLOOR, 0.0)
    result: Doubles = values / values.sum(axis=1, keepdims=True)
    return result


def _times(rng: np.random.Generator, seconds: float) -> Doubles:
    """Uneven times at 10 to 30 fps, up to a quarter of them missing, and now and then up to 2.5 s on end."""
    fps = rng.choice([10.0, 15.0, 25.0, 30.0])
    pts = (np.arange(0.0, seconds * fps) + rng.uniform(-0.2, 0.2, int(seconds * fps))) / fps
    kept = rng.random(len(pts)) >= rng.uniform(0.0, 0.25)
    for start in rng.uniform(0.0, seconds, int(seconds / 20)):
        kept &= (pts < start) | (pts > start + rng.uniform(0.3, 2.5))
    times: Doubles = pts[kept]
    return times


def _expressions(rng: np.random.Generator, pts: Doubles, seconds: float) -> tuple[Doubles, NDArray[np.int64]]:
    """Log-ratios, (n, 8), held for 1 to 8 s and changed within 0.05 to 0.5 s; and which is held."""
    count = int(seconds)
    starts = np.cumsum(rng.uniform(1.0, 8.0, count))
    lasts = rng.uniform(0.05, 0.5, count)
    poses = rng.normal(0.0, 0.5, (count + 1, LABELS))
    poses[np.arange(count + 1), rng.integers(0, LABELS, count + 1)] += rng.uniform(1.5, 4.0, count + 1)
    index = np.searchsorted(starts, pts, side="right")
    since = pts - np.concatenate([[-np.inf], starts])[index]
    part = np.clip(since / np.concatenate([[1.0], lasts])[index], 0.0, 1.0)[:, None]
    ratios = poses[index] * part + poses[np.maximum(index - 1, 0)] * (1 - part)
    return ratios, np.where(part[:, 0] < 1, -1, index)


def _wander(rng: np.random.Generator, pts: Doubles, memory: float) -> Doubles:
    """An Ornstein-Uhlenbeck process of unit variance at ``pts`` whose correlation falls by e within ``memory`` s."""
    steps = rng.normal(size=len(pts))
    kept = np.exp(-np.diff(pts) / memory)
    values = np.empty(len(pts))
    values[0] = steps[0]
    for k in range(1, len(pts)):
        values[k] = kept[k - 1] * values[k - 1] + np.sqrt(1 - kept[k - 1] ** 2) * steps[k]
    return values
