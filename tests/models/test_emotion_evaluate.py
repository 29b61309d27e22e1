from pathlib import Path

import numpy as np
import pytest

from models.emotion.evaluate import evaluate, shrunk
from models.emotion.metrics import EPSILON, Faces, divergence, truth
from pipeline.errors import InputError
from tests.networks import classifier

RNG = np.random.default_rng(5)
IMAGES = RNG.integers(0, 256, (30, 48, 48), np.uint8)
VOTES = np.zeros((30, 10), np.int64)
VOTES[np.arange(30), RNG.integers(0, 8, 30)] = 7
VOTES[:, 8] = 3
VOTES[4, 8] = 7  # no majority


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    path = tmp_path / "faces.npz"
    np.savez(path, images=IMAGES, votes=VOTES)
    return path


def test_report_agrees_with_a_count_by_hand(npz: Path, tmp_path: Path) -> None:
    report = evaluate(npz, classifier(tmp_path), batch=7)
    found = report.probabilities
    assert (found.shape, found.dtype) == ((30, 8), np.float32)
    assert np.allclose(found.sum(1), 1, atol=1e-6)
    kept = np.arange(30) != 4
    hits = sum(found[row].argmax() == VOTES[row, :8].argmax() for row in np.flatnonzero(kept))
    assert (report.rows, report.accuracy.n) == (30, 29)
    assert report.accuracy.value == hits / 29
    expected = [-np.log(max(found[row, VOTES[row, :8].argmax()], EPSILON)) for row in np.flatnonzero(kept)]
    assert report.divergence.value == pytest.approx(np.mean(expected), rel=1e-6)
    assert sum(row.n for row in report.classes) == 29


def test_rows_do_not_depend_on_the_batch(npz: Path, tmp_path: Path) -> None:
    model = classifier(tmp_path)
    assert np.allclose(
        evaluate(npz, model, batch=1).probabilities, evaluate(npz, model, batch=64).probabilities, atol=1e-6
    )


def test_a_network_of_another_size_and_order_is_measured_too(npz: Path, tmp_path: Path) -> None:
    model = classifier(tmp_path, size=64, labels=("happiness", "neutral", "bored"), kind="probabilities")
    found = evaluate(npz, model).probabilities
    assert np.allclose(found[:, :2].sum(1), 1, atol=1e-6)
    assert not found[:, 2:].any()


def test_rows_without_majority_cannot_be_measured(tmp_path: Path) -> None:
    path = tmp_path / "ties.npz"
    votes = np.zeros((30, 8), np.int64)
    votes[:, :2] = 5
    np.savez(path, images=IMAGES, votes=votes)
    with pytest.raises(InputError, match="more than half"):
        evaluate(path, classifier(tmp_path))


def test_missing_network_is_named(npz: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.(onnx|json)"):
        evaluate(npz, tmp_path / "none.onnx")


def test_shrunk_keeps_the_mean_and_loses_detail() -> None:
    faces = Faces(IMAGES, VOTES)
    small = shrunk(faces, 16)
    assert (small.images.shape, small.images.dtype) == (IMAGES.shape, np.uint8)
    assert np.allclose(small.images.mean((1, 2)), IMAGES.mean((1, 2)), atol=3)
    assert small.images.std() < IMAGES.std() / 2
    assert small.votes is faces.votes


def test_perfect_prediction_costs_nothing() -> None:
    votes = truth(VOTES)
    assert divergence(votes.shares, votes.shares).max() == pytest.approx(0, abs=1e-12)
