import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.emotion.metrics import EPSILON, divergence, estimate, load, per_class, truth
from pipeline.errors import InputError

IMAGES = np.zeros((3, 48, 48), np.uint8)
VOTES = np.array([[8, 0, 0, 0, 0, 0, 0, 1, 1, 0], [0, 5, 5, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 4, 0, 0, 0, 0, 6, 0]])


def save(folder: Path, **held: Any) -> Path:
    path = folder / "faces.npz"
    np.savez(path, **held)
    return path


def test_truth_by_hand() -> None:
    found = truth(VOTES)
    # Row 0: both single votes go, neutral holds all. Row 1: a tie is no majority. Row 2: unknown outvotes sadness.
    assert found.kept.tolist() == [True, False, False]
    assert found.majority.tolist() == [0, 1, 3]
    assert found.shares[0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    assert found.shares[1].tolist() == [0, 0.5, 0.5, 0, 0, 0, 0, 0]
    assert found.weight.tolist() == [1.0, 1.0, 0.4]


def test_row_of_single_votes_is_empty() -> None:
    found = truth(np.ones((1, 10), np.int64))
    assert not found.kept[0]
    assert found.weight[0] == 0
    assert not found.shares.any()


def test_divergence_by_hand() -> None:
    shares = np.array([[0.5, 0.5, 0, 0, 0, 0, 0, 0], [1.0, 0, 0, 0, 0, 0, 0, 0]])
    predicted = np.array([[0.25, 0.75, 0, 0, 0, 0, 0, 0], [0.0, 1, 0, 0, 0, 0, 0, 0]])
    expected = [0.5 * math.log(2) + 0.5 * math.log(2 / 3), -math.log(EPSILON)]
    assert divergence(shares, predicted) == pytest.approx(expected)


distributions = arrays(np.float64, (4, 8), elements=st.floats(1e-3, 1)).map(lambda x: x / x.sum(1, keepdims=True))


@given(distributions, distributions)
def test_divergence_is_never_negative_and_zero_for_equals(p: np.ndarray[Any, Any], q: np.ndarray[Any, Any]) -> None:
    assert (divergence(p, q) >= -1e-12).all()
    assert divergence(p, p) == pytest.approx(np.zeros(4), abs=1e-12)


def test_estimate_is_seeded_and_brackets_the_mean() -> None:
    rows = np.arange(400) % 4 == 0
    found = estimate(rows)
    assert found == estimate(rows)
    assert (found.value, found.n) == (0.25, 400)
    # The normal interval of a share of 1/4 over 400 rows is 0.25 +- 0.0424.
    assert found.low == pytest.approx(0.2076, abs=0.01)
    assert found.high == pytest.approx(0.2924, abs=0.01)


def test_per_class_by_hand() -> None:
    figures = per_class(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 0, 3]))
    neutral, happiness, surprise, sadness, anger = figures[:5]
    assert (neutral.n, neutral.predicted, neutral.precision, neutral.recall) == (3, 3, 2 / 3, 2 / 3)
    assert (happiness.precision, happiness.recall, happiness.f1) == (0.5, 0.5, 0.5)
    assert math.isnan(surprise.precision)
    assert (surprise.recall, surprise.f1) == (0, 0)
    assert (sadness.n, sadness.predicted, sadness.precision) == (0, 1, 0)
    assert math.isnan(sadness.recall)
    assert math.isnan(anger.f1)


def test_load_fills_eight_votes_up_to_ten(tmp_path: Path) -> None:
    faces = load(save(tmp_path, images=IMAGES, votes=VOTES[:, :8].astype(np.float32)))
    assert faces.votes.shape == (3, 10)
    assert faces.votes[:, :8].tolist() == VOTES[:, :8].tolist()
    assert not faces.votes[:, 8:].any()


NAN = np.where(VOTES == 5, np.nan, VOTES)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"images": IMAGES}, "no array votes"),
        ({"pictures": IMAGES}, "no array images and no array votes"),
        ({"images": IMAGES[:, :40], "votes": VOTES}, r"\(n, 48, 48\).*not \(3, 40, 48\)"),
        ({"images": IMAGES[:0], "votes": VOTES[:0]}, "n > 0"),
        ({"images": IMAGES.astype(np.float32), "votes": VOTES}, "uint8.*not float32"),
        ({"images": IMAGES, "votes": VOTES[:, :9]}, r"\(n, 8\) or \(n, 10\)"),
        ({"images": IMAGES, "votes": VOTES[:2]}, "3 images but 2 rows"),
        ({"images": IMAGES, "votes": VOTES.astype(str)}, "must be numbers"),
        ({"images": IMAGES, "votes": NAN}, "NaN.*row 1"),
        ({"images": IMAGES, "votes": VOTES - 1}, "counts.*row 0"),
        ({"images": IMAGES, "votes": VOTES / 3}, "counts.*row 0"),
        ({"images": IMAGES, "votes": VOTES * 0}, "no row has a vote"),
        ({"images": np.array([{}]), "votes": VOTES}, "not an .npz of plain numbers"),
    ],
)
def test_load_says_what_is_wrong(tmp_path: Path, held: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load(save(tmp_path, **held))
    assert "faces.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_load_refuses_what_is_no_npz(tmp_path: Path) -> None:
    path = tmp_path / "faces.npz"
    with pytest.raises(InputError, match="No such file"):
        load(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"not an \.npz"):
        load(path)
    path.write_text("neutral,happiness\n")
    with pytest.raises(InputError, match=r"not an \.npz"):
        load(path)
    whole = save(tmp_path, images=IMAGES, votes=VOTES).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"not an \.npz"):
        load(path)
    np.save(tmp_path / "one.npy", IMAGES)
    with pytest.raises(InputError, match="single array"):
        load(tmp_path / "one.npy")


def test_counts_of_ferplus_validation(data: Path) -> None:
    found = truth(load(data / "ferplus_valid.npz").votes)
    assert len(found.kept) == 3579
    assert found.kept.sum() == 3199
    assert np.bincount(found.majority[found.kept]).tolist() == [1182, 865, 415, 351, 287, 24, 62, 13]
