"""The figures of a report, drawn by matplotlib without a screen."""

import base64
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Final, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.bootstrap import Estimate
from models.emotion.evaluation import roc as curves
from models.emotion.evaluation.calibration import Calibration, Reliability
from models.emotion.evaluation.confusion import Confusion
from models.emotion.evaluation.heatmap import HeatMap
from models.emotion.evaluation.robustness import Curve
from models.emotion.evaluation.sample import Sample
from models.written import content
from pipeline.labels import LABELS

STYLE: Final[dict[Any, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888",
    "axes.labelcolor": "#333",
    "xtick.color": "#555",
    "ytick.color": "#555",
    "legend.frameon": False,
}
COLOURS: Final = ("#7a7a7a", "#d99a00", "#0f8a8a", "#2f62b5", "#c23b22", "#6b8e23", "#7b4fa3", "#b0568c")
"""Of the labels, in their order."""

RIGHT, COST, FAINT = "#2f62b5", "#c8701a", "#bbb"

FEW: Final = 10
"""Predictions in a bin below which it is not drawn: an interval over so few says little."""

Drawn = ParamSpec("Drawn")


def _styled(draw: Callable[Drawn, Figure]) -> Callable[Drawn, Figure]:
    """Draw in `STYLE`, whatever the reader's own settings are."""

    @wraps(draw)
    def drawn(*arguments: Drawn.args, **keywords: Drawn.kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            return draw(*arguments, **keywords)

    return drawn


def encoded(figure: Figure) -> str:
    """The figure as a PNG in base64."""
    picture = content(lambda file: figure.savefig(file, format="png", dpi=150, facecolor="white"))
    return base64.b64encode(picture).decode()


def _grid(rows: int, columns: int, width: float, height: float, **keywords: Any) -> tuple[Figure, NDArray[Any]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, np.asarray(figure.subplots(rows, columns, squeeze=False, **keywords))


@_styled
def confusions(confusion: Confusion) -> Figure:
    """Counts, and shares of each true label."""
    counts = np.array(confusion.counts)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure, ((left, right),) = _grid(1, 2, 11.5, 4.9)
    for axes, title, words in (
        (left, "faces", [[f"{value:,}" for value in row] for row in counts.tolist()]),
        (right, "% of each true label", [[f"{100 * value:.0f}" for value in row] for row in shares.tolist()]),
    ):
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.05)
        for down, row in enumerate(words):
            for across, word in enumerate(row):
                dark = shares[down, across] > 0.55
                nothing = not counts[down, across]
                axes.text(
                    *(across, down),
                    word,
                    ha="center",
                    va="center",
                    color="white" if dark else FAINT if nothing else "#222",
                )
        axes.set_xticks(range(len(LABELS)), LABELS, rotation=40, ha="right")
        axes.set_yticks(range(len(LABELS)), LABELS)
        axes.set(title=title, xlabel="predicted", ylabel="majority of votes")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return figure


@_styled
def roc(found: Sequence[curves.Curve]) -> Figure:
    """True over false positives of each label against the rest."""
    figure, ((axes,),) = _grid(1, 1, 6.2, 4.6)
    axes.plot((0, 1), (0, 1), color=FAINT, linewidth=0.8, linestyle=":")
    for one in found:
        colour = COLOURS[LABELS.index(one.label)]
        axes.plot(curves.GRID, one.rates, color=colour, label=f"{one.label}  {one.auc.value:.3f}", linewidth=1.4)
    axes.set(xlabel="false-positive rate", ylabel="true-positive rate", xlim=(-0.01, 1), ylim=(0, 1.01))
    axes.legend(title="area under the curve", loc="lower right")
    return figure


@_styled
def calibration(found: Calibration) -> Figure:
    """The most probable label, twice, and every label by itself."""
    figure, axes = _grid(2, 5, 11.5, 4.9, sharex=True, sharey=True)
    _reliability(axes[0, 0], found.overall, "most probable label:\nshare of votes", "#222")
    _reliability(axes[1, 0], found.correctness, "most probable label:\nis the majority", "#222")
    places = [axes[row, column] for row in (0, 1) for column in range(1, 5)]
    for one, place in zip(found.classes, places, strict=False):
        _reliability(place, one, f"{one.name}", COLOURS[LABELS.index(one.name)])
    for place in places[len(found.classes) :]:
        place.set_axis_off()
    figure.supxlabel("predicted probability", fontsize=9)
    figure.supylabel("what the raters say", fontsize=9)
    return figure


def _reliability(axes: Axes, one: Reliability, title: str, colour: str) -> None:
    axes.plot((0, 1), (0, 1), color=FAINT, linewidth=0.8, linestyle=":")
    drawn = [each for each in one.bins if each.outcome.n >= FEW]
    at = [each.predicted for each in drawn]
    axes.errorbar(at, *_bars([each.outcome for each in drawn]), color=colour, marker="o", markersize=3, linewidth=1.2)
    axes.set(title=f"{title}\nECE {one.error:.3f}", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")


def _bars(estimates: Sequence[Estimate]) -> tuple[list[float], NDArray[np.float64]]:
    """Values, and how far their intervals reach below and above."""
    values = [one.value for one in estimates]
    reach = [(max(one.value - one.low, 0), max(one.high - one.value, 0)) for one in estimates]
    return values, np.nan_to_num(np.array(reach).reshape(-1, 2).T)


@_styled
def robustness(found: Sequence[Curve]) -> Figure:
    """Accuracy and KL at the levels of each sweep, the values on the same faces as they are dotted."""
    columns = 4
    rows = -(-len(found) // columns)
    figure, axes = _grid(rows, columns, 11.5, 2.5 * rows)
    clean = next((point for one in found for point in one.points if point.level == one.clean), None)
    most = max(point.divergence.high for one in found for point in one.points)
    for one, place in zip(found, axes.flat, strict=False):
        at = [point.level for point in one.points]
        other = place.twinx()
        for side, colour, dotted, estimates in (
            (place, RIGHT, clean.accuracy if clean else None, [point.accuracy for point in one.points]),
            (other, COST, clean.divergence if clean else None, [point.divergence for point in one.points]),
        ):
            if dotted is not None:
                side.axhline(dotted.value, color=colour, linewidth=0.7, linestyle=":")
            side.fill_between(
                at, [e.low for e in estimates], [e.high for e in estimates], color=colour, alpha=0.2, lw=0
            )
            side.plot(at, [e.value for e in estimates], color=colour, marker="o", markersize=2.5, linewidth=1.2)
            side.tick_params(axis="y", colors=colour)
        place.set(ylim=(0, 1), title=one.name)
        place.set_xlabel(one.unit, fontsize=8)
        other.set_ylim(0, 1.05 * most)
        if min(at) > 0 and max(at) > 20 * min(at):
            place.set_xscale("log")
            place.set_xticks(at, [f"{level:g}" for level in at], fontsize=8)
            place.set_xticks([], minor=True)
        if one.clean is not None and at[0] == one.clean and at[-1] < one.clean:
            place.invert_xaxis()
    for place in axes.flat[len(found) :]:
        place.set_axis_off()
    if len(found) < axes.size:
        place = axes.flat[-1]
        place.text(0, 0.6, "accuracy (left)", color=RIGHT, transform=place.transAxes)
        place.text(0, 0.45, "KL, nats (right)", color=COST, transform=place.transAxes)
        place.text(0, 0.3, "dotted: faces as they are", color="#555", transform=place.transAxes)
    return figure


@_styled
def heatmaps(maps: Sequence[HeatMap], faces: NDArray[np.uint8]) -> Figure:
    """Mean face of each label, and above it what covering each region costs."""
    figure, axes = _grid(1, max(len(maps), 1), 11.5, 2.0)
    for one, face, place in zip(maps, faces, axes.flat, strict=False):
        _heat(place, face, np.array(one.lost), f"{one.label}\nn = {one.n}")
    return figure


@_styled
def examples(faces: NDArray[np.uint8], lost: NDArray[np.float32], said: Sequence[str]) -> Figure:
    """Faces as they are, and what covering each region of them costs."""
    figure, axes = _grid(2, max(len(faces), 1), 11.5, 3.4)
    for place, face in zip(axes[0], faces, strict=False):
        place.imshow(face, cmap="gray", vmin=0, vmax=255)
        place.set_axis_off()
    for place, face, one, words in zip(axes[1], faces, lost, said, strict=False):
        _heat(place, face, one, words)
    return figure


def _heat(axes: Axes, face: NDArray[np.uint8], lost: NDArray[Any], title: str) -> None:
    side = face.shape[0]
    most = max(float(np.abs(lost).max()), 0.05)
    axes.imshow(face, cmap="gray", vmin=0, vmax=255, extent=(0, side, side, 0))
    axes.imshow(
        lost, cmap="RdBu_r", vmin=-most, vmax=most, alpha=0.55, extent=(0, side, side, 0), interpolation="bicubic"
    )
    axes.set_title(f"{title}\nup to {lost.max():.2f}", fontsize=8)
    axes.set_axis_off()


@_styled
def failures(images: NDArray[np.uint8], sample: Sample, found: NDArray[np.float32], wrong: NDArray[np.int64]) -> Figure:
    """The faces at `wrong` of the sample, with what was said and what the raters say; `images` are (m, s, s)."""
    columns, side = 8, images.shape[1]
    wide, high = round(1.08 * side), round(1.4 * side)
    rows = -(-len(wrong) // columns)
    sheet = np.full((rows * high, columns * wide), 255, np.uint8)
    # One picture for all: as many axes take a hundred times as long to lay out.
    figure, ((axes,),) = _grid(1, 1, 11.5, 11.5 * sheet.shape[0] / sheet.shape[1])
    for number, at in enumerate(wrong.tolist()):
        top, left = number // columns * high, number % columns * wide
        sheet[top + high - side : top + high, left : left + side] = images[at]
        said, true = found[at].argmax(), sample.majority[at]
        words = f"{LABELS[said]} {found[at, said]:.2f}\n{LABELS[true]} {sample.shares[at, true]:.0%} of votes"
        axes.text(left + side / 2, top + high - side - 2, words, ha="center", va="bottom", fontsize=7.5)
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=255)
    axes.set_axis_off()
    return figure
