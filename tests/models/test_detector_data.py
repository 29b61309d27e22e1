import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.detector.augment import NEVER
from models.detector.boxes import STRIDES, Array
from models.detector.data import PLAIN, Batches, Photo, clip, follow, rated, targets
from models.detector.find import Finder
from models.detector.teacher import Teacher, cells
from pipeline.card import shipped

SIDE = 256
NETWORK = shipped("detector")


def face(x: float, y: float, side: float, score: float = 0.9) -> Array:
    points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]) * side + (x, y)
    return np.array([[x, y, side, side, *points.ravel(), score]], np.float32)


def test_cells_are_in_the_order_of_the_networks_outputs() -> None:
    centres, strides = cells(64)
    assert len(centres) == sum((64 // stride) ** 2 for stride in STRIDES)
    assert centres[:3].tolist() == [[0, 0], [8, 0], [16, 0]]
    assert centres[64:66].tolist() == [[0, 0], [16, 0]]
    assert strides[[0, 63, 64, 79, 80]].tolist() == [8, 8, 16, 16, 32]


@given(st.floats(0, 150), st.floats(0, 150), st.floats(8, 100), st.floats(0.2, 0.95))
def test_a_face_asks_its_own_score_of_the_cell_nearest_its_centre(
    x: float, y: float, side: float, score: float
) -> None:
    wanted, care, box, points, weight, landmarked = targets(face(x, y, side, score), np.ones(1, np.float32), SIDE)
    best = int(wanted.argmax())
    assert wanted[best] == pytest.approx(score, rel=1e-4)
    assert weight[best] == pytest.approx(score, rel=1e-4)
    assert landmarked[best] == weight[best]
    assert box[best] == pytest.approx([x, y, side, side], abs=1e-3)
    assert points[best] == pytest.approx(face(x, y, side)[0, 4:14], abs=1e-3)
    assert care.all()
    centres, strides = cells(SIDE)
    assert (np.abs(centres[best] - (x + side / 2, y + side / 2)) <= strides[best]).all()


@pytest.mark.parametrize(("side", "stride"), [(12, 8), (30, 8), (80, 16), (130, 16), (240, 32)])
def test_a_face_is_the_task_of_the_stride_of_its_size(side: float, stride: int) -> None:
    wanted, *_ = targets(face(5, 5, side), np.ones(1, np.float32), SIDE)
    assert cells(SIDE)[1][wanted.argmax()] == stride


def test_no_face_asks_for_nothing() -> None:
    wanted, care, _, _, weight, _ = targets(np.zeros((0, 15), np.float32), np.zeros(0, np.float32), SIDE)
    assert not wanted.any()
    assert not weight.any()
    assert care.all()


def test_a_doubtful_face_is_neither_asked_for_nor_denied() -> None:
    wanted, care, _, _, weight, _ = targets(face(50, 50, 64, score=-1), np.ones(1, np.float32), SIDE)
    assert not wanted.any()
    assert not weight.any()
    inner = ((cells(SIDE)[0] > 50) & (cells(SIDE)[0] < 114)).all(axis=1)
    assert not care[inner].any()
    assert care[~((cells(SIDE)[0] > 40) & (cells(SIDE)[0] < 124)).all(axis=1)].all()


def test_where_nothing_is_the_teacher_is_not_heard() -> None:
    """What was painted stays a no, however little of it is in the view."""
    faces, seen = clip(face(100, 100, 8, score=NEVER), np.zeros(1, np.float32), SIDE, SIDE)
    centres, _ = cells(SIDE)
    sees_faces = np.full(len(centres), 0.9, np.float32)
    answer = (sees_faces, np.zeros((len(centres), 4), np.float32), np.zeros((len(centres), 10), np.float32))
    wanted, care, _, _, weight, landmarked = follow(faces, seen, SIDE, answer, sized=True)
    inner = ((centres > 100) & (centres < 108)).all(axis=1)
    assert inner.any()
    assert not wanted[inner].any()
    assert not weight[inner].any()
    assert not landmarked[inner].any()
    assert care.all()
    assert (wanted[~inner] == np.float32(0.9)).all()


def test_a_face_mostly_outside_becomes_doubtful_and_one_cut_a_little_is_cut() -> None:
    faces = np.concatenate([face(-30, 10, 40), face(-5, 100, 40), face(500, 10, 40)])
    rows, seen = clip(faces, np.ones(3, np.float32), SIDE, SIDE)
    assert rows[:, 14].tolist() == pytest.approx([-1, 0.9])
    assert rows[1, :4] == pytest.approx([0, 100, 35, 40])
    assert seen.tolist() == [0, 1]


def silent() -> tuple[Array, Array, Array]:
    """The answer of a teacher that sees nothing."""
    total = len(cells(SIDE)[0])
    return np.zeros(total, np.float32), np.zeros((total, 4), np.float32), np.zeros((total, 10), np.float32)


def test_a_sure_face_that_the_teacher_misses_is_still_wanted() -> None:
    faces = np.concatenate([face(50, 50, 64), face(150, 150, 64, score=0.4)])
    followed = follow(faces, np.ones(2, np.float32), SIDE, silent())
    alone = targets(faces[:1], np.ones(1, np.float32), SIDE)
    assert followed[0] == pytest.approx(alone[0])
    assert followed[4] == pytest.approx(alone[4])
    chosen = followed[4] > 0
    assert followed[2][chosen] == pytest.approx(alone[2][chosen])


@given(st.floats(3, 300), st.floats(0.3, 0.95))
def test_of_two_faces_equally_sure_the_smaller_is_wanted_less(side: float, score: float) -> None:
    faces = np.concatenate([face(0, 0, size, score) for size in (side, 2 * side, 2 * PLAIN)])
    small, twice, large = rated(faces[:, 14], faces[:, :4]).tolist()
    assert 0 < small <= twice <= large == pytest.approx(score)
    assert small < twice or not PLAIN / 16 * 1.01 < side < PLAIN * 0.99


def test_what_is_no_face_is_not_rated() -> None:
    faces = np.concatenate([face(0, 0, 10, score) for score in (-1, NEVER, 0)])
    assert np.array_equal(rated(faces[:, 14], faces[:, :4]), faces[:, 14])


@pytest.mark.parametrize("sized", [False, True])
def test_a_teachers_small_face_is_wanted_less_unless_its_scores_fall_with_size(sized: bool) -> None:
    cell, (score, box, points) = seen_at(80, 80)
    box[cell] = (70, 70, 20, 20)
    want = follow(face(0, 0, 0)[:0], np.zeros(0, np.float32), SIDE, (score, box, points), sized=sized)[0]
    assert (want[cell] == score[cell]) == sized
    assert 0 < want[cell] <= score[cell]


def seen_at(x: int, y: int) -> tuple[int, tuple[Array, Array, Array]]:
    """A cell at stride 16, and the answer of a teacher that sees a face there and nowhere else."""
    score, box, points = silent()
    centres, strides = cells(SIDE)
    cell = int(np.flatnonzero((centres == (x, y)).all(axis=1) & (strides == 16))[0])
    score[cell], box[cell], points[cell] = 0.8, (49, 51, 60, 70), np.arange(10)
    return cell, (score, box, points)


def test_where_only_the_teacher_sees_a_face_its_answer_is_wanted() -> None:
    cell, answer = seen_at(80, 80)
    doubtful = face(150, 150, 64, score=0.4)
    want, care, box, points, weight, landmarked = follow(doubtful, np.ones(1, np.float32), SIDE, answer)
    assert want == pytest.approx(answer[0])
    assert care.all()
    assert np.flatnonzero(weight).tolist() == [cell]
    assert landmarked[cell] == pytest.approx(0.8)
    assert box[cell].tolist() == [49, 51, 60, 70]
    assert points[cell].tolist() == list(range(10))


def test_a_labelled_face_has_its_steadier_place_and_the_higher_score() -> None:
    cell, answer = seen_at(64, 64)  # off the face's middle, where the labels alone would want less
    faces = face(50, 50, 64)
    alone = targets(faces, np.ones(1, np.float32), SIDE)[0]
    assert 0 < alone[cell] < 0.8
    want, _, box, points, weight, _ = follow(faces, np.ones(1, np.float32), SIDE, answer)
    assert want == pytest.approx(np.maximum(answer[0], alone))
    assert want.max() == pytest.approx(0.9, abs=0.02)
    chosen = weight > 0
    assert chosen[cell]
    assert box[chosen] == pytest.approx(np.broadcast_to(faces[0, :4], (chosen.sum(), 4)))
    assert points[chosen] == pytest.approx(np.broadcast_to(faces[0, 4:14], (chosen.sum(), 10)))


def test_the_teachers_cells_decode_to_what_the_pipeline_decodes() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.uint8)
    score, box, points = Teacher(NETWORK)(picture.transpose(2, 0, 1))
    best = int(score.argmax())
    # Above all but the best cell: the pipeline gives the mean of a face's cells.
    row = Finder(NETWORK, 0.9999 * float(score[best]))(picture)[0]
    assert row[14] == pytest.approx(score[best], rel=1e-4)
    assert row[:4] == pytest.approx(box[best], abs=1e-2)
    assert row[4:14] == pytest.approx(points[best], abs=1e-2)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_batches_are_the_same_for_the_same_seed_and_step(step: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (120, 100, 3)).astype(np.uint8)
    photos = [Photo("a", picture, face(20, 20, 50), np.ones(1, np.float32), True, False)]
    once, again = (vars(Batches(photos, 3, NETWORK)[step]) for _ in range(2))
    assert all(np.array_equal(once[key], again[key]) for key in once)
    images, score = once["images"], once["score"]
    assert images.dtype == np.uint8
    assert score.shape == (len(images), len(cells(images.shape[-1])[0]))
    assert score.min() >= 0
    assert score.max() <= 1
