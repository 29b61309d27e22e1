import cv2
import numpy as np
import pytest

from pipeline.tracker.align import SIDE, STUDIO, crops, placements, scales
from tests.networks import TEMPLATE as POINTS

TEMPLATE = np.array(POINTS, np.float32)
SIZE = 48


def boxes_round(landmarks: np.ndarray) -> np.ndarray:
    """Return boxes whose scale agrees with that of the landmarks."""
    height = np.linalg.norm(landmarks[:, :2].mean(1) - landmarks[:, 3:].mean(1), axis=-1)
    drop = np.linalg.norm(TEMPLATE[:2].mean(0) - TEMPLATE[3:].mean(0))
    side = (height / drop * SIZE / SIDE)[:, None]
    return np.concatenate([landmarks.mean(1) - side / 2, side, side], 1).astype(np.float32)


def turned(points: np.ndarray, degrees: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    angle = np.radians(degrees)
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points @ matrix.T + shift).astype(np.float32)


def cut(
    luma: np.ndarray, landmarks: np.ndarray, *, full_range: bool = True, shown: tuple[int, int] | None = None
) -> np.ndarray:
    placed = placements(landmarks, boxes_round(landmarks), TEMPLATE, SIZE)
    return crops(luma, shown or luma.shape[::-1], placed, SIZE, full_range=full_range)


def waves(width: int, height: int, scale: float = 1.0) -> np.ndarray:
    """Draw something smooth with its own direction everywhere; larger by ``scale``."""
    y, x = (np.mgrid[:height, :width] + 0.5) / scale
    return np.rint(128 + 60 * np.sin(x / 9) + 50 * np.cos(y / 7 + x / 20)).astype(np.uint8)


@pytest.mark.parametrize("degrees", [0, 30, -75, 180])
@pytest.mark.parametrize("scale", [0.4, 1.0, 3.3, 12.0])
def test_landmarks_land_on_the_template(degrees, scale):
    landmarks = turned(TEMPLATE, degrees, scale, (200, 150))[None]
    placed = placements(landmarks, boxes_round(landmarks), TEMPLATE, SIZE)
    np.testing.assert_allclose(TEMPLATE @ placed[0, :, :2].T + placed[0, :, 2], landmarks[0], atol=1e-3)
    assert scales(placed) == pytest.approx([scale], rel=1e-5)


def test_the_box_has_half_the_say_in_the_scale():
    landmarks = turned(TEMPLATE, 0, 2, (200, 150))[None]
    boxes = boxes_round(landmarks)
    boxes[:, 2:] *= 1.21
    assert scales(placements(landmarks, boxes, TEMPLATE, SIZE)) == pytest.approx([2.2], rel=1e-5)


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(np.zeros((5, 2)) + 300, id="all in one"),
        pytest.param(TEMPLATE * 0.1 + 300, id="far too close together"),
        pytest.param(TEMPLATE * 20 + 300, id="far too wide apart"),
    ],
)
def test_landmarks_that_make_no_face_leave_the_box(points):
    box = np.array([[100, 60, 80, 96]], np.float32)
    placed = placements(points.astype(np.float32)[None], box, TEMPLATE, SIZE)
    corners = np.array([[0, 0, 1], [SIZE, SIZE, 1]]) @ placed[0].T
    side = SIDE * 96
    np.testing.assert_allclose(corners, [[140 - side / 2, 108 - side / 2], [140 + side / 2, 108 + side / 2]])


@pytest.mark.parametrize("scale", [1, 2, 3, 5])
def test_crops_of_one_scene_at_any_resolution_are_alike(scale):
    landmarks = TEMPLATE[None] + np.float32(30)
    small = cut(waves(120, 120), landmarks)
    large = cut(waves(120 * scale, 120 * scale, scale), landmarks * scale)
    assert abs(small.astype(int) - large).mean() < 1.5


def test_a_face_at_scale_one_is_copied_as_it_is():
    luma = np.random.default_rng(0).integers(0, 256, (100, 120), np.uint8)
    np.testing.assert_array_equal(cut(luma, TEMPLATE[None] + np.float32(20))[0], luma[20:68, 20:68])


def test_a_turned_crop_is_right_to_its_corners():
    """As if the whole picture were turned, though only a piece of it is."""
    luma = waves(200, 180)
    landmarks = turned(TEMPLATE, 30, 1.2, (90, 40))[None]
    placed = placements(landmarks, boxes_round(landmarks), TEMPLATE, SIZE)[0]
    placed[:, 2] += placed[:, :2].sum(1) / 2 - 0.5  # OpenCV counts from the centres of pixels
    whole = cv2.warpAffine(luma, placed, (SIZE, SIZE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    assert abs(cut(luma, landmarks)[0].astype(int) - whole).max() <= 2


def test_detail_too_fine_for_the_crop_becomes_gray_not_moire():
    board = (np.indices((600, 600)).sum(0) % 2 * 255).astype(np.uint8)
    for scale in (3.0, 4.4, 7.5):
        crop = cut(board, turned(TEMPLATE, 10, scale, (100, 100))[None])[0]
        assert abs(crop.astype(int) - 127.5).max() < 40
        assert crop.std() < 12


def test_beyond_the_frame_its_edge_is_repeated():
    luma = np.full((100, 100), 90, np.uint8)
    luma[:, :20] = 30
    crop = cut(luma, TEMPLATE[None] - np.float32([24, 0]))[0]
    assert (crop[:, :40] == 30).all()
    far = cut(luma, TEMPLATE[None] + np.float32(1000))[0]
    assert (far == 90).all()


@pytest.mark.parametrize("scale", [1e-3, 0.02, 30.0, 1e4])
@pytest.mark.parametrize("shift", [-1e5, 0.0, 50.0, 1e5])
def test_any_size_and_place_gives_a_crop_of_what_there_is(scale, shift):
    luma = waves(100, 80)
    crop = cut(luma, turned(TEMPLATE, 33, scale, (shift, shift))[None])[0]
    assert luma.min() <= crop.min() <= crop.max() <= luma.max()


def test_a_roll_is_undone():
    portrait = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8), (0, 0), 4)
    portrait = cv2.normalize(portrait, None, 0, 255, cv2.NORM_MINMAX)
    landmarks = TEMPLATE + np.float32(76)
    turn = cv2.getRotationMatrix2D((99.5, 99.5), -25, 1)
    rolled = cv2.warpAffine(portrait, turn, (200, 200))
    upright = cut(portrait, landmarks[None])[0]
    again = cut(rolled, turned(landmarks - 100, 25, 1, (100, 100))[None])[0]
    assert abs(upright.astype(int) - again).mean() < 2


@pytest.mark.parametrize("view", [np.flipud, np.fliplr, np.transpose], ids=["upside down", "mirrored", "transposed"])
def test_luma_need_not_be_contiguous(view):
    luma = view(waves(150, 130))
    landmarks = turned(TEMPLATE, 5, 1.7, (20, 20))[None]
    np.testing.assert_array_equal(cut(luma, landmarks), cut(luma.copy(), landmarks))


def test_pixels_that_are_not_square():
    shown = cut(waves(200, 150), turned(TEMPLATE, 10, 1.5, (50, 40))[None])
    coded = cv2.resize(waves(200, 150), (100, 150), interpolation=cv2.INTER_AREA)
    squeezed = cut(coded, turned(TEMPLATE, 10, 1.5, (50, 40))[None], shown=(200, 150))
    assert abs(shown.astype(int) - squeezed).mean() < 2


def test_studio_range_is_spread_to_full_range():
    luma = np.tile(np.array([0, 16, 126, 235, 255], np.uint8).repeat(20), (100, 1))
    crop = cut(luma, TEMPLATE[None] * np.float32(2) + np.float32([2, 0]), full_range=False)
    assert set(np.unique(crop[0, 10:30])) >= {0, 128, 255}
    assert crop.min() == 0


def test_every_level_of_studio_range_becomes_the_nearest():
    levels = np.arange(16, 236)
    assert abs(STUDIO[levels] - (levels - 16) * 255 / 219).max() <= 0.5
    assert (STUDIO[:16] == 0).all()
    assert (STUDIO[236:] == 255).all()


def test_no_faces():
    assert cut(waves(64, 64), np.empty((0, 5, 2), np.float32)).shape == (0, SIZE, SIZE)
