import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bootstrap import Resamples
from models.emotion.evaluation.calibration import calibrate, calibration_error, reliability, tempered
from models.emotion.evaluation.sample import sample
from pipeline.labels import LABELS

RNG = np.random.default_rng(2)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_the_best_temperature_undoes_the_wrong_one(exponent: float) -> None:
    shares = RNG.dirichlet(np.ones(8), 20)
    given = shares**exponent
    given /= given.sum(1, keepdims=True)
    temperature, cost = tempered(shares, given.astype(np.float32))
    assert temperature == pytest.approx(exponent, rel=1e-2)
    assert cost == pytest.approx(0, abs=1e-4)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=50))
def test_calibration_error_is_the_gap_where_all_are_right_or_all_wrong(confidence: list[float]) -> None:
    values = np.array(confidence, np.float32)
    right, wrong = np.ones(len(values), bool), np.zeros(len(values), bool)
    assert calibration_error(values, right) == pytest.approx(1 - values.mean(dtype=np.float64), abs=1e-5)
    assert calibration_error(values, wrong) == pytest.approx(values.mean(dtype=np.float64), abs=1e-5)


def test_who_is_right_as_often_as_sure_has_no_calibration_error() -> None:
    assert calibration_error(np.full(4, 0.75, np.float32), np.array([True, True, False, True])) == pytest.approx(0)


def test_bins_hold_what_was_said_and_what_came_of_it() -> None:
    predicted, outcome = np.array([0.05, 0.09, 0.55, 1.0]), np.array([0.0, 1.0, 0.5, 1.0])
    found = reliability("fear", predicted, outcome, Resamples(4, draws=50))
    assert [(one.low, one.high, one.outcome.n) for one in found.bins] == [(0.0, 0.1, 2), (0.5, 0.6, 1), (0.9, 1.0, 1)]
    assert [one.predicted for one in found.bins] == pytest.approx([0.07, 0.55, 1.0])
    assert [one.outcome.value for one in found.bins] == [0.5, 0.5, 1.0]
    assert found.error == pytest.approx((2 * 0.43 + 0.05) / 4)


def test_who_says_the_votes_is_calibrated_and_who_is_too_sure_is_not() -> None:
    votes = np.zeros((400, 10), np.int64)
    votes[:, :8] = RNG.multinomial(10, RNG.dirichlet([2, 1, 1, 0.5, 0.5, 0.2, 0.2, 0.2], 400))
    chosen = sample(votes)
    drawn = Resamples(len(chosen.rows), draws=20)
    honest = calibrate(chosen, chosen.shares, drawn)
    assert honest.overall.error == pytest.approx(0, abs=1e-12)
    assert honest.classwise_error == pytest.approx(0, abs=1e-12)
    assert honest.temperature == pytest.approx(1, abs=0.01)
    assert [one.name for one in honest.classes] == [*LABELS]
    sharp = chosen.shares**3
    proud = calibrate(chosen, sharp / sharp.sum(1, keepdims=True), drawn)
    assert proud.overall.error > 0.05
    assert proud.temperature > 2
