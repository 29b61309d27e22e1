import cv2
import numpy as np
import pytest

from models.detector.boxes import Image, from_corners
from models.detector.matching import LEFT_OUT, Truth
from models.detector.views import DARK, SHOWN, VIEWS, blurred, cut, dark, gray, turned


def faces(*corners: list[float], kinds: list[int] | None = None) -> Truth:
    return Truth(from_corners([*corners]), np.array(kinds or [0] * len(corners), np.int64), 16)


def spots(*corners: list[float]) -> Image:
    """White ellipses that fill the boxes."""
    picture = np.zeros((200, 300, 3), np.uint8)
    for x1, y1, x2, y2 in corners:
        middle, axes = ((x1 + x2) / 2, (y1 + y2) / 2), (x2 - x1, y2 - y1)
        cv2.ellipse(picture, (middle, axes, 0), (255, 255, 255), -1)
    return picture


def around(picture: Image) -> np.ndarray:
    """x, y, w, h of what is bright."""
    down, across = np.nonzero(picture[..., 0] > 128)
    return np.array([across.min(), down.min(), np.ptp(across) + 1, np.ptp(down) + 1])


@pytest.mark.parametrize("degrees", [45, -45, 20, 90])
def test_boxes_turn_with_the_faces(degrees: float) -> None:
    corners = [180.0, 20.0, 240.0, 110.0]
    picture, truth = turned(degrees)(spots(corners), faces(corners))
    np.testing.assert_allclose(truth.boxes[0], around(picture), atol=2)
    # Nothing is lost off the canvas.
    assert (picture > 128).sum() == pytest.approx((spots(corners) > 128).sum(), rel=0.03)


def test_light_colour_and_focus_change_and_boxes_stay() -> None:
    corners = [100.0, 50.0, 160.0, 140.0]
    picture, truth = spots(corners), faces(corners)
    picture[..., 0] //= 2
    for change in (gray, dark, blurred):
        seen, same = change(picture, truth)
        assert same is truth
        assert seen.shape == picture.shape
        assert seen.dtype == np.uint8
    assert np.ptp(gray(picture, truth)[0], axis=2).max() == 0
    assert dark(picture, truth)[0].max() == round(DARK * 255)
    edges = np.abs(np.diff(picture[..., 1].astype(int), axis=1)).max()
    assert np.abs(np.diff(blurred(picture, truth)[0][..., 1].astype(int), axis=1)).max() < edges / 3


@pytest.mark.parametrize(
    "corners",
    [[230.0, 80.0, 280.0, 130.0], [20.0, 80.0, 70.0, 130.0], [120.0, 10.0, 170.0, 60.0], [120, 140, 170, 190]],
)
def test_an_edge_runs_through_the_largest_face(corners: list[float]) -> None:
    other = [95.0, 95.0, 115.0, 115.0]
    picture, truth = cut(spots(corners), faces(other, corners))
    assert truth.kinds.tolist() == [LEFT_OUT, 0]
    x, y, w, h = truth.boxes[1]
    assert w * h == pytest.approx(SHOWN * 50 * 50, rel=0.03)
    # The box ends where the photo does, and most of the photo is left.
    assert min(x, y, picture.shape[1] - x - w, picture.shape[0] - y - h) == pytest.approx(0, abs=0.5)
    assert picture.shape[0] * picture.shape[1] > 0.6 * 200 * 300
    np.testing.assert_allclose(truth.boxes[1], around(picture), atol=2)


def test_faces_that_do_not_count_are_not_cut() -> None:
    truth = faces([10.0, 10.0, 20.0, 20.0], kinds=[LEFT_OUT])
    picture, same = cut(spots(), truth)
    assert picture.shape == (200, 300, 3)
    assert same.kinds.tolist() == [LEFT_OUT]


def test_the_first_view_is_the_photos_as_they_are() -> None:
    picture, truth = spots([10.0, 10.0, 60.0, 60.0]), faces([10.0, 10.0, 60.0, 60.0])
    seen, same = VIEWS[0].change(picture, truth)
    assert seen is picture
    assert same is truth
    assert VIEWS[0].side is None
