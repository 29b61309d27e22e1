import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve

from models.bootstrap import wilson
from models.detector.curves import DRAWS, Curves, curves, measured
from models.detector.matching import FALSE, LEFT_OUT, Matches

PHOTOS = 10


@st.composite
def found(draw: st.DrawFn) -> Matches:
    """Boxes of distinct scores for faces of two kinds in ten photos, with faces that were missed."""
    count = draw(st.integers(1, 40))
    kinds = np.array(draw(st.lists(st.sampled_from([0, 1, FALSE, LEFT_OUT]), min_size=count, max_size=count)))
    photos = np.array(draw(st.lists(st.integers(0, PHOTOS - 1), min_size=count, max_size=count)))
    totals = np.stack([np.bincount(photos[kinds == kind], minlength=PHOTOS) for kind in (0, 1)])
    totals[:, 0] += draw(st.integers(1, 5))
    return Matches(np.linspace(0.9, 0.1, count), kinds, photos, totals)


@given(found(), st.sampled_from([0.1, 0.25, 1.0]), st.sampled_from([None, 0, 1]))
def test_recall_is_that_of_all_boxes_above_the_threshold(matches: Matches, rate: float, kind: int | None) -> None:
    told = curves(matches, kind)
    kept = matches.scores > told.threshold_at(rate)
    assert (matches.kinds[kept] == FALSE).sum() <= rate * PHOTOS + 1e-9
    hits = matches.kinds[kept] >= 0 if kind is None else matches.kinds[kept] == kind
    total = matches.totals.sum() if kind is None else matches.totals[kind].sum()
    assert told.recall_at(rate) == pytest.approx(hits.sum() / total)
    # One box more would be one false box too many.
    if not kept.all():
        assert matches.kinds[kept.sum()] == FALSE
        assert (matches.kinds[kept] == FALSE).sum() + 1 > rate * PHOTOS


@given(found())
def test_precision_is_scikit_learns(matches: Matches) -> None:
    counted = matches.kinds != LEFT_OUT
    hits = matches.kinds[counted] >= 0
    assume(hits.any())
    told = curves(matches)
    precision, recall, _ = precision_recall_curve(hits, matches.scores[counted])
    share = hits.sum() / matches.totals.sum()
    # From the last box to the first, the point without any left out; theirs is of the faces found at all.
    np.testing.assert_allclose(told.precision[counted], precision[:-1][::-1])
    np.testing.assert_allclose(told.recall[counted], recall[:-1][::-1] * share)


@given(found(), st.data())
def test_a_photo_taken_twice_counts_twice(matches: Matches, data: st.DataObject) -> None:
    counts = np.array(data.draw(st.lists(st.integers(0, 3), min_size=PHOTOS, max_size=PHOTOS)), np.float64)
    assume((matches.totals.sum(axis=0) * counts).any())
    copies = np.repeat(np.arange(len(matches.scores)), counts[matches.photos].astype(int))
    # Photos are numbered otherwise there, which no curve looks at where each is taken once.
    totals = np.repeat(matches.totals, counts.astype(int), axis=1)
    again = Matches(matches.scores[copies], matches.kinds[copies], np.zeros(len(copies), np.int64), totals)
    weighted, repeated = curves(matches, None, counts), curves(again)
    last = np.flatnonzero(np.append(np.diff(copies), 1)) if len(copies) else []
    taken = copies[last] if len(copies) else []
    np.testing.assert_allclose(weighted.recall[taken], repeated.recall[last])
    np.testing.assert_allclose(weighted.false[taken], repeated.false[last])


def test_average_precision_is_the_area_under_the_envelope() -> None:
    # Right, wrong, right, of three faces: precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3.
    told = curves(Matches(np.array([0.9, 0.8, 0.7]), np.array([0, FALSE, 0]), np.zeros(3, np.int64), np.array([[3]])))
    assert told.average_precision() == pytest.approx(1 / 3 + 2 / 9)


def test_a_flawless_detector_may_yet_miss_the_next_of_few_faces() -> None:
    faces = Matches(np.full(20, 0.9), np.zeros(20, np.int64), np.arange(20), np.ones((1, 20), np.int64))
    told = measured(faces).told()
    assert told["recall"] == {"value": 1.0, "ci95": [round(wilson(1, 20)[0], 4), 1.0]}
    assert told["average_precision"] == {"value": 1.0, "ci95": [1.0, 1.0]}
    assert {point["recall"] for point in told["curve"]} == {1.0}
    assert {point["score"] for point in told["curve"]} == {0.0}


def test_the_interval_is_over_photos() -> None:
    # Every photo has ten faces, found all or not at all: twenty draws of a coin rather than two hundred.
    photos = np.repeat(np.arange(10), 10)
    told = measured(Matches(np.full(100, 0.9), np.zeros(100, np.int64), photos, np.full((1, 20), 10)))
    assert (told.n, told.recall, len(told.recalls)) == (200, 0.5, DRAWS)
    low, high = told.told()["recall"]["ci95"]
    assert 0.2 <= low <= 0.35
    assert 0.65 <= high <= 0.8


def test_kinds_are_told_apart_and_share_the_false_boxes() -> None:
    kinds = np.array([0, FALSE, 1, 1])
    told = Matches(np.array([0.9, 0.8, 0.7, 0.6]), kinds, np.arange(4), np.array([[1, 0, 0, 0], [0, 0, 1, 1]]))
    one, other = curves(told, 0), curves(told, 1)
    assert isinstance(one, Curves)
    assert (one.recall_at(0.1), other.recall_at(0.1), other.recall_at(0.25)) == (1, 0, 1)
    np.testing.assert_allclose(one.precision, [1, 0.5, 0.5, 0.5])
    np.testing.assert_allclose(other.precision, [0, 0, 0.5, 2 / 3])
