import cv2
import numpy as np
import pytest

from pipeline.tracker.cuts import is_cut, thumbnail

SCENE, OTHER = (
    cv2.resize(np.random.default_rng(seed).integers(0, 200, (9, 16, 3), np.uint8), (256, 160)) for seed in (0, 1)
)
ELSEWHERE = (OTHER * np.array([0.4, 1.0, 1.2])).astype(np.uint8)
"""Another scene in other colours."""


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(SCENE, id="the same"),
        pytest.param(SCENE // 2, id="darker"),
        pytest.param(SCENE + 50, id="brighter"),
        pytest.param(np.roll(SCENE, 8, 1), id="panned"),
        pytest.param(cv2.rectangle(SCENE.copy(), (100, 40), (180, 140), (90, 120, 180), -1), id="somebody steps in"),
    ],
)
def test_the_same_scene(after):
    assert not is_cut(thumbnail(SCENE), thumbnail(after), 0.04)


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(OTHER, id="another"),
        pytest.param(np.zeros_like(SCENE), id="black"),
        pytest.param(255 - SCENE, id="negative"),
    ],
)
def test_another_scene(after):
    assert is_cut(thumbnail(SCENE), thumbnail(after), 0.04)


@pytest.mark.parametrize("elapsed", [0.2, 0.3, 0.6, 1.0])
def test_another_scene_at_few_frames_per_second(elapsed):
    assert is_cut(thumbnail(SCENE), thumbnail(ELSEWHERE), elapsed)


@pytest.mark.parametrize("elapsed", [0.3, 0.6, 1.0])
@pytest.mark.parametrize(
    "after",
    [
        pytest.param(np.roll(SCENE, 64, 1), id="panned far"),
        pytest.param(cv2.warpAffine(SCENE, np.array([[1.3, 0, -38], [0, 1.3, -24]]), (256, 160)), id="zoomed"),
    ],
)
def test_a_camera_that_has_moved_is_no_cut(after, elapsed):
    assert not is_cut(thumbnail(SCENE), thumbnail(after), elapsed)


def test_another_scene_in_the_same_colours():
    assert is_cut(thumbnail(SCENE), thumbnail(SCENE[:, ::-1].copy()), 0.1)


@pytest.mark.parametrize("elapsed", [0.04, 0.2, 0.6, 1.0])
@pytest.mark.parametrize(
    "after",
    [
        pytest.param(SCENE // 2 + 120, id="flash"),
        pytest.param(SCENE // 5, id="lights off"),
    ],
)
def test_another_light_is_no_cut(after, elapsed):
    assert not is_cut(thumbnail(SCENE), thumbnail(after), elapsed)


def elsewhere(view: np.ndarray, share: float) -> np.ndarray:
    """Return a view of which a ``share`` from the left is in the colours of elsewhere."""
    changed, width = view.copy(), round(256 * share)
    changed[:, :width] = ELSEWHERE[:, :width]
    return changed


def test_a_quick_pan_is_no_cut_though_little_is_left_of_the_structure():
    assert not is_cut(thumbnail(SCENE), thumbnail(np.roll(SCENE, 16, 1)), 0.2)


def test_a_view_in_nearly_the_same_colours_is_no_cut_however_else_it_looks():
    assert not is_cut(thumbnail(SCENE), thumbnail(elsewhere(SCENE[:, ::-1], 0.25)), 0.3)


@pytest.mark.parametrize(
    ("after", "later"),
    [
        pytest.param(elsewhere(SCENE[:, ::-1], 0.5), 1.0, id="colours"),
        pytest.param(((0.38 * SCENE + 0.62 * OTHER) / 4).astype(np.uint8), 1.0, id="structure"),
        pytest.param(elsewhere(SCENE, 0.625), 0.65, id="some of both"),
    ],
)
def test_what_is_a_cut_soon_may_be_one_scene_later(after, later):
    assert is_cut(thumbnail(SCENE), thumbnail(after), 0.3)
    assert not is_cut(thumbnail(SCENE), thumbnail(after), later)


def test_a_face_passes_close_to_the_camera():
    after = cv2.ellipse(SCENE.copy(), (128, 90), (60, 80), 0, 0, 360, (120, 150, 200), -1)
    for elapsed in (0.04, 0.3):
        assert not is_cut(thumbnail(SCENE), thumbnail(after), elapsed)
