import cv2
import matplotlib
import numpy as np
import pytest

from pipeline.tracker.quality import detail, inside, quality

SHOWN = (640, 360)
PORTRAIT = cv2.imread(matplotlib.get_data_path() + "/sample_data/grace_hopper.jpg", cv2.IMREAD_GRAYSCALE)
SHARP = cv2.resize(PORTRAIT[120:332, 162:374], (48, 48), interpolation=cv2.INTER_AREA)


def of(*, side=60.0, blur=0.0, yaw=0.0, pitch=0.0, score=0.9, left=100.0) -> float:
    crop = cv2.GaussianBlur(SHARP, (0, 0), blur) if blur else SHARP
    (value,) = quality(
        np.array([side]),
        crop[None],
        pose=np.array([[yaw, pitch, 90]], np.float32),
        scores=np.array([score], np.float32),
        boxes=np.array([[left, 100, 50, 60]], np.float32),
        shown=SHOWN,
    )
    return float(value)


def test_a_good_face_is_perfect():
    assert of() == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "worse"),
    [
        ("side", [48, 40, 32, 24, 16, 8]),
        ("blur", [0.0, 1, 2, 3, 5, 8]),
        ("yaw", [0, 20, 40, 60, 80]),
        ("yaw", [0, -20, -40, -60, -80]),
        ("pitch", [0, 20, 40, 60, 80]),
        ("score", [0.8, 0.6, 0.4, 0.2, 0.0]),
        ("left", [0, -10, -20, -25, -60]),
    ],
)
def test_worse_is_never_better(name, worse):
    values = [of(**{name: value}) for value in worse]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.9
    assert values[-1] < 0.1


@pytest.mark.parametrize(
    ("name", "value"), [("side", 32), ("yaw", 45), ("yaw", -45), ("pitch", 45), ("score", 0.5), ("left", -12.5)]
)
def test_half_way_up_a_ramp_a_face_is_worth_half(name, value):
    assert of(**{name: value}) == pytest.approx(0.5, abs=1e-4)


def test_sharpness_is_a_ramp_of_the_detail():
    for blur in (0.8, 1.2, 1.6):
        share = (np.log10(detail(cv2.GaussianBlur(SHARP, (0, 0), blur)[None])[0]) + 3) / 1.5
        assert 0.1 < share < 0.9
        assert of(blur=blur) == pytest.approx(share, abs=1e-4)


def test_a_face_of_24_px_is_poor():
    assert of(side=24) < 0.3


def test_contrast_does_not_count_as_detail():
    pale = (SHARP // 4 + 100).astype(np.uint8)
    assert detail(pale[None])[0] == pytest.approx(detail(SHARP[None])[0], rel=0.1)


@pytest.mark.parametrize("deviation", [5, 10, 20])
def test_noise_does_not_count_as_detail(deviation):
    """Blurred faces in a dark room would pass for sharp ones: with noise alone their detail is that of a sharp face."""
    noise = np.random.default_rng(0).normal(0, deviation, (50, 48, 48))
    for blur, most in ((0.0, None), (3.0, 10**-2.2)):
        crop = cv2.GaussianBlur(SHARP, (0, 0), blur) if blur else SHARP
        noisy = np.clip(np.rint(crop + noise), 0, 255).astype(np.uint8)
        if most is None:
            assert np.median(detail(noisy)) == pytest.approx(detail(crop[None])[0], rel=0.25)
        else:
            assert np.median(detail(noisy)) < most


def test_a_flat_crop_has_no_detail():
    assert detail(np.full((1, 48, 48), 128, np.uint8))[0] == 0


def test_share_of_a_box_within_the_frame():
    boxes = np.array([[0, 0, 10, 10], [-5, 0, 10, 10], [635, 355, 10, 10], [700, 0, 10, 10]], np.float32)
    np.testing.assert_allclose(inside(boxes, SHOWN), [1, 0.5, 0.25, 0])
