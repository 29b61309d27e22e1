"""What must hold of smoothing whatever is observed, and what it gains where the truth is known."""

from math import inf

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter
from hypothesis import given
from hypothesis import strategies as st

from models.smoothing.filters import kalman
from models.smoothing.measure import coverage
from models.smoothing.series import generate, log_ratios, softmax
from pipeline.settings import SmootherSettings
from pipeline.sink.smoother import UNSEEN, Smoother

SETTINGS = SmootherSettings()
LAGS = st.sampled_from([0.0, 0.3, 2.0, inf])


@st.composite
def distributions(draw):
    weights = draw(st.lists(st.floats(0, 1), min_size=8, max_size=8).filter(lambda values: sum(values) > 1e-3))
    return [weight / sum(weights) for weight in weights]


@st.composite
def tracks(draw, longest_step=2.0):
    """Observations: media time, distribution, quality."""
    rows = draw(
        st.lists(
            # Binary fractions: sums and differences of times are exact.
            st.tuples(st.integers(0, int(longest_step * 64)), distributions(), st.floats(0, 1)),
            min_size=1,
            max_size=30,
        )
    )
    pts = (np.cumsum([step for step, _, _ in rows]) / 64).tolist()
    return [(at, p, quality) for at, (_, p, quality) in zip(pts, rows, strict=True)]


def values(track, lag, settings=SETTINGS):
    smoother = Smoother(settings, lag)
    final = []
    for pts, p, quality in track:
        final += smoother.observe(pts, p, quality)
    return final + smoother.finish()


def smooth(track, lag):
    """Return (n, 8) distributions."""
    return np.array([value.distribution for value in values(track, lag)])


def deviations(track, lag):
    """Return (n,) standard deviations of a log-ratio."""
    return np.array([value.deviation for value in values(track, lag)])


@given(tracks(), LAGS)
def test_every_observation_gives_one_distribution(track, lag):
    smoothed = smooth(track, lag)

    assert smoothed.shape == (len(track), 8)
    assert (smoothed >= 0).all()
    assert smoothed.sum(axis=1) == pytest.approx(1.0, abs=1e-12)


@given(tracks(), distributions(), LAGS)
def test_what_does_not_change_comes_out_unchanged(track, p, lag):
    smoothed = smooth([(pts, p, quality) for pts, _, quality in track], lag)

    assert np.abs(smoothed - p).max() < 1e-9


@given(tracks(), LAGS, st.permutations(range(8)))
def test_labels_are_treated_alike(track, lag, order):
    shuffled = [(pts, [p[label] for label in order], quality) for pts, p, quality in track]

    assert smooth(shuffled, lag) == pytest.approx(smooth(track, lag)[:, order], abs=1e-9)


@given(tracks(), LAGS)
def test_after_a_gap_smoothing_begins_anew(track, lag):
    later = [(pts + track[-1][0] - track[0][0] + SETTINGS.gap + 0.5, p, quality) for pts, p, quality in track]

    together = smooth(track + later, lag)

    assert (together[: len(track)] == smooth(track, lag)).all()
    assert (together[len(track) :] == smooth(track, lag)).all()


@given(tracks(longest_step=0.2), st.sampled_from([0.3, 2.0]))
def test_a_lagged_value_is_final_as_soon_as_promised(track, lag):
    smoother = Smoother(SETTINGS, lag)
    count = 0
    for number, (pts, p, quality) in enumerate(track):
        count += len(smoother.observe(pts, p, quality))
        times = [at for at, _, _ in track[: number + 1]]
        assert all(at > pts - 1.5 * lag for at in times[count:])
        assert all(at <= pts - lag for at in times[:count])


def calm(rng, count):
    """Observations with noise of always the same size, so that none is odd and nothing changes."""
    ratios = rng.normal(0, 1.0, 8) + np.cumsum(rng.normal(0, 0.005, (count, 8)), axis=0)
    noise = rng.normal(0, 1, (count, 8))
    noise -= noise.mean(axis=1, keepdims=True)
    seen = softmax(ratios + 0.3 * noise / np.linalg.norm(noise, axis=1, keepdims=True))
    pts = np.cumsum(rng.uniform(0.01, 0.3, count))
    return list(zip(pts.tolist(), seen.tolist(), rng.uniform(0.3, 1.0, count).tolist(), strict=True))


def reference(track):
    """The same model in filterpy: filtered and smoothed distributions, (n, 8), and deviations, (n,), if noise is 1."""
    floor = 0.002
    ratios = np.log(floor + (1 - 8 * floor) * np.array([p for _, p, _ in track]))
    ratios -= ratios.mean(axis=1, keepdims=True)
    gain = 1 - np.exp(-0.04 / SETTINGS.time_constant)
    diffusion = gain**2 / (1 - gain) / 0.04

    kalman = KalmanFilter(dim_x=8, dim_z=8)
    kalman.F = kalman.H = np.eye(8)
    kalman.x = ratios[0].reshape(8, 1)
    kalman.P = np.eye(8) / track[0][2]
    means, covariances, noises = [kalman.x.copy()], [kalman.P.copy()], [np.zeros((8, 8))]
    for (before, _, _), (pts, _, quality), z in zip(track, track[1:], ratios[1:], strict=False):
        noise = np.eye(8) * diffusion * (pts - before)
        kalman.predict(Q=noise)
        kalman.update(z.reshape(8, 1), R=np.eye(8) / quality)
        means.append(kalman.x.copy())
        covariances.append(kalman.P.copy())
        noises.append(noise)
    smoothed, certain, *_ = kalman.rts_smoother(np.array(means), np.array(covariances), Qs=noises)

    def distribution(values):
        raised = softmax(np.array(values)[:, :, 0]) - floor
        return raised / raised.sum(axis=1, keepdims=True)

    filtered = distribution(means), np.sqrt(np.array(covariances)[:, 0, 0])
    return filtered, (distribution(smoothed), np.sqrt(np.array(certain)[:, 0, 0]))


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_textbook_filter_where_nothing_odd_happens(seed, monkeypatch):
    monkeypatch.setattr("pipeline.sink.filter.LASTING", 0.0)  # the textbook's noise is forgotten at once
    track = calm(np.random.default_rng(seed), 80)
    filtered, smoothed = reference(track)

    for lag, (expected, spread) in ((0.0, filtered), (inf, smoothed)):
        assert smooth(track, lag) == pytest.approx(expected, abs=1e-9)
        scale = deviations(track, lag) / spread
        assert scale[-20:] == pytest.approx(0.3 / np.sqrt(7), rel=0.5)
        if lag:
            assert scale == pytest.approx(scale[0], rel=1e-6)


@pytest.mark.parametrize(("lag", "trace"), [(0.0, 1e-5), (0.4, 1e-3), (inf, 1e-5)])
def test_a_look_that_says_nothing_splits_a_gap_with_hardly_a_trace(lag, trace):
    track = calm(np.random.default_rng(1), 60)
    middle = (track[29][0] + track[30][0]) / 2
    blind = [*track[:30], (middle, [0.125] * 8, 0.0), *track[30:]]

    assert np.delete(smooth(blind, lag), 30, axis=0) == pytest.approx(smooth(track, lag), abs=trace)


@given(tracks(), LAGS)
def test_no_face_is_known_less_well_than_one_that_nobody_looked_at(track, lag):
    blind = [(pts, p, 0.0) for pts, p, _ in track]
    assert 0.1 < deviations(blind, lag).max() <= UNSEEN


def test_a_long_lag_needs_no_more_future():
    series = generate(3)

    near, far = (kalman(series, lag)[0] for lag in (2.0, inf))

    assert np.abs(near - far).mean() < 0.002


@pytest.mark.parametrize("lag", [0.0, 2.0])
def test_the_uncertainty_is_of_the_size_of_the_error(lag):
    for seed in range(4):
        series = generate(seed)
        distributions, deviation = kalman(series, lag)
        held = series.hold >= 0
        error = log_ratios(distributions[held]) - log_ratios(series.truth[held])
        ratio = np.sqrt(np.median((error**2).mean(axis=1) / deviation[held] ** 2))
        assert 0.6 < ratio < 1.3


@pytest.mark.parametrize("lag", [0.0, 2.0])
def test_the_interval_of_nine_in_ten_holds_about_nine_in_ten(lag):
    """Series of seeds that nothing was chosen on."""
    series = [generate(seed) for seed in range(8000, 8008)]
    estimates, deviations = zip(*(kalman(one, lag) for one in series), strict=True)
    assert 0.86 < coverage(series, estimates, deviations) < 0.94


def test_errors_that_last_count_more_the_more_frames_there_are_in_a_second():
    """The same time seen at five times the rate: with lasting errors the average gains less than the filter thinks."""

    def excess(fps):
        track = [(number / fps, [0.86, *[0.02] * 7], 1.0) for number in range(2 * fps)]
        filtering = Smoother(SETTINGS, 0.0)
        for observation in track:
            filtering.observe(*observation)
        return filtering.oldest.spread / filtering.oldest.variance

    assert 1.0 < excess(2) < 1.2 < excess(10) < excess(50)


def step(count, at):
    p = np.full((count, 8), 0.02)
    p[:at, 0] = p[at:, 1] = 0.86
    return [(number / 25, row, 1.0) for number, row in enumerate(p.tolist())]


def test_a_change_of_expression_shows_within_the_time_constant():
    lagging = smooth(step(100, 50), 0.0).argmax(axis=1)
    looking_back = smooth(step(100, 50), 2.0).argmax(axis=1)

    assert int(np.argmax(lagging == 1)) - 50 <= SETTINGS.time_constant * 25
    assert looking_back.tolist() == [0] * 50 + [1] * 50


@pytest.mark.parametrize("lag", [0.0, 2.0])
def test_a_single_odd_frame_changes_little(lag):
    track = step(100, 100)
    track[50] = (2.0, track[50][1][::-1], 1.0)

    assert smooth(track, lag)[:, 0].min() > 0.7
