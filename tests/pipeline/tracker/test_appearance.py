import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tracker.appearance import ALIKE, CELLS, SURE, VALUES, appearances, covered, unlikeness

BLUE, GREEN, RED = (200, 40, 40), (40, 180, 60), (50, 40, 190)

COORDINATE = st.floats(-1e6, 1e6, width=32)
SIDE = st.floats(0, 1e6, width=32)


def picture(*faces: tuple[tuple[int, int, int, int], tuple[int, int, int]]) -> np.ndarray:
    """Draw boxes x, y, w, h of one colour each, darker towards the bottom."""
    image = np.full((180, 320, 3), 120, np.uint8)
    for (x, y, w, h), colour in faces:
        shade = np.linspace(1.2, 0.6, h)[:, None, None]
        image[y : y + h, x : x + w] = np.clip(np.array(colour) * shade, 0, 255)
    return image


def boxes(*rows) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def test_a_face_looks_like_itself_elsewhere_and_at_another_size_and_others_do_not():
    large, small, other = (20, 20, 80, 100), (200, 60, 24, 30), (250, 60, 40, 50)
    view = appearances(picture((large, RED), (small, RED), (other, GREEN)), boxes(large, small, other))
    cost = unlikeness(view, view)
    assert cost.diagonal() == pytest.approx(-2 * SURE[0])
    assert cost[0, 1] == pytest.approx(-2 * SURE[0])
    assert cost[0, 2] == cost[1, 2] == pytest.approx(2 * SURE[1])


def test_noise_and_blur_hardly_matter():
    box = (20, 20, 80, 100)
    image = picture((box, BLUE))
    rng = np.random.default_rng(0)
    noisy = np.clip(image + rng.normal(0, 12, image.shape), 0, 255).astype(np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(image, (0, 0), 3), np.uint8)
    seen = np.concatenate([appearances(view, boxes(box)) for view in (noisy, blurred)])
    assert (unlikeness(appearances(image, boxes(box)), seen) < -SURE[0]).all()


def test_the_look_is_that_of_the_box_alone():
    box = (100, 50, 40, 40)
    bare, busy = picture((box, RED)), picture(((0, 0, 320, 180), GREEN), (box, RED))
    np.testing.assert_array_equal(appearances(bare, boxes(box)), appearances(busy, boxes(box)))


def test_what_lies_beyond_the_picture_does_not_count():
    image = picture(((0, 40, 60, 60), RED))
    half = appearances(image, boxes((-60, 40, 120, 60)))
    np.testing.assert_array_equal(half, appearances(image, boxes((0, 40, 60, 60))))


@given(st.lists(st.tuples(COORDINATE, COORDINATE, SIDE, SIDE), max_size=5))
def test_any_boxes_are_survived(rows):
    image = picture(((20, 20, 80, 100), RED))
    found = boxes(*rows)
    seen = appearances(image, found)
    assert seen.shape == (len(rows), VALUES)
    assert seen.dtype == np.float32
    assert np.isfinite(seen).all()
    share = covered(found)
    assert ((share >= 0) & (share <= 1)).all()


def test_the_cost_rises_with_the_difference_and_is_none_where_both_are_as_likely():
    known = np.zeros((1, VALUES), np.float32)
    cost = unlikeness(known, np.array([[level] * VALUES for level in (0, 2, ALIKE, 8, 100)], np.float32))[0]
    assert (np.diff(cost) > 0).all()
    assert cost[2] == pytest.approx(0, abs=1e-5)
    assert cost[[0, -1]] == pytest.approx([-2 * SURE[0], 2 * SURE[1]])


def test_what_covers_half_of_a_face_does_not_matter():
    seen = np.zeros((1, CELLS * CELLS, 3), np.float32)
    seen[0, ::2] = 200
    assert unlikeness(np.zeros((1, VALUES), np.float32), seen.reshape(1, VALUES)) == -2 * SURE[0]
    seen[0, 1] = 200
    assert unlikeness(np.zeros((1, VALUES), np.float32), seen.reshape(1, VALUES)) == 2 * SURE[1]


def test_share_within_another_box():
    found = boxes((0, 0, 10, 10), (5, 0, 10, 10), (0, 0, 100, 10), (500, 0, 10, 10))
    np.testing.assert_allclose(covered(found), [1, 1, 0.1, 0])
    assert covered(boxes()).shape == (0,)
    assert CELLS**2 * 3 == VALUES
