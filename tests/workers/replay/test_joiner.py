"""Parts that are scanned by themselves and then joined give what one uninterrupted reading gives."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.inference.stage import FullBatch
from pipeline.ingest.file import FileReader
from pipeline.ingest.part import Part, Undivided, divide
from pipeline.ingest.source import parse_source
from pipeline.messages import Faces, Scores
from pipeline.settings import TrackerSettings
from pipeline.tally import Tally
from pipeline.tracker.appearance import VALUES
from pipeline.tracker.detector import Detections
from pipeline.tracker.finder import Sighting
from pipeline.tracker.follower import Follower
from pipeline.tracker.tracker import Tracker
from tests.messages import stamp
from tests.workers.films import film
from workers.config import load_config
from workers.engine import Engine
from workers.replay.joiner import Joiner
from workers.replay.scan import Scan, ScannedFrame, rescan, scan


@pytest.fixture(scope="module")
def engine():
    return Engine.load(load_config(None, {"tracker": {"patience": 0.4, "min_quality": 0.05}}))


def in_one_go(engine, source):
    tally = Tally()
    tracker, inference, enough = engine.tracker(tally), engine.inference(), FullBatch(engine.config.emotion.batch)
    outputs, batch = [], []
    for message in FileReader(source, "r1", tally):
        batch += tracker.process([message])
        if enough(batch):
            outputs += inference.process(batch)
            batch = []
    return [message for message in outputs if isinstance(message, Scores)]


def in_parts(engine, source, parts):
    """Scan the parts, the last one first; return what they give together and which frames took a second scan."""
    joiner, joined, again = Joiner(engine.follower()), [], set()
    scans = [scan(engine, source, "r1", part, n, lambda _: False) for n, part in reversed([*enumerate(parts)])]
    for part, one in zip(parts, reversed(scans), strict=True):
        followed = joiner.follow(part, one)
        places = followed.again
        again.update(places)
        found = rescan(engine, source, "r1", part, followed.first, places, lambda: False) if places else {}
        joined += joiner.give(followed, found)
    return joined, again


def assert_same(joined, whole):
    assert len(joined) == len(whole)
    for one, other in zip(joined, whole, strict=True):
        assert replace(one.faces.stamp, arrived=0) == replace(other.faces.stamp, arrived=0)
        assert (one.faces.tracks, one.faces.ended, one.model) == (other.faces.tracks, other.faces.ended, other.model)
        for name in ("boxes", "landmarks", "scores", "quality", "pose"):
            np.testing.assert_array_equal(getattr(one.faces, name), getattr(other.faces, name))
        # The network may add up in another order where batches differ.
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)


TIMES = [2 + n / 25 for n in range(90)]
"""s of the scene: the second face comes at 3 s; nobody is at rest."""


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("b.mp4", {"times": TIMES, "options": {"bf": "3"}}),
        ("open.ts", {"times": TIMES, "options": {"x264-params": "open-gop=1:bframes=3"}}),
        ("vary.mkv", {"times": [time + n % 3 * 0.012 for n, time in enumerate(TIMES) if n % 7]}),
        ("gaps.mp4", {"times": [time for time in TIMES if not 3.4 < time < 4.6]}),
    ],
)
def test_films(engine, tmp_path, name, how):
    source = parse_source(str(film(tmp_path / name, gop=25, **how)))
    parts = divide(source, 4, 0.8)
    assert len(parts) >= 3
    whole = in_one_go(engine, source)
    joined, again = in_parts(engine, source, parts)
    assert_same(joined, whole)
    assert len({track for scores in whole for track in scores.faces.tracks}) >= 2
    assert again  # the tracks that go on over a cut take a second scan


def test_a_recorded_video(engine, data):
    source = parse_source(str(data / "videos" / "face_noface_hevc.mov"))
    assert_same(in_parts(engine, source, divide(source, 4, 1.0))[0], in_one_go(engine, source))


def test_parts_that_do_not_follow_each_other_are_refused(engine, tmp_path):
    source = parse_source(str(film(tmp_path / "a.mp4", TIMES[:75], gop=25)))
    parts = divide(source, 3, 0.8)
    joiner = Joiner(engine.follower())
    joiner.follow(parts[0], scan(engine, source, "r1", parts[0], 0, lambda _: False))
    last = scan(engine, source, "r1", parts[2], 2, lambda _: False)
    with pytest.raises(Undivided, match="not those"):
        joiner.follow(parts[2], last)


def test_a_second_scan_is_short_but_must_see_all(engine, tmp_path):
    source = parse_source(str(film(tmp_path / "a.mp4", TIMES, gop=45)))
    parts = divide(source, 2, 0.8)
    joiner = Joiner(engine.follower())
    first, second = (
        joiner.follow(part, scan(engine, source, "r1", part, n, lambda _: False)) for n, part in enumerate(parts)
    )
    assert len(list(joiner.give(first, {}))) == 45
    # To the last bit: the filters forget where they began by a factor every frame.
    assert 45 in second.again
    assert max(second.again) < 88  # of 45 to 89
    with pytest.raises(Undivided, match="differ"):
        list(joiner.give(second, {}))


def test_scanning_stops_when_told(engine, tmp_path):
    source = parse_source(str(film(tmp_path / "a.mp4", TIMES[:50], gop=25)))
    part, _ = divide(source, 2, 0.8)
    told = []
    assert scan(engine, source, "r1", part, 7, lambda progress: told.append(progress) or len(told) == 3) is None
    assert [(progress.part, progress.frames) for progress in told] == [(7, 1), (7, 2), (7, 3)]


SETTINGS = TrackerSettings(patience=0.3, min_quality=0.3)
THRESHOLD = 0.5

FACE = st.tuples(
    st.floats(0, 600),  # x at first
    st.floats(-300, 300),  # px/s
    st.floats(20, 120),  # side
    st.floats(0.35, 1.0),  # score
    st.integers(0, 2**31),  # when it is not seen, and how its score wavers
)


def sightings(faces, frames, cuts):
    """Draw what a detector sees of faces that cross the picture."""
    seen = []
    for number in range(frames):
        boxes, scores, looks = [], [], []
        for x, speed, side, score, seed in faces:
            chance = np.random.default_rng([seed, number]).uniform(-1, 1, 4)
            if chance[0] > -0.8 + 0.9 * (number // 9 % 3 == seed % 5):  # missed at times, hidden for longer ones
                boxes.append([x + speed * number / 25 + chance[1], 100 + chance[2], side, 1.2 * side])
                scores.append(min(score + 0.15 * chance[3], 1.0))
                looks.append(np.full(VALUES, seed % 100 + 3 * chance[3]))
        array = np.array(boxes, np.float32).reshape(-1, 4)
        points = array[:, None, :2] + array[:, None, 2:] * np.linspace(0.3, 0.7, 10, dtype=np.float32).reshape(5, 2)
        found = Detections(array, points, np.array(scores, np.float32))
        scene = sum(number >= cut for cut in cuts)
        view = np.random.default_rng(scene).integers(0, 256, (24, 32, 3), np.uint8)
        seen.append(Sighting(number / 25, found, 1.0, view, np.array(looks, np.float32).reshape(-1, VALUES)))
    return seen


def described(number, seen):
    """Describe faces by a function of where they are alone, as crops and networks are."""
    rows = [
        np.frombuffer(hashlib.blake2b(box.tobytes() + points.tobytes() + score.tobytes()).digest(), np.uint8)
        for box, points, score in zip(seen.boxes, seen.landmarks, seen.scores, strict=True)
    ]
    values = np.array(rows, np.float32).reshape(-1, 64) / 255
    faces = Faces(
        stamp(number),
        (),
        seen.boxes,
        seen.landmarks,
        seen.scores,
        values[:, 0],
        values[:, 1:4],
        np.zeros((0, 48, 48), np.uint8),
    )
    return Scores(faces, values[:, 4:12], "m@1")


def scanned(sightings, first, end):
    follower = Follower(Tracker(SETTINGS, THRESHOLD))
    frames = []
    for number in range(first, end):
        seen = follower.follow(sightings[number])
        scores = described(number, seen)
        scores = replace(scores, faces=replace(scores.faces, stamp=replace(scores.faces.stamp, frame=number - first)))
        frames.append(ScannedFrame(sightings[number], seen, scores))
    return Scan(frames, end - first, end - 1)


@effort(max_examples=20)
@given(
    faces=st.lists(FACE, min_size=1, max_size=5),
    edges=st.sets(st.integers(1, 79), max_size=4).map(sorted),
    scenes=st.sets(st.integers(1, 79), max_size=2),
)
def test_any_faces_cut_anywhere(faces, edges, scenes):
    seen = sightings(faces, 80, scenes)
    follower, whole = Follower(Tracker(SETTINGS, THRESHOLD)), []
    for number, sighting in enumerate(seen):
        places = follower.follow(sighting)
        scores = described(number, places)
        good = follower.good(scores.faces)
        whole.append(Scores(follower.give(places, scores.faces), scores.probabilities[good], scores.model))

    joiner, joined = Joiner(Follower(Tracker(SETTINGS, THRESHOLD))), []
    for first, end in zip([0, *edges], [*edges, 80], strict=True):
        part = Part(None, None, first - 1 if first else None, 0, 79, 0.04)
        followed = joiner.follow(part, scanned(seen, first, end))
        again = {number: described(number, places) for number, places in followed.again.items()}
        joined += joiner.give(followed, again)
    assert_same(joined, whole)
