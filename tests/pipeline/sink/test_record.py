import numpy as np
import pytest

from pipeline.labels import LABELS
from pipeline.messages import Change
from pipeline.sink.record import Summary, dominant, emotion, entropy
from pipeline.sink.smoother import Smoothed
from tests.messages import faces

GAP = 1.5


def only(label, rest=0.0):
    return tuple(1 - 7 * rest if name == label else rest for name in LABELS)


def row(frame, raw, smoothed=None):
    return emotion(faces(1, frame), 0, raw, Smoothed(smoothed or raw, 0.25), "net@0")


def summary(rows):
    gathered = Summary.of(rows[0], GAP)
    events = [gathered.begin(), *(gathered.add(row) for row in rows[1:])]
    end, track = gathered.end(99)
    return track, [event for event in [*events, end] if event is not None]


def test_a_row_says_what_was_measured():
    frame = faces(3, 7)

    made = emotion(frame, 1, only("fear"), Smoothed(only("anger", 0.02), 0.25), "net@0")

    assert made.stamp is frame.stamp
    assert made.track == frame.tracks[1]
    assert made.box == tuple(frame.boxes[1].tolist())
    assert made.score == pytest.approx(0.9)
    assert (made.raw, made.smoothed, made.uncertainty) == (only("fear"), only("anger", 0.02), 0.25)
    assert (made.dominant, made.intensity) == ("anger", pytest.approx(0.86))
    assert type(made.score) is type(made.quality) is type(made.box[0]) is float


def test_entropy_is_a_share_of_the_uniform():
    rng = np.random.default_rng(0)
    for p in rng.dirichlet(np.full(8, 0.3), 100):
        assert entropy(tuple(p)) == pytest.approx(-np.sum(p * np.log(p)) / np.log(8))


def test_of_equal_labels_the_first_is_dominant():
    assert dominant((0.1, 0.4, 0.4, 0.1, 0, 0, 0, 0)) == 1


def test_a_track_of_one_frame_is_that_frame():
    track, events = summary([row(0, only("fear", 0.01), only("sadness", 0.01))])

    assert (track.frames, track.seconds, track.transitions) == (1, 0.0, 0)
    assert track.mean == only("fear", 0.01)
    assert (track.dominant, track.share) == ("sadness", 1.0)  # of the smoothed one, as in rows
    assert [event.change for event in events] == [Change.BEGIN, Change.END]


def test_means_weigh_frames_by_the_time_they_stand_for():
    # Frames 0, 1 and 11 at 25 fps: the trapezoidal rule gives them 0.02, 0.22 and 0.2 s.
    track, _ = summary([row(0, only("anger")), row(1, only("fear")), row(11, only("anger"))])

    assert track.mean[LABELS.index("fear")] == pytest.approx(0.5)
    assert track.mean[LABELS.index("anger")] == pytest.approx(0.5)
    assert sum(track.mean) == pytest.approx(1.0)
    assert track.seconds == pytest.approx(0.44)


def test_time_out_of_sight_counts_no_more_than_a_gap():
    # 0.04 s of anger and ten seconds before fear: half of 1.54 s either way, save for the first half frame.
    track, _ = summary([row(0, only("anger")), row(1, only("anger")), row(251, only("fear"))])

    assert track.mean[LABELS.index("fear")] == pytest.approx(0.75 / 1.54)
    assert track.dominant == "anger"
    assert track.share == pytest.approx(0.79 / 1.54)
    assert track.seconds == pytest.approx(251 / 25)


def test_a_share_is_never_more_than_all_whatever_rounding_does():
    for frames in range(2, 40):
        track, _ = summary([row(frame, only("anger")) for frame in range(frames)])
        assert 1 - 1e-9 < track.share <= 1


def test_changes_of_the_dominant_expression_are_told_and_counted():
    rows = [row(0, only("anger")), row(1, only("fear")), row(2, only("fear")), row(3, only("anger"))]

    track, events = summary(rows)

    assert track.transitions == 2
    assert [(event.change, event.stamp.frame, event.dominant, event.previous) for event in events] == [
        (Change.BEGIN, 0, "anger", None),
        (Change.DOMINANT, 1, "fear", "anger"),
        (Change.DOMINANT, 3, "anger", "fear"),
        (Change.END, 3, "anger", None),
    ]
    assert (track.settled, track.first.frame, track.last.frame, track.frames) == (99, 0, 3, 4)
