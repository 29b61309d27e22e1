import json
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import onnx
import pytest

from models.detector.find import read
from models.emotion.evaluation.cost import cost
from models.emotion.exchange import BATCHES, MOST_LOST, exchange
from models.emotion.metrics import Faces, divergence
from models.emotion.quantize import Batches, Way, card_of, figures, left_in_float, quantise
from models.timing import Timing
from pipeline.card import emotion_card, shipped, variants
from pipeline.errors import ModelError
from pipeline.inference.classifier import Classifier
from pipeline.settings import EmotionSettings, RuntimeSettings
from tests import networks

NETWORK = shipped("emotion")
QUICK = Way(ranges="min to max")


@pytest.fixture(scope="module")
def faces():
    """The portrait's face, 48 times, each moved and lit otherwise."""
    portrait = read(Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg")[..., 1]
    rng = np.random.default_rng(0)
    cut = []
    for _ in range(48):
        x, y = 150 + rng.integers(-12, 13), 120 + rng.integers(-12, 13)
        small = portrait[y : y + 240, x : x + 240].reshape(48, 5, 48, 5).mean((1, 3))
        cut.append(np.clip(small * rng.uniform(0.6, 1.2) + rng.uniform(-20, 20), 0, 255))
    return np.stack(cut).astype(np.uint8)


@pytest.fixture(scope="module")
def quantised(faces, tmp_path_factory):
    out = tmp_path_factory.mktemp("quantised") / "emotion-int8.onnx"
    quantise(NETWORK, faces[:32], QUICK, out)
    out.with_suffix(".json").write_text(json.dumps(card_of(NETWORK, out, QUICK, 32)))
    return out


def say(path, faces):
    return Classifier.load(EmotionSettings(model=path), RuntimeSettings())(faces)


def test_whole_numbers_say_nearly_the_same_in_a_third_of_the_room(quantised, faces):
    # Opened as the pipeline opens it: hash, bytes in, probabilities out.
    said, wanted = say(quantised, faces[32:]), say(NETWORK, faces[32:])
    assert divergence(wanted, said).mean() < 0.02
    assert quantised.stat().st_size < NETWORK.stat().st_size / 3


def test_faces_do_not_depend_on_their_batch(quantised, faces):
    together = say(quantised, faces[:4])
    np.testing.assert_allclose(together, np.concatenate([say(quantised, face[None]) for face in faces[:4]]), atol=1e-6)


def test_the_same_faces_give_the_same_file(quantised, faces, tmp_path):
    again = tmp_path / "again.onnx"
    quantise(NETWORK, faces[:32], QUICK, again)
    assert again.read_bytes() == quantised.read_bytes()


def test_the_card_is_the_float_networks_but_for_what_changed(quantised):
    old, new = emotion_card(NETWORK), emotion_card(quantised)
    assert (new.input, new.output, new.labels, new.alignment) == (old.input, old.output, old.labels, old.alignment)
    assert (new.name, new.file, new.figures) == (f"{old.name}-int8", "emotion-int8.onnx", [])
    assert json.loads(quantised.with_suffix(".json").read_text())["quantisation"]["of"] == old.id


def test_what_stays_in_float():
    graph = onnx.load(str(NETWORK)).graph
    kinds = {node.name: node.op_type for node in graph.node}
    convolutions = [name for name, kind in kinds.items() if kind == "Conv"]
    head = left_in_float(graph, Way(first=False))
    assert {kinds[name] for name in head} >= {"Gemm", "Softmax"}
    assert not {*head} & {*convolutions}
    assert left_in_float(graph, Way()) == [*head, convolutions[0]]
    gates = {*left_in_float(graph, Way(gates=True))} - {*left_in_float(graph, Way())}
    assert len(gates) == 3 * [*kinds.values()].count("Sigmoid")
    assert left_in_float(graph, Way(head=False, first=False)) == []


def test_a_network_without_convolutions_is_not_worth_it(tmp_path, faces):
    with pytest.raises(ModelError, match="no convolution"):
        quantise(networks.classifier(tmp_path), faces, QUICK, tmp_path / "out.onnx")


def test_faces_are_handed_over_as_the_card_says(tmp_path, faces):
    card = emotion_card(networks.classifier(tmp_path, dtype="float32", value_range=(0, 1)))
    batches = Batches(card, np.concatenate([faces, faces]))
    first, second = batches.get_next(), batches.get_next()
    assert first is not None
    assert second is not None
    assert batches.get_next() is None
    assert [feed["faces"].shape for feed in (first, second)] == [(64, 1, 48, 48), (32, 1, 48, 48)]
    assert first["faces"].max() <= 1


def test_losses_are_told_face_by_face(quantised, faces):
    votes = np.zeros((len(faces), 10), np.int64)
    wanted = say(NETWORK, faces).argmax(1)
    votes[np.arange(len(faces)), wanted] = 10
    found = exchange(NETWORK, quantised, Faces(faces, votes), seconds=0.05)
    # The float network is right of every face by the making of the votes.
    assert found.paired.accuracy.value == pytest.approx(-found.changed)
    assert found.new.accuracy.value == pytest.approx(1 - found.changed)
    told = {figure["what"]: figure for figure in figures(found, "portraits", NETWORK)}
    assert told["majority accuracy"]["n"] == len(faces)
    assert told["ms per face, batch 1"]["value"] > 0


def test_what_is_slower_or_loses_too_much_is_not_worth_it(faces):
    votes = np.zeros((len(faces), 10), np.int64)
    votes[:, 0] = 10
    slow, fast = Timing(2.0, 2.0, 9), Timing(1.0, 1.0, 9)
    timed = [(slow, fast), (slow, Timing(1.5, 1.5, 9))]
    good = replace(exchange(NETWORK, NETWORK, Faces(faces, votes), seconds=0.05), times=timed)
    assert good.paired.accuracy.value == 0
    assert good.worth_it
    worse = replace(good.paired, accuracy=replace(good.paired.accuracy, value=-0.0031))
    assert not replace(good, paired=worse).worth_it
    assert not replace(good, times=[timed[0], (fast, Timing(1.1, 1.1, 9))]).worth_it


@pytest.mark.parametrize("name", ["int8", "mirrored", "fast"])
def test_the_cards_that_ship_say_what_their_graphs_cost(name):
    path = variants("emotion")[name]
    told = json.loads(path.with_suffix(".json").read_text())["training"]
    counted = cost(path)
    assert told["macs"] == counted.macs
    # Norms that were folded away are counted in the card alone, the scales of whole numbers in the graph alone.
    assert told["parameters"] == pytest.approx(counted.parameters, rel=0.01)


def test_the_one_that_ships_is_made_of_the_one_that_ships_and_worth_it():
    path = variants("emotion").get("int8")
    if path is None:
        pytest.skip("no quantised network ships")
    told = json.loads(path.with_suffix(".json").read_text())
    assert told["quantisation"]["of"] == emotion_card(NETWORK).id
    values = {figure["what"]: figure["value"] for figure in told["figures"]}
    assert values["majority accuracy gained by quantisation, paired"] >= -MOST_LOST
    for word in ("at 24 px", "recall of fear", "without a near-copy"):  # as the other cards say it
        assert any(word in what for what in values)
    for batch in BATCHES:
        assert values[f"ms per face, batch {batch}"] < values[f"ms per face, batch {batch}, float network"]
