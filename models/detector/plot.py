"""The curves of detectors as a picture."""

from __future__ import annotations

from typing import BinaryIO

import matplotlib as mpl
from matplotlib.figure import Figure

from models.detector.curves import FALSE_PER_PHOTO
from models.detector.evaluate import ALL, Sight

COLOURS = ("black", "tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple")
LINES = ("-", "--")


def draw(sights: dict[str, Sight], file: BinaryIO) -> None:
    """Write a PNG: recall by false boxes per photo for each kind, and precision by recall, of one or two detectors."""
    with mpl.rc_context({"font.size": 9}):
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        for (who, sight), line in zip(sights.items(), LINES, strict=False):
            for (kind, one), colour in zip(sight.kinds.items(), COLOURS, strict=False):
                curve = one.curves
                left.step(
                    curve.false, curve.recall, line, where="post", color=colour, label=f"{kind} (n = {one.n:,}), {who}"
                )
            whole = sight.kinds[ALL]
            name = f"{who}: average precision {whole.precision:.3f}"
            right.plot(whole.curves.recall, whole.curves.precision, line, color=COLOURS[0], label=name)
        left.axvline(FALSE_PER_PHOTO, color="grey", linewidth=0.8)
        left.set(xscale="log", xlim=(0.003, 5), ylim=(0, 1), xlabel="false boxes per photo", ylabel="recall")
        right.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
        for axes in (left, right):
            axes.grid(alpha=0.3)
            axes.legend(fontsize=7, loc="lower left" if axes is right else "lower right")
        figure.savefig(file, format="png", dpi=120)
