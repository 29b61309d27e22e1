"""What a track's distributions are taken to be: filtered (see ``filter``), or with a lag smoothed.

A distribution over eight labels is a point of a simplex, where sums and means of probabilities mislead: from 0.01 to
0.02 is as much of a change as from 0.4 to 0.8. Centred log-ratios (CLR; Aitchison, "The Statistical Analysis of
Compositional Data", 1986) map the simplex to a plane in which ordinary statistics hold::

    clr(p) = log p - mean(log p)

The filter has one variance for all directions, so that the backward pass (Rauch, Tung & Striebel, 1965) over what it
knew at each step has one gain a step.

A change shows only after it began, so the filter is late, and so would be a backward pass over its steps. With a lag
the same is done from the end to the beginning, which is early by as much. Where nothing is odd the two agree; where
they do not, that which is nearer to the observations around counts more.
"""

from collections.abc import Iterable, Sequence
from math import dist, exp, expm1, inf, log, sqrt
from typing import Final, NamedTuple

from pipeline.settings import SmootherSettings
from pipeline.sink.filter import Step, begin, follow

Distribution = tuple[float, ...]

_Estimate = tuple[list[float], float]
"""Mean of the log-ratios, and variance of each in units of the scale."""

NOMINAL_STEP: Final = 0.04
"""s between frames (25 fps) at which the filter has the time constant that is set."""

NEIGHBOURS: Final = 2
"""Observations before and after that tell which of the two passes over the past is right."""

FLOOR: Final = 0.002
"""What every probability is raised by, at the cost of all, before logarithms are taken: zeros have none."""

UNSEEN: Final = 1.3
"""Standard deviation of a centred log-ratio over all faces of 19 recordings (5,725 rows): no face is known less well,
whatever a poor look at it leaves open."""

LOWEST_QUALITY: Final = 1e-6
"""A face of quality 0 says nothing, but its variance must stay finite."""


class Smoothed(NamedTuple):
    """A final value."""

    distribution: Distribution
    """Sums to 1."""
    deviation: float
    """Standard deviation of each centred log-ratio given all that was used: natural logarithms, with the floor.

    That is, of each ``c - mean(c)`` where ``c = log(FLOOR + (1 - 8 FLOOR) p)``; without the floor it says nothing of
    probabilities below it.
    """


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
            return follow(self._steps[-1], pts, ratios, noise, self._diffusion)
        return begin(pts, ratios, noise)

    def _smooth(self, until: float) -> list[Smoothed]:
        """Look back over all steps; drop those not after ``until`` and return their values."""
        steps = self._steps
        count = sum(step.pts <= until for step in steps)
        if not count:
            return []
        newest = steps[-1]
        turned = [begin(-newest.pts, newest.ratios, newest.noise, newest.scale, newest.weight)]
        for step in reversed(steps[:-1]):
            turned.append(follow(turned[-1], -step.pts, step.ratios, step.noise, self._diffusion))
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
    """Standard deviation of a centred log-ratio, at most ``UNSEEN``: centring takes one part of eight away."""
    parts = len(step.mean)
    return min(sqrt(variance * step.scale * (parts - 1) / parts), UNSEEN)


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
