"""A random-walk Kalman filter, and a fixed-lag smoother, on the log-ratios of a track's distributions.

A distribution over eight labels is a point of a simplex, where sums and means of probabilities mislead: from 0.01 to
0.02 is as much of a change as from 0.4 to 0.8. Centred log-ratios (CLR; Aitchison, "The Statistical Analysis of
Compositional Data", 1986) map the simplex to a plane in which ordinary statistics hold::

    clr(p) = log p - mean(log p)

On that plane the true distribution is taken for a random walk, seen through noise, both the same in every direction::

    x(k) = x(k-1) + w,  w ~ N(0, q Δt I)        z(k) = x(k) + v,  v ~ N(0, R I)

With noise so shaped the covariance stays a multiple ``P`` of the unit matrix, so that the whole filter is eight means
and one variance (Kalman, 1960), and the backward pass (Rauch, Tung & Striebel, 1965) has one gain a step.

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
that is the uncertainty that is told.

A change shows only after it began, so the filter is late, and so would be a backward pass over its steps. With a lag
the same is done from the end to the beginning, which is early by as much. Where nothing is odd the two agree; where
they do not, that which is nearer to the observations around counts more.
"""

from collections.abc import Iterable, Sequence
from math import dist, exp, expm1, inf, log, sqrt
from operator import mul
from typing import Final, NamedTuple

import msgspec

from pipeline.settings import SmootherSettings

Distribution = tuple[float, ...]

_Estimate = tuple[list[float], float]
"""Mean of the log-ratios, and variance of each in units of the scale."""

NOMINAL_STEP: Final = 0.04
"""s between frames (25 fps) at which the filter has the time constant that is set."""

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

NEIGHBOURS: Final = 2
"""Observations before and after that tell which of the two passes over the past is right."""

FLOOR: Final = 0.002
"""What every probability is raised by, at the cost of all, before logarithms are taken: zeros have none."""

LOWEST_QUALITY: Final = 1e-6
"""A face of quality 0 says nothing, but its variance must stay finite."""


class Smoothed(NamedTuple):
    """A final value."""

    distribution: Distribution
    """Sums to 1."""
    deviation: float
    """Standard deviation of each centred log-ratio (natural logarithms) given all that was used."""


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


class Smoother:
    """Smooths the distributions of one track.

    Args:
        settings: the time constant of the steady filter at 25 fps and full quality, and the gap that resets it.
        lag: s of future that a value may use. 0 gives the plain filter: every value as soon as it is observed. With
            more, a value is final once the track was seen ``lag`` s later (at the latest 1.5 ``lag``, because the
            backward passes run once per half a lag), or once the track has ended or begun anew after a gap.

    Every value follows from the observations of the track and their order alone, never from how they were handed over.
    A constant input comes out unchanged, zeros included, because the floor is taken away again after smoothing.
    """

    def __init__(self, settings: SmootherSettings, lag: float) -> None:
        gain = -expm1(-NOMINAL_STEP / settings.time_constant)
        # In the steady state, with R = 1, P + qΔt = K / (1 - K) and K (P + qΔt) = qΔt.
        self._diffusion = gain * gain / (1 - gain) / NOMINAL_STEP
        self._gap = settings.gap
        self._lag = lag
        # With a lag, all that is not final; without, only the newest.
        self._steps: list[Step] = []

    def observe(self, pts: float, probabilities: Sequence[float], quality: float) -> list[Smoothed]:
        """Add the next observation; return the smoothed values that became final, oldest first.

        Args:
            pts: media time, s; never decreases.
            probabilities: raw distribution, sums to 1.
            quality: of the crop, in [0, 1]; measurement noise is divided by it.
        """
        final = self.finish() if self.lost(pts) else []
        step = self._step(pts, probabilities, quality)
        if self._lag == 0:
            self._steps = [step]
            final.append(Smoothed(_distribution(step.mean), _deviation(step.spread, step)))
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

    @property
    def oldest(self) -> Step | None:
        """What ``restore`` needs besides the observations after it whose values are not final; None if nothing."""
        return self._steps[0] if self._steps else None

    def restore(self, oldest: Step, later: Iterable[tuple[float, Sequence[float], float]]) -> None:
        """Go on where a smoother of the same settings was: at its ``oldest`` step, and observations as of ``observe``.

        All that is not final follows from these, so that they need not be stored with what the filter made of each.
        """
        self._steps = [oldest]
        for observation in later:
            self._steps.append(self._step(*observation))

    def _step(self, pts: float, probabilities: Sequence[float], quality: float) -> Step:
        """Return the step of the next observation."""
        ratios, noise = _log_ratios(probabilities), 1 / max(quality, LOWEST_QUALITY)
        if self._steps:
            return _follow(self._steps[-1], pts, ratios, noise, self._diffusion)
        return _begin(pts, ratios, noise, SCALE, PATIENCE)

    def _smooth(self, until: float) -> list[Smoothed]:
        """Look back over all steps; drop those not after ``until`` and return their values."""
        steps = self._steps
        count = sum(step.pts <= until for step in steps)
        if not count:
            return []
        newest = steps[-1]
        turned = [_begin(-newest.pts, newest.ratios, newest.noise, newest.scale, newest.weight)]
        for step in reversed(steps[:-1]):
            turned.append(_follow(turned[-1], -step.pts, step.ratios, step.noise, self._diffusion))
        late, early = _look_back(steps), _look_back(turned)
        early.reverse()
        final = []
        for index, share in enumerate(_shares(steps, late, early)[:count]):
            (one, lateness), (other, earliness) = late[index], early[index]
            mean = [a + share * (b - a) for a, b in zip(one, other, strict=True)]
            lateness *= steps[index].excess
            earliness *= turned[-1 - index].excess
            final.append(Smoothed(_distribution(mean), _deviation(lateness + share * (earliness - lateness), newest)))
        del steps[:count]
        return final


def _begin(pts: float, ratios: list[float], noise: float, scale: float, weight: float) -> Step:
    return Step(pts, ratios, noise, ratios, noise, noise, scale, weight, [0.0] * len(ratios), noise, LASTING * noise)


def _follow(last: Step, pts: float, ratios: list[float], noise: float, diffusion: float) -> Step:
    """Return the filter's next step."""
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


def _shares(steps: Sequence[Step], late: Sequence[_Estimate], early: Sequence[_Estimate]) -> list[float]:
    """Return what each early estimate counts, in (0, 1), beside the late one.

    Inversely to the squared distances from what was observed, averaged over ``NEIGHBOURS``.
    """
    lateness, earliness = _misfits(steps, late), _misfits(steps, early)
    shares = []
    for index in range(len(steps)):
        around = slice(max(index - NEIGHBOURS, 0), index + NEIGHBOURS + 1)
        one, other = sum(lateness[around]), sum(earliness[around])
        shares.append(one / (one + other) if one + other > 0 else 0.5)
    return shares


def _misfits(steps: Sequence[Step], estimates: Sequence[_Estimate]) -> list[float]:
    return [dist(step.ratios, mean) ** 2 / step.noise for step, (mean, _) in zip(steps, estimates, strict=True)]


def _look_back(steps: Sequence[Step]) -> list[_Estimate]:
    """Return the mean and variance of each step given all of them."""
    mean, variance = steps[-1].mean, steps[-1].variance
    values = [(mean, variance)]
    for step, ahead in zip(reversed(steps[:-1]), reversed(steps[1:]), strict=True):
        gain = step.variance / ahead.predicted
        mean = [m + gain * (s - m) for m, s in zip(step.mean, mean, strict=True)]
        variance = step.variance + gain * gain * (variance - ahead.predicted)
        values.append((mean, variance))
    values.reverse()
    return values


def _deviation(variance: float, step: Step) -> float:
    """Standard deviation of a centred log-ratio: centring takes one part of eight away."""
    parts = len(step.mean)
    return sqrt(variance * step.scale * (parts - 1) / parts)


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
