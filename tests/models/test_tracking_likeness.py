"""What appearance tells, on appearances whose law is known."""

import numpy as np
import pytest

from models.tracking.likeness import Pairs, Sightings, fit, joined, pairs
from pipeline.tracker.appearance import CELLS, VALUES

CELL = CELLS * CELLS


def squares(rng, level: float, count: int) -> np.ndarray:
    """Return (count, CELL) of differences around ``level``, the same in all cells of a pair."""
    return np.repeat(np.exp(2 * rng.normal(np.log(level), 0.5, (count, 1))), CELL, axis=1)


def known(rng, one: float, two: float) -> Pairs:
    both = np.concatenate([squares(rng, one, 4000), squares(rng, two, 4000)])
    return Pairs(both, np.arange(8000) < 4000)


def test_the_fit_finds_the_law():
    """Two normal laws of the same spread: the ratio is a line, nought half-way between them."""
    found = fit([known(np.random.default_rng(0), 4, 9)], kept=8)
    assert found.alike == pytest.approx(6, rel=0.05)
    assert found.slope == pytest.approx(np.log(9 / 4) / 0.5**2, rel=0.1)


def test_groups_count_alike_however_many_pairs_they_have():
    rng = np.random.default_rng(1)
    many, few = known(rng, 4, 9), known(rng, 8, 18)
    few = Pairs(few.squares[::40], few.one[::40])
    alone, together = fit([joined([many, few])], 8), fit([many, few], 8)
    assert alone.alike == pytest.approx(6, rel=0.1)
    assert 7 < together.alike < 10


def test_pairs_are_of_one_face_or_of_two_and_strangers_stand_in():
    rng = np.random.default_rng(2)
    times = np.repeat(np.arange(100) / 25, 2)
    people = np.tile([1, 2], 100)
    seen = Sightings(times, people, np.tile([[0.0], [30.0]], (100, VALUES)).astype(np.float32), np.ones(200, bool))
    found = pairs(seen, np.empty((0, VALUES), np.float32), rng)
    assert (found.squares[found.one] == 0).all()
    assert (found.squares[~found.one] == 900).all()
    lonely = Sightings(*(part[people == 1] for part in seen))
    assert pairs(lonely, np.empty((0, VALUES), np.float32), rng).one.all()
    found = pairs(lonely, np.full((1, VALUES), 5, np.float32), rng)
    assert set(found.squares[~found.one].ravel()) == {25}
