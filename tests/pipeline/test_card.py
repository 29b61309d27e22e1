import json
import os
from pathlib import Path

import pytest

from pipeline.card import NOUNS, STANDARD, all_shipped, detector_card, network_file, read_card, shipped, variants
from pipeline.errors import InputError


@pytest.mark.parametrize("kind", NOUNS)
def test_the_network_that_ships_is_the_first_of_its_variants(kind):
    known = variants(kind)
    assert next(iter(known)) == STANDARD
    assert known[STANDARD] == shipped(kind) == network_file(kind, None) == network_file(kind, Path(STANDARD))


@pytest.mark.parametrize("kind", NOUNS)
def test_every_variant_has_a_card_and_goes_by_its_name(kind):
    for name, path in variants(kind).items():
        assert read_card(path).file == path.name
        assert network_file(kind, Path(name)) == path
    assert set(variants(kind).values()) <= set(all_shipped())


def test_a_network_with_a_card_is_a_variant_wherever_the_package_lies(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.card.files", lambda package: tmp_path / package)
    (tmp_path / "models").mkdir()
    for name in ("emotion.onnx", "emotion.json", "emotion-a.onnx", "emotion-a.json", "emotion-b.onnx", "detector.onnx"):
        (tmp_path / "models" / name).touch()
    assert variants("emotion") == {
        STANDARD: tmp_path / "models" / "emotion.onnx",
        "a": tmp_path / "models" / "emotion-a.onnx",
    }


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match=rf"no expression network 'fsat'; those shipped are {STANDARD}.*ONNX file"):
        network_file("emotion", Path("fsat"))


@pytest.mark.parametrize("path", ["net.onnx", "folder/net", "/a/b.onnx"])
def test_a_path_stays_a_path(path):
    assert network_file("emotion", Path(path)) == Path(path)


def test_a_file_that_has_a_bare_name_is_a_file(tmp_path, monkeypatch):
    (tmp_path / "mine").touch()
    monkeypatch.chdir(tmp_path)
    assert os.fspath(network_file("emotion", Path("mine"))) == "mine"


def test_a_card_may_say_more_than_the_pipeline_reads(tmp_path):
    card = json.loads(shipped("detector").with_suffix(".json").read_text())
    card["input"] |= {"multiple": 32, "colours": "BGR"}
    (tmp_path / "faces.json").write_text(json.dumps(card))
    assert detector_card(tmp_path / "faces.onnx") == detector_card(shipped("detector"))
