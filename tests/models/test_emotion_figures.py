import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.emotion import figures
from models.emotion.evaluate import open_network, report
from models.emotion.evaluation.origin import data_hash
from models.emotion.faces import LabelledFaces
from pipeline.errors import InputError
from pipeline.labels import LABELS
from tests.networks import classifier

RNG = np.random.default_rng(8)
SUFFIX = ", faces without a near-copy in training"


def faces(count: int) -> LabelledFaces:
    """Smooth random faces, no two alike, one vote of ten for another emotion."""
    votes = np.zeros((count, 10), np.int64)
    chosen = RNG.integers(0, 8, count)
    votes[np.arange(count), chosen] = 9
    votes[np.arange(count), (chosen + 1) % 8] = 1
    images = RNG.integers(0, 256, (count, 8, 8), np.uint8).repeat(6, 1).repeat(6, 2)
    return LabelledFaces(images, votes, people=None, labels=LABELS, name="faces", description="")


VALID = faces(40)
COPIES = np.concatenate([VALID.images[:6], VALID.images[6:10, :, ::-1], faces(20).images])
TRAINING = replace(faces(30), images=COPIES)
"""Ten of the validation faces have a copy here, four of them the other way round."""


def test_faces_with_a_near_copy_in_training_are_left_out(tmp_path: Path) -> None:
    network = open_network(classifier(tmp_path))
    accuracy, divergence = figures.unseen(VALID, TRAINING, network)
    fresh = report(VALID.take(np.arange(10, 40)), network)
    assert accuracy["what"] == f"majority accuracy{SUFFIX}"
    assert divergence["what"] == f"KL(votes || prediction){SUFFIX}, nats"
    assert accuracy["n"] == divergence["n"] == 30
    assert accuracy["value"] == round(fresh.accuracy.value, 4)
    assert divergence["value"] == round(fresh.divergence.value, 4)
    assert "10 of 40 rows left out" in accuracy["data"]
    assert "--data" in accuracy["command"]


def test_nothing_but_copies_cannot_be_measured_on(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="near-copy"):
        figures.unseen(VALID, VALID, open_network(classifier(tmp_path)))


@pytest.mark.parametrize("given", [True, False])
def test_the_card_has_both_or_the_terminal_says_why_not(
    given: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, part in (("valid", VALID), ("training", TRAINING)):
        np.savez(tmp_path / f"{name}.npz", images=part.images, votes=part.votes)
    model = classifier(tmp_path)
    words = ["figures", "--valid", str(tmp_path / "valid.npz"), "--model", str(model), "--seconds", "0.1"]
    monkeypatch.setattr(sys, "argv", [*words, "--data", str(tmp_path / "training.npz")] if given else words)
    card = model.with_suffix(".json")
    before = card.read_bytes()
    figures.main()
    assert card.read_bytes() == before
    sys.argv.append("--write")
    figures.main()
    written = {figure["what"]: figure for figure in json.loads(card.read_text())["figures"]}
    assert written["majority accuracy"]["n"] == 40
    assert written["majority accuracy"]["data"] == "valid (40 faces)"
    copies = written.get(f"majority accuracy{SUFFIX}", {"n": None, "data": "valid (40 faces), 10"})
    assert copies["n"] == (30 if given else None)
    assert copies["data"].startswith("valid (40 faces), 10")
    assert ("without --data" in capsys.readouterr().out) is not given


def test_figures_of_other_commands_stay_unless_they_are_measured_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "valid.npz", images=VALID.images, votes=VALID.votes)
    before = [
        {"what": "ms per face, batch 8", "value": 0.5, "command": "python -m models.emotion.speed"},
        {"what": "majority accuracy", "value": 0.5, "command": "affectstream train"},
        {"what": "majority accuracy at 12 px", "value": 0.5, "command": figures.COMMAND},
    ]
    model = classifier(tmp_path, changes={"figures": before})
    words = ["figures", "--valid", str(tmp_path / "valid.npz"), "--model", str(model), "--seconds", "0", "--write"]
    monkeypatch.setattr(sys, "argv", words)
    figures.main()
    told = json.loads(model.with_suffix(".json").read_text())["figures"]
    assert before[0] in told
    commands = [figure["command"] for figure in told if figure["what"] == "majority accuracy"]
    assert commands == [f"{figures.COMMAND} --model {model.name}"]
    assert not [figure for figure in told if "12 px" in figure["what"] or figure["what"] == "ms per face, batch 1"]


def test_only_the_released_rows_are_called_by_the_name_of_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(figures.RELEASED, data_hash(VALID), "FER+ validation")
    assert figures.title(VALID) == "FER+ validation"
    assert figures.title(VALID.take(np.arange(39))) == "faces (39 faces)"
