"""The card of a network that was made of another without training: whole numbers, a second look."""

import json
from pathlib import Path
from typing import Any

from models.emotion.evaluation.cost import cost
from pipeline.card import emotion_card
from pipeline.onnx import file_hash


def derived_card(network: Path, out: Path, suffix: str, summary: str, **made: dict[str, Any]) -> dict[str, Any]:
    """The card of the network at `out`: that of the `network` it was made of, less its figures.

    Its parameters stay those of the trained network, without the scales of whole numbers; its multiplications are
    counted anew in the graph at `out`: two looks take twice as many.

    Args:
        network: ONNX file with its card.
        out: ONNX file.
        suffix: of its name.
        summary: the sentence that is added to the other's.
        made: under one key, how it was made; which network it was made of is put first.

    Raises:
        InputError: `network` has no card.
    """
    of = emotion_card(network).id
    old: dict[str, Any] = json.loads(network.with_suffix(".json").read_text())
    new: dict[str, Any] = {
        "name": f"{old['name']}-{suffix}",
        "file": out.name,
        "sha256": file_hash(out),
        "summary": f"{old['summary']} {summary}",
        "figures": [],
    }
    counted, training = cost(out), old.get("training")
    if counted is not None and isinstance(training, dict):
        new["training"] = training | {"macs": counted.macs}
    return old | new | {how: {"of": of, **told} for how, told in made.items()}
