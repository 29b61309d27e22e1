"""``affectstream train``: networks from recipes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli import terminal

if TYPE_CHECKING:
    from rich.console import Console

    from models.emotion.experiment import Bench
    from models.emotion.recipe import Recipe
    from models.emotion.runs import Source


def train(
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help="Name of a bundled recipe (see --list), or a YAML file.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", "-d", metavar="PATH", help="Labelled faces to learn from: a file or a folder."),
    ] = None,
    votes: Annotated[
        Path | None, typer.Option("--votes", metavar="FILE.csv", help="FER+ votes for the faces of a FER2013 csv.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="RUN", help="Run folder (default: runs/RECIPE, of a search runs/RECIPE-search)."
        ),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: --set optimizer.rate=0.05. Repeatable."),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed (default: the recipe's).")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Epochs (default: the recipe's).")] = None,
    search: Annotated[
        int | None,
        typer.Option("--search", metavar="N", min=1, help="Try N random draws of the recipe's section `search`."),
    ] = None,
    device: Annotated[str, typer.Option("--device", metavar="DEVICE", help="cpu or cuda.")] = "cpu",
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Threads of torch (default: as many as there are cores).")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume/--no-resume", help="Go on from what is in the run folder, or remove it and begin anew."),
    ] = True,
    show: Annotated[bool, typer.Option("--list", help="List the bundled recipes and end.")] = False,
) -> None:
    r"""Train an expression network by a recipe, and export it with its card for the pipeline.

    The run folder gets recipe.yaml (every setting, to train again with), run.json (data hash and versions),
    history.jsonl and curves.png, checkpoint.pt, network.onnx with its card network.json, result.json, confusion.csv and
    test.npz (the rows measured, and what was said of each). A recipe with folds has a folder per fold, a search one per
    trial. Where the data say who is who, no one's faces are both learnt from and measured on, unless a recipe says so.

    Ctrl-C ends at the last whole epoch; the same command goes on from there and ends as if it had not been stopped.
    Needs torch: pip install '.\[train]' in the folder of the sources.

    Examples:

      affectstream train --list

      affectstream train affect --data ferplus_train.npz --out runs/affect

      affectstream train modeling-by-person --data ck48.npz --threads 1

      affectstream train finetune --data ck48.npz --search 8

      affectstream replay clip.mp4 --emotion runs/affect/network.onnx
    """
    from models.emotion.recipe import bundled, read_recipe
    from pipeline.errors import InputError

    console = terminal.console()
    if show:
        _list(console)
        return
    if recipe is None:
        raise InputError(f"no recipe given; give a .yaml file or one of {', '.join(bundled())} (see --list)")
    extra = [] if seed is None else [f"seed={seed}"]
    extra += [] if epochs is None else [f"epochs={epochs}"]
    wanted = read_recipe(recipe, [*(change or []), *extra])
    if data is None:
        raise InputError(f"the recipe {wanted.name!r} needs faces to learn from; give --data PATH")
    if device not in ("cpu", "cuda"):
        raise InputError(f"--device {device!r} is neither cpu nor cuda")
    _need_torch()
    folder = out or Path("runs") / (Path(recipe).stem + ("" if search is None else "-search"))
    _train(wanted, data, votes, folder, search, (device, threads, resume), console)


def _list(console: "Console") -> None:
    """Print the bundled recipes."""
    from rich.table import Table

    from models.emotion.recipe import bundled, read_recipe

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("recipe", "what it makes", "claim of the paper"):
        table.add_column(column, overflow="fold")
    for name in bundled():
        recipe = read_recipe(name)
        claim = "\n".join(part for part in (recipe.claim, f"[dim]{recipe.paper}[/dim]" if recipe.paper else "") if part)
        table.add_row(f"[bold]{name}[/bold]", recipe.about, claim)
    console.print(table)


def _need_torch() -> None:
    """Say what to install where torch is not."""
    from importlib.util import find_spec

    from pipeline.errors import InputError

    missing = [name for name in ("torch", "onnx", "onnxscript", "sklearn") if find_spec(name) is None]
    if missing:
        raise InputError(
            f"training needs {missing[0]}, which is not installed: pip install '.[train]' in the folder of the sources"
        )


def _train(
    recipe: "Recipe",
    data: Path,
    votes: Path | None,
    folder: Path,
    count: int | None,
    machine: tuple[str, int | None, bool],
    console: "Console",
) -> None:
    """Train, and print what was reached beside what the paper claims."""
    import torch
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from models.emotion.experiment import Bench
    from models.emotion.faces import read_faces
    from models.emotion.folder import stopped
    from models.emotion.runs import describe
    from models.emotion.train import open_device
    from pipeline.errors import OutputError

    name, threads, resume = machine
    if threads is not None:
        torch.set_num_threads(threads)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    where = terminal.console(stderr=True)
    with Progress(
        TextColumn("{task.description}"), *columns, TextColumn("{task.fields[loss]}"), console=where
    ) as progress:
        bench = Bench(open_device(name), resume, progress)
        source = describe(read_faces(data, votes), data, votes)
        bench.say(f"{recipe.name}: {recipe.about}\n{source.faces.description}")
        try:
            said = _reach(recipe, source, folder, bench, count)
        except KeyboardInterrupt:
            bench.say(stopped(folder, resume))
            raise typer.Exit(130) from None
        except OSError as error:
            raise OutputError(f"cannot write {str(error.filename or folder)!r}: {error.strerror or error}") from error
    for line in said:
        console.print(line, markup=False, soft_wrap=True)


def _reach(recipe: "Recipe", source: "Source", folder: Path, bench: "Bench", count: int | None) -> list[str]:
    """Train or search; return what to say of it."""
    from models.emotion.experiment import train
    from models.emotion.runs import NETWORK
    from models.emotion.search import search

    lines: list[str] = []
    if count is None:
        found = train(recipe, source, folder, bench)
    else:
        trials, best, found = search(recipe, count, source, folder, bench)
        lines.append("trial  held-out accuracy  held-out KL  settings")
        for trial in trials:
            settings = ", ".join(f"{key}={value}" for key, value in trial.changes.items())
            mark = "*" if trial is best else " "
            lines.append(f"{trial.number:>4}{mark}  {trial.accuracy:>17.4f}  {trial.kl:>11.4f}  {settings}")
        lines.append(f"* chosen by the {recipe.watch} on the held-out rows")
    lines.append(f"reached: {found}")
    if recipe.claim:
        lines.append(f"claimed: {recipe.claim} ({recipe.paper})")
    where = folder if recipe.split.folds else folder / NETWORK
    return [*lines, f"written: {where}"]
