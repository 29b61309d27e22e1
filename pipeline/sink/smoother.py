"""A random-walk Kalman filter, and a fixed-lag smoother, on the log-ratios of a track's distributions.

A distribution over eight labels is a point of a simplex, where sums and means of probabilities mislead: from 0.01 to
0.02 is as much of a change as from 0.4 to 0.8. Centred log-ratios (CLR; Aitchison, "The Statistical Analysis of
Compositional Data", 1986) map the simplex to a plane in which ordinary statistics hold::

    clr(p) = log p - mean(log p)

On that plane the true distribution is taken for a random walk, seen through noise, both the same in every direction::

    x(k) = x(k-1) + w,  w ~ N(0, q Δt I)        z(k) = x(k) + v,  v ~ N(0, R I)

With noise so shaped the covariance stays a multiple ``P`` of the unit matrix, so that the whole filter is eight means
and one variance (Kalman, 1960), and the backward pass (Rauch, Tung & Striebel, 1965) has one gain a step.

Faces do not walk at random, though: they hold an expression, and change it within a few frames. Two departures from the
textbook tell the odd frame from a change. A single large innovation counts less (Huber, 1964). Two in a row that
point the same way show that the filter has been left behind, because those of one that keeps up are uncorrelated;
``P`` then grows until it keeps up again (a strong tracking filter; Zhou & Frank, 1996).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, expm1, inf, log, sqrt
from operator import mul
from typing import Final, NamedTuple

from pipeline.settings import SmootherSettings

Distribution = tuple[float, ...]

NOISE: Final = 0.5
"""Variance R of a log-ratio of a face of full quality. Gains depend on q / R; R alone says what is an outlier."""

NOMINAL_STEP: Final = 0.04
"""s between frames (25 fps) at which the filter has the time constant that is set."""

OUTLIER: Final = 1.5
"""Root mean square innovation, in standard deviations, beyond which R grows in proportion to it."""

CHANGE: Final = 0.8
"""Correlation of successive innovations, in variances, that chance may still give; P grows by what goes beyond."""

FLOOR: Final = 0.002
"""What every probability is raised by, at the cost of all, before logarithms are taken: zeros have none."""

LOWEST_QUALITY: Final = 1e-6
"""A face of quality 0 says nothing, but its variance must stay finite."""


class Smoothed(NamedTuple):
    """A final value."""

    distribution: Distribution
    """Sums to 1."""
    deviation: float
    """Standard deviation of each log-ratio (natural logarithms) given all that was used."""


@dataclass(slots=True)
class _Step:
    """What the filter knew after one observation."""

    pts: float
    mean: list[float]
    """Filtered log-ratios."""
    variance: float
    """Filtered variance P of each."""
    predicted: float
    """P before the observation."""
    innovation: list[float]
    """Observed less predicted log-ratios, in standard deviations."""


class Smoother:
    """Smooths the distributions of one track.

    Args:
        settings: the time constant of the steady filter at 25 fps and full quality, and the gap that resets it.
        lag: s of future that a value may use. 0 gives the plain filter: every value as soon as it is observed. With
            more, a value is final once the track was seen ``lag`` s later (at the latest 1.5 ``lag``, because the
            backward pass runs once per half a lag), or once the track has ended or begun anew after a gap.

    Every value follows from the observations of the track and their order alone, never from how they were handed over.
    A constant input comes out unchanged, zeros included, because the floor is taken away again after smoothing.
    """

    def __init__(self, settings: SmootherSettings, lag: float) -> None:
        gain = -expm1(-NOMINAL_STEP / settings.time_constant)
        # In the steady state P + qΔt = R K / (1 - K) and K (P + qΔt) = qΔt.
        self._diffusion = NOISE * gain * gain / (1 - gain) / NOMINAL_STEP
        self._gap = settings.gap
        self._lag = lag
        # With a lag, all that is not final; without, only the newest.
        self._steps: list[_Step] = []

    def observe(self, pts: float, probabilities: Sequence[float], quality: float) -> list[Smoothed]:
        """Add the next observation; return the smoothed values that became final, oldest first.

        Args:
            pts: media time, s; never decreases.
            probabilities: raw distribution, sums to 1.
            quality: of the crop, in [0, 1]; measurement noise is divided by it.
        """
        final = self.finish() if self.lost(pts) else []
        step = self._filter(pts, _log_ratios(probabilities), NOISE / max(quality, LOWEST_QUALITY))
        if self._lag == 0:
            self._steps = [step]
            final.append(Smoothed(_distribution(step.mean), sqrt(step.variance)))
            return final
        self._steps.append(step)
        if pts - self._steps[0].pts >= 1.5 * self._lag:
            final += self._smooth(pts - self._lag)
        return final

    def lost(self, pts: float) -> bool:
        """Return whether an observation at ``pts`` would begin anew, so that ``finish`` changes no value."""
        return bool(self._steps) and pts - self._steps[-1].pts > self._gap

    def finish(self) -> list[Smoothed]:
        """Forget the past; return all values that were not final yet, oldest first."""
        final = self._smooth(inf) if self._lag else []
        self._steps = []
        return final

    def _filter(self, pts: float, ratios: list[float], noise: float) -> _Step:
        if not self._steps:
            return _Step(pts, ratios, noise, noise, [0.0] * len(ratios))
        last = self._steps[-1]
        # Log-ratios sum to zero: one degree of freedom fewer than labels.
        freedom = len(ratios) - 1
        predicted = last.variance + self._diffusion * (pts - last.pts)
        innovation = [z - m for z, m in zip(ratios, last.mean, strict=True)]
        deviation = sqrt(predicted + noise)
        standard = [v / deviation for v in innovation]
        correlation = sum(map(mul, standard, last.innovation)) / freedom
        if correlation > CHANGE:
            predicted += (correlation - CHANGE) * (predicted + noise)
        size = sqrt(sum(map(mul, innovation, innovation)) / freedom / (predicted + noise))
        if size > OUTLIER:
            noise *= size / OUTLIER
        gain = predicted / (predicted + noise)
        mean = [m + gain * v for m, v in zip(last.mean, innovation, strict=True)]
        return _Step(pts, mean, predicted * (1 - gain), predicted, standard)

    def _smooth(self, until: float) -> list[Smoothed]:
        """Run the backward pass over all steps; drop those not after ``until`` and return their values."""
        steps = self._steps
        count = sum(step.pts <= until for step in steps)
        final: list[Smoothed] = []
        mean: list[float] = []
        variance = 0.0
        for index in range(len(steps) - 1, -1, -1):
            step = steps[index]
            if not mean:
                mean, variance = step.mean, step.variance
            else:
                ahead = steps[index + 1].predicted
                gain = step.variance / ahead
                variance = step.variance + gain * gain * (variance - ahead)
                mean = [m + gain * (s - m) for m, s in zip(step.mean, mean, strict=True)]
            if index < count:
                final.append(Smoothed(_distribution(mean), sqrt(variance)))
        del steps[:count]
        final.reverse()
        return final


def _log_ratios(probabilities: Sequence[float]) -> list[float]:
    kept = 1 - FLOOR * len(probabilities)
    logs = [log(FLOOR + kept * p) for p in probabilities]
    mean = sum(logs) / len(logs)
    return [value - mean for value in logs]


def _distribution(ratios: list[float]) -> Distribution:
    """Undo ``_log_ratios``.

    Smoothing only ever takes convex combinations, which are geometric means here. By the inequality of the means these
    sum to 1 at most before they are normalised, so none falls below the floor, save for rounding.
    """
    values = [exp(value) for value in ratios]
    floor = FLOOR * sum(values)
    values = [value - floor if value > floor else 0.0 for value in values]
    scale = 1 / sum(values)
    return tuple([value * scale for value in values])
