import json

import numpy as np
import onnx
import pytest

from models.emotion.mirror import write
from pipeline.card import emotion_card, variants
from pipeline.inference.classifier import Classifier
from pipeline.settings import EmotionSettings, RuntimeSettings
from tests import networks

FACES = np.random.default_rng(0).integers(0, 256, (5, 48, 48), np.uint8)


def say(path, faces):
    return Classifier.load(EmotionSettings(model=path), RuntimeSettings())(faces)


def test_both_looks_are_averaged(tmp_path):
    one = networks.classifier(tmp_path, kind="probabilities")
    write(one, tmp_path / "twice.onnx")
    wanted = (say(one, FACES) + say(one, FACES[:, :, ::-1])) / 2
    assert np.abs(say(one, FACES) - wanted).max() > 0.01
    np.testing.assert_allclose(say(tmp_path / "twice.onnx", FACES), wanted, atol=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "logits"},
        {"kind": "probabilities", "layout": "NHWC", "channels": 3},
        {"kind": "probabilities", "dtype": "float32", "value_range": (-1.0, 1.0)},
    ],
)
def test_a_face_and_its_mirror_image_get_the_same_answer(tmp_path, changes):
    one = networks.classifier(tmp_path, **changes)
    write(one, tmp_path / "twice.onnx")
    assert np.abs(say(one, FACES) - say(one, FACES[:, :, ::-1])).max() > 0.01
    twice = say(tmp_path / "twice.onnx", FACES)
    np.testing.assert_allclose(twice, say(tmp_path / "twice.onnx", FACES[:, :, ::-1]), atol=1e-6)
    np.testing.assert_allclose(twice[2:3], say(tmp_path / "twice.onnx", FACES[2:3]), atol=1e-6)


def test_the_card_is_the_networks_but_for_what_changed(tmp_path):
    one = networks.classifier(tmp_path)
    write(one, tmp_path / "net-mirrored.onnx")
    old, new = emotion_card(one), emotion_card(tmp_path / "net-mirrored.onnx")
    assert (new.input, new.output, new.labels, new.alignment) == (old.input, old.output, old.labels, old.alignment)
    assert (new.name, new.file, new.figures) == (f"{old.name}-mirrored", "net-mirrored.onnx", [])
    assert json.loads((tmp_path / "net-mirrored.json").read_text())["mirrored"]["of"] == old.id


def test_the_card_says_what_the_graph_that_looks_twice_costs(tmp_path):
    training = {"data": "faces", "parameters": 1, "macs": 1}
    one = networks.classifier(tmp_path, kind="probabilities", changes={"training": training})
    write(one, tmp_path / "twice.onnx")
    told = json.loads((tmp_path / "twice.json").read_text())["training"]
    assert told == {"data": "faces", "parameters": 1, "macs": 2 * 48 * 48 * 8}


def test_the_one_that_ships_is_made_of_the_one_that_ships_and_nearer_to_the_votes(tmp_path):
    known = variants("emotion")
    write(known["int8"], tmp_path / known["mirrored"].name)
    assert onnx.load(str(tmp_path / known["mirrored"].name)) == onnx.load(str(known["mirrored"]))
    told = json.loads(known["mirrored"].with_suffix(".json").read_text())
    assert told["mirrored"]["of"] == emotion_card(known["int8"]).id
    assert told["training"] == json.loads((tmp_path / "emotion-mirrored.json").read_text())["training"]
    what = "KL(votes || prediction), nats"
    once, twice = (
        {figure["what"]: figure["value"] for figure in json.loads(path.with_suffix(".json").read_text())["figures"]}
        for path in (known["int8"], known["mirrored"])
    )
    assert twice[what] < once[what]
