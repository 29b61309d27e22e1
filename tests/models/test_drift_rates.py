import math
from dataclasses import replace

import numpy as np
import pytest

from models.drift.rates import LEAST, rates
from models.drift.tracks import Sample, read_samples
from models.drift.units import Unit
from tests.outputs import write_output


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    out = write_output(tmp_path_factory.mktemp("out"), 100)
    return read_samples(out, out)[0]


def begun(sample: Sample, begins: np.ndarray[tuple[int], np.dtype[np.float64]], seconds: float = 2.0) -> Sample:
    """The sample with tracks that begin at these times, s, and last so long."""
    return replace(sample, spans=np.stack([begins, begins + seconds], 1))


def test_how_long_tracks_stay_does_not_matter(sample: Sample) -> None:
    every = np.arange(100) * 36.0
    found = rates(begun(sample, every), begun(sample, every, 600.0), Unit.TRACK)
    assert found.hourly == pytest.approx((100, 100))
    assert found.ratio[0] == pytest.approx(1)
    assert found.ratio[1] < 1 < found.ratio[2]


def test_runs_that_show_few_faces_tell_nothing(sample: Sample) -> None:
    """Clips of a minute, each with a face for 5 or for 10 s."""
    clips = replace(sample, runs=np.arange(100))
    found = rates(begun(clips, np.zeros(100), 5.0), begun(clips, np.zeros(100), 10.0), Unit.RUN)
    assert all(map(math.isnan, (*found.hourly, *found.ratio)))


def test_nights_do_not_count(sample: Sample) -> None:
    days = np.repeat(np.arange(5), 20)
    open_ = np.tile(np.arange(20) * 180.0, 5) + days * 86400.0
    found = rates(replace(begun(sample, open_), days=days), begun(sample, np.arange(100) * 180.0), Unit.TRACK)
    assert found.hourly == pytest.approx((20, 20))


def test_a_day_with_few_tracks_does_not_count(sample: Sample) -> None:
    days = np.repeat([0, 1], [91, LEAST - 1])
    begins = np.r_[np.arange(91) * 180.0, 86400.0 + np.arange(LEAST - 1)]
    assert rates(replace(begun(sample, begins), days=days), sample, Unit.TRACK).hourly[0] == pytest.approx(20)


@pytest.mark.parametrize("unit", [Unit.TRACK, Unit.DAY])
def test_nineteen_in_twenty_intervals_hold_the_truth(sample: Sample, unit: Unit) -> None:
    """Of faces that come by chance, and of days that differ as well, where these are what is drawn."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        sides = []
        for rate in (1.0, 2.0):
            busy = np.repeat(np.exp(0.5 * rng.normal(size=10)) if unit is Unit.DAY else np.ones(10), 10)
            waits = rng.exponential(60 / rate / busy, 100).reshape(10, 10)
            days = np.repeat(np.arange(10), 10)
            sides.append(replace(begun(sample, waits.cumsum(1).ravel()), days=days, runs=days))
        _, low, high = rates(sides[0], sides[1], unit).ratio
        held += low < 2 < high
    assert 180 <= held <= 199


def test_the_interval_misses_as_often_above_as_below_though_the_sides_differ_in_size(sample: Sample) -> None:
    rng = np.random.default_rng(0)
    few = replace(sample, keys=sample.keys[:10], runs=sample.runs[:10], days=sample.days[:10])
    above = below = 0
    for _ in range(1000):
        ref = begun(few, rng.exponential(60, 10).cumsum())
        new = begun(sample, rng.exponential(30, 100).cumsum())
        _, low, high = rates(ref, new, Unit.TRACK).ratio
        above += low > 2
        below += high < 2
    assert 10 <= above <= 42
    assert 10 <= below <= 42
