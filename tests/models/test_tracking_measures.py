"""The measures on a case small enough to be worked out by hand, and what does not count."""

import sys

import numpy as np
import pytest

from models.tracking.measures import Compared, compared, hota, measure, motmetrics
from models.tracking.truth import renewed, truth
from pipeline.errors import InputError

HERE = [0.0, 0.0, 10.0, 10.0]
THERE = [100.0, 0.0, 10.0, 10.0]
BOTH = np.array([HERE, THERE], np.float32)


def frames(*given: tuple[int, ...]) -> list[Compared]:
    """Two true faces in every frame; each frame names who was followed, in the order of the places."""
    everyone = truth([1, 2], BOTH, [True, True])
    return [compared(everyone, names, BOTH[: len(names)]) for names in given]


def test_perfect_following_is_perfect():
    found = measure([frames((5, 6), (5, 6), (5, 6))])
    assert (found.faces, found.hota, found.idf1, found.mota) == (6, 1.0, 1.0, 1.0)
    assert (found.switches, found.fragmentations, found.iou) == (0, 0, pytest.approx(1.0))


def test_a_switch_and_a_miss_by_hand():
    # Face 1 is 5 throughout; face 2 is 6, is missed, and comes back as 7.
    found = measure([frames((5, 6), (5, 6), (5,), (5, 7))])
    assert (found.faces, found.switches, found.fragmentations) == (8, 1, 1)
    assert found.switch_rate == pytest.approx(125)
    assert found.mota == pytest.approx(1 - 2 / 8)
    # Of 8 true and 7 followed, identities 1-5 and 2-6 agree 6 times.
    assert found.idf1 == pytest.approx(2 * 6 / (8 + 7))
    # DetA 7 / 8; AssA: four hits at 4 / 4, two at 2 / 4, one at 1 / 4.
    assert found.hota == pytest.approx(np.sqrt(7 / 8 * (4 * 1 + 2 * 0.5 + 0.25) / 7))


def test_hota_takes_the_mean_over_thresholds():
    # IoU 0.5 of everything: perfect up to the threshold 0.5, nothing beyond.
    alike = [Compared((1,), (1,), np.full((1, 1), 0.5, np.float32))] * 3
    assert hota(alike) == pytest.approx(10 / 19)


def test_ids_of_one_sequence_are_none_of_another():
    # Were they joined as they are, face 1 would have been switched from 5 to 8.
    assert measure([frames((5, 6)), frames((8, 9))]).switches == 0


def test_intervals_are_over_sequences():
    good, bad = frames((5, 6), (5, 6)), frames((5, 6), (6, 5))
    found = measure([good, bad] * 5)
    # Half of the sequences have two switches in four face-frames.
    assert found.switch_rate == pytest.approx(250)
    low, high = found.switch_rate_ci95
    assert 50 <= low <= 150
    assert 350 <= high <= 450
    assert found.idf1 == pytest.approx(0.75)
    low, high = found.idf1_ci95
    assert 0.5 <= low < 0.7
    assert 0.8 < high <= 1
    assert measure([good] * 6).idf1_ci95 == (1, 1)
    assert measure([good, bad]).switch_rate_ci95 is None


def test_nobody_true_and_nobody_followed_is_perfect():
    nobody = [Compared((), (), np.zeros((0, 0), np.float32))]
    found = measure([nobody])
    assert (found.hota, found.idf1, found.switch_rate) == (1, 1, 0)


def test_a_face_that_does_not_count_neither_helps_nor_harms():
    half = truth([1, 2], BOTH, [True, False])
    for names, boxes in (((5, 6), BOTH), ((5,), BOTH[:1])):
        frame = compared(half, names, boxes)
        assert (frame.true, frame.given) == ((1,), (5,))


def test_a_box_on_nobody_is_an_error():
    frame = compared(truth([1], BOTH[:1], [True]), (5, 6), BOTH)
    assert frame.given == (5, 6)
    assert measure([[frame]]).mota == pytest.approx(0)


def test_nobody_to_follow_and_nobody_followed():
    assert hota([compared(truth([], [], []), (), np.empty((0, 4), np.float32))]) == 1


def test_a_face_comes_back_as_another_after_two_seconds():
    times = [0.0, 1.0, 3.0, 4.0, 5.0, 6.1]
    seen = [True, True, True, False, False, True]
    truths = [truth([9], [HERE], [there]) for there in seen]
    assert [one.ids for one in renewed(times, truths)] == [(1,), (1,), (1,), (1,), (1,), (2,)]


def test_a_face_in_sight_stays_the_same_however_long_it_does_not_count():
    truths = [truth([9], [HERE], [counts], [True]) for counts in (True, False, False, False, True)]
    assert {one.ids for one in renewed([0.0, 1.0, 2.0, 3.0, 4.0], truths)} == {(1,)}


def test_missing_library_is_named_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "motmetrics", None)
    with pytest.raises(InputError, match=r"pip install '\.\[evaluate\]'"):
        motmetrics()
