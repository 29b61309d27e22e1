import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.emotion.faces import read_faces
from models.emotion.metrics import EPSILON, divergence, truth

VOTES = np.array([[8, 0, 0, 0, 0, 0, 0, 1, 1, 0], [0, 5, 5, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 4, 0, 0, 0, 0, 6, 0]])


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


def test_counts_of_ferplus_validation(data: Path) -> None:
    found = truth(read_faces(data / "ferplus_valid.npz").votes)
    assert len(found.kept) == 3579
    assert found.kept.sum() == 3199
    assert np.bincount(found.majority[found.kept]).tolist() == [1182, 865, 415, 351, 287, 24, 62, 13]
