import numpy as np
import pytest

from pipeline.settings import TrackerSettings
from pipeline.state import pack
from pipeline.tracker.appearance import VALUES
from pipeline.tracker.tracker import BRIDGE, Seen, Tracker
from tests.pipeline.tracker.found import alike, found

FACE = (100.0, 100.0, 50.0)


@pytest.fixture
def tracker() -> Tracker:
    return Tracker(TrackerSettings(), threshold=0.6)


@pytest.fixture
def patient() -> Tracker:
    """A tracker that also takes doubtful faces once it has seen them for a while."""
    return Tracker(TrackerSettings(confirm=0.1), threshold=0.6)


def play(tracker: Tracker, *frames: tuple[float, tuple]) -> list[Seen]:
    return [tracker.step(pts, *alike(*faces)) for pts, faces in frames]


def test_a_clear_face_is_there_from_its_first_frame(tracker):
    seen = tracker.step(0.0, *alike(FACE))
    assert seen.numbers == (1,)
    np.testing.assert_allclose(seen.boxes, [[80, 75, 40, 50]], rtol=1e-5)
    np.testing.assert_allclose(seen.landmarks, found(FACE).landmarks, rtol=1e-5)


def test_a_doubtful_face_must_be_seen_for_a_while(patient):
    doubtful = ((*FACE, 0.7),)
    numbers = [seen.numbers for seen in play(patient, *((n * 0.04, doubtful) for n in range(5)))]
    assert numbers == [(), (), (), (1,), (1,)]


def test_a_face_that_stays_doubtful_is_no_track(tracker):
    frames = ((n * 0.04, ((*FACE, 0.7),)) for n in range(50))
    assert not any(seen.numbers for seen in play(tracker, *frames))


@pytest.mark.parametrize("step", [0.04, 0.2, 1.0])
def test_a_doubtful_face_of_one_frame_is_forgotten(tracker, step):
    once, nobody = ((*FACE, 0.7),), ()
    seen = play(tracker, *((n * step, once if n in {0, 4} else nobody) for n in range(6)))
    assert [(frame.numbers, frame.ended) for frame in seen] == [((), ())] * 6


def test_a_doubtful_face_is_confirmed_by_two_sightings_at_a_low_frame_rate(patient):
    seen = play(patient, (0, ((*FACE, 0.7),)), (0.2, ((*FACE, 0.7),)))
    assert [frame.numbers for frame in seen] == [(), (1,)]


def test_a_walker_is_carried_on_to_where_he_is(tracker):
    for n in range(20):
        tracker.step(n * 0.04, *alike((100 + 4 * n, 100, 50)))
    for n in range(20, 25):
        seen = tracker.carry(n * 0.04)
        assert (seen.numbers, seen.ended) == ((1,), ())
        np.testing.assert_allclose(seen.boxes[0, :2] + seen.boxes[0, 2:] / 2, [100 + 4 * n, 100], atol=6)
        assert seen.scores == pytest.approx([0.9])
    assert tracker.step(25 * 0.04, *alike((200, 100, 50))).numbers == (1,)


@pytest.mark.parametrize("pause", [0.0, 0.04])
def test_only_who_was_seen_last_is_carried_on(tracker, pause):
    other = (300.0, 100.0, 50.0)
    tracker.step(0, *alike(FACE, other))
    assert tracker.carry(0.04).numbers == (1, 2)
    assert tracker.step(0.08, *alike(FACE)).numbers == (1,)
    # Even where time stands still.
    assert tracker.step(0.08 + pause, *alike(other)).numbers == (2,)
    assert tracker.carry(0.08 + pause).numbers == (2,)
    assert tracker.carry(0.08 + pause + BRIDGE + 0.01).numbers == ()


def test_nobody_is_carried_on_before_a_first_search(tracker):
    assert tracker.carry(0.0).numbers == ()


def test_what_is_below_the_threshold_continues_a_track_but_begins_none(tracker):
    seen = play(tracker, (0, (FACE, (300, 100, 50, 0.4))), (0.04, ((*FACE, 0.4), (300, 100, 50, 0.4))))
    assert [frame.numbers for frame in seen] == [(1,), (1,)]
    assert seen[1].scores == pytest.approx([0.4])


def test_an_unseen_face_gives_no_row_and_comes_back_within_patience(tracker):
    seen = play(tracker, *((n * 0.04, (FACE,)) for n in range(10)), (0.4, ()), (1.0, ()), (3.3, (FACE,)))
    assert [frame.numbers for frame in seen[-3:]] == [(), (), (1,)]
    assert not any(frame.ended for frame in seen)


def test_a_face_ends_when_patience_does_and_its_number_is_not_used_again(tracker):
    seen = play(tracker, (0, (FACE,)), (2.9, ()), (3.0, ()), (3.1, ()), (3.2, ()), (3.3, (FACE,)))
    assert [frame.ended for frame in seen] == [(), (), (), (1,), (), ()]
    assert seen[-1].numbers == (2,)


def test_a_gap_longer_than_patience_ends_every_track(tracker):
    seen = play(tracker, (0, (FACE,)), (60.0, (FACE,)))
    assert (seen[1].ended, seen[1].numbers) == ((1,), (2,))


def test_a_cut_ends_every_track(tracker):
    tracker.step(0.0, *alike(FACE, (300, 100, 50)))
    seen = tracker.step(0.04, *alike(FACE), cut=True)
    assert (seen.ended, seen.numbers) == ((1, 2), (3,))


@pytest.mark.parametrize("pts", [0.4, 0.39, 0.0])
def test_time_that_stands_still_or_runs_back_does_no_harm(tracker, pts):
    play(tracker, *((n * 0.04, (FACE,)) for n in range(11)))
    for _ in range(50):
        seen = tracker.step(pts, *alike(FACE))
        assert seen.numbers == (1,)
    np.testing.assert_allclose(seen.boxes, [[80, 75, 40, 50]], atol=0.5)


def test_faces_that_pass_each_other_keep_their_numbers(tracker):
    for n in range(50):
        left, right = (100 + 8 * n, 100, 50), (500 - 8 * n, 130, 50)
        seen = tracker.step(n * 0.04, *alike(left, right))
        centres = seen.boxes[:, 0] + seen.boxes[:, 2] / 2
        assert seen.numbers == (1, 2)
        np.testing.assert_allclose(centres, [left[0], right[0]], atol=4)


def test_a_hidden_face_takes_no_number_along_when_its_neighbour_stays(tracker):
    both = (FACE, (135, 110, 50))
    play(tracker, *((n * 0.04, both) for n in range(25)))
    seen = play(tracker, *((1 + n * 0.04, both[:1]) for n in range(25)), (2.0, both))
    assert {frame.numbers for frame in seen[:-1]} == {(1,)}
    assert seen[-1].numbers == (1, 2)


def test_no_score_is_above_threshold_one():
    tracker = Tracker(TrackerSettings(), threshold=1.0)
    assert [seen.numbers for seen in play(tracker, (0, (FACE,)), (1, (FACE,)))] == [(), ()]


def test_memory_does_not_grow_with_past_tracks():
    def after(faces: int) -> int:
        tracker = Tracker(TrackerSettings(patience=0.1), threshold=0.6)
        for n in range(faces):
            tracker.step(n * 1.0, *alike(FACE, (300, 100, 50)))
        return len(pack("tracker", 1, tracker.memory))

    assert after(200) == pytest.approx(after(10), abs=50)


def test_a_face_that_was_covered_bit_by_bit_comes_back_as_itself(tracker):
    walk = [(n * 0.04, ((100 + 6 * n, 100, 80),)) for n in range(20)]
    # What is left of it shrinks and stays where the cover begins.
    last = 100 + 6 * 19
    covered = [(0.8 + n * 0.04, ((last, 100 + 8 * n, 80 - 18 * n, 0.8),)) for n in range(4)]
    hidden = [(0.96 + n * 0.04, ()) for n in range(12)]
    seen = play(tracker, *walk, *covered, *hidden, (1.44, ((100 + 6 * 36, 100, 80),)))
    assert seen[-1].numbers == (1,)


DARK, LIGHT = np.full(VALUES, 60, np.float32), np.full(VALUES, 90, np.float32)


@pytest.mark.parametrize("swap", [False, True])
def test_two_who_come_out_of_a_crossing_are_told_apart_by_their_looks(tracker, swap):
    """Half a second hidden, they may have turned round or walked on: only their appearance says which."""
    for n in range(10):
        pts, x = n * 0.1, 20 * n
        tracker.step(pts, found((100 + x, 100, 50), (500 - x, 100, 50)), np.array([DARK, LIGHT]))
    tracker.step(1.0, found((300, 100, 50)), np.array([DARK]))
    left, right = (DARK, LIGHT) if swap else (LIGHT, DARK)
    seen = tracker.step(1.5, found((230, 100, 50), (370, 100, 50)), np.array([left, right]))
    assert seen.numbers == (1, 2)
    centres = seen.boxes[:, 0] + seen.boxes[:, 2] / 2
    assert (centres[0] < centres[1]) == swap


def test_what_is_seen_of_a_covered_face_is_not_taken_for_its_looks(tracker):
    for n in range(10):
        tracker.step(n * 0.1, found((100, 100, 50), (300, 100, 50)), np.array([DARK, LIGHT]))
    for n in range(10, 20):
        tracker.step(n * 0.1, found((100, 100, 50), (120, 100, 50)), np.array([LIGHT, LIGHT]))
    for track, appearance in zip(tracker.memory.tracks, (DARK, LIGHT), strict=False):
        np.testing.assert_allclose(track.appearance, appearance, atol=0.1)


def test_one_who_looks_the_same_is_another_where_nobody_can_have_gone(tracker):
    tracker.step(0.0, found((100, 100, 50)), DARK[None])
    assert tracker.step(0.04, found((1000, 100, 50)), DARK[None]).numbers == (2,)


def test_looks_follow_a_face_that_changes(tracker):
    for n in range(200):
        level = np.float32(60 + n / 4)
        assert tracker.step(n * 0.1, found((100, 100, 50)), np.full((1, VALUES), level)).numbers == (1,)
    assert abs(tracker.memory.tracks[0].appearance[0] - level) < 10


TWO_HEADS = (110, 105, 40)
"""Within the box of ``(100, 100, 80)``."""


def test_a_box_within_anothers_is_no_face_at_once(tracker):
    shown = play(tracker, *((n * 0.04, ((100, 100, 80), TWO_HEADS)) for n in range(5)))
    assert [seen.numbers for seen in shown] == [(1,)] * 5


def test_a_face_that_comes_out_from_before_another_is_one(tracker):
    (inside, outside) = play(tracker, (0.0, ((100, 100, 80), TWO_HEADS)), (0.1, ((100, 100, 80), (140, 105, 40))))
    assert (inside.numbers, outside.numbers) == ((1,), (1, 2))


@pytest.mark.parametrize("fps", [5, 25])
def test_a_face_that_stays_before_another_is_one_in_the_end(tracker, fps):
    shown = play(tracker, *((n / fps, ((100, 100, 80), TWO_HEADS)) for n in range(fps)))
    assert shown[-1].numbers == (1, 2)
    late = next(n for n, seen in enumerate(shown) if len(seen.numbers) == 2) / fps
    assert 0.3 <= late <= 0.4


@pytest.mark.parametrize("together", [False, True])
def test_who_was_there_only_while_another_was_away_was_that_other(tracker, together):
    """A leap beyond reach gives a face a second number, which is not kept to take turns when the first is back."""
    here, there, back = FACE, (240, 100, 50), (130, 100, 50)
    met = (here, there) if together else (there,)
    play(tracker, *((n * 0.04, (here,)) for n in range(10)), (0.4, met))
    assert play(tracker, *((0.44 + n * 0.04, (there,)) for n in range(9)), (0.92, ()))[-2].numbers == (2,)
    seen, *_, last = play(tracker, (1.4, (back,)), *((1.4 + n * 0.6, (back,)) for n in range(1, 5)))
    assert (seen.numbers, seen.ended) == ((1,), () if together else (2,))
    assert (last.numbers, last.ended) == ((1,), (2,) if together else ())
