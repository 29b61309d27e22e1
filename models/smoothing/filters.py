"""The filters that are compared: each maps a track to estimates of its true distributions."""

from math import pi

import numpy as np

from models.smoothing.series import Doubles, Track, distributions, log_ratios
from pipeline.settings import SmootherSettings
from pipeline.sink.smoother import Smoother


def raw(track: Track) -> Doubles:
    """Return what was seen."""
    return track.seen


def moving_average(track: Track, window: float, *, centred: bool = False) -> Doubles:
    """Return (n, 8) means of what was seen within ``window`` s: of the past alone, or centred."""
    ahead = window / 2 if centred else 0.0
    first = np.searchsorted(track.pts, track.pts - (window - ahead) + 1e-9)
    last = np.searchsorted(track.pts, track.pts + ahead, side="right")
    total = np.concatenate([np.zeros((1, track.seen.shape[1])), np.cumsum(track.seen, axis=0)])
    result: Doubles = (total[last] - total[first]) / (last - first)[:, None]
    return result


def exponential(track: Track, time_constant: float) -> Doubles:
    """Return (n, 8) exponential moving averages that forget by e within ``time_constant`` s of media time."""
    return _forgetting(track.seen, track.pts, time_constant)


def exponential_ratios(track: Track, time_constant: float, *, two_sided: bool = False) -> Doubles:
    """Return (n, 8) distributions of exponential moving averages of log-ratios; ``two_sided``: with those from behind.

    See ``exponential``. From both sides, the mean of the averages of the past and of the future counts.
    """
    ratios = log_ratios(track.seen)
    values = _forgetting(ratios, track.pts, time_constant)
    if two_sided:
        values = (values + _forgetting(ratios[::-1], -track.pts[::-1], time_constant)[::-1]) / 2
    return distributions(values)


def median_ratios(track: Track, window: float) -> Doubles:
    """Return (n, 8) distributions of medians of each log-ratio within ``window`` s, centred."""
    ratios = log_ratios(track.seen)
    first = np.searchsorted(track.pts, track.pts - window / 2)
    last = np.searchsorted(track.pts, track.pts + window / 2, side="right")
    return distributions(np.array([np.median(ratios[a:b], axis=0) for a, b in zip(first, last, strict=True)]))


def one_euro(track: Track, cutoff: float, beta: float, derivative_cutoff: float = 1.0) -> Doubles:
    """Return (n, 8) values of the 1€ filter (Casiez, Roussel & Vogel, CHI 2012), normalised.

    Args:
        track: what to smooth.
        cutoff: of a signal at rest, Hz.
        beta: Hz by which the cutoff rises per 1/s of speed.
        derivative_cutoff: at which the speed itself is smoothed, Hz.
    """
    values = track.seen.copy()
    speed = np.zeros(values.shape[1])
    for k in range(1, len(values)):
        step = track.pts[k] - track.pts[k - 1]
        speed = speed + _gain(derivative_cutoff, step) * ((values[k] - values[k - 1]) / step - speed)
        values[k] = values[k - 1] + _gain(cutoff + beta * np.abs(speed), step) * (values[k] - values[k - 1])
    result: Doubles = values / values.sum(axis=1, keepdims=True)
    return result


def smoother(track: Track, lag: float = 0.0, settings: SmootherSettings | None = None) -> Doubles:
    """Return (n, 8) distributions of the shipped smoother with ``lag`` s of future."""
    return kalman(track, lag, settings)[0]


def kalman(track: Track, lag: float = 0.0, settings: SmootherSettings | None = None) -> tuple[Doubles, Doubles]:
    """Return the shipped smoother's distributions, (n, 8), and its standard deviations of a log-ratio, (n,)."""
    filtering = Smoother(settings or SmootherSettings(), lag)
    values = []
    for pts, p, quality in zip(track.pts.tolist(), track.seen.tolist(), track.quality.tolist(), strict=True):
        values += filtering.observe(pts, p, quality)
    values += filtering.finish()
    return np.array([v.distribution for v in values]), np.array([v.deviation for v in values])


def _forgetting(values: Doubles, pts: Doubles, time_constant: float) -> Doubles:
    kept = np.exp(-np.diff(pts) / time_constant)
    averages = values.copy()
    for k in range(1, len(averages)):
        averages[k] = kept[k - 1] * averages[k - 1] + (1 - kept[k - 1]) * averages[k]
    return averages


def _gain(cutoff: Doubles | float, step: float) -> Doubles | float:
    return 1 / (1 + 1 / (2 * pi * cutoff * step))
