import numpy as np
import pytest

from models.crops import jitter
from models.crops.jitter import PATHS, SIZE, corners, draw, measure, table
from models.tracking.cast import Cutout, cast
from workers.config import load_config
from workers.engine import Engine


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load(load_config(None, {}))


@pytest.fixture(scope="module")
def person(engine) -> Cutout:
    (found,) = cast(engine.detector, None, np.random.default_rng(0), 1)
    return found


def test_people_are_drawn_where_they_should_be(monkeypatch):
    monkeypatch.setattr(jitter, "NOISE", 0.0)
    bright = Cutout(np.full((40, 30, 3), 250, np.uint8), np.ones((40, 30), np.float32), (0, 0, 30, 40))
    luma = draw(bright, np.array([[1.5, 0, 100.25], [0, 1.5, 80.5]]), np.random.default_rng(0)).astype(float)
    assert luma.shape == SIZE[::-1]
    light = (luma - 110) / 140
    assert light.sum() == pytest.approx(30 * 40 * 1.5**2, rel=0.02)
    lines, columns = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
    assert (light * columns).sum() / light.sum() == pytest.approx(100.25 + 22.5, abs=0.2)
    assert (light * lines).sum() / light.sum() == pytest.approx(80.5 + 30, abs=0.2)


def test_a_still_face_has_still_crops_and_others_are_followed(engine, person, monkeypatch):
    monkeypatch.setattr(jitter, "SECONDS", 1.6)
    rows = [*measure(engine, [person], (96,))]
    assert [row.path for row in rows] == [*PATHS]
    assert all(row.seen == 1 for row in rows)
    still = rows[0]
    assert still.step <= 0.5
    assert still.spread <= 0.5
    assert still.error == pytest.approx(still.spread)
    assert all(row.error < 8 for row in rows)
    assert table(rows).row_count == 3


def test_who_is_never_found_is_not_seen_and_nothing_else(engine, monkeypatch):
    monkeypatch.setattr(jitter, "SECONDS", 0.3)
    monkeypatch.setattr(jitter, "SETTLED", 0.1)
    ball = Cutout(np.full((60, 60, 3), 150, np.uint8), np.ones((60, 60), np.float32), (0, 0, 60, 60))
    rows = [*measure(engine, [ball], (64,))]
    assert [row.seen for row in rows] == [0, 0, 0]
    assert all(np.isnan(row.step) for row in rows)


def test_corners_are_told_in_px_of_48_whatever_the_height(engine, person, monkeypatch):
    monkeypatch.setattr(jitter, "SECONDS", 0.6)
    monkeypatch.setattr(jitter, "SETTLED", 0.4)
    for height in (48, 110):
        points = corners(engine, person, height, PATHS["still"], 0)
        sides = np.linalg.norm(points[:, 1] - points[:, 0], axis=1)
        np.testing.assert_allclose(sides, 48, rtol=0.05)
