import numpy as np
import pytest
from scipy.linalg import expm

from pipeline.tracker import kalman
from pipeline.tracker.kalman import (
    Motion,
    born,
    boxes_of,
    corrected,
    disturbance,
    innovation,
    measured,
    moved,
    transition,
)

FACE = np.array([[100.0, 50.0, 40.0, 50.0]], np.float32)
PIXEL = 2.0


def exact(dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Return F and Q of the continuous model by Van Loan's method (1978), an independent road to the same integrals."""
    drift = np.zeros((8, 8))
    drift[range(4), range(4, 8)] = 1
    drift[range(4, 8), range(4, 8)] = -1 / kalman.FADE
    noise = np.diag([*[0.0] * 4, *kalman.AGILITY**2])
    block = expm(np.block([[-drift, noise], [np.zeros((8, 8)), drift.T]]) * dt)
    f = block[8:, 8:].T
    return f, f @ block[:8, 8:]


@pytest.mark.parametrize("dt", [0.001, 0.04, 0.2, 2.0])
def test_transition_and_disturbance_are_the_integrals_of_the_continuous_model(dt):
    f, q = exact(dt)
    np.testing.assert_allclose(transition(dt), f, atol=1e-12)
    np.testing.assert_allclose(disturbance(dt), q, rtol=1e-4, atol=1e-13)


def test_two_steps_are_as_good_as_one():
    f, q = transition(0.07), disturbance(0.07)
    np.testing.assert_allclose(f @ f, transition(0.14), atol=1e-12)
    np.testing.assert_allclose(f @ q @ f.T + q, disturbance(0.14), atol=1e-12)


def test_agrees_with_a_plain_implementation():
    """The textbook's five equations, with nothing shared but the constants."""
    rng = np.random.default_rng(1)
    motion = born(measured(FACE)[0], PIXEL)
    x, p = motion.x[:, 0].copy(), motion.P.copy()
    h = np.hstack([np.eye(4), np.zeros((4, 4))])
    box = FACE.astype(float)
    for dt in rng.uniform(0.01, 0.3, 30):
        box = box + rng.normal(0, 0.2, 4)  # small enough never to alarm the adaptive part
        units = np.exp(x[3]) * np.array([1, 1, 0, 0, 1, 1, 0, 0]) + np.array([0, 0, 1, 1, 0, 0, 1, 1])
        f, q = exact(dt)
        x, p = f @ x, f @ p @ f.T + np.diag(units) @ q @ np.diag(units)
        moved([motion], dt)
        np.testing.assert_allclose(motion.x[:, 0], x, rtol=1e-6, atol=1e-9)
        r = np.diag((kalman.BLUR * PIXEL / np.array([1, 1, np.exp(x[3]), np.exp(x[3])])) ** 2)
        z = np.array([box[0, 0] + box[0, 2] / 2, box[0, 1] + box[0, 3] / 2, np.log(box[0, 2]), np.log(box[0, 3])])
        s = h @ p @ h.T + r
        np.testing.assert_allclose(innovation([motion], PIXEL)[0], s.diagonal(), rtol=1e-5)
        gain = p @ h.T @ np.linalg.inv(s)
        x, p = x + gain @ (z - h @ x), p - gain @ s @ gain.T
        corrected([motion], measured(box), PIXEL)
        np.testing.assert_allclose(motion.x[:, 0], x, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(motion.P, p, rtol=1e-3, atol=1e-7)


def test_boxes_and_measurements_are_inverse():
    boxes = np.array([[10, 20, 30, 40], [-5, 0, 1, 200]], np.float32)
    motions = [born(z, PIXEL) for z in measured(boxes)]
    np.testing.assert_allclose(boxes_of(motions), boxes, rtol=1e-5, atol=1e-5)
    assert boxes_of([]).shape == (0, 4)


def test_boxes_without_extent_have_a_least_size():
    np.testing.assert_allclose(measured(np.array([[10, 20, 0, 0]], np.float32))[0, 2:], np.log([1e-3, 1e-3]))


@pytest.mark.parametrize("scale", [1, 4])
def test_how_fast_a_new_face_may_be_goes_by_its_size(scale):
    deviations = np.sqrt(born(measured(FACE * np.float32(scale))[0], PIXEL).P.diagonal())
    np.testing.assert_allclose(deviations[4:], kalman.BIRTH * [50 * scale, 50 * scale, 1, 1])


def test_no_time_is_too_short_for_a_variance():
    for dt in np.geomspace(1e-12, 1e-2, 200):
        assert (disturbance(float(dt)).diagonal() >= 0).all()


@pytest.mark.parametrize("steps", [pytest.param([0.04] * 50, id="25 fps"), pytest.param([0.1, 0.3] * 5, id="uneven")])
def test_learns_a_velocity_per_second_at_any_frame_rate(steps):
    motion = born(measured(FACE)[0], PIXEL)
    box = FACE.copy()
    for dt in steps:
        box[0, 0] += 120 * dt
        moved([motion], dt)
        corrected([motion], measured(box), PIXEL)
    assert motion.x[4, 0] == pytest.approx(120, rel=0.3)  # it fades between frames, the more the farther apart
    assert boxes_of([motion])[0, 0] == pytest.approx(box[0, 0], abs=2)


@pytest.mark.parametrize("dt", [0.0, -1.0])
def test_no_time_changes_nothing(dt):
    motion = born(measured(FACE)[0], PIXEL)
    before = Motion(motion.x.copy(), motion.P.copy())
    moved([motion], dt)
    np.testing.assert_array_equal(motion.x, before.x)
    np.testing.assert_array_equal(motion.P, before.P)


def test_a_sudden_move_is_followed_at_once():
    motion = born(measured(FACE)[0], PIXEL)
    for _ in range(50):
        moved([motion], 0.04)
        corrected([motion], measured(FACE), PIXEL)
    moved([motion], 0.04)
    aside = FACE + np.array([30, 0, 0, 0], np.float32)
    corrected([motion], measured(aside), PIXEL)
    assert boxes_of([motion])[0, 0] == pytest.approx(130, abs=3)
    assert motion.x[4, 0] > 200  # px/s, though it stood for so long


def test_a_hidden_face_grows_uncertain_and_slows_down():
    motion = born(measured(FACE)[0], PIXEL)
    motion.x[4] = 100
    moved([motion], 0.04)
    soon = innovation([motion], PIXEL)
    moved([motion], 10.0)
    assert (innovation([motion], PIXEL) > soon).all()
    assert motion.x[4, 0] == pytest.approx(0, abs=0.1)
    assert motion.x[0, 0] - 120 == pytest.approx(100 * kalman.FADE[0], rel=0.01)
