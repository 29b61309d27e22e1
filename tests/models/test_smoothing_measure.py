import numpy as np
import pytest

from models.smoothing.measure import coverage, divergence, flips, lags_of, measure, unrest
from models.smoothing.series import Series, generate, log_ratios, softmax


def steps(label_of, count=100, fps=25):
    """A face at 25 fps whose label changes as told, seen without noise."""
    labels = np.array([label_of(number) for number in range(count)])
    truth = np.full((count, 8), 0.02)
    truth[np.arange(count), labels] = 0.86
    return Series(np.arange(count) / fps, truth, np.ones(count), truth, np.cumsum(np.diff(labels, prepend=0) != 0))


SERIES = steps(lambda number: int(number >= 50))


def test_the_truth_itself_is_perfect():
    figures = measure([SERIES], [SERIES.truth])

    assert figures.divergence == pytest.approx(0, abs=1e-12)
    assert figures.flips == pytest.approx(60 / SERIES.pts[-1])
    assert figures.lag == 0
    assert figures.variance == pytest.approx(0, abs=1e-20)


@pytest.mark.parametrize("late", [-5, 0, 3, 10])
def test_lag_is_by_how_much_the_estimate_is_late(late):
    assert lags_of(SERIES, np.roll(SERIES.truth, late, axis=0)) == pytest.approx([late / 25])


def test_noise_that_favours_no_label_adds_no_lag():
    odd = SERIES.truth.copy()
    odd[[40, 60]] = odd[[60, 40]]

    assert lags_of(SERIES, odd) == pytest.approx([0.0])


def test_changes_too_close_to_each_other_or_to_a_gap_have_no_lag():
    busy = steps(lambda number: number // 10 % 2)
    gapped = Series(*(part[(np.arange(100) < 52) | (np.arange(100) > 70)] for part in vars(SERIES).values()))

    assert len(lags_of(busy, busy.truth)) == 0
    assert len(lags_of(gapped, gapped.truth)) == 0


def test_divergence_is_kullback_and_leiblers():
    truth, estimate = np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])

    assert divergence(truth, estimate) == pytest.approx([0.5 * np.log(2) + 0.5 * np.log(2 / 3)])


def test_flips_are_changes_of_the_most_probable_label():
    assert flips(np.eye(8)[[0, 0, 1, 1, 0, 2]]) == 3


def test_unrest_is_the_variance_within_holds():
    series = generate(1)
    shaken = series.truth.copy()
    shaken[::2, 0] += 0.01
    shaken[1::2, 0] -= 0.01

    assert unrest(series, shaken).mean() == pytest.approx(1e-4, rel=0.05)
    assert unrest(series, series.truth).mean() == pytest.approx(0, abs=1e-20)


def test_the_interval_of_nine_in_ten_covers_nine_in_ten():
    series = generate(1)
    rng = np.random.default_rng(0)
    deviation = rng.uniform(0.05, 0.3, len(series.pts))
    ratios = log_ratios(series.truth) + deviation[:, None] * rng.normal(size=series.truth.shape)
    estimate = softmax(ratios)

    assert coverage([series], [estimate], [deviation * np.sqrt(7 / 8)]) == pytest.approx(0.9, abs=0.02)
    assert coverage([series], [estimate], [deviation / 2]) < 0.7
