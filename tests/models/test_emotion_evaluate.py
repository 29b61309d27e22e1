from pathlib import Path

import numpy as np
import pytest

from models.emotion.evaluate import evaluate
from models.emotion.metrics import EPSILON, divergence, truth
from pipeline.errors import InputError
from pipeline.labels import LABELS
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


def test_a_network_that_lacks_labels_is_measured_on_the_faces_of_its_own(npz: Path, tmp_path: Path) -> None:
    votes = VOTES.copy()
    votes[0] = [0, 7, 0, 0, 0, 0, 0, 3, 0, 0]
    np.savez(npz, images=IMAGES, votes=votes)
    report = evaluate(npz, classifier(tmp_path, labels=LABELS[:7]))
    kept = np.flatnonzero((votes[:, :7].max(1) == 7) & (np.arange(30) != 4))
    assert report.sample.rows.tolist() == kept.tolist()
    assert report.accuracy.n == len(kept) < 29
    assert report.sample.shares[0].tolist() == [0, 1, 0, 0, 0, 0, 0, 0]
    assert report.classes[7].n == 0


def test_faces_of_other_labels_alone_cannot_be_measured(npz: Path, tmp_path: Path) -> None:
    np.savez(npz, images=IMAGES, votes=np.eye(8, dtype=np.int64)[np.full(30, 7)] * 10)
    with pytest.raises(InputError, match=r"one of neutral, happiness, surprise, .* fear with more than half"):
        evaluate(npz, classifier(tmp_path, labels=LABELS[:7]))


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


def test_perfect_prediction_costs_nothing() -> None:
    votes = truth(VOTES)
    assert divergence(votes.shares, votes.shares).max() == pytest.approx(0, abs=1e-12)
