import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.detector.boxes import Array, Image
from models.detector.occlude import occlude


def scene() -> tuple[Image, Array]:
    """A red face at (40, 30) on black, and a small one of which half lies beside it."""
    picture = np.zeros((120, 140, 3), np.uint8)
    picture[30:58, 40:60] = (0, 0, 255)
    faces = np.zeros((2, 15), np.float32)
    for face, (x, y, w, h) in zip(faces, ((40, 30, 20, 28), (62, 40, 6, 6)), strict=True):
        face[:4] = x, y, w, h
        face[4:14] = (
            np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]) * (w, h) + (x, y)
        ).ravel()
    faces[:, 14] = 0.9
    return picture, faces


def after(seed: int) -> tuple[Image, Array, Array]:
    picture, faces = scene()
    rows, seen = occlude(np.random.default_rng(seed), picture, faces, np.ones(2, np.float32), 0)
    return picture, rows, seen


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_labels_tell_what_comes_before_them(seed: int) -> None:
    picture, rows, seen = after(seed)
    assert len(rows) == len(seen) in (2, 3)
    assert rows[:2, :14] == pytest.approx(scene()[1][:, :14])  # nothing moves
    for face, landmarks in zip(rows[:2], seen[:2], strict=True):
        assert face[14] in (np.float32(0.9), -1)
        if face[14] == -1:
            assert landmarks == 0
    if len(rows) == 3:  # a second face: what it looks like is the first one's
        x, y = rows[2, :2] + rows[2, 2:4] / 2
        if 0 <= x < 139 and 0 <= y < 119:
            assert picture[int(y), int(x), 2] > 200
        assert rows[2, 14] == np.float32(0.95)
        points = rows[2, 4:14].reshape(5, 2)
        assert points[0, 0] < points[1, 0]
        assert ((points > rows[2, :2]) & (points < rows[2, :2] + rows[2, 2:4])).all()


def test_a_face_is_covered_in_part_now_and_then_beyond_knowing_and_others_with_it() -> None:
    results = [after(seed) for seed in range(300)]
    shown = [picture[30:58, 40:60, 2].mean() / 255 for picture, rows, _ in results if len(rows) == 2]
    assert 0.5 < np.mean(shown) < 0.95
    doubtful = np.mean([rows[:2, 14] == -1 for _, rows, _ in results], axis=0)
    assert 0 < doubtful[0] < 0.3
    assert 0 < doubtful[1] < 0.5


def test_the_same_seed_covers_the_same() -> None:
    for once, again in zip(after(7), after(7), strict=True):
        assert np.array_equal(once, again)
