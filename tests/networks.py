"""Tiny ONNX networks with cards, built on the spot."""

import json
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
    changes: Mapping[str, Any] = {},
) -> Path:
    """Write a linear classifier with random weights of about ``weight``, and its card, with ``changes`` to it."""
    rng = np.random.default_rng(0)
    shape = ["n", channels, size, size] if layout == "NCHW" else ["n", size, size, channels]
    element = TensorProto.UINT8 if dtype == "uint8" else TensorProto.FLOAT
    weights = weight * rng.normal(0, 1, (size * size * channels, len(labels))).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["faces"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["values"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["logits" if kind == "probabilities" else "output"]),
    ]
    if kind == "probabilities":
        nodes.append(helper.make_node("Softmax", ["logits"], ["output"], axis=1))
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("faces", element, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", len(labels)])],
        [numpy_helper.from_array(weights, "weights")],
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
