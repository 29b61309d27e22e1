import json
import shutil

import pytest

from pipeline.card import shipped
from pipeline.errors import ModelError
from pipeline.onnx import file_hash
from workers.config import load_config
from workers.engine import CARDLESS_THRESHOLD, Engine


@pytest.fixture
def detector(tmp_path):
    """A copy of the detector that ships, without its card."""
    return shutil.copy2(shipped("detector"), tmp_path / "faces.onnx")


def give_card(network, kind="detector", **changes):
    card = json.loads(shipped(kind).with_suffix(".json").read_text())
    network.with_suffix(".json").write_text(json.dumps(card | changes))


def load(detector, **settings):
    return Engine.load(load_config(None, {"detector": {"model": detector, **settings}}))


def test_a_detector_needs_no_card(detector):
    engine = load(detector)
    assert engine.threshold == CARDLESS_THRESHOLD
    assert engine.hashes == (file_hash(shipped("detector")), file_hash(shipped("emotion")))


def test_a_card_gives_the_threshold_unless_it_is_set(detector):
    give_card(detector, threshold=0.42)
    assert load(detector).threshold == 0.42
    assert load(detector, threshold=0.7).threshold == 0.7


def test_a_card_says_what_makes_a_track_unless_it_is_set(detector):
    assert load(detector).settings.tracker.sure is None
    give_card(detector, sure=0.9)
    assert load(detector).settings.tracker.sure == 0.9
    config = load_config(None, {"detector": {"model": detector}, "tracker": {"sure": 0.8}})
    assert Engine.load(config).settings.tracker.sure == 0.8


@pytest.mark.parametrize("settings", [{}, {"threshold": 0.7}])
def test_another_file_than_the_one_of_its_card_is_refused(detector, settings):
    give_card(detector)
    with detector.open("ab") as file:
        file.write(b"\x32\x00")  # an empty domain: still a network, but not the same file
    with pytest.raises(ModelError, match=r"faces\.onnx' is not the file that its card describes: the SHA-256 differs"):
        load(detector, **settings)


def test_an_expression_networks_card_is_refused(detector):
    give_card(detector, kind="emotion")
    with pytest.raises(ModelError, match="not a face detector"):
        load(detector)
