"""The command ``train``, as a user meets it."""

import json
from importlib.util import find_spec

import numpy as np
import pytest

from models.emotion.recipe import bundled


@pytest.fixture
def faces(tmp_path):
    """Bright faces are happy, dark ones sad."""
    rng = np.random.default_rng(2)
    happy = rng.random(60) < 0.5
    coarse = rng.integers(0, 120, (60, 8, 8)) + np.where(happy, 130, 0)[:, None, None]
    votes = np.zeros((60, 10), np.uint8)
    votes[np.arange(60), np.where(happy, 1, 3)] = 10
    path = tmp_path / "faces.npz"
    np.savez(path, images=coarse.repeat(6, 1).repeat(6, 2).astype(np.uint8), votes=votes)
    return path


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "about: A tiny one.\nclaim: accuracy 0.5\npaper: Nobody 2000\nlabels: [sadness, happiness]\n"
        "split: {held_out: 0.2}\narchitecture: {name: plain, convolutions: [[4, 3]]}\n"
        "optimizer: {name: adam, rate: 0.01}\nepochs: 2\nbatch: 8\n"
        "search:\n  optimizer.rate: {low: 0.001, high: 0.02, log: true}\n"
    )
    return path


def test_help_teaches(affectstream):
    ended = affectstream("train", "--help")
    assert ended.code == 0
    for word in ("--list", "--set", "--resume", "affectstream train affect", "'.[train]'", "network.onnx"):
        assert word in ended.out


def test_list_has_each_recipe_with_what_it_makes(affectstream):
    ended = affectstream("train", "--list")
    assert ended.code == 0
    for name in bundled():
        assert f"\n{name} " in ended.out
    assert "0.8324" in ended.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "no recipe given"),
        (["afect"], "no recipe 'afect'"),
        (["affect"], "--data"),
        (["affect", "--data", "a.npz", "--set", "epoch=3"], "unknown setting 'epoch'"),
        (["affect", "--data", "a.npz", "--device", "abacus"], "abacus"),
        (["affect", "--data", "a.npz", "--epochs", "0"], "greater than or equal to 1"),
    ],
)
def test_bad_input_is_named(affectstream, words, says):
    ended = affectstream("train", *words)
    assert ended.code == 2
    assert says in ended.err


@pytest.mark.skipif(find_spec("torch") is not None, reason="here torch is installed")
def test_without_torch_it_says_what_to_install(affectstream, faces):
    ended = affectstream("train", "affect", "--data", faces)
    assert ended.code == 2
    assert "pip install '.[train]'" in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.skipif(find_spec("torch") is None, reason="torch comes with the train extra")
class TestTraining:
    """With torch."""

    def test_it_trains_exports_and_tells_what_was_reached(self, affectstream, faces, mine, tmp_path):
        words = ("train", mine, "--data", faces, "--out", tmp_path / "run", "--threads", 1)
        ended = affectstream(*words)
        assert ended.code == 0, ended.err
        assert "reached: accuracy" in ended.out
        assert "claimed: accuracy 0.5 (Nobody 2000)" in ended.out
        assert "epoch 2/2" in ended.err
        measured = affectstream("models", tmp_path / "run" / "network.onnx")
        assert measured.code == 0
        assert "matches the card" in measured.out
        again = affectstream(*words)
        assert again.code == 0
        assert "2 epochs are done" in again.err
        other = affectstream(*words, "--seed", 3)
        assert other.code == 2
        assert "seed was 1, is 3" in other.err

    def test_it_searches(self, affectstream, faces, mine, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        words = ("train", mine, "--data", faces, "--threads", 1, "--epochs", 1)
        ended = affectstream(*words, "--search", 2)
        assert ended.code == 0, ended.err
        run = tmp_path / "runs" / "mine-search"
        best = json.loads((run / "trials.json").read_text())["best"]
        assert f"   {best}*" in ended.out
        assert "optimizer.rate=" in ended.out
        plain = affectstream(*words, "--out", "runs/mine-search")
        assert plain.code == 2
        assert "'runs/mine-search' holds a search, and this is a training" in plain.err

    def test_one_training_at_a_time_writes_to_a_folder(self, affectstream, faces, mine, tmp_path):
        from models.emotion.folder import occupied

        with occupied(tmp_path / "run", "a training"):
            ended = affectstream("train", mine, "--data", faces, "--out", tmp_path / "run", "--threads", 1)
        assert ended.code == 2
        assert "another training writes to" in ended.err

    def test_ctrl_c_keeps_whole_epochs(self, affectstream, faces, mine, tmp_path, monkeypatch):
        from models.emotion.train import Run

        advance = Run.advance

        def interrupted(run, progress):
            if run.epoch == 1:
                raise KeyboardInterrupt
            return advance(run, progress)

        words = ("train", mine, "--data", faces, "--out", tmp_path / "run", "--threads", 1)
        with monkeypatch.context() as patched:
            patched.setattr(Run, "advance", interrupted)
            ended = affectstream(*words)
        assert ended.code == 130
        assert "goes on from there" in ended.err
        assert (tmp_path / "run" / "curves.png").exists()
        ended = affectstream(*words)
        assert ended.code == 0, ended.err
        assert "1 epochs are done" in ended.err
        assert len((tmp_path / "run" / "history.jsonl").read_text().splitlines()) == 2

    def test_a_folder_that_cannot_be_written_is_named(self, affectstream, faces, mine, tmp_path):
        (tmp_path / "file").write_text("no folder")
        ended = affectstream("train", mine, "--data", faces, "--out", tmp_path / "file" / "run", "--threads", 1)
        assert ended.code == 1
        assert "cannot write" in ended.err
        assert "file" in ended.err

    def test_cuda_that_is_not_there_is_an_error(self, affectstream, faces, mine, tmp_path):
        import torch

        if torch.cuda.is_available():
            pytest.skip("here CUDA is")
        ended = affectstream("train", mine, "--data", faces, "--out", tmp_path / "run", "--device", "cuda")
        assert ended.code == 2
        assert "--device cpu" in ended.err
        assert not (tmp_path / "run").exists()
