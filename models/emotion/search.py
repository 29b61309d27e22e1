"""Random search over the settings that a recipe names (Bergstra and Bengio 2012, "Random search for hyper-parameter
optimization"): trials are compared on the held-out rows only, and the test rows are seen by the best alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.emotion.folder import RESULTS, occupied
from models.emotion.ingredients import Range, Space
from models.emotion.recipe import Recipe, altered
from models.emotion.runs import RECIPE, TRIALS, Source
from models.written import write_file
from pipeline.errors import InputError

if TYPE_CHECKING:
    from models.emotion.experiment import Bench
    from models.emotion.folds import Parts
    from models.emotion.outcome import Outcome
    from models.emotion.train import Run


@dataclass(frozen=True)
class Trial:
    """One draw of the settings.

    Attributes:
        number: from 1.
        changes: settings by dotted name.
        epochs: trained.
        accuracy: on the held-out rows, of the epoch that became of it.
        kl: likewise, nats.
    """

    number: int
    changes: dict[str, Any]
    epochs: int
    accuracy: float
    kl: float


def draw(space: Mapping[str, Space], seed: int, number: int) -> dict[str, Any]:
    """The settings of trial `number`, the same for the same seed however many trials there are.

    Numbers have four significant digits, so that a trial can be written down.
    """
    rng = np.random.default_rng((seed, number))
    return {key: _drawn(choice, rng) for key, choice in space.items()}


def _drawn(choice: Space, rng: np.random.Generator) -> Any:
    if not isinstance(choice, Range):
        return choice[rng.integers(len(choice))]
    bounds = np.array([choice.low, choice.high])
    value = float(np.exp(rng.uniform(*np.log(bounds)))) if choice.log else float(rng.uniform(*bounds))
    return round(value) if choice.whole else float(f"{value:.4g}")


def better(trial: Trial, other: Trial, watch: str) -> bool:
    """Whether `trial` is the better of two by what the recipe watches."""
    return trial.accuracy > other.accuracy if watch == "accuracy" else trial.kl < other.kl


def search(
    recipe: Recipe, count: int, source: Source, folder: Path, bench: "Bench"
) -> "tuple[list[Trial], Trial, Outcome]":
    """Trains `count` trials, each in a folder of its own, and exports and measures the best.

    Trials that are done are not trained again; asking for more goes on with further ones.

    Returns:
        The trials in their order, the best of them, and what the best reached.

    Raises:
        InputError: the recipe names nothing to search, or has folds; or as `experiment.train` does.
    """
    from models.emotion.experiment import begin_in, divided, finish, fit, resolved

    if not recipe.search:
        raise InputError(f"the recipe {recipe.name!r} has no section search: what to search is named there")
    if recipe.split.folds:
        raise InputError("a search goes by the held-out rows of one split; give --set split.folds=0")
    plain = resolved(recipe, source).model_copy(update={"search": {}})
    every = divided(plain, source)[0]
    with occupied(folder, "a search"):
        begin_in(folder, plain, every, bench)
        trials: list[Trial] = []
        best: tuple[Trial, Run, Parts] | None = None
        for number in range(1, count + 1):
            changes = draw(recipe.search, recipe.seed, number)
            bench.say(f"trial {number} of {count}: {', '.join(f'{key} {value}' for key, value in changes.items())}")
            chosen = resolved(altered(recipe, changes).model_copy(update={"search": {}}), source)
            parts = divided(chosen, source)[0]
            run = fit(chosen, parts, source, folder / f"trial-{number}", bench)
            last = run.history[run.best["epoch"] - 1 if run.best else -1]
            trials.append(Trial(number, changes, run.epoch, last["held_accuracy"], last["held_kl"]))
            if best is None or better(trials[-1], best[0], recipe.watch):
                best = trials[-1], run, parts
        assert best is not None
        found = finish(*best[1:], chosen=f" and the best of {count} trials")
        told = {"watch": recipe.watch, "best": best[0].number, "trials": [vars(trial) for trial in trials]}
        write_file(folder / TRIALS, json.dumps(told, indent=2) + "\n")
        for name in (RECIPE, *RESULTS):
            write_file(folder / name, (best[1].folder / name).read_bytes())
        return trials, best[0], found
