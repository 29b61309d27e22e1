import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pipeline.tracker.pose import HEAD, angles

TURN = st.floats(-75, 75)


def projected(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Turn the generic head and look at it from afar: (5, 2)."""
    turned = Rotation.from_euler("ZYX", [roll, -yaw, -pitch], degrees=True).apply(HEAD)
    return turned[:, :2].astype(np.float32)


@given(TURN, TURN, st.floats(-175, 175), st.floats(0.1, 100), st.floats(-1000, 1000))
def test_recovers_the_angles_of_the_head_itself(yaw, pitch, roll, scale, shift):
    points = projected(yaw, pitch, roll) * scale + shift
    # The landmarks are single precision: allow for what the shift costs.
    tolerance = 0.05 + 0.02 * abs(shift) / scale
    error = (angles(points[None].astype(np.float32))[0] - [yaw, pitch, roll] + 180) % 360 - 180
    assert (abs(error) < tolerance).all()


def test_signs():
    yaw, pitch, roll = angles(np.array([projected(0, 0, 0) + nose for nose in nudges([4, 0], [0, -4], [0, 0])])).T
    assert yaw[0] > 10  # the nose to the right of the image: to the person's left
    assert pitch[1] > 10  # the nose up
    assert (abs(np.array([yaw[2], pitch[2], roll[2]])) < 0.01).all()
    tilted = np.array([[[0, 0], [10, 3], [4, 7], [0, 9], [9, 12]]], np.float32)
    assert 5 < angles(tilted)[0, 2] < 45  # the person's left eye, at the image's right, is lower: clockwise


@pytest.mark.parametrize("yaw", [-90, 90])
def test_a_full_profile_has_angles_too(yaw):
    found = angles(np.array([projected(yaw, 0, roll) for roll in range(0, 360, 5)]))
    np.testing.assert_allclose(found[:, 0], yaw, atol=0.1)


def nudges(*noses: list[float]) -> np.ndarray:
    """Return one (5, 2) offset per nose."""
    moved = np.zeros((len(noses), 5, 2), np.float32)
    moved[:, 2] = noses
    return moved


def test_landmarks_without_extent_have_no_angles():
    np.testing.assert_array_equal(angles(np.full((2, 5, 2), 7, np.float32)), np.zeros((2, 3)))
    assert angles(np.empty((0, 5, 2), np.float32)).shape == (0, 3)
