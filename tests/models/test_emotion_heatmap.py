import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from models.emotion.evaluation.cost import cost
from models.emotion.evaluation.heatmap import occlusion
from pipeline.card import shipped
from tests.networks import classifier


def test_the_region_that_decides_is_found() -> None:
    images = np.full((3, 48, 48), 100, np.uint8)
    for row, (top, left) in enumerate([(4, 4), (20, 32), (36, 16)]):
        images[row, top : top + 8, left : left + 8] = 250

    def spot(shown: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Sure of label 3 as far as anything is bright."""
        bright = (shown > 200).mean((1, 2), dtype=np.float32) * 36
        found = np.zeros((len(shown), 8), np.float32)
        found[:, 3], found[:, 0] = 0.5 + 0.5 * bright, 0.5 - 0.5 * bright
        return found

    lost = occlusion(images, spot)
    assert lost.shape == (3, 11, 11)
    at = [np.unravel_index(one.argmax(), one.shape) for one in lost]
    assert [(int(down), int(across)) for down, across in at] == [(1, 1), (5, 8), (9, 4)]
    assert lost.max((1, 2)) == pytest.approx([0.5] * 3, abs=0.01)
    assert lost.min() == 0


def test_cost_of_a_linear_network_by_hand(tmp_path: Path) -> None:
    found = cost(classifier(tmp_path))
    assert found is not None
    assert found.parameters == found.macs == 48 * 48 * 8


def test_what_the_graph_does_not_tell_is_not_counted(tmp_path: Path) -> None:
    path = classifier(tmp_path)
    model = onnx.load(str(path))
    model.opset_import.add(domain="other", version=1)
    model.graph.node[0].domain = "other"
    onnx.save(model, str(path))
    found = cost(path)
    assert found is not None
    assert (found.parameters, found.macs) == (48 * 48 * 8, None)


def test_cost_of_the_shipped_network_is_what_its_card_says() -> None:
    found = cost(shipped("emotion"))
    said = json.loads(shipped("emotion").with_suffix(".json").read_text())["training"]
    assert found is not None
    assert found.macs == said["macs"]
    # Batch norms are folded into the convolutions that they follow.
    assert found.parameters == pytest.approx(said["parameters"], rel=0.01)


def test_without_onnx_nothing_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = classifier(tmp_path)
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert cost(path) is None
