import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon

from models.drift.shifts import FLOOR, Comparison, Size, compare, divergence, holm, stability
from models.drift.tracks import DOMINANT, QUANTITIES, Sample, read_samples
from models.drift.units import FEWEST, Unit, largest
from pipeline.labels import LABELS
from tests.outputs import SHARES, write_output

shares = arrays(np.float64, (3, 10), elements=st.floats(0.01, 1)).map(lambda x: x / x.sum(1, keepdims=True))


@pytest.fixture(scope="module")
def ref(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_output(tmp_path_factory.mktemp("ref"), 100, seed=1)


def one(ref: Sample, new: Sample, seed: int = 0) -> Comparison:
    return compare([(None, ref, new)], seed=seed)[0]


def moved(found: Comparison) -> set[str]:
    return {shift.quantity for shift in found.shifts if shift.size is not Size.NONE}


def take(sample: Sample, at: np.ndarray[Any, Any]) -> Sample:
    arrays = {name: getattr(sample, name)[at] for name in ("counts", "sums", "runs", "days", "spans")}
    return replace(sample, keys=[sample.keys[index] for index in at], **arrays)


def test_stability_index_by_hand() -> None:
    ref, new = np.array([50, 30, 20]), np.array([40, 30, 30])
    assert stability(ref, new) == pytest.approx(-0.1 * math.log(0.4 / 0.5) + 0.1 * math.log(0.3 / 0.2))
    empty = stability(np.array([100, 0]), np.array([90, 10]))
    assert empty == pytest.approx(-0.1 * math.log(0.9) + (0.1 - FLOOR) * math.log(0.1 / FLOOR))


@given(shares, shares)
def test_distances_are_symmetric_and_zero_for_equals(p: np.ndarray[Any, Any], q: np.ndarray[Any, Any]) -> None:
    for distance in (stability, divergence):
        assert distance(p, q) == pytest.approx(distance(7 * q, p))
        assert distance(p, 3 * p) == pytest.approx(np.zeros(3), abs=1e-12)
        assert (distance(p, q) >= -1e-12).all()
    with np.errstate(invalid="ignore"):
        expected = np.nan_to_num(jensenshannon(p, q, base=2, axis=1)) ** 2  # NaN for some that are equal
    assert divergence(p, q) == pytest.approx(expected, abs=1e-7)


def test_divergence_of_strangers_is_one_bit() -> None:
    assert divergence(np.array([3, 0]), np.array([0, 5])) == pytest.approx(1)


def test_holm_by_hand() -> None:
    # 0.01 * 4; 0.02 * 3; 0.04 * 2; the last is 0.05 but no less than the one before.
    assert holm([0.04, 0.01, 0.05, 0.02]) == pytest.approx([0.08, 0.04, 0.08, 0.06])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


def test_the_same_data_split_in_two_are_not_called_a_shift(ref: Path) -> None:
    whole, _ = read_samples(ref, ref)
    for seed in range(8):
        order = np.random.default_rng(seed).permutation(len(whole))
        found = one(take(whole, order[:60]), take(whole, order[60:]), seed)
        assert moved(found) == set()
        assert min(shift.p for shift in found.shifts) >= 0.05


def test_equals_have_no_distance(ref: Path) -> None:
    found = one(*read_samples(ref, ref))
    assert [shift.plain for shift in found.shifts] == [0] * len(QUANTITIES)
    assert moved(found) == set()
    assert found.unit is Unit.TRACK
    assert found.hourly[0] == found.hourly[1]
    assert found.ratio.value == 1


HAPPIER = (0.2, 0.4, *SHARES[2:])


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({}, set()),
        ({"shares": HAPPIER}, {"neutral", "happiness", "dominant"}),
        ({"quality": 0.55}, {"quality"}),
        ({"size": 40.0}, {"size"}),
        ({"length": 8.0}, {"length"}),
    ],
)
def test_what_was_moved_is_found_and_nothing_else(
    ref: Path, tmp_path: Path, other: dict[str, Any], expected: set[str]
) -> None:
    found = one(*read_samples(ref, write_output(tmp_path, 80, seed=2, run="r2", **other)))
    assert moved(found) == expected
    for shift in found.shifts:
        if shift.quantity in expected:
            assert shift.size is Size.LARGE
            assert shift.p < 0.05
            assert shift.plain > shift.chance
            assert shift.psi.low <= shift.psi.value <= shift.psi.high


def test_figures_are_those_of_the_rows(ref: Path, tmp_path: Path) -> None:
    samples = read_samples(ref, write_output(tmp_path, 80, seed=2, run="r2", shares=HAPPIER))
    found = one(*samples)
    happiness = found.shifts[QUANTITIES.index("happiness")]
    index = QUANTITIES.index("happiness")
    means = [sample.sums[:, index].sum() / sample.rows for sample in samples]
    assert [happiness.ref, happiness.new] == pytest.approx(means)
    assert happiness.change.value == pytest.approx(means[1] - means[0])
    assert happiness.change.low < 0.2 < happiness.change.high
    counts = [sample.counts[:, index].sum(0) for sample in samples]
    assert happiness.plain == pytest.approx(float(stability(*counts)))
    assert 0 < happiness.psi.value < happiness.plain
    dominant = found.shifts[DOMINANT]
    assert math.isnan(dominant.ref)
    assert found.dominant.sum(1) == pytest.approx([1, 1])
    assert found.dominant[1, LABELS.index("happiness")] > 2 * found.dominant[0, LABELS.index("happiness")]
    # Another draw changes the intervals a little; the same one changes nothing.
    assert happiness == one(*samples).shifts[index]
    assert happiness != one(*samples, seed=1).shifts[index]


def test_rows_of_a_track_are_not_taken_for_independent(ref: Path) -> None:
    """A track that is said ten times over is no more than a track: nothing gets surer by longer tracks."""
    first, second = read_samples(ref, ref)
    first, second = take(first, np.arange(0, 100, 2)), take(second, np.arange(1, 100, 2))
    longer = [replace(each, counts=each.counts * 10, sums=each.sums * 10) for each in (first, second)]
    for short, long in zip(one(first, second).shifts, one(longer[0], longer[1]).shifts, strict=True):
        assert short.p == long.p
        assert short.plain == pytest.approx(long.plain)
        assert short.psi.high == pytest.approx(long.psi.high)


def test_tracks_of_a_run_are_not_taken_for_independent(ref: Path) -> None:
    """A person who is told of by five tracks is no more than a person: nothing gets surer by more tracks of each."""
    whole, _ = read_samples(ref, ref)
    people = replace(whole, runs=np.arange(100))
    sides = [take(people, np.arange(first, 100, 2)) for first in (0, 1)]
    several = [take(side, np.repeat(np.arange(50), 5)) for side in sides]
    once, often = one(*sides), one(several[0], several[1])
    assert (once.unit, once.units, once.tracks) == (Unit.RUN, (50, 50), (50, 50))
    assert (often.unit, often.units, often.tracks) == (Unit.RUN, (50, 50), (250, 250))
    for a, b in zip(once.shifts, often.shifts, strict=True):
        assert a.change.high == pytest.approx(b.change.high, nan_ok=True)
        # The floor of a share is lower where there are more tracks, which a bin of two of these falls below.
        if a.quantity not in ("dominant", "length"):
            assert a.plain == pytest.approx(b.plain)
            assert a.p == pytest.approx(b.p, abs=0.02)
    taken_apart = compare([(None, several[0], several[1])], unit=Unit.TRACK)[0]
    assert min(shift.p for shift in taken_apart.shifts) < 0.05 <= min(shift.p for shift in often.shifts)


def test_what_is_dealt_out_is_the_largest_of_which_there_are_enough(ref: Path) -> None:
    whole, _ = read_samples(ref, ref)
    for days, runs, unit in ((10, 50, Unit.DAY), (9, 50, Unit.RUN), (9, 9, Unit.TRACK), (100, 10, Unit.DAY)):
        sample = replace(whole, days=np.arange(100) % days, runs=np.arange(100) % runs)
        assert largest(sample, sample) is unit
    asked = compare([(None, sample, whole)], unit=Unit.RUN)[0]
    assert (asked.units, asked.enough) == ((10, 1), False)
    assert {shift.size for shift in asked.shifts} == {Size.UNKNOWN}


def test_too_few_tracks_tell_nothing(ref: Path, tmp_path: Path) -> None:
    whole, few = read_samples(ref, write_output(tmp_path, FEWEST - 1, seed=2, run="r2", quality=0.2))
    found = one(whole, few)
    assert not found.enough
    assert {shift.size for shift in found.shifts} == {Size.UNKNOWN}
    assert math.isnan(found.shifts[0].psi.value)
    quality = found.shifts[QUANTITIES.index("quality")]
    assert quality.change.value < -0.4
    assert math.isnan(quality.change.low)


def test_the_more_are_compared_the_further_each_has_to_move(ref: Path, tmp_path: Path) -> None:
    samples = read_samples(ref, write_output(tmp_path, 80, seed=2, run="r2", quality=0.55))
    alone, several = one(*samples), compare([("a", *samples), ("b", *samples), ("c", *samples)])
    index = QUANTITIES.index("quality")
    assert [each.source for each in several] == ["a", "b", "c"]
    assert several[0].shifts[index].size is Size.LARGE
    assert all(a.p <= b.p for a, b in zip(alone.shifts, several[0].shifts, strict=True) if a.p < 1)
