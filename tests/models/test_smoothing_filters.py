import numpy as np
import pytest

from models.smoothing import compare as comparison
from models.smoothing.compare import compare, table
from models.smoothing.filters import (
    exponential,
    exponential_ratios,
    kalman,
    median_ratios,
    moving_average,
    one_euro,
    raw,
    smoother,
)
from models.smoothing.series import Track, generate

FILTERS = {
    "raw": raw,
    "moving average": lambda track: moving_average(track, 0.3),
    "centred": lambda track: moving_average(track, 0.3, centred=True),
    "exponential": lambda track: exponential(track, 0.3),
    "one euro": lambda track: one_euro(track, 0.5, 0.2),
    "exponential of log-ratios": lambda track: exponential_ratios(track, 0.3),
    "from both sides": lambda track: exponential_ratios(track, 0.3, two_sided=True),
    "median of log-ratios": lambda track: median_ratios(track, 0.6),
    "live": smoother,
    "replay": lambda track: smoother(track, 2.0),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters_give_distributions_and_leave_what_does_not_change(name):
    series = generate(0)
    values = FILTERS[name](series)
    still = Track(series.pts, np.tile(series.seen[0], (len(series.pts), 1)), series.quality)

    assert values.shape == series.seen.shape
    assert values.min() >= 0
    assert values.sum(axis=1) == pytest.approx(1.0, abs=1e-9)
    assert FILTERS[name](still) == pytest.approx(still.seen, abs=1e-9)


@pytest.mark.parametrize(
    "name", ["raw", "moving average", "exponential", "one euro", "exponential of log-ratios", "live"]
)
def test_filters_of_the_past_do_not_know_the_future(name):
    series = generate(0)
    part = Track(series.pts[:200], series.seen[:200], series.quality[:200])

    assert FILTERS[name](part) == pytest.approx(FILTERS[name](series)[:200], abs=1e-12)


def test_a_moving_average_is_the_mean_of_its_window():
    track = Track(np.array([0.0, 0.1, 0.5, 0.6]), np.eye(8)[:4], np.ones(4))

    assert moving_average(track, 0.2)[1] == pytest.approx((np.eye(8)[0] + np.eye(8)[1]) / 2)
    assert moving_average(track, 0.2)[2] == pytest.approx(np.eye(8)[2])
    assert moving_average(track, 0.2, centred=True)[0] == pytest.approx((np.eye(8)[0] + np.eye(8)[1]) / 2)


def test_an_exponential_average_forgets_by_time_not_by_frames():
    track = Track(np.array([0.0, 0.3]), np.eye(8)[:2], np.ones(2))

    assert exponential(track, 0.3)[1, :2] == pytest.approx([np.exp(-1), 1 - np.exp(-1)])


def test_filters_of_log_ratios_know_no_direction_of_time_and_no_odd_frame():
    series = generate(0)
    turned = Track(-series.pts[::-1], series.seen[::-1], series.quality[::-1])
    for name in ("from both sides", "median of log-ratios"):
        assert FILTERS[name](turned)[::-1] == pytest.approx(FILTERS[name](series), abs=1e-12)
    odd = Track(np.arange(5) / 25, np.eye(8)[[0, 0, 1, 0, 0]], np.ones(5))

    assert median_ratios(odd, 0.2)[2] == pytest.approx(np.eye(8)[0])
    # What was seen before counts half by then, and so does what is seen now.
    halfway = exponential_ratios(Track(np.array([0.0, np.log(2)]), np.eye(8)[:2], np.ones(2)), 1.0)[1]
    assert halfway[0] == pytest.approx(halfway[1])


def test_one_euro_at_rest_is_a_first_order_low_pass():
    track = Track(np.arange(3) / 25, np.eye(8)[[0, 1, 1]], np.ones(3))
    gain = 1 / (1 + 25 / (2 * np.pi * 0.5))

    assert one_euro(track, 0.5, 0.0)[1, :2] == pytest.approx([1 - gain, gain])


def test_sure_after_many_looks_and_surer_with_hindsight():
    series = generate(0)

    live, replay = (kalman(series, lag)[1] for lag in (0.0, 2.0))

    assert (live > 0).all()
    assert np.median(live[100:]) < live[0]
    assert np.median(replay) < np.median(live)


def test_the_shipped_smoother_beats_the_others_on_series_that_nothing_was_chosen_on(monkeypatch):
    # Less than the command measures, and enough: no ratio below comes near its limit.
    monkeypatch.setattr(comparison, "TUNING", range(1000, 1004))
    monkeypatch.setattr(comparison, "SERIES", 12)
    rows = {row.name: row for row in compare(7000, [generate(9000)])}
    first = rows["raw"]
    live, replay = rows["shipped, live"], rows["shipped, replay"]
    rivals = [row for row in rows.values() if row not in (live, replay)]

    assert len(rivals) == 8
    causal = [row.figures for row in rivals if not any(word in row.name for word in ("centred", "both sides"))]
    assert live.figures.divergence < 0.85 * min(figures.divergence for figures in causal)
    assert replay.figures.divergence < 0.85 * min(row.figures.divergence for row in rivals)
    assert live.figures.variance < min(figures.variance for figures in causal)
    for row in (live, replay):
        assert row.figures.flips < first.figures.flips / 5
        assert row.real < first.real
    assert live.figures.lag < 0.35
    assert abs(replay.figures.lag) < 0.04
    assert table(list(rows.values())).row_count == 10
