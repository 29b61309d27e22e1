import msgspec
import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.errors import StateError
from pipeline.messages import Clock, End, Faces, Frame, Stamp
from pipeline.settings import TrackerSettings
from pipeline.state import pack, unpack
from pipeline.tally import Count, Tally
from pipeline.tracker.detector import Detector
from pipeline.tracker.follower import LAYOUT
from pipeline.tracker.stage import TrackerStage
from tests.networks import TEMPLATE
from tests.pipeline.tracker.yunet import SIDE, network, picture

HEIGHT = SIDE * 8
"""Height of every face in the detector's picture, px."""


@pytest.fixture(scope="module")
def session() -> ort.InferenceSession:
    return network(strides=[8])


@pytest.fixture
def tally() -> Tally:
    return Tally()


def stage(
    session: ort.InferenceSession, settings: TrackerSettings | None = None, tally: Tally | None = None, every: int = 1
):
    return TrackerStage(
        Detector(session, low=0.3, overlap=0.45),
        settings or TrackerSettings(),
        threshold=0.6,
        template=np.array(TEMPLATE, np.float32),
        size=48,
        tally=tally or Tally(),
        every=every,
    )


@pytest.fixture
def make(session, tally):
    return lambda settings=None: stage(session, settings, tally)


def frame(
    number: int,
    *faces: tuple[int, int, int],
    source: str = "door",
    run: str = "r1",
    shown: tuple[int, int] = (256, 192),
    flat: bool = False,
    scene: int = 0,
    min_face: float = 20.0,
) -> Frame:
    """Make a frame with bright cells (column, row, brightness); its detector's picture is 128 x 96.

    ``flat``: without any detail. ``scene``: another background, which the network does not see.
    """
    width, height = shown
    rng = np.random.default_rng(number)
    luma = np.full((height, width), 128, np.uint8) if flat else rng.integers(0, 256, (height, width), np.uint8)
    image = picture(96, 128, *faces)
    image[:, :, 1:] = np.random.default_rng(scene).integers(0, 256, (12, 16, 2), np.uint8).repeat(8, 0).repeat(8, 1)
    stamp = Stamp(source, run, number, number * 0.04, 0, Clock.FILE, 0)
    return Frame(stamp, width, height, luma, True, image, min_face)


FACE = (5, 5, 255)


def test_boxes_and_landmarks_are_in_px_of_the_displayed_frame(make):
    (faces,) = make().process([frame(0, FACE, shown=(256, 384))])
    assert isinstance(faces, Faces)
    # The picture is stretched: 2 px of the frame to one across, 4 down.
    expected = [[80 - HEIGHT, 160 - 2 * HEIGHT, 2 * HEIGHT, 4 * HEIGHT]]
    np.testing.assert_allclose(faces.boxes, expected, rtol=1e-5)
    np.testing.assert_allclose(faces.landmarks[0], [(80 + 16 * n, 160 - 32 * n) for n in range(5)], atol=1e-3)


def test_every_array_has_a_row_per_face(make, tally):
    (faces,) = make().process([frame(0, FACE, (12, 8, 230))])
    assert faces.tracks == ("r1-1", "r1-2")
    shapes = [
        array.shape for array in (faces.boxes, faces.landmarks, faces.scores, faces.quality, faces.pose, faces.crops)
    ]
    assert shapes == [(2, 4), (2, 5, 2), (2,), (2,), (2, 3), (2, 48, 48)]
    assert {array.dtype for array in (faces.boxes, faces.landmarks, faces.scores, faces.quality, faces.pose)} == {
        np.dtype(np.float32)
    }
    assert faces.crops.dtype == np.uint8
    assert tally.of("door")[Count.FACES] == 2


def test_a_frame_without_faces_still_gives_its_message(make, tally):
    (faces,) = make().process([frame(0)])
    assert faces.tracks == ()
    assert (faces.boxes.shape, faces.landmarks.shape, faces.crops.shape) == ((0, 4), (0, 5, 2), (0, 48, 48))
    assert faces.stamp == frame(0).stamp
    assert tally.of("door")[Count.FACES] == 0


def test_a_step_that_fails_counts_nothing_because_it_is_repeated(make, tally):
    broken = replace(frame(1, FACE), image=np.zeros((96, 128, 4), np.uint8))
    with pytest.raises(ValueError, match="shape"):
        make().process([frame(0, FACE), broken])
    assert tally.of("door")[Count.FACES] == 0


def test_boxes_are_clipped_to_the_frame(make):
    (faces,) = make().process([frame(0, (1, 1, 255))])
    np.testing.assert_allclose(faces.boxes, [[0, 0, 16 + HEIGHT, 16 + HEIGHT]], atol=1e-4)
    assert faces.quality[0] < 1


def test_faces_well_below_the_smallest_wanted_are_left_out(make):
    assert make().process([frame(0, FACE, min_face=2 * HEIGHT)])[0].tracks == ("r1-1",)
    assert make().process([frame(0, FACE, min_face=4 * HEIGHT)])[0].tracks == ()


def test_faces_below_the_quality_wanted_give_no_row(make):
    clear, flat = make(TrackerSettings(min_quality=0.1)).process([frame(0, FACE), frame(1, FACE, flat=True)])
    assert (clear.tracks, flat.tracks) == (("r1-1",), ())
    assert (flat.boxes.shape, flat.quality.shape, flat.crops.shape) == ((0, 4), (0,), (0, 48, 48))


def test_a_track_that_never_gave_a_row_does_not_end_either(make):
    stage = make(TrackerSettings(min_quality=0.1, patience=0.1))
    messages = stage.process([frame(0, FACE, flat=True), *(frame(n) for n in range(1, 10))])
    assert not any(message.ended for message in messages)


def test_the_end_of_a_track_is_told_once_and_at_the_frame_that_shows_it(make):
    messages = make(TrackerSettings(patience=0.1)).process([frame(0, FACE), *(frame(n) for n in range(1, 8))])
    assert [message.ended for message in messages] == [(), (), (), ("r1-1",), (), (), (), ()]


def test_three_hundred_faces_in_one_frame(make):
    cells = [(5 * (n % 20) + 4, 5 * (n // 20) + 4, 255) for n in range(300)]
    image, stage = picture(640, 832, *cells), make()
    for number in range(3):
        one = frame(number)
        (faces,) = stage.process([msgspec.structs.replace(one, image=image, width=1664, height=1280)])
        assert faces.tracks == tuple(f"r1-{n + 1}" for n in range(300))
        assert faces.crops.shape == (300, 48, 48)
        assert len(np.unique(faces.boxes.round(), axis=0)) == 300


def test_sources_and_runs_interleave_without_touching_each_other(make, tally):
    runs = [("door", "r1"), ("hall", "r2"), ("door", "r3")]
    inputs = [frame(n, FACE, source=source, run=run) for n in range(5) for source, run in runs]
    messages = make().process(inputs)
    assert [message.stamp for message in messages] == [message.stamp for message in inputs]
    assert [message.tracks for message in messages] == [(f"{run}-1",) for _ in range(5) for _, run in runs]
    assert (tally.of("door")[Count.FACES], tally.of("hall")[Count.FACES]) == (10, 5)


def test_after_its_end_a_run_is_forgotten(make):
    stage = make()
    end = End("door", "r1", complete=True)
    first, other, ended, again = stage.process([frame(0, FACE), frame(0, FACE, source="hall"), end, frame(1, FACE)])
    assert ended == end
    assert first.tracks == other.tracks == again.tracks == ("r1-1",)
    (kept,) = stage.process([frame(1, FACE, source="hall")])
    assert kept.tracks == ("r1-1",)
    assert stage.process([End("never", "seen", complete=False)]) == [End("never", "seen", complete=False)]


def test_a_new_scene_ends_every_track(make):
    first, second = make().process([frame(0, FACE), frame(1, FACE, scene=1)])
    assert (first.tracks, second.tracks, second.ended) == (("r1-1",), ("r1-2",), ("r1-1",))


def test_one_by_one_or_all_at_once_is_the_same(make):
    inputs = [frame(n, (5 + n % 3, 5, 255)) for n in range(6)]
    together = make().process(inputs)
    stage = make()
    for message, alone in zip(together, (stage.process([one])[0] for one in inputs), strict=True):
        assert message.tracks == alone.tracks
        np.testing.assert_array_equal(message.boxes, alone.boxes)
        np.testing.assert_array_equal(message.crops, alone.crops)


class Counting(Detector):
    """Counts how often it is asked."""

    asked = 0

    def __call__(self, image):
        self.asked += 1
        return super().__call__(image)


@pytest.fixture
def seldom(session):
    """Make a stage that searches every n-th frame, and the detector that it asks."""

    def make(every: int) -> tuple[TrackerStage, Counting]:
        detector = Counting(session, low=0.3, overlap=0.45)
        return TrackerStage(
            detector, TrackerSettings(), 0.6, np.array(TEMPLATE, np.float32), 48, Tally(), every
        ), detector

    return make


@pytest.mark.parametrize("every", [1, 2, 3, 5])
def test_faces_are_carried_on_between_detections(seldom, every):
    follow, detector = seldom(every)
    shown = follow.process([frame(n, FACE) for n in range(11)])
    assert detector.asked == -(-11 // every)
    assert [faces.tracks for faces in shown] == [("r1-1",)] * 11
    for faces in shown:
        np.testing.assert_allclose(faces.boxes, shown[0].boxes, atol=0.1)
        assert faces.scores == pytest.approx(shown[0].scores)
        assert faces.crops.shape == (1, 48, 48)


def test_who_comes_or_goes_between_detections_waits_for_the_next(seldom):
    follow, _ = seldom(3)
    inputs = [frame(n, *[FACE] * (n < 7), *[(12, 9, 255)] * (n >= 4)) for n in range(12)]
    tracks = [faces.tracks for faces in follow.process(inputs)]
    assert tracks == [("r1-1",)] * 6 + [("r1-1", "r1-2")] * 3 + [("r1-2",)] * 3


def test_a_new_scene_is_searched_at_once(seldom):
    follow, detector = seldom(5)
    shown = follow.process([frame(n, FACE, scene=n // 2) for n in range(4)])
    assert [faces.tracks for faces in shown] == [("r1-1",)] * 2 + [("r1-2",)] * 2
    assert detector.asked == 2


def test_nobody_is_carried_on_for_long(seldom):
    follow, detector = seldom(100)
    shown = follow.process([frame(6 * n, FACE) for n in range(4)])  # 0.24 s apart
    assert detector.asked == 2
    assert [faces.tracks for faces in shown] == [("r1-1",)] * 4


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["r1", "r2", "r3"]),
        st.lists(st.tuples(st.integers(1, 14), st.integers(1, 10), st.integers(150, 255)), max_size=3),
        st.integers(1, 12),
        st.integers(0, 1),
        st.booleans(),
    ),
    min_size=1,
    max_size=14,
)
"""Of each frame: run, faces, frames since the last one, scene; then whether it is flat or, without faces, an end."""


def messages(moves) -> list[Frame | End]:
    sequence, number = [], 0
    for run, faces, gap, scene, flat in moves:
        number += gap
        if flat and not faces:
            sequence.append(End("door", run, complete=True))
        else:
            sequence.append(frame(number, *faces, run=run, scene=scene, flat=flat))
    return sequence


@effort(deadline=None, max_examples=60)
@given(moves=MOVES, data=st.data())
def test_a_stage_goes_on_from_a_state_to_the_bit(session, moves, data):
    inputs = messages(moves)
    settings = TrackerSettings(min_quality=0.1, patience=0.5, confirm=0.1)
    every = data.draw(st.integers(1, 4))
    expected = stage(session, settings, every=every).process(inputs)
    restarts = data.draw(st.sets(st.integers(0, len(inputs))))
    current, outputs = stage(session, settings, every=every), []
    for number, message in enumerate(inputs):
        if number in restarts:
            state = current.state()
            current = stage(session, settings, every=every)
            current.restore(state)
            assert current.state() == state
        outputs += current.process([message])
    assert pack("outputs", 0, outputs) == pack("outputs", 0, expected)


def test_a_state_is_small_and_does_not_grow_with_past_tracks(make):
    faces = [(3 * n + 1, 5 * m + 2, 255) for n in range(5) for m in range(2)]
    tracker = make(TrackerSettings(patience=0.1))
    for begun in range(0, 100, 10):
        (shown,) = tracker.process([frame(begun, *faces)])
        assert len(shown.tracks) == 10
        size = len(tracker.state())
        assert size < 14_000
        tracker.process([frame(begun + n) for n in range(1, 5)])
        assert len(tracker.state()) < 3000
    tracker.process([End("door", "r1", complete=True)])
    assert len(tracker.state()) < 20


def test_restoring_forgets_what_was_remembered(make):
    tracker, fresh = make(), make()
    tracker.process([frame(0, FACE)])
    tracker.restore(fresh.state())
    assert tracker.process([frame(1, FACE)])[0].tracks == ("r1-1",)


def test_a_state_of_another_version_changes_nothing(make):
    tracker = make()
    tracker.process([frame(0, FACE)])
    before = tracker.state()
    other = pack("tracker", LAYOUT + 1, unpack(before, "tracker", LAYOUT, list))
    with pytest.raises(StateError, match=f"version {LAYOUT + 1} of the tracker's"):
        tracker.restore(other)
    with pytest.raises(StateError, match="damaged"):
        tracker.restore(before[:-1])
    assert tracker.state() == before
