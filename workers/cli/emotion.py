"""``affectstream evaluate emotion``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli import terminal

if TYPE_CHECKING:
    from models.bootstrap import Estimate
    from models.emotion.evaluate import Report
    from models.emotion.evaluation.comparison import Comparison
    from models.emotion.faces import LabelledFaces
    from pipeline.inference.classifier import Classifier

Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="Faces with votes or labels: .npz, FER2013's csv, a csv of votes, or a folder of class folders.",
    ),
]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model", metavar="FILE", help="ONNX file with its card, or a shipped network's name (default: standard)."
    ),
]


def emotion(
    data: Data,
    model: Model = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="FILE", help="Another network, compared on the same faces."),
    ] = None,
    votes: Annotated[
        Path | None, typer.Option("--votes", metavar="CSV", help="FER+ votes (fer2013new.csv) for FER2013's csv.")
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            "--part", help="Part of the data: FER2013's Usage, or a sub-folder with the class folders (default: all)."
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions", metavar="P.npy", help="Write the (n, 8) float32 probabilities of every row here."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="DIR", help="Write everything that can be told: report.html, report.json."),
    ] = None,
    faces: Annotated[
        int | None,
        typer.Option("--faces", min=1, help="In the report, change so many faces, taken by chance (default: all)."),
    ] = None,
) -> None:
    """Measure an expression network against the votes of human raters (FER+ protocol).

    Single votes are dropped; figures are taken over the faces in which one of the eight expressions holds more than
    half of the remaining votes. Beside them: a rater held out against the majority of the others, and the KL that is
    left when the votes of a few raters are all that is wrong.

    With --report, a page with figures and a JSON: confusions, ROC, distances of distributions, calibration, clear,
    mixed and subtle expressions, robustness, the regions that decide, failures, speed. It takes minutes, and the page
    shows faces of the data.

    Example:

      affectstream evaluate emotion ferplus_valid.npz --report report
    """
    from models.emotion.evaluate import open_network
    from models.emotion.evaluate import report as measure
    from models.emotion.evaluation.comparison import compare
    from models.emotion.evaluation.origin import notes
    from models.emotion.evaluation.report import ready
    from models.emotion.faces import read_faces
    from models.emotion.figures import table
    from pipeline.card import network_file

    if predictions is not None and predictions.suffix != ".npy":
        raise typer.BadParameter(f"{str(predictions)!r} must end in .npy", param_hint="--predictions")
    if faces is not None and report is None:
        raise typer.BadParameter("it goes with --report", param_hint="--faces")
    if report is not None:
        ready(report)
    console = terminal.console()
    with console.status(f"measuring {data.name}"):
        known, network = read_faces(data, votes, part=part), open_network(model)
        measured = measure(known, network)
        other = measure(known, open_network(against)) if against is not None else None
    console.print(f"{measured.model} on {data} ({measured.rows:,} rows)", markup=False, soft_wrap=True)
    for line in _lines(measured, known):
        console.print(f"  {line}", soft_wrap=True)
    for note in notes(known, measured.sample, network=network_file("emotion", model)):
        console.print(f"  {note}", style="yellow", markup=False, soft_wrap=True)
    if other is not None:
        for line in _compared(compare(known, measured, other)):
            console.print(f"  {line}", soft_wrap=True)
    console.print(table(measured, "by majority label"))
    if predictions is not None:
        _save(measured, predictions)
        console.print(f"probabilities: {predictions}", markup=False, soft_wrap=True)
    if report is not None:
        page = _reported(known, network, model, measured, other, report, faces)
        console.print(f"report: {page}", markup=False, soft_wrap=True)


def _lines(measured: "Report", faces: "LabelledFaces") -> "list[str]":
    """What is told in the terminal."""
    from models.emotion.evaluate import resamples
    from models.emotion.evaluation.calibration import calibration_error
    from models.emotion.evaluation.panels import floor
    from models.emotion.evaluation.references import raters, references

    sample, found = measured.sample, measured.found
    floors = floor(sample, faces.votes) if sample.rated else None
    kl = references(sample, found, floors, resamples(faces, sample))[0]
    told = [_line("accuracy", measured.accuracy)]
    held_out = raters(measured, faces)
    if held_out is not None:
        told.append(_line("one rater against the others", held_out.rater))
        told.append(_line("the network against the same others", held_out.network))
        told.append(_line("one rater who names an expression", held_out.naming))
        told.append(_line("the network against these others", held_out.network_naming))
    told.append(_line("KL(votes || prediction)", kl.network, " nats"))
    if kl.floor is not None:
        told.append(_line("what a flawless predictor would score", kl.floor, " nats"))
    told += [
        _line("balanced accuracy", measured.confusion.balanced_accuracy),
        _line("macro F1", measured.confusion.macro_f1),
    ]
    sure, shares = found.max(1), sample.shares[range(len(found)), found.argmax(1)]
    told.append(f"calibration error (ECE) against the share of votes: {calibration_error(sure, shares):.4f}")
    right = found.argmax(1) == sample.majority
    told.append(f"calibration error (ECE) against being right, Guo et al. 2017: {calibration_error(sure, right):.4f}")
    return told


def _compared(found: "Comparison") -> "list[str]":
    return [
        f"less {found.against}, on {found.accuracy.n:,} faces:",
        "  " + _line("accuracy", found.accuracy),
        "  " + _line("KL", found.divergence, " nats"),
    ]


def _line(name: str, figure: "Estimate", unit: str = "") -> str:
    return f"{name}: {figure.value:.4f}{unit} (95 %: {figure.low:.4f} to {figure.high:.4f}, n = {figure.n:,})"


def _save(measured: "Report", path: Path) -> None:
    import numpy as np

    from models.written import content, write_file

    write_file(path, content(lambda file: np.save(file, measured.probabilities)))


def _reported(
    faces: "LabelledFaces",
    network: "Classifier",
    model: Path | None,
    measured: "Report",
    other: "Report | None",
    folder: Path,
    count: int | None,
) -> Path:
    """Write the report."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from models.emotion.evaluation.judgement import judge
    from models.emotion.evaluation.report import write
    from pipeline.card import network_file

    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=terminal.console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        judged, pictures = judge(
            faces,
            network,
            network_file("emotion", model),
            measured,
            against=other,
            count=count,
            told=lambda share, what: bar.update(task, completed=share, description=what),
        )
    return write(folder, judged, measured, faces.images, pictures)
