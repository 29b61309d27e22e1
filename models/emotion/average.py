"""Averages the weights of runs and writes the network: `python -m models.emotion.average --run RUN RUN --out FILE`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from models.emotion.checkpoint import Weights, final_weights, read_checkpoint, recipe_of
from models.emotion.experiment import KEPT, divided
from models.emotion.export import add_figures, export
from models.emotion.faces import read_faces
from models.emotion.ingredients import Started
from models.emotion.network import build
from models.emotion.outcome import judge
from models.emotion.runs import describe, read_config
from models.program import run
from pipeline.card import shipped
from pipeline.errors import InputError


def averaged(folders: Sequence[Path]) -> Weights:
    """The mean of what runs came to, each of which began with the one before.

    Networks at the ends of learning-rate cycles lie round the same minimum, and their mean is nearer to its middle than
    any of them (Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization").

    Raises:
        InputError: a folder holds no run, or their networks differ in shape.
    """
    states = [final_weights(read_checkpoint(folder)) for folder in folders]
    shapes = [{name: value.shape for name, value in state.items()} for state in states]
    for folder, shape in zip(folders, shapes, strict=True):
        if shape != shapes[0]:
            raise InputError(f"the networks of {str(folders[0])!r} and {str(folder)!r} are of different architectures")
    return {
        name: sum((state[name] for state in states[1:]), start=value) / len(states)
        if value.is_floating_point()
        else value
        for name, value in states[0].items()
    }


def main() -> None:
    """Averages the weights of the runs, fits the temperature on what the last held out, writes ONNX and card."""
    parser = argparse.ArgumentParser(prog="python -m models.emotion.average", description=__doc__)
    parser.add_argument(
        "--run", type=Path, nargs="+", required=True, help="run folders, each begun with the one before"
    )
    parser.add_argument("--data", type=Path, help="the faces that they learnt from (default: as the last run says)")
    parser.add_argument("--out", type=Path, default=shipped("emotion"), help="ONNX file; the card goes beside it")
    options = parser.parse_args()
    recipe = recipe_of(read_checkpoint(options.run[-1]))
    assert recipe.labels is not None
    assert not isinstance(recipe.architecture, Started)
    network = build(recipe.architecture, len(recipe.labels), dropout=False).eval()
    network.load_state_dict(averaged(options.run))
    path = options.data or Path(read_config(options.run[-1])["data"]["path"])
    source = describe(read_faces(path), path)
    parts = divided(recipe, source)[0]
    temperature = export(network, recipe, parts, options.out, data=source.sha256, runs=len(options.run))
    found = judge(options.out, parts.held, KEPT)
    add_figures(options.out, [found])
    print(f"{options.out}: temperature {temperature:.3f}, {found}")


if __name__ == "__main__":
    run(main)
