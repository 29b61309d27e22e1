"""The smaller commands, as a user meets them."""

import numpy as np
import pandas as pd
import pytest

from tests import networks, video


@pytest.fixture
def votes(tmp_path):
    """An npz of faces with votes, the last of them without a majority."""
    rng = np.random.default_rng(0)
    path = tmp_path / "votes.npz"
    counts = np.zeros((12, 10), np.uint8)
    counts[np.arange(11), rng.integers(0, 8, 11)] = 10
    counts[11, [0, 1]] = 5
    np.savez(path, images=rng.integers(0, 256, (12, 48, 48), np.uint8), votes=counts)
    return path


def test_help_teaches(affectstream):
    for words in (["--help"], ["replay", "--help"], ["run", "--help"], ["evaluate", "emotion", "--help"]):
        ended = affectstream(*words)
        assert ended.code == 0
        assert "affectstream" in ended.out


def test_the_demo_runs_to_the_end_and_says_how_to_read_it(affectstream, tmp_path):
    ended = affectstream("demo", "--out", tmp_path / "out")
    assert ended.code == 0, ended.err
    assert "done" in ended.out
    assert "read_parquet" in ended.out
    assert "affect:emotions:demo" in ended.out
    assert pd.read_parquet(tmp_path / "out" / "emotions")["track"].nunique() == 2


def test_doctor_knows_machine_and_source(affectstream, tmp_path):
    clip = video.clip(tmp_path / "a.mp4")
    ended = affectstream("doctor", clip)
    assert ended.code == 0, ended.out
    for word in ("FFmpeg", "CPUExecutionProvider", "SHA-256", "Redis", "h264", "160 x 96"):
        assert word in ended.out


def test_doctor_of_something_that_is_no_video(affectstream, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    ended = affectstream("doctor", tmp_path / "text.mp4", "--redis", "none")
    assert ended.code == 1
    assert "text.mp4" in ended.err


def test_evaluate_measures_and_writes_every_row(affectstream, votes, tmp_path):
    model = networks.classifier(tmp_path)
    ended = affectstream("evaluate", "emotion", votes, "--model", model, "--predictions", tmp_path / "p.npy")
    assert ended.code == 0, ended.err
    assert "n = 11" in ended.out
    probabilities = np.load(tmp_path / "p.npy")
    assert probabilities.shape == (12, 8)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["run"], 2, "no source given"),
        (["run", "gopher://a/b"], 2, "gopher"),
        (["doctor", "gone.mp4"], 2, "gone.mp4"),
        (["evaluate", "emotion", "gone.npz"], 2, "gone.npz"),
        (["evaluate", "emotion", "gone.npz", "--predictions", "p.txt"], 2, "p.txt"),
        (["dance"], 2, "dance"),
    ],
)
def test_bad_input_is_named(affectstream, words, code, says):
    ended = affectstream(*words)
    assert ended.code == code
    assert says in ended.err
