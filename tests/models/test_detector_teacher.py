from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.detector.boxes import STRIDES
from models.detector.teacher import Teacher

SIDE = 32


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A network that says the same of every picture of 32 px; some of its values lie a little outside [0, 1]."""
    said = {}
    for stride in STRIDES:
        count = (SIDE // stride) ** 2
        for name, values in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            said[f"{name}_{stride}"] = np.zeros((1, count, values), np.float32)
    said["cls_8"][0, :4, 0] = -0.02, 1.02, 0.64, 0.5
    said["obj_8"][0, :4, 0] = -0.03, 0.81, 0.36, -0.01
    nodes = [helper.make_node("Constant", [], [name], value=numpy_helper.from_array(said[name])) for name in said]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, rows.shape) for name, rows in said.items()]
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    graph = helper.make_graph(nodes, "constant", [picture], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(tmp_path / "net.onnx"))
    return tmp_path / "net.onnx"


def test_each_factor_of_a_score_is_brought_into_its_range(network: Path) -> None:
    score, _, _ = Teacher(network)(np.zeros((3, SIDE, SIDE), np.uint8))
    assert score[:4] == pytest.approx([0, 0.9, 0.48, 0])
    assert not score[4:].any()
