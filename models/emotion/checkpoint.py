"""Checkpoints of training runs, and the folders that hold them."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.emotion.recipe import Recipe, make
from models.emotion.runs import CHECKPOINT
from models.written import content
from pipeline.durable import write_whole
from pipeline.errors import AffectError, InputError

Weights = dict[str, Tensor]


class TrainingError(AffectError):
    """Training cannot go on; the message says why and what to do."""


def read_checkpoint(folder: Path) -> dict[str, Any]:
    """The state of a run, on the CPU.

    It holds `epoch` (how many are done), `recipe` (as `Recipe.model_dump(mode="json")` gives it, with architecture and
    labels resolved), `network`, `average` and `optimizer` (state dicts). Further, where they are known: `data` (hash of
    the faces), `history` (a mapping per epoch) and `best` (`epoch`, `value`, `weights`).

    Raises:
        InputError: there is none, or it is not one.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        raise InputError(f"no checkpoint at {str(path)!r}; train it first: affectstream train --help")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    # What a damaged archive raises depends on where it is damaged.
    except Exception as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"the checkpoint {str(path)!r} cannot be read: {reason}; give --no-resume") from error
    if not isinstance(state, dict) or not {"epoch", "recipe", "network", "average", "optimizer"} <= set(state):
        raise InputError(f"{str(path)!r} is not a checkpoint of affectstream train")
    return state


def write_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Writes a checkpoint beside the old one and renames it: a kill leaves one of the two, whole."""
    path = folder / CHECKPOINT
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)  # of a run that was killed as it wrote
    coded = content(lambda file: torch.save(state, file))
    write_whole(lambda file: file.write(coded), path, part)


def final_weights(state: dict[str, Any]) -> Weights:
    """The weights that a run came to: the best where it stopped early, else the average."""
    best = state.get("best")
    weights: Weights = best["weights"] if best and state["recipe"]["patience"] else state["average"]
    return weights


def recipe_of(state: dict[str, Any]) -> Recipe:
    """The recipe of a checkpoint; raises InputError where it is of another version of the program."""
    return make(state["recipe"], "the recipe of the checkpoint")
