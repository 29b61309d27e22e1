"""A tiny real network of the YuNet kind: bright cells are faces."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)
SIDE = 4.0
"""Side of every box in strides; its centre is the near corner of its cell."""


def network(
    *,
    sides: Sequence[int | str] = ("height", "width"),
    channels: int = 3,
    left_out: str = "",
    size: float = SIDE,
    spread: float = 1.0,
    strides: Sequence[int] = STRIDES,
    rounded_up: bool = False,
) -> ort.InferenceSession:
    """Open a network whose score, at ``strides``, is the mean of blue over 255 in each cell; elsewhere it is 0.

    Landmarks lie at (n, -n) times ``spread`` strides from the cell's near corner, n = 0 to 4. ``left_out`` names an
    output to leave out. ``size``: sides of the boxes in strides. ``rounded_up``: cells at the edges may reach beyond
    the picture.
    """
    nodes, outputs, constants = [], [], {}
    constants["blue"] = np.array([1.0] + [0.0] * (channels - 1), np.float32).reshape(1, channels, 1, 1)
    constants["box"] = np.array([[0, 0, np.log(size), np.log(size)]], np.float32)
    constants["points"] = np.array([[spread * value for n in range(5) for value in (n, -n)]], np.float32)
    constants["one"] = np.array([0, -1, 1], np.int64)
    constants["full"] = np.array(255, np.float32)
    constants["zero"] = np.array(0, np.float32)
    nodes.append(helper.make_node("Conv", ["input", "blue"], ["gray"]))
    for stride in STRIDES:
        used = stride in strides
        nodes += [
            helper.make_node(
                "AveragePool",
                ["gray"],
                [f"mean{stride}"],
                kernel_shape=[stride] * 2,
                strides=[stride] * 2,
                ceil_mode=int(rounded_up),
            ),
            helper.make_node("Reshape", [f"mean{stride}", "one"], [f"flat{stride}"]),
            helper.make_node("Div", [f"flat{stride}", "full"], [f"share{stride}"]),
            helper.make_node("Mul", [f"share{stride}", "zero"], [f"none{stride}"]),
            helper.make_node("Identity", [f"{'share' if used else 'none'}{stride}"], [f"cls_{stride}"]),
            helper.make_node("Identity", [f"{'share' if used else 'none'}{stride}"], [f"obj_{stride}"]),
            helper.make_node("Add", [f"none{stride}", "box"], [f"bbox_{stride}"]),
            helper.make_node("Add", [f"none{stride}", "points"], [f"kps_{stride}"]),
        ]
        for name, values in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            outputs.append(helper.make_tensor_value_info(f"{name}_{stride}", TensorProto.FLOAT, [1, "cells", values]))
    graph = helper.make_graph(
        nodes,
        "bright",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, channels, *sides])],
        [output for output in outputs if output.name != left_out],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return session(model.SerializeToString())


def session(model: bytes | Path) -> ort.InferenceSession:
    """Open a network on one thread of the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def picture(height: int, width: int, *faces: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Draw (height, width, 3), black but for 8-px cells: (column, row, brightness) each."""
    image = np.zeros((height, width, 3), np.uint8)
    for column, row, level in faces:
        image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = level
    return image
