"""A face whose true distribution is known, seen through noise, at uneven times."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Series(NamedTuple):
    pts: Array
    """(n,) s, increasing."""
    truth: Array
    """(n, 8) distributions."""
    seen: Array
    """(n, 8) distributions."""
    quality: Array
    """(n,)"""


def synthetic(seed: int, seconds: float = 120.0) -> Series:
    """Return a series at 15 fps that lacks a quarter of its frames and now and then up to 2.5 s on end.

    Expressions are held for 1-5 s and change within 0.3 s; noise is Gaussian on log-ratios with a standard deviation of
    0.8 at full quality; one frame in thirty shows something else altogether.
    """
    rng = np.random.default_rng(seed)
    pts = np.arange(0.0, seconds, 1 / 15)
    kept = rng.random(len(pts)) > 0.25
    for start in rng.uniform(0, seconds, int(seconds / 15)):
        kept &= (pts < start) | (pts > start + rng.uniform(0.3, 2.5))
    pts = pts[kept]

    starts = np.cumsum(rng.uniform(1.0, 5.0, int(seconds)))
    poses = rng.normal(0.0, 0.5, (len(starts) + 1, 8))
    poses[np.arange(len(poses)), rng.integers(0, 8, len(poses))] += 3.0
    segment = np.searchsorted(starts, pts, side="right")
    part = np.clip((pts - np.concatenate([[-1.0], starts])[segment]) / 0.3, 0.0, 1.0)[:, None]
    ratios = poses[segment] * part + poses[np.maximum(segment - 1, 0)] * (1 - part)

    quality = rng.uniform(0.3, 1.0, len(pts))
    seen = ratios + rng.normal(0.0, 0.8, ratios.shape) / np.sqrt(quality)[:, None]
    odd = rng.random(len(pts)) < 1 / 30
    seen[odd] = rng.normal(0.0, 2.5, (int(odd.sum()), 8))
    return Series(pts, softmax(ratios), softmax(seen), quality)


def softmax(ratios: Array) -> Array:
    values = np.exp(ratios - ratios.max(axis=-1, keepdims=True))
    result: Array = values / values.sum(axis=-1, keepdims=True)
    return result


def divergence(truth: Array, estimate: Array) -> float:
    """Mean KL(truth || estimate), nats."""
    return float(np.mean(np.sum(truth * np.log(truth / np.maximum(estimate, 1e-6)), axis=1)))


def flips(pts: Array, estimate: Array) -> float:
    """Changes of the most probable label, per minute."""
    top = estimate.argmax(axis=1)
    return float(np.count_nonzero(np.diff(top)) / (pts[-1] - pts[0]) * 60)


def moving_average(series: Series, window: float, *, centred: bool) -> Array:
    """Mean of what was seen within a window, s: of the past alone, or centred."""
    ahead = window / 2 if centred else 0.0
    first = np.searchsorted(series.pts, series.pts - (window - ahead) + 1e-9)
    last = np.searchsorted(series.pts, series.pts + ahead, side="right")
    total = np.concatenate([np.zeros((1, 8)), np.cumsum(series.seen, axis=0)])
    result: Array = (total[last] - total[first]) / (last - first)[:, None]
    return result
