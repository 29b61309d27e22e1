import json

import numpy as np
import pytest

from tests import networks


@pytest.fixture
def nobody(tmp_path):
    """Faces in which the detector sees none."""
    path = tmp_path / "nobody.npz"
    votes = np.zeros((3, 8), np.uint8)
    votes[:, 1] = 9
    np.savez(path, images=np.full((3, 48, 48), 120, np.uint8), votes=votes)
    return path


@pytest.mark.parametrize(("command", "rows"), [("alignment", "heights"), ("quality", "bands")])
def test_faces_that_are_not_found_are_counted_and_nothing_else(affectstream, nobody, command, rows, tmp_path):
    ended = affectstream("evaluate", command, nobody, "--faces", 2, "--json", tmp_path / "figures.json")
    assert ended.code == 0, ended.err
    assert "(2 faces)" in ended.out
    told = json.loads((tmp_path / "figures.json").read_text())
    assert told.pop("model").startswith("affect-emotion-1@")
    assert told == {"data": "nobody.npz", "faces": 2, rows: []}


@pytest.mark.parametrize("command", ["alignment", "quality"])
def test_the_network_that_the_environment_names_is_measured(affectstream, nobody, monkeypatch, command, tmp_path):
    monkeypatch.setenv("AFFECTSTREAM_EMOTION__MODEL", str(networks.classifier(tmp_path)))
    assert "tiny@" in affectstream("evaluate", command, nobody).out
    assert "affect-emotion-1@" in affectstream("evaluate", command, nobody, "--model", "standard").out


@pytest.mark.parametrize("command", ["tracking", "smoothing", "alignment", "jitter", "quality"])
def test_figures_that_cannot_be_written_are_told_before_anything_is_measured(affectstream, nobody, command, tmp_path):
    words = [nobody] if command in ("alignment", "quality") else []
    ended = affectstream("evaluate", command, *words, "--json", tmp_path / "none" / "figures.json")
    assert (ended.code, ended.out) == (1, "")
    assert "no such folder" in ended.err


@pytest.mark.parametrize("command", ["alignment", "quality"])
def test_a_file_that_is_missing_is_named(affectstream, command):
    ended = affectstream("evaluate", command, "gone.npz")
    assert ended.code == 2
    assert "gone.npz" in ended.err


def test_a_folder_of_photos_that_is_missing_is_named(affectstream, tmp_path):
    ended = affectstream("evaluate", "jitter", "--photos", tmp_path / "nowhere")
    assert ended.code == 2
    assert "nowhere" in ended.err
