"""Fit the smoother's linear model to real tracks by maximum likelihood.

    python -m models.smoothing.fit OUT

The model is that of ``pipeline.sink.smoother`` where nothing is odd: log-ratios walk at random and are seen through
noise whose variance is a track's own scale over a power of the quality. The likelihood is that of the innovations
(Schweppe, 1965); a track's scale that maximises it is their mean square, which leaves two numbers to search for.

Errors of neighbouring frames are alike (the face, its pose and its crop hardly differ), while the model takes them for
independent: fitted to every frame it takes them for expression. So it is also fitted to each track thinned to a frame
per ``STEPS`` s (every phase of it, each counting its part).
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, expm1, log, log1p, sqrt
from pathlib import Path
from typing import Final

import numpy as np
from scipy.optimize import minimize

from models.program import run
from models.smoothing.series import Doubles, Track, log_ratios
from models.smoothing.tracks import read_tracks
from pipeline.settings import SmootherSettings
from pipeline.sink.smoother import NOMINAL_STEP

STEPS: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
"""s between the frames that are used; 0 uses all."""

LOWEST_QUALITY: Final = 0.02
"""Lower ones count as this, so that faces that show nothing do not rule the exponent."""

FREEDOM: Final = 7
"""Log-ratios of eight labels sum to zero."""

Part = tuple[Doubles, Doubles, Doubles]
"""pts (n,), log-ratios (n, 8) and quality (n,)."""


@dataclass(frozen=True)
class Fit:
    """What maximises the likelihood."""

    ratio: float
    """Process noise per second over measurement noise, q / R, 1/s."""
    exponent: float
    """Of quality: measurement noise is divided by its power."""
    scales: Doubles
    """(tracks,) variance R of a log-ratio at full quality."""
    step: float
    """s between the frames that were used."""

    @property
    def time_constant(self) -> float:
        """s: memory of the steady filter at full quality, for frames that lie ``step`` s apart."""
        walk = self.ratio * self.step
        predicted = (walk + sqrt(walk * walk + 4 * walk)) / 2
        return self.step / log1p(predicted)


def thin(track: Track, step: float) -> list[Part]:
    """Return the track as parts of about a frame per ``step`` s, one for each phase."""
    every = max(1, round(step / float(np.median(np.diff(track.pts)))))
    ratios, quality = log_ratios(track.seen), np.maximum(track.quality, LOWEST_QUALITY)
    return [(track.pts[phase::every], ratios[phase::every], quality[phase::every]) for phase in range(every)]


def concentrated(parts: Sequence[Part], ratio: float, exponent: float) -> tuple[float, float]:
    """Return the log-likelihood of one track at its best scale, less a constant, and that scale."""
    gap = SmootherSettings().gap
    logs = squares = 0.0
    count = 0
    for pts, ratios, quality in parts:
        noises = quality**-exponent
        mean, variance = ratios[0], noises[0]
        for k in range(1, len(pts)):
            elapsed = pts[k] - pts[k - 1]
            if elapsed > gap:
                mean, variance = ratios[k], noises[k]
                continue
            predicted = variance + ratio * elapsed
            total = predicted + noises[k]
            innovation = ratios[k] - mean
            logs += FREEDOM / 2 * log(total)
            squares += float(innovation @ innovation) / total
            count += FREEDOM
            gain = predicted / total
            mean = mean + gain * innovation
            variance = predicted * (1 - gain)
    if not count:
        return 0.0, float("nan")
    scale = squares / count
    # Videos that stand still have no noise, and no likelihood; 1e-6 is less than any other shows.
    return -(logs + count / 2 * log(scale + 1e-6) + count / 2) / len(parts), scale


def fit(tracks: Sequence[Track], step: float = 0.0) -> Fit:
    """Return the maximum of the likelihood over all tracks, thinned to a frame per ``step`` s."""
    parts = [thin(track, step) for track in tracks]

    def loss(point: Doubles) -> float:
        return -sum(concentrated(part, exp(point[0]), point[1])[0] for part in parts)

    start = np.array([[1.0, 0.5], [0.0, 0.5], [1.0, 1.0]])
    found = minimize(
        loss, start[0], method="Nelder-Mead", options={"initial_simplex": start, "xatol": 0.02, "fatol": 0.1}
    )
    ratio, exponent = exp(found.x[0]), float(found.x[1])
    scales = np.array([concentrated(part, ratio, exponent)[1] for part in parts])
    return Fit(ratio, exponent, scales[np.isfinite(scales)], max(step, NOMINAL_STEP))


def main() -> None:
    """Print the fits."""
    parser = argparse.ArgumentParser(description="Fit the smoother's linear model to real tracks.")
    parser.add_argument("folder", type=Path, metavar="OUT", help="what a replay wrote")
    tracks = read_tracks(parser.parse_args().folder)
    gain = -expm1(-NOMINAL_STEP / SmootherSettings().time_constant)
    shipped = gain * gain / (1 - gain) / NOMINAL_STEP
    print(f"{len(tracks)} tracks, {sum(len(track.pts) for track in tracks):,} rows")
    print("  step  q / R, 1/s  time constant  exponent  R of tracks: 10 %, median, 90 %")
    for step in STEPS:
        best = fit(tracks, step)
        low, median, high = np.quantile(best.scales, [0.1, 0.5, 0.9])
        name = f"{step:.1f} s" if step else "all"
        print(
            f"{name:>6}  {best.ratio:10.3g}  {best.time_constant:11.3f} s  {best.exponent:8.2f}"
            f"  {low:.4f}, {median:.4f}, {high:.4f}"
        )
    print(f"shipped  {shipped:9.3g}  {SmootherSettings().time_constant:11.3f} s  {1:8.2f}  learnt per track")


if __name__ == "__main__":
    run(main)
