import json
import shutil

import pytest

from pipeline.card import read_card, shipped
from pipeline.tracker.opened import CARDLESS_THRESHOLD
from workers.config import load_config
from workers.engine import Engine


@pytest.mark.parametrize(
    ("said", "threshold", "birth"), [({"threshold": 0.42, "birth": 0.9}, 0.42, 0.9), (None, CARDLESS_THRESHOLD, None)]
)
def test_an_engine_follows_faces_as_the_detector_asks(tmp_path, said, threshold, birth):
    network = shutil.copy2(shipped("detector"), tmp_path / "faces.onnx")
    if said is not None:
        card = json.loads(shipped("detector").with_suffix(".json").read_text())
        network.with_suffix(".json").write_text(json.dumps(card | said))
    engine = Engine.load(load_config(None, {"detector": {"model": network}, "tracker": {"patience": 2}}))
    assert engine.threshold == threshold
    assert (engine.settings.tracker.birth, engine.settings.tracker.patience) == (birth, 2)
    assert engine.hashes == tuple(read_card(shipped(kind)).sha256 for kind in ("detector", "emotion"))
