"""A random-walk Kalman filter on the log-ratios of a track's distributions: one step of it, and what it knows then.

The true log-ratios are taken for a random walk, seen through noise, both the same in every direction::

    x(k) = x(k-1) + w,  w ~ N(0, q Δt I)        z(k) = x(k) + v,  v ~ N(0, R I)

With noise so shaped the covariance stays a multiple ``P`` of the unit matrix, so that the whole filter is eight means
and one variance (Kalman, 1960).

How large the noise is differs between tracks by orders of magnitude, so the filter measures it: ``P``, ``q`` and ``R``
are in units of a scale, the variance of a log-ratio of a face of full quality, that is learnt from the innovations and
slowly forgotten (variance learning; West & Harrison, "Bayesian Forecasting and Dynamic Models", 1997, 10.8). The gains
of the textbook filter depend on ``q / R`` alone; the scale says what is odd, and how sure the result is.

Faces do not walk at random, though: they hold an expression, and change it within a few frames. Two departures from the
textbook tell the odd frame from a change. A single large innovation counts less (Huber, 1964). Several in a row that
point the same way show that the filter has been left behind, because those of one that keeps up average to nothing;
``P`` then grows until it keeps up again (a strong tracking filter; Zhou & Frank, 1996).

Nor are errors of neighbouring frames independent: a turned face, or a crop that is a little off, lasts for some frames.
The gains do without that, but an average of errors that last is worth less than ``P`` says, all the less the more
frames there are in a second. So the variance that the mean really has under noise of which a part lasts (first-order
Markov) is carried along, by the recursion for a filter of any gain (Gelb, "Applied Optimal Estimation", 1974, 7.2), and
that is the uncertainty that is told. It is as good as ``LASTING`` and ``LASTS``: where errors last longer, it is too
small.
"""

from math import exp, sqrt
from operator import mul
from typing import Final

import msgspec

SCALE: Final = 0.1
"""Variance of a log-ratio of a face of full quality, before its track has shown its own."""

LEAST_SCALE: Final = 1e-4
"""Below this, noise is no more than rounding in the video."""

PATIENCE: Final = 10.0
"""Observations that ``SCALE`` is worth."""

MEMORY: Final = 3.0
"""s within which the scale forgets by e."""

OUTLIER: Final = 1.5
"""Root mean square innovation, in standard deviations, beyond which R grows in proportion to it."""

TREND: Final = 0.1
"""s over which innovations are averaged to tell a change from chance."""

CLIPPED: Final = 2.0
"""What an innovation counts at most in that average, root mean square in standard deviations."""

CHANGE: Final = 1.6
"""Mean square of that average, in variances, that chance may still give; P grows by what goes beyond."""

LASTING: Final = 0.5
"""Share of the noise's variance that lasts."""

LASTS: Final = 0.1
"""s within which the correlation of that share falls by e."""


class Step(msgspec.Struct, array_like=True, eq=False):
    """An observation, and what the filter knew after it; variances in units of the scale."""

    pts: float
    ratios: list[float]
    """Observed log-ratios."""
    noise: float
    """Variance R of each by its quality alone."""
    mean: list[float]
    """Filtered log-ratios."""
    variance: float
    """Filtered variance P of each."""
    predicted: float
    """P before the observation."""
    scale: float
    """Variance of a log-ratio of a face of full quality."""
    weight: float
    """Observations that the scale rests on."""
    trend: list[float]
    """Average of the latest innovations, in standard deviations."""
    spread: float
    """Variance of the error of ``mean`` if a share of the noise lasts."""
    shared: float
    """Covariance of that error with the share that lasts."""

    @property
    def excess(self) -> float:
        """How much larger the variance really is than the filter takes it to be."""
        return self.spread / self.variance


def begin(pts: float, ratios: list[float], noise: float, scale: float = SCALE, weight: float = PATIENCE) -> Step:
    """Return the first step: at ``pts``, s, with observed log-ratios and their variance ``noise`` by quality alone.

    ``scale`` and ``weight``: as of ``Step``, where they are known already.
    """
    return Step(pts, ratios, noise, ratios, noise, noise, scale, weight, [0.0] * len(ratios), noise, LASTING * noise)


def follow(last: Step, pts: float, ratios: list[float], noise: float, diffusion: float) -> Step:
    """Return the step after ``last``; for what was observed see ``begin``.

    ``diffusion``: q, the variance that the walk adds in a second, in units of the scale.
    """
    # Log-ratios sum to zero: one degree of freedom fewer than labels.
    freedom = len(ratios) - 1
    elapsed = pts - last.pts
    predicted = last.variance + diffusion * elapsed
    innovation = [z - m for z, m in zip(ratios, last.mean, strict=True)]
    square = sum(map(mul, innovation, innovation)) / freedom / last.scale

    size = square / (predicted + noise)
    # A face of low quality says little about the scale; an odd one no more than the largest that is not.
    share = max(1 / (last.weight + 1), min(elapsed / MEMORY, 0.5)) / max(noise, 1.0)
    scale = max(last.scale * (1 + share * (min(size, OUTLIER * OUTLIER) - 1)), LEAST_SCALE)

    kept = exp(-elapsed / TREND)
    added = (1 - kept) / sqrt((predicted + noise) * last.scale * max(size / (CLIPPED * CLIPPED), 1.0))
    trend = [kept * t + added * v for t, v in zip(last.trend, innovation, strict=True)]
    change = sum(map(mul, trend, trend)) / freedom - CHANGE
    if change > 0:
        predicted += change * (predicted + noise)

    odd = sqrt(square / (predicted + noise)) / OUTLIER
    gain = predicted / (predicted + noise * max(odd, 1.0))
    mean = [m + gain * v for m, v in zip(last.mean, innovation, strict=True)]
    lasting = exp(-elapsed / LASTS) * last.shared
    spread = (1 - gain) ** 2 * (last.spread + predicted - last.variance)
    spread += gain * gain * noise + 2 * gain * (1 - gain) * lasting
    shared = (1 - gain) * lasting + gain * LASTING * noise
    variance = predicted * (1 - gain)
    return Step(pts, ratios, noise, mean, variance, predicted, scale, last.weight + 1, trend, spread, shared)
