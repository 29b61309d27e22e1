"""Tiny ONNX networks with cards, built on the spot."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.labels import LABELS
from pipeline.onnx import file_hash

TEMPLATE = [[15.1, 18.8], [32.8, 18.7], [24.0, 28.4], [16.4, 35.4], [31.5, 35.4]]


def classifier(
    folder: Path,
    *,
    labels: Sequence[str] = LABELS,
    size: int = 48,
    dtype: str = "uint8",
    layout: str = "NCHW",
    channels: int = 1,
    kind: str = "logits",
    value_range: tuple[float, float] = (0.0, 255.0),
    weight: float = 0.002,
    axes: Sequence[str | int] | None = None,
    element: int | None = None,
    centred: bool = False,
    least: float | None = None,
    changes: Mapping[str, Any] = {},
) -> Path:
    """Write a linear classifier with random weights of about ``weight``, and its card, with ``changes`` to it.

    The graph may declare other ``axes`` and another ``element`` type of its input than the card says. ``centred``: its
    answers are normalised over the batch, as by a normalisation left in training mode. ``least``: its answers are not
    finite where the mean of a face is less than that, and the same for all labels elsewhere.
    """
    rng = np.random.default_rng(0)
    natural = ["n", channels, size, size] if layout == "NCHW" else ["n", size, size, channels]
    shape = natural if axes is None else list(axes)
    values = math.prod(side for side in (natural if "h" in shape else shape)[1:] if isinstance(side, int))
    if element is None:
        element = TensorProto.UINT8 if dtype == "uint8" else TensorProto.FLOAT
    weights = weight * rng.normal(0, 1, (values, len(labels))).astype(np.float32)
    steps: list[tuple[str, list[str], dict[str, Any]]] = [
        ("Cast", [], {"to": TensorProto.FLOAT}),
        ("Flatten", [], {"axis": 1}),
        ("MatMul", ["weights"], {}),
    ]
    if centred:
        steps.append(("MeanVarianceNormalization", [], {"axes": [0]}))
    extra = []
    if least is not None:
        weights = np.full_like(weights, 1 / values)
        steps += [("Sub", ["least"], {}), ("Sqrt", [], {})]
        extra.append(numpy_helper.from_array(np.float32(least), "least"))
    if kind == "probabilities":
        steps.append(("Softmax", [], {"axis": 1}))
    tensors = ["faces", *(f"step{at}" for at in range(1, len(steps))), "output"]
    nodes = [
        helper.make_node(operator, [tensors[at], *others], [tensors[at + 1]], **options)
        for at, (operator, others, options) in enumerate(steps)
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("faces", element, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", len(labels)])],
        [numpy_helper.from_array(weights, "weights"), *extra],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = folder / "net.onnx"
    onnx.save(model, str(path))
    card = {
        "card": 1,
        "kind": "emotion",
        "name": "tiny",
        "version": "1",
        "file": path.name,
        "sha256": file_hash(path),
        "license": "Apache-2.0",
        "summary": "A linear network for tests.",
        "input": {
            "name": "faces",
            "size": size,
            "dtype": dtype,
            "layout": layout,
            "channels": channels,
            "range": list(value_range),
        },
        "output": {"name": "output", "kind": kind},
        "labels": list(labels),
        "alignment": {"template": TEMPLATE, "frame": 48},
    }
    path.with_suffix(".json").write_text(json.dumps(card | dict(changes)))
    return path
