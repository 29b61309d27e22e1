import json
import math

import numpy as np
import pytest

from tests.networks import classifier


@pytest.fixture
def votes(tmp_path):
    path = tmp_path / "votes.npz"
    cast = np.zeros((16, 10), np.uint8)
    cast[np.arange(16), np.arange(16) % 4] = 7
    cast[:, 5] = 3
    np.savez(path, images=np.random.default_rng(0).integers(0, 256, (16, 48, 48), np.uint8), votes=cast)
    return path


@pytest.fixture
def model(tmp_path):
    return classifier(tmp_path)


def test_what_frames_the_figures_is_told_beside_them(affectstream, votes, model):
    ended = affectstream("evaluate", "emotion", votes, "--model", model)
    assert ended.code == 0, ended.err
    for word in (
        "accuracy:",
        "one rater",
        "names an expression",
        "flawless",
        "balanced accuracy",
        "macro F1",
        "ECE) against the share",
        "ECE) against being right",
    ):
        assert word in ended.out
    assert "less tiny" not in ended.out


def test_report_is_a_page_and_numbers(affectstream, votes, model, tmp_path):
    out = tmp_path / "out" / "report"
    ended = affectstream("evaluate", "emotion", votes, "--model", model, "--report", out, "--faces", 4)
    assert ended.code == 0, ended.err
    assert f"report: {out / 'report.html'}" in ended.out
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "report.json"]
    numbers = json.loads((out / "report.json").read_text())
    assert len(numbers["robustness"]) == 11
    assert numbers["robustness"][0]["points"][0]["accuracy"]["n"] == 4
    assert numbers["against"] is None


def test_a_network_is_no_better_than_itself(affectstream, votes, model):
    ended = affectstream("evaluate", "emotion", votes, "--model", model, "--against", model)
    assert ended.code == 0, ended.err
    assert "less tiny@" in ended.out
    # Sixteen faces without a difference do not tell that there is none.
    assert "accuracy: 0.0000 (95 %: -0.1089 to 0.1089, n = 16)" in ended.out


def test_report_that_cannot_be_written_says_so_before_it_is_made(affectstream, votes, model, tmp_path):
    (tmp_path / "taken").write_text("")
    ended = affectstream("evaluate", "emotion", votes, "--model", model, "--report", tmp_path / "taken")
    assert ended.code != 0
    assert "taken" in ended.err
    assert "accuracy" not in ended.out


@pytest.mark.parametrize(
    ("words", "said"), [(["--faces", 3], "--report"), (["--votes", "fer2013new.csv"], "fer2013new.csv")]
)
def test_options_that_do_not_fit_are_named(affectstream, votes, model, words, said):
    ended = affectstream("evaluate", "emotion", votes, "--model", model, *words)
    assert ended.code == 2
    assert said in ended.err


def test_faces_on_which_nobody_agrees_cannot_be_measured(affectstream, votes, model, tmp_path):
    with np.load(votes) as known:
        images = known["images"]
    ties = np.zeros((16, 8), np.uint8)
    ties[:, :2] = 5
    np.savez(tmp_path / "ties.npz", images=images, votes=ties)
    ended = affectstream("evaluate", "emotion", tmp_path / "ties.npz", "--model", model)
    assert ended.code == 2
    assert "more than half" in ended.err


def test_a_network_that_is_not_what_its_card_says_is_refused(affectstream, votes, tmp_path):
    model = classifier(tmp_path, changes={"labels": ["neutral", "happiness"]})
    ended = affectstream("evaluate", "emotion", votes, "--model", model)
    assert ended.code != 0
    assert "labels" in ended.err


def test_fewer_labels_are_said(affectstream, votes, tmp_path):
    model = classifier(tmp_path, labels=("neutral", "happiness", "surprise"))
    ended = affectstream("evaluate", "emotion", votes, "--model", model)
    assert ended.code == 0, ended.err
    assert "no sadness" in ended.out
    assert f"n = {math.ceil(16 * 3 / 4)}" in ended.out
