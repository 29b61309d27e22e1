import numpy as np
import pytest

from models.smoothing.series import generate, log_ratios, softmax

SEEDS = range(12)


def test_the_same_seed_gives_the_same_series():
    one, other, third = generate(5), generate(5), generate(6)

    assert (one.seen == other.seen).all()
    assert (one.truth == other.truth).all()
    assert one.seen.shape != third.seen.shape or (one.seen != third.seen).any()


def test_errors_last_as_long_as_they_are_told_to():
    def kept(memory):
        series = generate(4, memory=memory)
        errors = log_ratios(series.seen) - log_ratios(series.truth)
        near = np.flatnonzero(np.diff(series.pts) < 0.06)
        return np.median(errors[near] * errors[near + 1]) / np.median(errors**2)

    assert kept(0.02) < kept(0.1) < kept(1.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_series_are_what_they_say(seed):
    series = generate(seed)
    n = len(series.pts)

    assert (np.diff(series.pts) > 0).all()
    assert series.pts[-1] <= 61
    for distributions in (series.truth, series.seen):
        assert distributions.shape == (n, 8)
        assert (distributions >= 0).all()
        assert distributions.sum(axis=1) == pytest.approx(1.0, abs=1e-9)
    assert series.quality.min() > 0
    assert series.quality.max() <= 1
    assert np.diff(series.pts).max() > 0.3


def test_truth_stands_still_while_an_expression_is_held():
    for seed in SEEDS:
        series = generate(seed)
        for number in set(series.hold[series.hold >= 0].tolist()):
            held = series.truth[series.hold == number]
            assert (held == held[0]).all()
        assert (series.hold == -1).any()


def test_errors_are_larger_where_quality_is_lower():
    errors = {"low": [], "high": []}
    for seed in SEEDS:
        series = generate(seed)
        off = ((log_ratios(series.seen) - log_ratios(series.truth)) ** 2).sum(axis=1)
        middle = np.median(series.quality)
        errors["low"].append(np.median(off[series.quality < middle]))
        errors["high"].append(np.median(off[series.quality >= middle]))

    assert np.mean(errors["low"]) > 1.2 * np.mean(errors["high"])


def test_log_ratios_sum_to_zero_and_keep_zeros_finite():
    ratios = log_ratios(np.eye(8))

    assert ratios.sum(axis=1) == pytest.approx(0, abs=1e-12)
    assert np.isfinite(ratios).all()
    assert softmax(ratios).argmax(axis=1).tolist() == list(range(8))
