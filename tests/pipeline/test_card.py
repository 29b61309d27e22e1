import os
from pathlib import Path

import pytest

from pipeline.card import STANDARD, emotion_card, emotion_network, shipped, variants
from pipeline.errors import InputError


def test_the_network_that_ships_is_the_first_of_its_variants():
    known = variants()
    assert next(iter(known)) == STANDARD
    assert known[STANDARD] == shipped("emotion") == emotion_network(None) == emotion_network(Path(STANDARD))


def test_every_variant_has_a_card_and_goes_by_its_name():
    for name, path in variants().items():
        assert emotion_card(path).file == path.name
        assert emotion_network(Path(name)) == path


def test_a_network_with_a_card_is_a_variant_wherever_the_package_lies(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.card.files", lambda package: tmp_path / package)
    (tmp_path / "models").mkdir()
    for name in ("emotion.onnx", "emotion.json", "emotion-a.onnx", "emotion-a.json", "emotion-b.onnx", "detector.onnx"):
        (tmp_path / "models" / name).touch()
    assert variants() == {
        STANDARD: tmp_path / "models" / "emotion.onnx",
        "a": tmp_path / "models" / "emotion-a.onnx",
    }


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match=rf"no expression network 'fsat'; those shipped are {STANDARD}.*ONNX file"):
        emotion_network(Path("fsat"))


@pytest.mark.parametrize("path", ["net.onnx", "folder/net", "/a/b.onnx"])
def test_a_path_stays_a_path(path):
    assert emotion_network(Path(path)) == Path(path)


def test_a_file_that_has_a_bare_name_is_a_file(tmp_path, monkeypatch):
    (tmp_path / "mine").touch()
    monkeypatch.chdir(tmp_path)
    assert os.fspath(emotion_network(Path("mine"))) == "mine"
