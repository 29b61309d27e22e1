"""Make an expression network look at every face twice: `python -m models.emotion.mirror --model FILE --out FILE`.

The network is shown the face and its mirror image in one batch, and the mean of both answers is given, all inside the
graph: whoever runs the file need know nothing of it. It costs twice the time, and a face and its mirror image get the
same answer, as they would of a person. Averaging over the transformations that should not matter is as old as the
networks (Krizhevsky, Sutskever and Hinton 2012, "ImageNet classification with deep convolutional neural networks").

The card is the network's own, less its figures: `python -m models.emotion.figures --model OUT --valid FILE --write`
measures them anew.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from rich.console import Console

from models.emotion.derived import derived_card
from models.program import model_words, run
from models.written import write_file
from pipeline.card import EmotionCard, emotion_card, network_file

BEGINNING = np.iinfo(np.int64).min
"""Where a slice that runs backwards ends."""


def mirrored(model: onnx.ModelProto, card: EmotionCard) -> onnx.ModelProto:
    """The network of a card, uint8 or float32, with both looks in its graph; inputs and outputs keep their names."""
    twice = onnx.ModelProto()
    twice.CopyFrom(model)
    graph = twice.graph
    taken, given = card.input.name, card.output.name
    both, answers = f"{taken}.both", f"{given}.both"
    for node in graph.node:
        for names, old, new in ((node.input, taken, both), (node.output, given, answers), (node.input, given, answers)):
            names[:] = [new if name == old else name for name in names]
    constants = {
        "mirror.start": np.array([-1]),
        "mirror.end": np.array([BEGINNING]),
        "mirror.axis": np.array([card.input.layout.index("W")]),
        "mirror.step": np.array([-1]),
        "mirror.looks": np.array([2, -1, len(card.labels)]),
        "mirror.first": np.array(0),
        "mirror.second": np.array(1),
        "mirror.half": np.array(0.5, np.float32),
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    looks = [
        helper.make_node("Slice", [taken, *list(constants)[:4]], ["mirror.image"]),
        helper.make_node("Concat", [taken, "mirror.image"], [both], axis=0),
    ]
    mean = [
        helper.make_node("Reshape", [answers, "mirror.looks"], ["mirror.answers"]),
        helper.make_node("Gather", ["mirror.answers", "mirror.first"], ["mirror.plain"], axis=0),
        helper.make_node("Gather", ["mirror.answers", "mirror.second"], ["mirror.turned"], axis=0),
        helper.make_node("Add", ["mirror.plain", "mirror.turned"], ["mirror.sum"]),
        helper.make_node("Mul", ["mirror.sum", "mirror.half"], [given]),
    ]
    body = list(graph.node)
    del graph.node[:], graph.value_info[:]  # the shapes inside were those of one look
    graph.node.extend([*looks, *body, *mean])
    onnx.checker.check_model(twice)
    return twice


def write(network: Path, out: Path) -> None:
    """Write the mirrored network of a file with a card, and its card beside it.

    Raises:
        InputError: the network has no card.
    """
    card = emotion_card(network)
    write_file(out, mirrored(onnx.load(str(network)), card).SerializeToString())
    told = {"command": f"python -m models.emotion.mirror{model_words('emotion', network)}"}
    derived = derived_card(network, out, "mirrored", "Looks at each face and at its mirror image.", mirrored=told)
    write_file(out.with_suffix(".json"), json.dumps(derived, indent=2, ensure_ascii=False) + "\n")


def main() -> None:
    """Writes the network and its card."""
    parser = argparse.ArgumentParser(
        prog="python -m models.emotion.mirror", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="ONNX file with its card, or a shipped network's name")
    parser.add_argument("--out", type=Path, required=True, help="ONNX file to write; the card goes beside it")
    options = parser.parse_args()
    write(network_file("emotion", options.model), options.out)
    Console().print(f"written: {options.out} and its card", soft_wrap=True)


if __name__ == "__main__":
    run(main)
