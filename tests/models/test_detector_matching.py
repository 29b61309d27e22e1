import numpy as np

from models.detector.boxes import Array
from models.detector.matching import FALSE, LEFT_OUT, Truth, match, matches


def row(x: float, side: float, score: float) -> Array:
    """A square at (x, 0)."""
    face = np.zeros((1, 15), np.float32)
    face[0, [0, 2, 3, 14]] = x, side, side, score
    return face


def truth(*faces: tuple[float, float, int]) -> Truth:
    """Squares at (x, 0): x, side, kind."""
    boxes = np.array([[x, 0, side, side] for x, side, _ in faces], np.float32).reshape(-1, 4)
    return Truth(boxes, np.array([kind for *_, kind in faces], np.int64), smallest=16)


def test_one_box_found_stands_for_one_wanted() -> None:
    found = np.concatenate([row(0, 40, 0.5), row(2, 40, 0.9)])
    assert match(found, row(1, 40, 1.0), 0.5) == [(1, 0)]


def test_each_box_stands_for_the_kind_of_its_face_or_for_none() -> None:
    found = np.concatenate([row(0, 40, 0.5), row(100, 40, 0.9), row(200, 40, 0.7), row(300, 40, 0.6)])
    told = matches([found], [truth((0, 40, 0), (100, 40, 1), (200, 40, LEFT_OUT))], 2)
    np.testing.assert_allclose(told.scores, [0.9, 0.7, 0.6, 0.5], rtol=1e-6)
    assert told.kinds.tolist() == [1, LEFT_OUT, FALSE, 0]
    assert told.totals.tolist() == [[1], [1]]


def test_small_boxes_that_touch_nothing_are_not_false() -> None:
    told = matches([np.concatenate([row(100, 15, 0.9), row(200, 16, 0.8)])], [truth((0, 40, 0))], 1)
    assert told.kinds.tolist() == [LEFT_OUT, FALSE]


def test_boxes_are_sorted_across_photos_and_know_theirs() -> None:
    told = matches([row(0, 40, 0.2), np.zeros((0, 15), np.float32), row(0, 40, 0.8)], [truth((0, 40, 0))] * 3, 1)
    assert told.photos.tolist() == [2, 0]
    assert told.totals.tolist() == [[1, 1, 1]]
