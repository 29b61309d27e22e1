"""The filters that are compared: each maps a series to estimates of its true distributions."""

from math import pi

import numpy as np

from models.smoothing.series import Doubles, Series
from pipeline.settings import SmootherSettings
from pipeline.sink.smoother import Smoother


def raw(series: Series) -> Doubles:
    """Return what was seen."""
    return series.seen


def moving_average(series: Series, window: float, *, centred: bool = False) -> Doubles:
    """Return (n, 8) means of what was seen within ``window`` s: of the past alone, or centred."""
    ahead = window / 2 if centred else 0.0
    first = np.searchsorted(series.pts, series.pts - (window - ahead) + 1e-9)
    last = np.searchsorted(series.pts, series.pts + ahead, side="right")
    total = np.concatenate([np.zeros((1, series.seen.shape[1])), np.cumsum(series.seen, axis=0)])
    result: Doubles = (total[last] - total[first]) / (last - first)[:, None]
    return result


def exponential(series: Series, time_constant: float) -> Doubles:
    """Return (n, 8) exponential moving averages that forget by e within ``time_constant`` s of media time."""
    kept = np.exp(-np.diff(series.pts) / time_constant)
    values = series.seen.copy()
    for k in range(1, len(values)):
        values[k] = kept[k - 1] * values[k - 1] + (1 - kept[k - 1]) * values[k]
    return values


def one_euro(series: Series, cutoff: float, beta: float, derivative_cutoff: float = 1.0) -> Doubles:
    """Return (n, 8) values of the 1€ filter (Casiez, Roussel & Vogel, CHI 2012), normalised.

    Args:
        series: what to smooth.
        cutoff: of a signal at rest, Hz.
        beta: Hz by which the cutoff rises per 1/s of speed.
        derivative_cutoff: at which the speed itself is smoothed, Hz.
    """
    values = series.seen.copy()
    speed = np.zeros(values.shape[1])
    for k in range(1, len(values)):
        step = series.pts[k] - series.pts[k - 1]
        speed = speed + _gain(derivative_cutoff, step) * ((values[k] - values[k - 1]) / step - speed)
        values[k] = values[k - 1] + _gain(cutoff + beta * np.abs(speed), step) * (values[k] - values[k - 1])
    result: Doubles = values / values.sum(axis=1, keepdims=True)
    return result


def smoother(series: Series, lag: float = 0.0, settings: SmootherSettings | None = None) -> Doubles:
    """Return (n, 8) distributions of the shipped smoother with ``lag`` s of future."""
    return kalman(series, lag, settings)[0]


def kalman(series: Series, lag: float = 0.0, settings: SmootherSettings | None = None) -> tuple[Doubles, Doubles]:
    """Return the shipped smoother's distributions, (n, 8), and its standard deviations of a log-ratio, (n,)."""
    track = Smoother(settings or SmootherSettings(), lag)
    values = []
    for pts, p, quality in zip(series.pts.tolist(), series.seen.tolist(), series.quality.tolist(), strict=True):
        values += track.observe(pts, p, quality)
    values += track.finish()
    return np.array([v.distribution for v in values]), np.array([v.deviation for v in values])


def _gain(cutoff: Doubles | float, step: float) -> Doubles | float:
    return 1 / (1 + 1 / (2 * pi * cutoff * step))
