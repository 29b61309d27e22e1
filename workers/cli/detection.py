"""``affectstream evaluate detector``: what a face detector is worth on photos with known faces."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli import terminal

if TYPE_CHECKING:
    from rich.table import Table


def detector(
    data: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Folder of photos and boxes.json: {FILE: [{box: \\[x1, y1, x2, y2]}]}."),
    ],
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="FILE", help="ONNX file of the YuNet kind, or a shipped one's name."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--against", metavar="FILE", help="Another detector, compared on the same photos.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="Write detector.json and curves.png here.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only the photos as they are.")] = False,
) -> None:
    """Measure how many known faces a detector finds, for how many false boxes.

    Recall is told at 0.1 false boxes per photo, and average precision, each with its 95 % bootstrap interval over
    photos, for each kind of faces (kind in boxes.json). Then the same photos enlarged and shrunk, turned by 45°, gray,
    dark, blurred, and cut so that an edge runs through the largest face. Faces lower than 16 px do not count; a box is
    a face's from an IoU of 0.4.

    Example:

      affectstream evaluate detector data/detect_valid --against teacher.onnx --report report
    """
    from rich.progress import Progress

    from models.detector.evaluate import LOW, look, read_photos
    from models.detector.find import Finder
    from models.detector.views import VIEWS
    from models.emotion.evaluation.report import ready
    from pipeline.card import network_file

    paths = [network_file("detector", model)] + ([] if against is None else [network_file("detector", against)])
    if report is not None:
        ready(report)
    console = terminal.console()
    photos = read_photos(data)
    finders = [Finder(path, LOW) for path in paths]
    views = VIEWS[:1] if quick else VIEWS
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("finding faces", total=len(views) * len(photos.photos))
        sights = look(photos, finders, views, lambda: progress.advance(task))
    names = _names(paths)
    console.print(f"{' against '.join(names)} on {data} ({len(photos.photos):,} photos)", markup=False, soft_wrap=True)
    console.print(_table(names, sights))
    if report is not None:
        _write(report, names, paths, sights)
        console.print(
            f"curves: {report / 'curves.png'}, figures: {report / 'detector.json'}", markup=False, soft_wrap=True
        )


def _names(paths: list[Path]) -> list[str]:
    from pipeline.card import detector_card

    cards = [detector_card(path) for path in paths]
    names = [path.stem if card is None else card.name for path, card in zip(paths, cards, strict=True)]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _table(names: list[str], sights: list[list[Any]]) -> "Table":
    from rich.table import Table

    from models.detector.evaluate import told

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("photos", "faces", "n"):
        table.add_column(column, no_wrap=True)
    for name in names:
        table.add_column(f"{name}: recall (95 %)", justify="right")
        table.add_column("AP", justify="right")
    if len(names) > 1:
        table.add_column("ahead (95 %)", justify="right")
    first, other = told(sights[0], sights[1] if len(sights) > 1 else None), [told(more) for more in sights[1:]]
    for view, kinds in first.items():
        for kind, figures in kinds.items():
            cells = [view, kind, f"{figures['n']:,}"]
            for one in (figures, *(more[view][kind] for more in other)):
                cells += [_interval(one["recall"]), f"{one['average_precision']['value']:.3f}"]
            if len(names) > 1:
                cells.append(_interval(figures["recall_ahead"], "+"))
            table.add_row(*cells)
    return table


def _interval(figure: dict[str, Any], sign: str = "") -> str:
    low, high = figure["ci95"]
    return f"{figure['value']:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"


def _write(folder: Path, names: list[str], paths: list[Path], sights: list[list[Any]]) -> None:
    import json

    from models.bootstrap import FEW
    from models.detector.curves import FALSE_PER_PHOTO
    from models.detector.evaluate import LOW, SMALLEST, told
    from models.detector.matching import SAME_REAL
    from models.detector.plot import draw
    from models.written import content, write_file
    from pipeline.onnx import file_hash

    rows = [
        {
            "name": name,
            "sha256": file_hash(path),
            "views": told(seen, sights[1] if at == 0 and len(sights) > 1 else None),
        }
        for at, (name, path, seen) in enumerate(zip(names, paths, sights, strict=True))
    ]
    protocol = {
        "false_per_photo": FALSE_PER_PHOTO,
        "iou": SAME_REAL,
        "lowest_score": LOW,
        "smallest_px": SMALLEST,
        "intervals": "95 %, bootstrap over photos, the threshold found anew in each draw; Wilson's of recalls of which "
        f"fewer than {FEW} faces are found or missed",
    }
    plain = {name: seen[0] for name, seen in zip(names, sights, strict=True)}
    write_file(folder / "detector.json", json.dumps({"protocol": protocol, "detectors": rows}, indent=2) + "\n")
    write_file(folder / "curves.png", content(lambda file: draw(plain, file)))
