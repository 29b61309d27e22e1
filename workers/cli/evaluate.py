"""``affectstream evaluate``: what the networks are worth, on data with known answers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli import detection, emotion, options, terminal
from workers.cli.emotion import Data, Model

if TYPE_CHECKING:
    from rich.console import Console

    from models.emotion.metrics import Faces
    from workers.engine import Engine

app = typer.Typer(help="Measure networks on data with known answers.", no_args_is_help=True, rich_markup_mode="rich")

Chosen = Annotated[
    int | None, typer.Option("--faces", min=1, help="Measure so many faces, taken by chance (default: all).")
]


Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures here too.")]


@app.callback()
def evaluate() -> None:
    """Measure networks on data with known answers."""


app.command("emotion")(emotion.emotion)
app.command("detector")(detection.detector)


@app.command()
def tracking(
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Folder with photos/ and tracks/ (default: none, only scenes made of the demo's portrait).",
        ),
    ] = None,
    scenes: Annotated[int, typer.Option("--scenes", min=1, help="Generated scenes of 27 s each.")] = 8,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Seed of the first; each further one takes the next.")
    ] = 100,
    detector: options.Detector = None,
    ablate: Annotated[bool, typer.Option("--ablate", help="Also switch each part of the tracker off in turn.")] = False,
    detect_every: Annotated[
        bool, typer.Option("--detect-every", help="Also search only every 2nd, 3rd and 5th frame for faces.")
    ] = False,
    json: Json = None,
) -> None:
    """Measure how well faces are followed, on scenes whose truth is known.

    With --data: the annotated videos in tracks/, tiles of them in one frame, and scenes made of faces from photos/.
    Each at 25 frames per second, at an uneven 5, and with 70 % of the frames dropped at random. The generated scenes
    also with the true faces, a few missed and all a little off, in place of the detector's: the tracker alone.

    Example:

      affectstream evaluate tracking --data data --ablate
    """
    from models.tracking.evaluate import Scenes, idealised, rows, seldom, table
    from models.tracking.measures import motmetrics
    from models.tracking.trial import VARIANTS, WHOLE
    from workers.config import load_config

    motmetrics()
    console = _begun(json)
    if data is None:
        console.print(
            "Without --data every face is the same portrait, and appearance tells nobody apart: more is confused than "
            "with faces of photos.",
            style="yellow",
            soft_wrap=True,
        )
    watched = Scenes(load_config(None, options.settings(detector=detector)), data)
    with console.status("detecting faces in the scenes"):
        annotated, generated = [*watched.annotated()], watched.generated(range(seed, seed + scenes))
        groups = [*annotated, generated, idealised(generated)]
    with console.status("following them"):
        figures = {"tracker": [row for group in groups for row in rows(group, watched, (WHOLE,))]}
        console.print(table("the tracker", figures["tracker"]))
        if ablate:
            figures["ablation"] = list(rows(generated, watched, VARIANTS))
            console.print(table("each part switched off", figures["ablation"]))
        if detect_every:
            both = [*annotated[-1:], generated]
            figures["detect_every"] = [row for group in both for row in seldom(group, watched)]
            console.print(table("fewer frames searched for faces", figures["detect_every"], speed=True))
    _written(json, console, figures)


@app.command()
def smoothing(
    parquet: Annotated[
        Path | None,
        typer.Option("--parquet", metavar="OUT", help="Also count flips on the tracks of a replay."),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", min=2000, help="Seed of the first series; each further one takes the next.")
    ] = 5000,
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Also switch each part of the smoother off in turn.")
    ] = False,
    json: Json = None,
) -> None:
    """Measure smoothing on series whose truth is known, beside other filters at their best.

    Expressions that are held and changed, seen with noise, odd frames and gaps at uneven times. The other filters get
    the parameters of the lowest KL on other series, those on which the constants of the shipped one were chosen.
    KL to truth in nats; flips: changes of the most probable label; lag: how much longer than in truth the old label
    leads at a change; variance: of the probabilities while an expression is held; in 90 %: share of the true log-ratios
    within the interval that s_std gives for nine in ten of them, which it can only where errors last as long as the
    smoother takes them to (0.1 s): what holds where they last longer stands below.

    Example:

      affectstream evaluate smoothing --parquet results
    """
    from models.smoothing import parts
    from models.smoothing.compare import compare, table
    from models.smoothing.tracks import read_tracks

    tracks = read_tracks(parquet) if parquet is not None else []
    console = _begun(json)
    with console.status("smoothing"):
        told: dict[str, Any] = {"filters": compare(seed, tracks)}
        console.print(table(told["filters"]))
        told["memories"] = parts.lasting(seed)
        console.print(parts.table("errors that last longer than s_std takes them to", told["memories"]))
        if ablate:
            told["ablation"] = parts.ablate(seed)
            console.print(parts.table("each part switched off", told["ablation"]))
    _written(json, console, told)


@app.command()
def alignment(
    data: Data,
    faces: Chosen = None,
    model: Model = None,
    json: Json = None,
) -> None:
    """Measure what the pipeline's own crops cost in accuracy, beside perfect ones.

    Faces that have a majority (see emotion) are enlarged, pasted into frames, found again by the pipeline and cut out.
    Both accuracies are over those found; points lost: the paired difference with its 95 % interval.
    Scale, shift and roll: how the crops lie on the faces as they were, which vary in that themselves.

    Example:

      affectstream evaluate alignment ferplus_valid.npz
    """
    from models.crops.alignment import measure, tables

    console = _begun(json)
    chosen, engine = _faces_and_engine(data, faces, model)
    with console.status("finding faces"):
        rows = [*measure(chosen, engine)]
    console.print(f"{engine.classifier.id} on {data} ({len(chosen.images):,} faces)", markup=False, soft_wrap=True)
    console.print(*tables(rows), sep="\n")
    _written(json, console, _of(chosen, engine, data) | {"heights": rows})


@app.command()
def jitter(
    photos: Annotated[
        Path | None,
        typer.Option("--photos", metavar="DIR", help="Folder of photos to take people from (default: the portrait)."),
    ] = None,
    people: Annotated[int, typer.Option("--people", min=1, help="How many, where there are photos.")] = 4,
    json: Json = None,
) -> None:
    """Measure how still crops are on a face in video: at rest, in a camera held by hand, and moving.

    In px of a crop of 48, root mean square of its corners once the face's true movement is taken away: from frame to
    frame, around their mean, and from where they lie on the same face at rest.

    Example:

      affectstream evaluate jitter --photos data/photos
    """
    import numpy as np

    from models.crops.jitter import measure, table
    from models.tracking.cast import cast
    from pipeline.errors import InputError
    from workers.config import load_config
    from workers.engine import Engine

    if photos is not None and not photos.is_dir():
        raise InputError(f"{str(photos)!r} is no folder; give --photos a folder of photos")
    console = _begun(json)
    engine = Engine.load(load_config(None, {}))
    with console.status("following faces"):
        cut = cast(engine.detector, photos, np.random.default_rng(0), people if photos is not None else 1)
        rows = [*measure(engine, cut)]
    console.print(table(rows))
    _written(json, console, {"people": len(cut), "paths": rows})


@app.command()
def quality(
    data: Data,
    faces: Chosen = None,
    model: Model = None,
    json: Json = None,
) -> None:
    """Measure what quality is worth: accuracy and calibration by bands of it, on degraded faces.

    Faces that have a majority (see emotion) are shown small, blurred, noisy, dark or covered, four times each, and
    found again by the pipeline. Sure: mean probability of the most probable label. ECE: mean distance between sure and
    right. KL to the votes in nats, and what it would be at the best temperature for just that band. Entropy: over that
    of the uniform distribution.

    Example:

      affectstream evaluate quality ferplus_valid.npz
    """
    from models.crops.quality import bands, judge, table

    console = _begun(json)
    chosen, engine = _faces_and_engine(data, faces, model)
    with console.status("degrading and finding faces"):
        rows = [*bands(chosen, judge(chosen, engine))]
    console.print(f"{engine.classifier.id} on {data} ({len(chosen.images):,} faces)", markup=False, soft_wrap=True)
    console.print(table(rows))
    _written(json, console, _of(chosen, engine, data) | {"bands": rows})


def _begun(json: Path | None) -> "Console":
    """The console; ``json`` is seen to be a file that can be written before minutes are spent."""
    from models.written import writable

    if json is not None:
        writable(json)
    return terminal.console()


def _written(json: Path | None, console: "Console", figures: dict[str, Any]) -> None:
    from models.written import write_json

    if json is not None:
        write_json(json, figures)
        console.print(f"figures: {json}", markup=False, soft_wrap=True)


def _of(faces: "Faces", engine: "Engine", data: Path) -> dict[str, Any]:
    return {"model": engine.classifier.id, "data": data.name, "faces": len(faces.images)}


def _faces_and_engine(data: Path, count: int | None, model: Path | None) -> "tuple[Faces, Engine]":
    """Read the faces to measure on, all or ``count`` of those that have a majority, and open the networks."""
    from models.crops.alignment import measurable
    from models.emotion.faces import read_faces
    from workers.config import load_config
    from workers.engine import Engine

    chosen = measurable(read_faces(data), count, seed=0)
    return chosen, Engine.load(load_config(None, options.settings(emotion=model)))
