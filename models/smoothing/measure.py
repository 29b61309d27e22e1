"""What a smoothed series is worth: how near the truth, how calm, how late."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.smoothing.series import Doubles, Series, log_ratios

WINDOW: Final = 1.0
"""s before and after a change of expression within which its lag is taken."""

LEAST: Final = 1e-6
"""Probabilities below count as this, so that a zero costs much, but not infinitely much."""

INTERVAL: Final = 1.6449
"""Standard deviations around the mean within which nine in ten values of a normal distribution lie."""


@dataclass(frozen=True)
class Figures:
    """Of one filter over many series."""

    divergence: float
    """Mean KL(truth || estimate) over all frames, nats."""
    flips: float
    """Changes of the most probable label per minute of media time."""
    lag: float
    """s for which the old label leads the new one for longer than in truth, mean over changes; negative if early."""
    variance: float
    """Of the probabilities, summed over labels, while an expression is held: mean over frames."""


def measure(series: Sequence[Series], estimates: Sequence[Doubles]) -> Figures:
    """Compare estimates, (n, 8) each, with the truth."""
    divergences = np.concatenate([divergence(s.truth, e) for s, e in zip(series, estimates, strict=True)])
    minutes = sum(s.pts[-1] - s.pts[0] for s in series) / 60
    lags = np.concatenate([lags_of(s, e) for s, e in zip(series, estimates, strict=True)])
    deviations = np.concatenate([unrest(s, e) for s, e in zip(series, estimates, strict=True)])
    return Figures(
        divergence=float(divergences.mean()),
        flips=float(sum(map(flips, estimates)) / minutes),
        lag=float(lags.mean()),
        variance=float(deviations.mean()),
    )


def divergence(truth: Doubles, estimate: Doubles) -> Doubles:
    """Return (n,) KL(truth || estimate), nats, of (n, 8) distributions."""
    result: Doubles = np.sum(truth * np.log(truth / np.maximum(estimate, LEAST)), axis=1)
    return result


def coverage(series: Sequence[Series], estimates: Sequence[Doubles], deviations: Sequence[Doubles]) -> float:
    """Return the share of all centred log-ratios whose truth lies in the interval that nine in ten should lie in.

    ``deviations``: (n,) each, standard deviation of a log-ratio of each of the (n, 8) ``estimates``.
    """
    within = [
        np.abs(log_ratios(estimate) - log_ratios(one.truth)) <= INTERVAL * deviation[:, None]
        for one, estimate, deviation in zip(series, estimates, deviations, strict=True)
    ]
    return float(np.concatenate(within).mean())


def flips(estimate: Doubles) -> int:
    """Return how often the most probable label changes in (n, 8)."""
    return int(np.count_nonzero(np.diff(estimate.argmax(axis=1))))


def lags_of(series: Series, estimate: Doubles) -> Doubles:
    """Return the lag, s, of every change of label that has ``WINDOW`` s of either label around it in truth.

    Lag is how much longer the old label leads the new one in the estimate than in truth, so that noise alone, which
    favours neither, adds none.
    """
    labels = series.truth.argmax(axis=1)
    pts = series.pts
    stands_for = np.gradient(pts)
    lags = []
    for k in np.flatnonzero(np.diff(labels)) + 1:
        old, new = labels[k - 1], labels[k]
        first, last = np.searchsorted(pts, [pts[k] - WINDOW, pts[k] + WINDOW])
        around = slice(first, last)
        steady = (labels[first:k] == old).all() and (labels[k:last] == new).all()
        gapless = np.diff(pts[max(first - 1, 0) : last + 1]).max() < WINDOW / 4
        if steady and gapless:
            leads = estimate[around, old] > estimate[around, new]
            led = series.truth[around, old] > series.truth[around, new]
            lags.append(np.sum(stands_for[around] * (leads.astype(float) - led)))
    return np.array(lags)


def unrest(series: Series, estimate: Doubles) -> Doubles:
    """Return squared distances of the estimate from its mean over each hold, for frames of holds."""
    parts = [np.empty(0)]
    for number in np.unique(series.hold[series.hold >= 0]):
        held = np.flatnonzero(series.hold == number)
        # What is left of the change before is lag, not unrest.
        held = held[series.pts[held] > series.pts[held[0]] + WINDOW / 2]
        if len(held) > 1:
            values = estimate[held]
            parts.append(((values - values.mean(axis=0)) ** 2).sum(axis=1))
    return np.concatenate(parts)
