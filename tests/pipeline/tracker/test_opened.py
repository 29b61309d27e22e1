import json
import shutil

import pytest

from pipeline.card import shipped
from pipeline.errors import InputError, ModelError
from pipeline.onnx import file_hash
from pipeline.settings import DetectorSettings, PipelineSettings, TrackerSettings
from pipeline.tracker.opened import CARDLESS_THRESHOLD, open_detector


@pytest.fixture
def network(tmp_path):
    """A copy of the detector that ships, without its card."""
    return shutil.copy2(shipped("detector"), tmp_path / "faces.onnx")


def give_card(network, kind="detector", **changes):
    card = json.loads(shipped(kind).with_suffix(".json").read_text())
    network.with_suffix(".json").write_text(json.dumps(card | changes))


def opened(network, birth=None, **detector):
    settings = DetectorSettings(model=network, **detector)
    return open_detector(PipelineSettings(detector=settings, tracker=TrackerSettings(birth=birth, patience=2)))


def test_a_detector_needs_no_card(network):
    found = opened(network)
    assert found.threshold == CARDLESS_THRESHOLD
    assert found.sha256 == file_hash(shipped("detector"))


def test_a_card_gives_the_threshold_unless_it_is_set(network):
    give_card(network, threshold=0.42)
    assert opened(network).threshold == 0.42
    assert opened(network, threshold=0.7).threshold == 0.7


@pytest.mark.parametrize(
    ("card", "whose"),
    [
        ({"threshold": 0.42}, "the card of the face detector: threshold = 0.42"),
        (None, f"the default for detectors without a card: threshold = {CARDLESS_THRESHOLD:g}"),
    ],
)
def test_what_is_set_must_not_contradict_the_threshold_that_is_not(network, card, whose):
    if card is not None:
        give_card(network, **card)
    with pytest.raises(InputError) as told:
        opened(network, low=0.7)
    assert str(told.value) == f"{whose} is below low = 0.7; lower detector.low, or set detector.threshold"
    assert opened(network, low=0.7, threshold=0.8).threshold == 0.8


def test_a_card_says_what_makes_a_track_unless_it_is_set(network):
    assert opened(network).tracking == TrackerSettings(patience=2)
    give_card(network, birth=0.9)
    assert opened(network).tracking == TrackerSettings(birth=0.9, patience=2)
    assert opened(network, birth=0.8).tracking == TrackerSettings(birth=0.8, patience=2)


@pytest.mark.parametrize("settings", [{}, {"threshold": 0.7}])
def test_another_file_than_the_one_of_its_card_is_refused(network, settings):
    give_card(network)
    with network.open("ab") as file:
        file.write(b"\x32\x00")  # an empty domain: still a network, but not the same file
    with pytest.raises(ModelError, match=r"faces\.onnx' is not the file that its card describes: the SHA-256 differs"):
        opened(network, **settings)


def test_an_expression_networks_card_is_refused(network):
    give_card(network, kind="emotion")
    with pytest.raises(ModelError, match="not a face detector"):
        opened(network)
