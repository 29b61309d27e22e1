"""Networks that are not what their cards say, each opened as the pipeline opens it."""

import numpy as np
import pytest
from onnx import TensorProto

from pipeline.card import emotion_card, shipped
from pipeline.errors import ModelError
from pipeline.inference.classifier import Classifier
from pipeline.inference.contract import CHECKS, shape, tensor
from pipeline.labels import LABELS
from pipeline.onnx import open_session
from pipeline.settings import EmotionSettings, RuntimeSettings
from tests import networks

GRAY = {"name": "faces", "size": 48}


def load(path):
    return Classifier.load(EmotionSettings(model=path), RuntimeSettings())


def template(**moved):
    points = dict(zip(("right", "left", "nose", "right_mouth", "left_mouth"), networks.TEMPLATE, strict=True))
    return {"alignment": {"template": [*(points | moved).values()], "frame": 48}}


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("axes", [["n", 1, 48, 48], ["n", 1, "h", "w"], ["n", "c", "h", "w"]])
def test_fixed_and_free_sides_are_both_taken(tmp_path, dtype, axes):
    classify = load(networks.classifier(tmp_path, dtype=dtype, axes=axes))
    assert classify(np.zeros((3, 48, 48), np.uint8)).shape == (3, 8)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"axes": [1, 1, 48, 48]}, r"takes \(1, 1, 48, 48\): exactly 1 faces; export it with a free first axis"),
        ({"axes": [4, 1, 48, 48]}, "exactly 4 faces"),
        ({"axes": ["n", 2304]}, "with four axes"),
        ({"layout": "NHWC", "changes": {"input": GRAY}}, "set input to layout 'NHWC', channels 1, size 48"),
        ({"changes": {"input": GRAY | {"layout": "NHWC"}}}, "set input to layout 'NCHW', channels 1, size 48"),
        ({"channels": 3, "changes": {"input": GRAY}}, "set input to layout 'NCHW', channels 3, size 48"),
        ({"changes": {"input": GRAY | {"channels": 3}}}, "set input to layout 'NCHW', channels 1, size 48"),
        ({"size": 64, "changes": {"input": GRAY}}, "set input to layout 'NCHW', channels 1, size 64"),
        ({"axes": ["n", 2, 48, 48]}, "export it for square gray faces"),
        ({"axes": ["n", 1, 48, 32]}, "export it for square gray faces"),
        ({"size": 64, "axes": ["n", 1, "h", "w"], "changes": {"input": GRAY}}, r"refuses .*48 px, 2 faces"),
        ({"dtype": "float32", "changes": {"input": GRAY}}, "set input.dtype to 'float32'"),
        ({"changes": {"input": GRAY | {"dtype": "float32"}}}, "set input.dtype to 'uint8'"),
        ({"element": TensorProto.DOUBLE}, r"takes tensor\(double\); export it with an input of uint8 or float32"),
        ({"changes": {"input": GRAY | {"range": [0, 1]}}}, "bytes go from 0 to 255"),
        ({"dtype": "float32", "value_range": (1, 1)}, "set input.range"),
        ({"labels": LABELS[:7], "changes": {"labels": LABELS}}, r"gives \(2, 7\) for two faces.* 8 labels"),
        ({"changes": {"labels": LABELS[:7]}}, r"gives \(2, 8\) for two faces.* 7 labels"),
        ({"changes": {"output": {"name": "output"}}}, "set output.kind to 'logits'"),
        ({"kind": "probabilities", "changes": {"output": {"name": "output", "kind": "logits"}}}, "to 'probabilities'"),
        ({"weight": float("nan")}, "not finite"),
        ({"centred": True}, "among others .*export it in evaluation mode"),
        ({"changes": {"input": {"name": "pictures", "size": 48}}}, r"names input 'pictures' .* has \['faces'\]"),
        ({"changes": {"output": {"name": "nothing"}}}, r"output 'nothing'.* \['output'\]"),
        ({"changes": template(right=[33, 19], left=[15, 19])}, "right eye .left in the picture"),
        ({"changes": template(nose=[24, 45])}, "no upright face"),
        ({"changes": template(left=[48.5, 19])}, "within 0 to 48 px"),
        ({"changes": {"alignment": {"template": networks.TEMPLATE, "frame": 0}}}, "no upright face"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(tmp_path, made, words):
    with pytest.raises(ModelError, match=words):
        load(networks.classifier(tmp_path, **made))


def test_all_checks_of_the_shipped_network_say_what_they_saw():
    path = shipped("emotion")
    card, session = emotion_card(path), open_session(path, RuntimeSettings())
    said = {name: check(card, session) for name, check in CHECKS.items()}
    assert said["type"] == "uint8, 0 to 255"
    assert said["values"] == "probabilities, rows sum to 1"
    assert all(said.values())


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("channels", [1, 3])
def test_tensors_have_the_axes_of_the_card(tmp_path, layout, channels):
    path = networks.classifier(tmp_path, layout=layout, channels=channels, dtype="float32", value_range=(-1, 1))
    spec = emotion_card(path).input
    crops = np.random.default_rng(0).integers(0, 256, (2, 48, 48), np.uint8)
    made = tensor(spec, crops)
    assert made.shape == shape(spec, 2)
    assert made.dtype == np.float32
    plane = made[1, 0] if layout == "NCHW" else made[1, :, :, 0]
    np.testing.assert_allclose(plane, crops[1] / 127.5 - 1, atol=1e-6)
