"""What must hold of the tracker for any input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.settings import TrackerSettings
from pipeline.tracker.tracker import Seen, Tracker
from tests.pipeline.tracker.found import alike

THRESHOLD = 0.6

COORDINATE = st.floats(-1e4, 1e4, width=32)
FACE = st.tuples(COORDINATE, COORDINATE, st.floats(0, 1e4, width=32), st.floats(0, 1, width=32))
SCENE = st.lists(
    st.tuples(st.floats(-0.5, 3), st.lists(FACE, max_size=6), st.booleans()),
    max_size=12,
)
"""Frames: s since the last one, faces, whether the scene was cut."""


def play(scene, order=lambda faces: faces, pace: float = 1.0, patience: float = 2.0) -> list[Seen]:
    tracker = Tracker(TrackerSettings(patience=patience * pace, confirm=0.1 * pace), THRESHOLD)
    pts, seen = 0.0, []
    for gap, faces, cut in scene:
        pts += gap * pace
        seen.append(tracker.step(pts, *alike(*order(faces)), cut=cut))
    return seen


@given(SCENE)
def test_any_sequence_of_boxes_is_survived(scene):
    for seen, (_, faces, _) in zip(play(scene), scene, strict=True):
        count = len(seen.numbers)
        assert seen.boxes.shape == (count, 4)
        assert seen.landmarks.shape == (count, 5, 2)
        assert np.isfinite(seen.boxes).all()
        assert np.isfinite(seen.landmarks).all()
        assert (seen.boxes[:, 2:] > 0).all()
        assert count <= len(faces)
        assert seen.scores.shape == (count,)


@given(SCENE)
def test_numbers_are_unique_in_a_frame_rise_by_one_and_are_never_used_again(scene):
    known, ended = 0, set()
    for seen in play(scene):
        assert list(seen.numbers) == sorted(set(seen.numbers))
        fresh = [number for number in seen.numbers if number > known]
        assert fresh == list(range(known + 1, known + 1 + len(fresh)))
        known += len(fresh)
        assert not ended & {*seen.ended}
        ended |= {*seen.ended}
        assert not ended & {*seen.numbers}
        assert max(ended, default=0) <= known


@given(SCENE)
def test_the_order_of_detections_does_not_matter(scene):
    for mine, yours in zip(play(scene), play(scene, order=lambda faces: faces[::-1]), strict=True):
        assert mine.numbers == yours.numbers
        assert mine.ended == yours.ended
        np.testing.assert_array_equal(mine.boxes, yours.boxes)


@settings(deadline=None)
@given(
    st.lists(st.floats(0.02, 0.4), min_size=5, max_size=60),
    st.floats(-3, 3),
    st.floats(-1, 1),
    st.floats(20, 300),
)
def test_a_face_at_constant_velocity_keeps_its_number_at_any_frame_rate(gaps, across, down, height):
    """Speeds in face heights per second, gaps in s."""
    tracker = Tracker(TrackerSettings(), THRESHOLD)
    for pts in np.cumsum([0.0, *gaps]):
        face = (500 + across * height * pts, 300 + down * height * pts, height)
        assert tracker.step(pts, *alike(face)).numbers == (1,)


@given(st.lists(st.tuples(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05)), min_size=2, max_size=20), st.floats(10, 500))
def test_the_scale_of_the_picture_does_not_matter(moves, height):
    def boxes(scale: float) -> np.ndarray:
        tracker, x, y, out = Tracker(TrackerSettings(), THRESHOLD), 5.0, 5.0, []
        for n, (right, down) in enumerate(moves):
            x, y = x + right, y + down
            out.append(tracker.step(n * 0.04, *alike((x * scale, y * scale, scale)), pixel=scale / 50).boxes / scale)
        return np.array(out)

    np.testing.assert_allclose(boxes(height), boxes(100.0), rtol=1e-3, atol=1e-3)


@given(st.data())
def test_two_faces_far_apart_do_not_touch_each_other(data):
    """Each is tracked as if the other were not there."""
    steps = st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=8, max_size=8)
    paths = [np.cumsum([start, *data.draw(steps)], 0) for start in ((200.0, 200.0), (1500.0, 300.0))]
    alone = []
    for path in paths:
        tracker = Tracker(TrackerSettings(), THRESHOLD)
        alone.append([tracker.step(n * 0.04, *alike((*place, 60))).boxes[0] for n, place in enumerate(path)])
    tracker = Tracker(TrackerSettings(), THRESHOLD)
    for n, places in enumerate(zip(*paths, strict=True)):
        seen = tracker.step(n * 0.04, *alike(*((*place, 60) for place in places)))
        assert seen.numbers == (1, 2)
        np.testing.assert_allclose(seen.boxes, [alone[0][n], alone[1][n]], atol=1e-4)


@pytest.mark.parametrize("score", [0.9, 0.5])
@given(st.lists(st.booleans(), min_size=5, max_size=60))
def test_a_row_is_given_exactly_where_the_face_was_seen(score, sightings):
    tracker = Tracker(TrackerSettings(patience=100), THRESHOLD)
    tracker.step(0.0, *alike((100, 100, 50)))
    for n, there in enumerate(sightings, 1):
        assert tracker.step(n * 0.04, *alike(*[(100, 100, 50, score)] * there)).numbers == ((1,) if there else ())
