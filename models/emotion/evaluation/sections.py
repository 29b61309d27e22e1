"""The sections of a report, each as HTML made of numbers."""

from collections.abc import Iterable, Sequence
from html import escape
from math import isnan

from matplotlib.figure import Figure

from models.bootstrap import FEW, Estimate
from models.emotion.evaluation import plots
from models.emotion.evaluation.calibration import BINS
from models.emotion.evaluation.clarity import SHIFT
from models.emotion.evaluation.comparison import Comparison
from models.emotion.evaluation.judgement import Judgement
from models.emotion.evaluation.measures import KL
from models.emotion.evaluation.roc import FEWEST

FLOOR = (
    "The <b>floor</b> is what a flawless predictor would score: ten votes are a small sample of what people would "
    "say. The true shares of each face are drawn as its votes and all others make them likely (empirical Bayes, one "
    "Dirichlet distribution), new panels of raters are drawn from them, and the mean of such panels is measured on "
    "other panels, under the same protocol. With single votes kept it is the bias of the entropy by the jackknife, "
    "with no model at all. <b>Mean shares</b> says of every face what these faces have on average, <b>uniform</b> the "
    "same of every label. Clark and Canberra are ruled by the labels that nobody votes for: they hardly tell a "
    "network from the floor. Definitions: Geng 2016; Jensen-Shannon: Lin 1991."
)


def notes(told: Sequence[str]) -> str:
    """What a reader must know first."""
    return f'<div class="notes">{"".join(f"<p>{escape(one)}</p>" for one in told)}</div>' if told else ""


def keys(judged: Judgement) -> str:
    """The few numbers that count most."""
    kl = judged.references[0]
    told = [
        (
            "accuracy",
            _value(judged.accuracy),
            f"most probable label is the majority of votes, n = {judged.accuracy.n:,}",
        )
    ]
    if judged.raters is not None:
        told.append(
            (
                "one rater",
                _value(judged.raters.rater),
                f"a rater held out, against the majority of the others; the network, asked the same: "
                f"{judged.raters.network.value:.3f}. Of raters who name an expression: "
                f"{judged.raters.naming.value:.3f}, beside {judged.raters.network_naming.value:.3f}",
            )
        )
    floor = "" if kl.floor is None else f"; flawless: {kl.floor.value:.3f}"
    told.append((f"{KL}, nats", _value(kl.network), f"mean shares: {kl.prior.value:.3f}{floor}"))
    told.append(("balanced accuracy", _value(judged.confusion.balanced_accuracy), "mean recall of the labels"))
    told.append(("macro F1", _value(judged.confusion.macro_f1), "mean F1 of the labels"))
    told.append(
        (
            "calibration error (ECE), votes",
            f"{judged.calibration.overall.error:.3f}",
            "probability of the most probable label beside its share of votes",
        )
    )
    told.append(
        (
            "calibration error (ECE), right",
            f"{judged.calibration.correctness.error:.3f}",
            "the same beside how often it is the majority label (Guo et al. 2017)",
        )
    )
    fastest = min(judged.speed, key=lambda one: one.median)
    told.append(("time per face", f"{fastest.median:.2f} ms", f"one core, batch of {fastest.batch}"))
    boxes = (
        f'<div class="key">{escape(name)}<b>{number}</b><span>{words}</span></div>' for name, number, words in told
    )
    return f'<div class="keys">{"".join(boxes)}</div>'


def compared(found: Comparison | None) -> str:
    """How the network does beside another."""
    if found is None:
        return ""
    rows = [
        ("accuracy, points", _value(found.accuracy, 2, 100, sign=True)),
        ("KL(votes || prediction), nats", _value(found.divergence, 4, sign=True)),
        ("faces that only this one gets right", f"{found.only[0]:,}"),
        ("faces that only the other gets right", f"{found.only[1]:,}"),
    ]
    words = (
        f"Paired differences over the {found.accuracy.n:,} faces that both can be measured on. "
        "A difference whose interval is without zero is hardly luck."
    )
    return f"<h2>Beside {escape(found.against)}</h2><p>{words}</p>{_table(('this less the other', ''), rows)}"


def references(judged: Judgement) -> str:
    """Measures of distributions."""
    heads = ("measure", "this network", "floor", "mean shares", "uniform")
    rows = []
    for one in judged.references:
        better = "higher is better" if one.rising else "lower is better"
        name = f"{escape(one.measure)} <i>{one.unit + ', ' if one.unit else ''}{better}</i>"
        rows.append(
            (name, _value(one.network), _value(one.floor), f"{one.prior.value:.3f}", f"{one.uniform.value:.3f}")
        )
    words = (
        FLOOR if judged.references[0].floor is not None else "Shares are of one label for each face: all or nothing."
    )
    return f"<h2>Distributions</h2><p>{words}</p>{_table(heads, rows)}"


def classes(judged: Judgement) -> str:
    """Which label is taken for which."""
    areas = {one.label: one.auc for one in judged.roc}
    rows = [
        (
            one.label,
            f"{one.n:,}",
            f"{one.predicted:,}",
            *(_value(each) for each in (one.precision, one.recall, one.f1)),
            _value(areas.get(one.label)),
        )
        for one in judged.confusion.classes
    ]
    heads = ("label", "n", "predicted", "precision", "recall", "F1", "ROC area")
    figures = _figure(plots.confusions(judged.confusion), "Which majority is taken for which label.")
    curves = _figure(plots.roc(judged.roc), "Each label against the rest.", 62) if judged.roc else ""
    bare = [one.label for one in judged.roc if isnan(one.auc.low)]
    words = (
        f"<p>No interval for the ROC area of {', '.join(bare)}: fewer than {FEWEST} faces (people, where they are "
        "known) are on a side, or all are told apart.</p>"
    )
    return f"<h2>Labels</h2>{_table(heads, rows)}{words if bare else ''}{figures}{curves}"


def calibration(judged: Judgement) -> str:
    """Whether probabilities are to be believed."""
    found = judged.calibration
    direction = "too sure" if found.temperature > 1 else "not sure enough"
    words = (
        f"What was said beside what the raters say, in {BINS} bins of probability, all as wide. The expected "
        "calibration error (ECE) is the mean distance of the two over all predictions. Of the most probable label it "
        f"is <b>{found.overall.error:.3f}</b> against the share of votes, {found.correctness.error:.3f} against being "
        f"right (Guo et al. 2017); mean of the labels, each over all faces: {found.classwise_error:.4f}. The "
        f"temperature that would make KL least on these very faces is {found.temperature:.3f} ({direction} by that "
        f"much) and would make it {found.divergence:.4f} nats, from {judged.references[0].network.value:.4f}. Where a "
        "label is the majority more often than it is said to be probable, that is as it should be: probabilities are "
        "of votes, not of majorities."
    )
    drawn = _figure(plots.calibration(found), f"Bins of fewer than {plots.FEW} predictions are not drawn.")
    return f"<h2>Calibration</h2><p>{words}</p>{drawn}"


def clarity(judged: Judgement) -> str:
    """Clear, mixed and subtle expressions."""
    if not judged.clarity:
        return ""
    rows = []
    for one in judged.clarity:
        limits = f"above {one.above:g}" if one.upto is None else f"{one.above:g} to {one.upto:g}"
        figures = (_value(each) for each in (one.accuracy, one.divergence, one.floor, one.consistency))
        rows.append((f"{one.name} <i>{limits} nats</i>", f"{one.accuracy.n:,}", *figures))
    words = (
        "By the entropy of all votes for the eight expressions; those for unknown and not a face do not count. Of ten "
        "raters who name an expression nine or all agree on a clear one, seven or eight on a mixed one, fewer on a "
        "subtle one or the rest are scattered. Consistency: how often the most probable label stays when the face is "
        f"mirrored, or moved by {SHIFT} px up, down, left or right."
    )
    heads = ("votes", "n", "accuracy", "KL, nats", "KL of the flawless", "consistency")
    return f"<h2>Clear, mixed, subtle</h2><p>{words}</p>{_table(heads, rows)}"


def robustness(judged: Judgement) -> str:
    """How accuracy falls as faces get worse."""
    curves = judged.robustness
    if not curves:
        return ""
    rows = [
        (f"{one.name}, {one.unit}", f"{point.level:g}", _value(point.accuracy), _value(point.divergence))
        for one in curves
        for point in one.points
    ]
    whole = _table(("change", "level", "accuracy", "KL, nats"), rows)
    drawn = plots.robustness(curves)
    count = curves[0].points[0].accuracy.n
    words = f"{count:,} faces, each shown worse in one way at a time."
    figure = _figure(drawn, "Bands are 95 % intervals.")
    return f"<h2>Robustness</h2><p>{words}</p>{figure}<details><summary>all numbers</summary>{whole}</details>"


def origin(judged: Judgement) -> str:
    """What was measured, on what, with what, and how long it takes."""
    found = judged.origin
    counts = [
        f"{number:,} {what}" for number, what in ((found.parameters, "parameters"), (found.macs, "MACs")) if number
    ]
    rows = [
        ("network", f"{escape(found.model)}, {escape(found.file)}"),
        ("its SHA-256", found.sha256),
        ("its labels", ", ".join(found.labels)),
        ("its size", f"{', '.join(counts)} (counted {found.counted})" if counts else found.counted),
        ("data", f"{escape(found.data)}: {escape(found.described)}"),
        ("SHA-256 of pixels and votes", found.data_sha256),
        ("protocol", f"{escape(found.protocol)}: {found.n:,} of {found.faces:,}"),
        (
            "intervals",
            f"95 %, percentile bootstrap, {found.draws:,} draws, seed 0; Wilson's of shares with fewer than {FEW} on a "
            "side",
        ),
        ("made", f"{escape(found.date)}; {escape(found.machine)}"),
        ("with", ", ".join(f"{name} {number}" for name, number in found.versions.items())),
    ]
    times = [(f"{one.batch}", f"{one.median:.3f}", f"{one.fastest:.3f}", f"{one.calls:,}") for one in judged.speed]
    heads = ("faces in a call", "ms per face, median", "fastest", "calls")
    return (
        f"<h2>Speed</h2><p>One core, ONNX Runtime on the CPU, faces of noise.</p>{_table(heads, times)}"
        f"<h2>Origin</h2>{_table(None, rows, 'words')}"
    )


def figures(title: str, words: str, drawn: Iterable[tuple[Figure, str]]) -> str:
    """A section of figures with their captions."""
    return f"<h2>{title}</h2><p>{words}</p>{''.join(_figure(one, caption) for one, caption in drawn)}"


def _value(one: Estimate | None, digits: int = 3, factor: float = 1, *, sign: bool = False) -> str:
    """A figure, with its interval if it has one; a dash where there is none."""
    if one is None or isnan(one.value):
        return "–"
    shown = f"{'+' if sign else ''}.{digits}f"
    if isnan(one.low):
        return format(factor * one.value, shown)
    low, value, high = (format(factor * each, shown) for each in (one.low, one.value, one.high))
    return f"{value} <i>{low} to {high}</i>"


def _table(heads: Sequence[str] | None, rows: Iterable[Sequence[str]], kind: str = "") -> str:
    top = f"<thead><tr>{''.join(f'<th>{one}</th>' for one in heads)}</tr></thead>" if heads else ""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>\n" for row in rows)
    return f'<table class="{kind}">{top}<tbody>{body}</tbody></table>'


def _figure(drawn: Figure, caption: str, width: int = 100) -> str:
    image = f'<img alt="{caption}" style="width:{width}%" src="data:image/png;base64,{plots.encoded(drawn)}">'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"
