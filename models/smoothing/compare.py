"""The shipped smoother beside the filters that one would use instead, each at its best."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Final

from rich.table import Table

from models.smoothing.filters import (
    exponential,
    exponential_ratios,
    kalman,
    median_ratios,
    moving_average,
    one_euro,
    raw,
    smoother,
)
from models.smoothing.measure import Figures, coverage, flips, measure
from models.smoothing.series import Doubles, Series, Track, generate
from pipeline.sink.stage import REPLAY_LAG

TUNING: Final = range(1000, 1012)
"""Seeds of the series on which filters get their parameters; the constants of the shipped one were chosen on these."""

SERIES: Final = 24
"""Series of 60 s that are measured."""

Filter = Callable[[Track], Doubles]


@dataclass(frozen=True)
class Row:
    """What one filter is worth."""

    name: str
    parameters: str
    figures: Figures
    covered: float | None
    """Share of the truth within the filter's own 90 % interval; None for filters that do not say how sure they are."""
    real: int | None
    """Changes of the most probable label on real tracks."""


@dataclass(frozen=True)
class Rival:
    """A filter, and the parameters it may have."""

    name: str
    make: Callable[..., Doubles]
    choices: dict[str, tuple[float, ...]]

    def best(self, series: Sequence[Series]) -> tuple[str, Filter]:
        """Return the parameters of the lowest divergence, in words, and the filter that has them."""
        candidates = [dict(zip(self.choices, values, strict=True)) for values in product(*self.choices.values())]
        chosen = min(candidates, key=lambda choice: self._divergence(series, choice))
        return ", ".join(f"{name} {value:g}" for name, value in chosen.items()), partial(self.make, **chosen)

    def _divergence(self, series: Sequence[Series], choice: dict[str, float]) -> float:
        return measure(series, [self.make(one, **choice) for one in series]).divergence


WINDOWS: Final = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5)

CONSTANTS: Final = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6)

RIVALS: Final = (
    Rival("moving average", moving_average, {"window": WINDOWS}),
    Rival("moving average, centred", partial(moving_average, centred=True), {"window": WINDOWS}),
    Rival("exponential average", exponential, {"time_constant": CONSTANTS}),
    Rival("1€", one_euro, {"cutoff": (0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.4), "beta": (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)}),
    # As the shipped one, these work on log-ratios, in which the errors of the series are Gaussian.
    Rival("exponential average of log-ratios", exponential_ratios, {"time_constant": CONSTANTS}),
    Rival(
        "exponential average of log-ratios, from both sides",
        partial(exponential_ratios, two_sided=True),
        {"time_constant": CONSTANTS},
    ),
    Rival("median of log-ratios, centred", median_ratios, {"window": WINDOWS}),
)


def compare(seed: int, real: Sequence[Track] = ()) -> list[Row]:
    """Measure all filters on the series of ``SERIES`` seeds from ``seed`` on, and count their flips on real tracks."""
    tuning = [generate(number) for number in TUNING]
    series = [generate(number) for number in range(seed, seed + SERIES)]
    filters: list[tuple[str, str, Filter]] = [("raw", "", raw)]
    filters += [(rival.name, *rival.best(tuning)) for rival in RIVALS]
    rows = [
        Row(name, parameters, measure(series, [apply(one) for one in series]), None, _real(apply, real))
        for name, parameters, apply in filters
    ]
    for name, parameters, lag in (("shipped, live", "", 0.0), ("shipped, replay", f"lag {REPLAY_LAG:g}", REPLAY_LAG)):
        rows.append(Row(name, parameters, *shipped(series, lag), _real(partial(smoother, lag=lag), real)))
    return rows


def shipped(series: Sequence[Series], lag: float) -> tuple[Figures, float]:
    """Return what the shipped smoother is worth with ``lag`` s of future, and how much its intervals cover."""
    estimates, deviations = zip(*(kalman(one, lag) for one in series), strict=True)
    return measure(series, estimates), coverage(series, estimates, deviations)


def _real(apply: Filter, tracks: Sequence[Track]) -> int | None:
    return sum(flips(apply(track)) for track in tracks) if tracks else None


def table(rows: Sequence[Row]) -> Table:
    """Return the comparison, for people; the first row is what the others are compared with."""
    shown = Table(title="smoothing")
    for column in ("filter", "parameters"):
        shown.add_column(column)
    first = rows[0]
    numbers = ["KL to truth", "flips/min", "cut", "lag, s", "variance", "in 90 %"]
    for column in [*numbers, "flips, real", "cut"] if first.real is not None else numbers:
        shown.add_column(column, justify="right")
    for row in rows:
        figures = row.figures
        cells = [
            f"{figures.divergence:.4f}",
            f"{figures.flips:.1f}",
            f"{first.figures.flips / figures.flips:.1f}x",
            f"{figures.lag:+.3f}",
            f"{figures.variance:.4f}",
            f"{row.covered:.0%}" if row.covered is not None else "",
        ]
        if row.real is not None and first.real is not None:
            cells += [str(row.real), f"{first.real / max(row.real, 1):.1f}x"]
        shown.add_row(row.name, row.parameters, *cells)
    return shown
