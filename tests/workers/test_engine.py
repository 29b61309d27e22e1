import json
import shutil

import pytest

from pipeline.card import read_card, shipped
from pipeline.ingest.source import parse_source
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
    assert (engine.config.tracker.birth, engine.config.tracker.patience) == (birth, 2)
    assert engine.config.detector.threshold == threshold
    assert engine.hashes == (read_card(shipped("detector")).sha256, read_card(shipped("emotion")).perception)


def test_a_run_follows_from_what_the_cards_say_of_perception(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"video")
    options = {}
    for kind in ("detector", "emotion"):
        options[kind] = {"model": shutil.copy2(shipped(kind), tmp_path / shipped(kind).name)}

    def run(kind, **changes):
        for each, section in options.items():
            card = json.loads(shipped(each).with_suffix(".json").read_text())
            said = changes if each == kind else {}
            section["model"].with_suffix(".json").write_text(json.dumps(card | said))
        config = load_config(None, options)
        source = parse_source(str(tmp_path / "a.mp4"), detector=config.detector)
        return Engine.load(config).run_of(source)

    emotion = read_card(shipped("emotion"))
    labels = list(emotion.labels)
    labels[1], labels[2] = labels[2], labels[1]
    frame = {"template": emotion.alignment.template, "frame": emotion.alignment.frame + 1}
    said = run("emotion", limits=["none"])
    assert said == run("detector", limits=["none"])  # what is for people alone
    others = {
        run("emotion", labels=labels),
        run("emotion", alignment=frame),
        run("detector", threshold=0.42),
        run("detector", birth=0.9),
    }
    assert len(others | {said}) == 5
    options["detector"]["threshold"] = read_card(shipped("detector")).threshold
    assert run("detector", threshold=0.42) == said  # what is set goes before what the card says
