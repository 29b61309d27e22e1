"""The shipped smoother with each of its parts switched off, and where errors last longer than it takes them to."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from math import inf
from typing import Final

import numpy as np
from rich.table import Table

from models.altered import altered
from models.smoothing.compare import SERIES, Row, shipped
from models.smoothing.series import MEMORY, Series, generate
from pipeline.sink import filter as filtering
from pipeline.sink import smoother as smoothing
from pipeline.sink.filter import Step
from pipeline.sink.stage import REPLAY_LAG

MEMORIES: Final = (MEMORY, 0.3, 1.0)
"""s for which errors last, on average."""

LAGS: Final = ((0.0, "live"), (REPLAY_LAG, "replay"))


@dataclass(frozen=True)
class Variant:
    """The smoother, whole or with one part switched off."""

    name: str
    patched: Callable[[], AbstractContextManager[None]] = field(default=nullcontext)
    """Switches off what is off while the smoother runs."""
    quality: bool = True
    """Whether noise depends on quality."""
    live: bool = True
    """Whether live values have the part."""


def _late(steps: Sequence[Step], late: Sequence[object], early: Sequence[object]) -> list[float]:
    """Stand in for ``smoother._shares``: the pass from the end to the beginning counts nothing."""
    return [0.0] * len(steps)


VARIANTS: Final = (
    Variant("whole smoother"),
    Variant("odd frames count in full", lambda: altered(filtering, OUTLIER=inf)),
    Variant("changes are not detected", lambda: altered(filtering, CHANGE=inf)),
    Variant("noise is the same at every quality", quality=False),
    Variant("errors are taken for independent", lambda: altered(filtering, LASTING=0.0)),
    Variant("one pass, from the beginning", lambda: altered(smoothing, _shares=_late), live=False),
)
"""The whole smoother, and each part's absence."""


def ablate(seed: int) -> list[Row]:
    """Measure every variant on the series of ``SERIES`` seeds from ``seed`` on, live and as in replay."""
    series = _series(seed)
    rows = []
    for lag, when in LAGS:
        for variant in VARIANTS:
            if lag or variant.live:
                seen = series if variant.quality else [replace(one, quality=np.ones_like(one.pts)) for one in series]
                with variant.patched():
                    rows.append(Row(variant.name, when, *shipped(seen, lag), None))
    return rows


def lasting(seed: int) -> list[Row]:
    """Measure the smoother on the same series with errors that last for each of ``MEMORIES``."""
    rows = []
    for memory in MEMORIES:
        series = _series(seed, memory)
        for lag, when in LAGS:
            rows.append(Row(f"errors last {memory:g} s", when, *shipped(series, lag), None))
    return rows


def table(title: str, rows: Sequence[Row]) -> Table:
    """Return figures of the smoother, for people."""
    shown = Table(title=title)
    for column in ("smoother", ""):
        shown.add_column(column)
    for column in ("KL to truth", "flips/min", "lag, s", "variance", "in 90 %"):
        shown.add_column(column, justify="right")
    for row in rows:
        figures = row.figures
        shown.add_row(
            row.name,
            row.parameters,
            f"{figures.divergence:.4f}",
            f"{figures.flips:.1f}",
            f"{figures.lag:+.3f}",
            f"{figures.variance:.4f}",
            f"{row.covered:.0%}",
        )
    return shown


def _series(seed: int, memory: float = MEMORY) -> list[Series]:
    return [generate(number, memory=memory) for number in range(seed, seed + SERIES)]
