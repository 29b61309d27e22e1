"""``affectstream models``, as a user meets it."""

import json
import shutil
from pathlib import Path

import pytest
from onnx import TensorProto, helper, load, save

from pipeline.card import STANDARD, all_shipped, names, network_file, shipped, variants
from pipeline.inference import contract
from pipeline.onnx import file_hash
from pipeline.tracker import contract as detectors
from tests import networks

OPENING = ("network", "card", "hash")


def lines(ended, mark):
    return [line.split()[1].rstrip(":") for line in ended.out.splitlines() if line.split()[:1] == [mark]]


@pytest.fixture
def detector(tmp_path):
    """A copy of the detector that ships, with its card."""
    for suffix in (".onnx", ".json"):
        shutil.copy2(shipped("detector").with_suffix(suffix), tmp_path / f"detector{suffix}")
    return tmp_path / "detector.onnx"


def test_the_networks_that_ship_are_listed_with_their_figures_and_how_to_ask_for_them(affectstream):
    ended = affectstream("models")
    assert ended.code == 0
    assert "accuracy" in ended.out
    for name in variants("emotion"):
        assert f"--emotion {name}" in ended.out
    assert affectstream("models", "list").out == ended.out
    for line in ended.out.splitlines()[1 : 1 + len(all_shipped())]:
        name, option, variant = line.split()[:3]
        both = affectstream("models", variant).out
        assert affectstream("models", name).out in both
        assert network_file(option.removeprefix("--"), Path(name)) == network_file(
            option.removeprefix("--"), Path(variant)
        )


def test_the_cards_of_those_named_are_shown_in_full(affectstream, tmp_path):
    path = networks.classifier(tmp_path)
    ended = affectstream("models", path, *variants("emotion"), *variants("detector"))
    assert ended.code == 0
    alike = len(variants("emotion").keys() & variants("detector").keys())  # are named twice
    assert ended.out.count("matches the card") == 1 + len(all_shipped()) + 2 * alike
    for word in ("tiny", "figure", "limit", "never"):
        assert word in ended.out


@pytest.mark.parametrize("name", ["standard", "detector"])
def test_nothing_that_a_card_says_is_left_out(affectstream, name):
    card = json.loads(shipped("emotion" if name == "standard" else name).with_suffix(".json").read_bytes())
    printed = " ".join(affectstream("models", name).out.split())
    for key in ("data", "terms", "recipe", "seed", "parameters"):
        assert " ".join(str(card["training"][key]).split()) in printed
    for key in ("name", "version", "license", "summary", "intended_use", "prohibited_use"):
        assert card[key] in printed
    for word in (*map(str, card["input"]["range"]), *card.get("labels", []), *card["limits"]):
        assert word in printed
    for key in (*card["input"], *card["output"], *card["training"].get("architecture", {})):
        assert f"{key} " in printed


def test_cards_are_printed_as_they_are(affectstream):
    ended = affectstream("models", "--json", "int8")
    assert ended.code == 0, ended.err
    assert ended.out == variants("emotion")["int8"].with_suffix(".json").read_text()


def test_a_group_still_has_its_help(affectstream):
    ended = affectstream("models", "--help")
    assert ended.code == 0
    assert "verify" in ended.out
    assert "alignment" in ended.out


@pytest.mark.parametrize("command", [["models"], ["models", "list"], ["models", "verify"]])
def test_a_missing_file_is_named(affectstream, command):
    ended = affectstream(*command, "gone.onnx")
    assert ended.code == (1 if "verify" in command else 2)
    assert "gone.onnx" in ended.out + ended.err


def test_what_ships_passes_every_check(affectstream):
    ended = affectstream("models", "verify")
    assert ended.code == 0, ended.out
    expressions = [*OPENING, *contract.CHECKS] * len(variants("emotion"))
    assert lines(ended, "ok") == [*[*OPENING, *detectors.CHECKS] * len(variants("detector")), *expressions]


def test_a_detector_needs_no_card(affectstream, detector):
    detector.with_suffix(".json").unlink()
    ended = affectstream("models", "verify", detector)
    assert ended.code == 0, ended.out
    assert lines(ended, "ok") == ["network", "card", *detectors.CHECKS]


def test_an_expression_network_needs_one(affectstream, tmp_path):
    path = networks.classifier(tmp_path)
    path.with_suffix(".json").unlink()
    ended = affectstream("models", "verify", path)
    assert (ended.code, lines(ended, "ok"), lines(ended, "fail")) == (1, ["network"], ["card"])


@pytest.mark.parametrize(
    ("made", "failing", "way"),
    [
        ({"changes": {"sha256": "0" * 64}}, "hash", "SHA-256 differs"),
        ({"axes": [1, 1, 48, 48]}, "axes", "free first axis"),
        (
            {"kind": "probabilities", "changes": {"output": {"name": "output", "kind": "logits"}}},
            "values",
            "set output",
        ),
        ({"centred": True}, "batches", "evaluation mode"),
    ],
)
def test_what_fails_ends_with_1_and_says_what_to_do(affectstream, tmp_path, made, failing, way):
    ended = affectstream("models", "verify", networks.classifier(tmp_path, **made))
    assert ended.code == 1
    assert lines(ended, "fail") == [failing]
    assert way in ended.out


def test_one_bad_network_does_not_hide_the_next(affectstream, tmp_path, detector):
    bad = networks.classifier(tmp_path, centred=True)
    ended = affectstream("models", "verify", bad, detector)
    assert ended.code == 1
    assert lines(ended, "ok")[-1] == [*detectors.CHECKS][-1]


def renamed(model):
    model.graph.input[0].name = "picture"
    for node in model.graph.node:
        node.input[:] = ["picture" if name == "input" else name for name in node.input]


def half_fixed(model):
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 64


def without_sigmoid(model):
    for node in model.graph.node:
        if node.op_type == "Sigmoid":
            node.op_type = "Identity"


def one_row_less(model):
    (last,) = (node for node in model.graph.node if "kps_16" in node.output)
    last.output[0] = "all"
    ends = [
        helper.make_tensor(name, TensorProto.INT64, [1], [at]) for name, at in (("from", 1), ("to", 10**9), ("by", 1))
    ]
    model.graph.initializer.extend(ends)
    model.graph.node.append(helper.make_node("Slice", ["all", "from", "to", "by"], ["kps_16"]))


@pytest.mark.parametrize(
    ("change", "failing", "way"),
    [
        (renamed, "names", "has 'picture'"),
        (half_fixed, "names", "both free or both fixed"),
        (one_row_less, "cells", "kps_16"),
        (without_sigmoid, "scores", "sigmoids"),
    ],
)
def test_a_detector_that_is_otherwise_fails(affectstream, detector, change, failing, way):
    model = load(str(detector))
    change(model)
    save(model, str(detector))
    card = detector.with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | {"sha256": file_hash(detector)}))
    ended = affectstream("models", "verify", detector)
    assert ended.code == 1
    assert lines(ended, "fail") == [failing]
    assert way in ended.out


def test_what_ships_goes_by_name(affectstream):
    ended = affectstream("models", "verify", STANDARD)
    assert ended.code == 0, ended.out
    assert str(shipped("emotion")) in ended.out


@pytest.mark.parametrize(
    "words",
    [
        ["models", "fsat"],
        ["models", "verify", "fsat"],
        ["run", "rtsp://127.0.0.1/", "--redis", "none", "--emotion", "fsat"],
    ],
)
def test_an_unknown_name_lists_those_that_ship(affectstream, words):
    ended = affectstream(*words)
    assert ended.code == 2
    assert "'fsat'" in ended.err
    assert all(name in ended.err for name in names("emotion"))
    if words[0] == "models":
        assert all(name in ended.err for name in names("detector"))
