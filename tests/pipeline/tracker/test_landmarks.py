import numpy as np
import pytest

from pipeline.tracker.landmarks import absolute, noise, relative, steadied
from tests.pipeline.tracker.found import SHAPE

STILL = SHAPE[None] - 0.5
BLUR = 0.02
"""Standard deviation of the measurements, box sides."""


def filtered(series: np.ndarray, dt: float) -> np.ndarray:
    """Run (frames, 5, 2) through the filter of one face."""
    blur = np.array([BLUR**2], np.float32)
    points, variances = series[:1], blur
    out = [points[0]]
    for measured in series[1:]:
        points, variances = steadied(points, variances, np.array([dt], np.float32), measured[None], blur)
        out.append(points[0])
    return np.array(out)


def test_relative_and_absolute_are_inverse():
    boxes = np.array([[10, 20, 40, 50], [300, 0, 100, 130]], np.float32)
    points = absolute(np.concatenate([STILL, STILL]), boxes)
    np.testing.assert_allclose(points[0], boxes[0, :2] + SHAPE * boxes[0, 2:], rtol=1e-6)
    np.testing.assert_allclose(relative(points, boxes), np.concatenate([STILL, STILL]), atol=1e-6)


def test_a_still_face_jitters_less_than_its_detections():
    noise = np.random.default_rng(0).normal(0, BLUR, (200, 5, 2)).astype(np.float32)
    steady = filtered(STILL + noise, 0.04)[50:]
    assert steady.std(0).mean() < 0.6 * noise.std(0).mean()
    np.testing.assert_allclose(steady.mean(0), STILL[0], atol=BLUR / 2)


@pytest.mark.parametrize("dt", [0.04, 0.2])
def test_a_turn_of_the_head_is_followed(dt):
    turned = STILL + np.array([0.15, 0], np.float32)
    series = np.concatenate([np.repeat(STILL, 20, 0), np.repeat(turned, 2, 0)])
    np.testing.assert_allclose(filtered(series, dt)[-1], turned[0], atol=0.02)


def test_noise_is_that_of_the_detector_s_picture():
    boxes = np.array([[0, 0, 16, 20], [0, 0, 160, 200]], np.float32)
    small, large = noise(boxes, 1.0)
    assert small > 4 * large
    assert noise(boxes, 2.0)[0] > 2 * small


def test_no_time_between_two_frames():
    noise = np.random.default_rng(0).normal(0, BLUR, (20, 5, 2)).astype(np.float32)
    assert np.isfinite(filtered(STILL + noise, 0.0)).all()
