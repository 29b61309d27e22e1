import numpy as np
import pytest

from models.crops.quality import BANDS, DEGRADATIONS, Judged, bands, table
from models.emotion.faces import LabelledFaces
from models.emotion.metrics import Faces
from pipeline.labels import LABELS

FACE = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)


def certain(label: int, confidence: float) -> list[float]:
    rest = (1 - confidence) / 7
    return [confidence if index == label else rest for index in range(8)]


def test_bands_agree_with_a_count_by_hand():
    votes = np.zeros((3, 10), np.int64)
    votes[[0, 1, 2], [1, 2, 3]] = 10
    rows = np.array([0, 1, 2, 2])
    probabilities = np.array([certain(1, 0.9), certain(0, 0.8), certain(3, 0.7), certain(3, 0.5)], np.float32)
    judged = Judged(rows, np.array([1.0, 0.01, 0.3, 0.0], np.float32), probabilities)
    low, middle, high, whole = bands(Faces(np.zeros((3, 48, 48), np.uint8), votes), judged)
    assert [row.band for row in (low, middle, high, whole)] == [(0, 0.05), (0.2, 0.4), (0.8, 1), (0, 1)]
    assert [row.accuracy.value for row in (low, middle, high, whole)] == [0.5, 1, 1, 0.75]
    assert low.confidence == pytest.approx(0.65)
    assert high.divergence.value == pytest.approx(-np.log(0.9), rel=1e-5)
    assert low.entropy > middle.entropy > high.entropy
    assert table([low, middle, high, whole]).row_count == 4


def test_showings_of_a_face_do_not_count_as_faces():
    votes = np.zeros((40, 10), np.int64)
    votes[:, 1] = 10
    faces = Faces(np.zeros((40, 48, 48), np.uint8), votes)
    rows = np.arange(40)
    probabilities = np.array([certain(int(row % 3 > 0), 0.9 - row / 100) for row in rows], np.float32)
    once, _ = bands(faces, Judged(rows, np.full(40, 0.9, np.float32), probabilities))
    four = Judged(np.tile(rows, 4), np.full(160, 0.9, np.float32), np.tile(probabilities, (4, 1)))
    for often in bands(faces, four):
        assert often.accuracy.n == 160
        for many, few in ((often.accuracy, once.accuracy), (often.divergence, once.divergence)):
            assert (many.low, many.value, many.high) == pytest.approx((few.low, few.value, few.high))


def test_faces_of_a_person_do_not_count_as_people():
    votes = np.zeros((40, 10), np.int64)
    votes[:, 1] = 10
    images = np.zeros((40, 48, 48), np.uint8)
    rows = np.arange(40)
    probabilities = np.array([certain(int(row % 10 > 3), 0.9 - row % 10 / 100) for row in rows], np.float32)
    judged = Judged(rows, np.full(40, 0.9, np.float32), probabilities)
    people = np.array([f"S{row % 10}" for row in rows])
    known, _ = bands(LabelledFaces(images, votes, people, LABELS, "made", ""), judged)
    ten, _ = bands(Faces(images, votes), Judged(*(column[:10] for column in judged)))
    for many, few in ((known.accuracy, ten.accuracy), (known.divergence, ten.divergence)):
        assert (many.low, many.value, many.high) == pytest.approx((few.low, few.value, few.high), rel=0.01)


def test_an_even_distribution_has_all_the_entropy():
    votes = np.array([[10, *[0] * 9]])
    judged = Judged(np.array([0]), np.array([0.5], np.float32), np.full((1, 8), 0.125, np.float32))
    row, _ = bands(Faces(np.zeros((1, 48, 48), np.uint8), votes), judged)
    assert row.entropy == pytest.approx(1)


@pytest.mark.parametrize("degrade", DEGRADATIONS)
@pytest.mark.parametrize("amount", [0.0, 0.4, 1.0])
def test_degraded_faces_stay_faces_of_that_size(degrade, amount):
    before = FACE.copy()
    one, other = (degrade(FACE, amount, np.random.default_rng(7)) for _ in range(2))
    assert (one.shape, one.dtype) == ((48, 48), np.uint8)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(FACE, before)


def test_the_most_of_each_is_much():
    rng = np.random.default_rng(1)
    _, _, _, darken, cover, _ = DEGRADATIONS
    assert darken(FACE, 1, rng).mean() < 0.06 * FACE.mean()
    assert 0.55 < (cover(FACE, 1, rng) != FACE).mean() < 0.65


def test_bands_cover_every_quality():
    assert (BANDS[0], BANDS[-1]) == (0, 1)
    assert [*BANDS] == sorted(set(BANDS))
