"""What a recipe asks for, from faces to figures: one training, one per fold, or a search."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.markup import escape
from rich.progress import Progress

from models.emotion.data import on_labels
from models.emotion.evaluate import open_network
from models.emotion.export import add_figures, export
from models.emotion.folder import RESULTS, clear, occupied, remove
from models.emotion.folds import Parts, divide, folds
from models.emotion.outcome import Outcome, judge, pooled, write_outcome
from models.emotion.recipe import Recipe
from models.emotion.runs import CHECKPOINT, NETWORK, Source, draw_curves, write_config, write_history, write_rows
from models.emotion.start import resolve
from models.emotion.train import Run

KEPT = "the held-out rows, by which the temperature was set"
TESTED = "test rows by which nothing was set"


@dataclass(frozen=True)
class Bench:
    """How to train: on what device, whether to go on from checkpoints, where to show how it goes."""

    device: torch.device
    resume: bool
    progress: Progress

    def say(self, text: str) -> None:
        """Prints a line above the progress bars."""
        self.progress.console.print(escape(text), highlight=False, soft_wrap=True)


def resolved(recipe: Recipe, source: Source) -> Recipe:
    """`recipe` with all that depends on the data or on the network that it starts with."""
    recipe = resolve(recipe, source.faces.labels)
    if recipe.split.by is not None:
        return recipe
    by = "face" if source.faces.people is None else "person"
    return recipe.model_copy(update={"split": recipe.split.model_copy(update={"by": by})})


def divided(recipe: Recipe, source: Source) -> list[Parts]:
    """The parts of the faces: one item, or one per fold.

    Args:
        recipe: resolved.
        source: the faces, of which `Recipe.rows` are taken.

    Raises:
        InputError: they cannot be divided so.
    """
    assert recipe.labels is not None
    faces = source.faces
    if recipe.rows is not None and recipe.rows < len(faces):
        chosen = np.random.default_rng(recipe.seed).choice(len(faces), recipe.rows, replace=False)
        faces = faces.take(np.sort(chosen))
    faces = on_labels(faces, recipe.labels)
    if not recipe.split.folds:
        return [divide(faces, recipe.split, recipe.seed)]
    return list(folds(faces, recipe.split, recipe.seed))


def train(recipe: Recipe, source: Source, folder: Path, bench: Bench) -> Outcome:
    """Trains by a recipe in `folder`, with a folder per fold where it has folds; returns what was reached.

    Raises:
        InputError: recipe, faces and folder do not go together.
        TrainingError: training cannot go on.
    """
    recipe = resolved(recipe, source)
    every = divided(recipe, source)
    with occupied(folder, "a training with folds" if recipe.split.folds else "a training"):
        begin_in(folder, recipe, every[0], bench)
        if not recipe.split.folds:
            return finish(fit(recipe, every[0], source, folder, bench), every[0])
        outcomes = []
        for number, parts in enumerate(every, 1):
            bench.say(f"fold {number} of {len(every)}: {parts}")
            inside = folder / f"fold-{number}"
            outcomes.append(finish(fit(recipe, parts, source, inside, bench), parts))
            bench.say(f"fold {number}: {outcomes[-1]}")
        return summarise(folder, recipe, source, outcomes)


def begin_in(folder: Path, recipe: Recipe, parts: Parts, bench: Bench) -> None:
    """Says how the faces are divided; removes what is in `folder` where `bench` does not go on from it.

    Raises:
        InputError: `parts` cannot be trained on so; then nothing is removed.
    """
    if not recipe.split.folds:  # each of which is told of in its turn
        bench.say(f"{'divided by person: ' if recipe.split.by == 'person' else ''}{parts}")
    if parts.many_copies:
        bench.say(parts.lost(recipe.split))
    if not bench.resume:
        Run(recipe, parts, folder)
        clear(folder)


def fit(recipe: Recipe, parts: Parts, source: Source, folder: Path, bench: Bench) -> Run:
    """Trains to the end, from the checkpoint in `folder` where there is one and `bench` says so."""
    run = Run(recipe, parts, folder, bench.device, data=source.sha256)
    if bench.resume and (folder / CHECKPOINT).exists():
        run.load()
        if run.epoch:
            bench.say(f"{folder}: {run.epoch} epochs are done")
    write_config(folder, recipe, source, str(parts))
    if not run.done:
        # What an earlier run in this folder came to is not what this one will.
        remove(folder, RESULTS)
    try:
        while not run.done:
            told = run.advance(bench.progress)
            write_history(folder, run.history)
            bench.say(
                f"epoch {told['epoch']}/{recipe.epochs}  loss {told['loss']:.4f}  held out: accuracy "
                f"{told['held_accuracy']:.4f}, KL {told['held_kl']:.4f}  ({told['seconds']:.0f} s)"
            )
    finally:
        draw_curves(folder, run.history, recipe.name)
    if recipe.patience and run.epoch < recipe.epochs:
        bench.say(f"stopped after {run.epoch} epochs: the last {recipe.patience} were no better on the held-out rows")
    return run


def finish(run: Run, parts: Parts, chosen: str = "") -> Outcome:
    """Exports the network of a run and measures it on the test part, else on the held-out one.

    Args:
        run: that is done.
        parts: its faces.
        chosen: what else was chosen by the held-out rows, in words.
    """
    path = run.folder / NETWORK
    export(run.final(), run.recipe, parts, path, data=run.data)
    kept = KEPT + (" and the epoch chosen" if run.recipe.patience else "") + chosen
    faces, part = (parts.held, kept) if parts.test is None else (parts.test, TESTED)
    found = judge(path, faces, part)
    write_rows(run.folder, faces, open_network(path)(faces.images), part)
    add_figures(path, [found])
    more: dict[str, Any] = {"recipe": run.recipe.name, "paper": run.recipe.paper, "claim": run.recipe.claim}
    write_outcome(run.folder, found, more | {"epochs": run.epoch, "parts": str(parts)})
    return found


def summarise(folder: Path, recipe: Recipe, source: Source, outcomes: Sequence[Outcome]) -> Outcome:
    """Writes the folds' figures and their pooled confusion matrix into `folder`; returns all as one."""
    kind = "folds by person" if recipe.split.by == "person" else "random folds"
    every = pooled(outcomes, f"{len(outcomes)} {kind}, each face tested once")
    accuracies = np.array([outcome.hits.mean() for outcome in outcomes])
    kls = np.array([outcome.kl.mean() for outcome in outcomes])
    told = {
        "recipe": recipe.name,
        "paper": recipe.paper,
        "claim": recipe.claim,
        "accuracy_mean": round(float(accuracies.mean()), 4),
        "accuracy_sd": round(float(accuracies.std(ddof=1)), 4),
        "kl_mean": round(float(kls.mean()), 4),
        "folds": [outcome.figures() for outcome in outcomes],
    }
    write_config(folder, recipe, source, every.part)
    write_outcome(folder, every, told)
    return replace(
        every, part=f"{every.part}; mean of the folds {accuracies.mean():.4f}, sd {accuracies.std(ddof=1):.4f}"
    )
