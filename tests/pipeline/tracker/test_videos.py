"""Real videos from end to end: decoding, detector, tracker."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from pipeline.ingest.file import FileReader
from pipeline.ingest.source import parse_source
from pipeline.messages import Faces, Frame
from pipeline.settings import TrackerSettings
from pipeline.tally import Tally
from pipeline.tracker.align import placements
from pipeline.tracker.detector import Detector
from pipeline.tracker.stage import TrackerStage
from tests.networks import TEMPLATE
from tests.pipeline.tracker.yunet import session

Follow = Callable[..., list[Faces]]


@pytest.fixture(scope="module")
def detector(teacher) -> Detector:
    path = teacher / "yunet_n_dynamic.onnx"
    if not path.is_file():
        pytest.skip(f"no detector at {path}")
    return Detector(session(path), low=0.3, overlap=0.45)


@pytest.fixture
def follow(data: Path, detector: Detector) -> Follow:
    def play(clip: str, *, first: int = 0, last: int = 10_000) -> list[Faces]:
        stage = TrackerStage(detector, TrackerSettings(), 0.6, np.array(TEMPLATE, np.float32), 48, tally := Tally())
        reader = FileReader(parse_source(str(data / clip)), "r1", tally)
        frames = [message for message in islice(reader, first, last) if isinstance(message, Frame)]
        return [faces for faces in stage.process(frames) if isinstance(faces, Faces)]

    return play


def counts(messages: list[Faces]) -> dict[str, int]:
    """Return how many frames show each track."""
    seen: dict[str, int] = {}
    for faces in messages:
        for track in faces.tracks:
            seen[track] = seen.get(track, 0) + 1
    return seen


def test_no_face(follow):
    assert counts(follow("videos/no_face.mp4")) == {}


@pytest.mark.parametrize("clip", ["single_face.mp4", "webcam_man.mp4", "grid_speaker_3.mpg"])
def test_one_face_throughout_is_one_track(follow, clip):
    messages = follow(f"videos/{clip}", last=150)
    assert counts(messages) == {"r1-1": len(messages)}
    assert np.mean([faces.quality[0] for faces in messages]) > 0.6


def test_a_face_that_leaves_ends_its_track(follow):
    messages = follow("videos/face_noface_hevc.mov")
    (seen,) = counts(messages).values()
    last = max(n for n, faces in enumerate(messages) if faces.tracks)
    assert seen == last + 1
    assert [n for n, faces in enumerate(messages) if faces.ended == ("r1-1",)] == [last + 1]


def test_a_runner_is_one_track_from_small_to_large(follow):
    messages = follow("videos/corridor_run.mp4")
    assert len(counts(messages)) == 1
    heights = np.array([faces.boxes[0, 3] for faces in messages if faces.tracks])
    assert heights[0] <= 20
    assert heights[-1] > 250


def test_two_people_who_turn_and_pass(follow):
    seen = counts(follow("videos/chaplin.mp4"))
    assert 2 <= len(seen) <= 4
    assert max(seen.values()) > 120


def test_a_cut_ends_every_track(follow):
    messages = follow("videos/hamilton_cuts.mp4", last=100)
    for cut in (20, 82):
        before, after = messages[cut - 1].tracks, messages[cut].tracks
        assert before
        assert after
        assert not {*before} & {*after}
        assert {*before} <= {*messages[cut].ended}


@pytest.mark.parametrize("clip", ["single_face.mp4", "grid_speaker_3.mpg"])
def test_crops_of_a_still_face_do_not_jitter(follow, clip):
    """The corners of the crop stay within half a px of 48 of their running mean."""
    messages = follow(f"videos/{clip}")[5:]
    placed = np.concatenate([placements(m.landmarks, m.boxes, np.array(TEMPLATE, np.float32), 48) for m in messages])
    scale = np.hypot(placed[:, 0, 0], placed[:, 1, 0])
    corners = np.array([[0, 0, 1], [48, 0, 1], [0, 48, 1], [48, 48, 1]]) @ np.swapaxes(placed, 1, 2)
    corners = corners.reshape(len(corners), -1) / scale.mean()
    width = 7
    mean = np.stack([np.convolve(path, np.full(width, 1 / width), "valid") for path in corners.T], 1)
    jitter = corners[width // 2 : -(width // 2)] - mean
    assert np.sqrt((jitter**2).mean()) < 0.5
