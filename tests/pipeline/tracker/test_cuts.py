import cv2
import numpy as np
import pytest

from pipeline.tracker.cuts import is_cut, thumbnail

SCENE, OTHER = (
    cv2.resize(np.random.default_rng(seed).integers(0, 200, (9, 16, 3), np.uint8), (256, 160)) for seed in (0, 1)
)


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


def test_a_moving_camera_changes_everything_in_time():
    assert not is_cut(thumbnail(SCENE), thumbnail(OTHER), 1.0)
