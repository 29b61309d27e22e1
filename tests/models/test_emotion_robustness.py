import numpy as np
import pytest
from numpy.typing import NDArray

from models.bootstrap import Estimate, Resamples
from models.emotion.evaluation import plots
from models.emotion.evaluation.robustness import (
    SWEEPS,
    Curve,
    Point,
    Sweep,
    brightened,
    degraded,
    shifted,
    shrunk,
    sweep,
    turned,
)
from models.emotion.evaluation.sample import sample

IMAGES = np.random.default_rng(5).integers(0, 256, (12, 48, 48), np.uint8)
sweeps = pytest.mark.parametrize("one", SWEEPS, ids=lambda one: one.name)


@sweeps
def test_changed_faces_stay_faces_and_leave_the_others_alone(one: Sweep) -> None:
    before = IMAGES.copy()
    for level in one.levels:
        found = degraded(IMAGES, one.change, level)
        assert (found.shape, found.dtype) == (IMAGES.shape, np.uint8)
        assert np.array_equal(found, degraded(IMAGES, one.change, level))
        assert np.array_equal(found, IMAGES) == (level == one.clean)
    assert np.array_equal(IMAGES, before)


@sweeps
def test_the_last_level_changes_more_than_the_one_beside_clean(one: Sweep) -> None:
    smooth = np.asarray(IMAGES[:, :6, :6].repeat(8, 1).repeat(8, 2), np.uint8)
    clean = 100 if one.clean is None else one.clean
    near, *_, far = sorted({*one.levels} - {clean}, key=lambda level: abs(level - clean))
    changes = [np.abs(degraded(smooth, one.change, level).astype(int) - smooth).mean() for level in (near, far)]
    assert changes[0] < changes[1]


def test_shrunk_keeps_the_mean_and_loses_detail() -> None:
    small = degraded(IMAGES, shrunk, 16)
    assert np.allclose(small.mean((1, 2)), IMAGES.mean((1, 2)), atol=3)
    assert small.std() < IMAGES.std() / 2


def test_what_moves_moves_as_far_as_it_says() -> None:
    dot = np.zeros((48, 48), np.uint8)
    dot[20:24, 30:34] = 255
    rng = np.random.default_rng(0)

    def middle(face: NDArray[np.uint8]) -> NDArray[np.float64]:
        weights = face / face.sum()
        return np.array([(weights.sum(axis) * np.arange(48)).sum() for axis in (0, 1)])

    assert np.linalg.norm(middle(shifted(dot, 6, rng)) - middle(dot)) == pytest.approx(6, abs=0.1)
    x, y = middle(dot) - 23.5
    # Anticlockwise, with y downwards.
    assert middle(turned(dot, 90, rng)) - 23.5 == pytest.approx([y, -x], abs=0.1)
    assert brightened(dot, 80, rng).max() == 255


def test_a_sweep_is_measured_level_by_level() -> None:
    votes = np.zeros((12, 10), np.int64)
    votes[np.arange(12), np.arange(12) % 2] = 10
    images = np.where(np.arange(12)[:, None, None] % 2, np.uint8(200), np.uint8(60)) + np.zeros((12, 48, 48), np.uint8)

    def bright(shown: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.eye(8, dtype=np.float32)[(shown.mean((1, 2)) > 128).astype(int)]

    one = Sweep("brightness", "levels", brightened, (0, 40, 100), 0)
    found = sweep(one, images, sample(votes), bright(images), bright, Resamples(12, draws=20))
    assert [(point.level, point.accuracy.value) for point in found.points] == [(0, 1.0), (40, 1.0), (100, 0.5)]
    assert found.points[0].divergence.value == 0
    assert found.points[2].divergence.value == pytest.approx(-0.5 * np.log(1e-7))


def test_the_dotted_line_is_of_the_faces_that_are_shown() -> None:
    levels = ((0.0, 0.75, 0.3), (1.0, 0.5, 0.6))
    points = [Point(level, Estimate(hit, hit, hit, 4), Estimate(cost, cost, cost, 4)) for level, hit, cost in levels]
    changed = plots.robustness([Curve("JPEG", "quality", None, points[1:]), Curve("blur", "px", 0, points)])
    lines = [[line.get_ydata() for line in axes.lines if line.get_linestyle() == ":"] for axes in changed.axes]
    dotted = {tuple(line) for axes in lines for line in axes}
    assert dotted == {(0.75, 0.75), (0.3, 0.3)}
