"""A small scene, the real detector and the real tracker."""

import itertools
import sys

import numpy as np
import pytest

from models.tracking import generator
from models.tracking.cast import cast
from models.tracking.evaluate import Scenes
from models.tracking.generator import HEIGHT, ROAM, WIDTH, Actor, Shot, Wave, draw, true_faces
from models.tracking.measures import measure
from models.tracking.trial import RATES, SEARCHES, VARIANTS, WHOLE, run, thinned
from models.tracking.truth import truth
from models.tracking.watch import MISSED, Shown, Watched, flawless, watch
from pipeline.settings import DetectorSettings, PipelineSettings, TrackerSettings
from pipeline.tracker import association, kalman
from pipeline.tracker.appearance import VALUES
from pipeline.tracker.detector import Detections
from pipeline.tracker.overlap import iou
from pipeline.tracker.tracker import Tracker
from tests.pipeline.tracker.found import found
from workers.scene import portrait

FPS = 25
NONE = np.empty((0, VALUES), np.float32)


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return Scenes(PipelineSettings(), None)


@pytest.fixture(scope="module")
def walk(scenes) -> list[Watched]:
    """Two people walk towards each other and pass; a pillar hides one of them for a moment."""
    rng = np.random.default_rng(0)
    people = cast(scenes.judge, None, rng, 2)

    def walker(number: int, x: float, swing: float, y: float) -> Actor:
        levels = (people[number], people[number].halved())
        return Actor(levels, Wave(x, swing, 8, 0), Wave(y, 5, 1, number / 2), Wave(np.log(90), 0.1, 5, 0), 0, 9)

    background = np.full((HEIGHT + 2 * ROAM, WIDTH + 2 * ROAM, 3), 120, np.uint8)
    rest = (Wave(0, 2, 0.6, 0),)
    shot = Shot((walker(0, 500, -250, 150), walker(1, 460, 250, 370)), background, ((570, 640),), (rest, rest), ())
    times = [number / FPS for number in range(4 * FPS)]
    shown = (Shown(time, draw(shot, time), true_faces(shot, time)) for time in times)
    return watch(shown, scenes.detector, scenes.settings.detector)


def test_the_scenes_are_the_same_whichever_detector_watches(scenes, monkeypatch):
    monkeypatch.setattr(generator, "SECONDS", 2.0)
    blind = Scenes(PipelineSettings(detector=DetectorSettings(low=0.99, threshold=0.99, overlap=0.99)), None)
    ours, theirs = (one.generated([7]).scenes[0][::20] for one in (scenes, blind))
    assert sum(len(frame.found.scores) for frame in ours) > 0 == sum(len(frame.found.scores) for frame in theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one.thumbnail, other.thumbnail)
        np.testing.assert_array_equal(one.truth.boxes, other.truth.boxes)


@pytest.mark.parametrize("rate", RATES)
def test_two_people_who_pass_keep_their_ids(scenes, walk, rate):
    found = measure([run(thinned(walk, rate, 0), WHOLE, TrackerSettings(), scenes.threshold).frames])
    assert found.idf1 >= 0.95
    assert found.switches == 0
    assert found.iou > 0.7


def test_rows_only_where_a_face_was_seen_and_few_tracks_in_mind(scenes, walk):
    tracker = Tracker(TrackerSettings(), scenes.threshold)
    ended: set[int] = set()
    for again, frame in itertools.product(range(3), walk):
        seen = tracker.step(10.0 * again + frame.pts, frame.found, frame.appearances, pixel=frame.pixel)
        assert len(seen.numbers) <= len(frame.found.scores)
        # A number that has ended never comes back.
        ended.update(seen.ended)
        assert not ended.intersection(seen.numbers)
        assert len(tracker.memory.tracks) <= 4
    assert len(ended) >= 4


def watched(step: float, count: int) -> list[Watched]:
    nobody = Detections(np.empty((0, 4), np.float32), np.empty((0, 5, 2), np.float32), np.empty(0, np.float32))
    none = truth((), [], [])
    view = np.zeros((24, 32, 3), np.uint8)
    return [Watched(step * number, nobody, NONE, view, 1, none, 0.01, (nobody, NONE)) for number in range(count)]


def test_a_flawless_detector_finds_who_is_in_sight(walk):
    found = flawless(walk)
    seen = sum(len(frame.found.scores) for frame in found)
    there = sum(int(frame.truth.glimpsed.sum()) for frame in found)
    assert seen / there == pytest.approx(1 - MISSED, abs=0.03)
    for frame in found:
        assert frame.appearances.shape == (len(frame.found.scores), VALUES)
        if len(frame.found.scores):
            assert iou(frame.truth.boxes, frame.found.boxes).max(0).min() > 0.7
            points = frame.found.landmarks
            corners = frame.found.boxes[:, None, :2]
            assert ((points > corners) & (points < corners + frame.found.boxes[:, None, 2:])).all()


def test_seldom_searched_faces_are_still_followed(scenes, walk):
    every, *fewer = (run(walk, variant, TrackerSettings(), scenes.threshold) for variant in SEARCHES)
    whole = measure([every.frames])
    for less in fewer:
        found = measure([less.frames])
        assert less.seconds < every.seconds
        assert found.idf1 > whole.idf1 - 0.1
        assert found.iou > 0.65


def test_rates_leave_out_what_they_say():
    frames = watched(1 / FPS, 2500)
    every, five, few = (thinned(frames, rate, 7) for rate in RATES)
    assert every == frames
    assert len(few) == pytest.approx(750, abs=75)
    assert len(five) == pytest.approx(500, abs=25)
    steps = np.diff([frame.pts for frame in five])
    assert 0.07 < steps.min() < 0.13
    assert 0.26 < steps.max() < 0.33


def test_switched_off_parts_are_on_again_afterwards(scenes, walk):
    before = (association.REACH, association.GROWTH, kalman.transition)
    for variant in VARIANTS:
        run(walk[:20], variant, TrackerSettings(), scenes.threshold)
    assert (association.REACH, association.GROWTH, kalman.transition) == before


HERE, BESIDE, THERE, BACK = (100, 100, 50), (160, 100, 50), (240, 100, 50), (130, 100, 50)
"""Faces: centre x and y, height, px."""

TELLING = {
    "no second round (low scores)": [(10, HERE), (5, (*HERE, 0.5))],
    "no motion model (faces expected where they were)": [(1, (100 + 8 * n, 100, 50)) for n in range(10)],
    "time counted in frames, not true": [(10, HERE), (-100,), (5, HERE)],
    "no gates on distance and growth": [(10, HERE), (10,), (5, (350, 100, 50))],
    # Something hides it bit by bit.
    "no recovery from last place and pace": [
        (20, HERE), *((1, (100, 100, 50 - 6 * n)) for n in range(1, 4)), (10,), (5, HERE)
    ],
    "no appearance (motion alone)": [(10, HERE, BESIDE), (10,), (5, BESIDE, HERE)],
    "tracks begin within others' boxes at once": [(10, (100, 100, 100)), (5, (100, 100, 100), (110, 110, 30))],
    "second numbers of returned faces are kept": [
        (10, HERE), (10, THERE), (12,), *[(1, BACK), (5,)] * 3, (3, THERE)
    ],
    "no re-activation": [(10, HERE), (1,), (5, HERE)],
    "no cut detection": [(10, HERE), (5, BACK)],
}  # fmt: skip
"""Scenes for which every part is needed: so many frames, and their faces; below 0, frames that are missing."""


def seen(parts) -> list[Watched]:
    """Let a detector see each face; the first named and the second look unlike. Every part shows another place."""
    frames, number = [], 0
    rng = np.random.default_rng(0)
    for count, *faces in parts:
        boxes, view = found(*faces), rng.integers(0, 256, (24, 32, 3), np.uint8)
        appearances = np.array([np.full(VALUES, 200.0 * row) for row in range(len(faces))], np.float32).reshape(
            -1, VALUES
        )
        true = truth(range(len(faces)), boxes.boxes, [True] * len(faces))
        for _ in range(abs(count)):
            if count > 0:
                frames.append(Watched(number / FPS, boxes, appearances, view, 1, true, 0.01, (boxes, appearances)))
            number += 1
    return frames


@pytest.mark.parametrize("variant", VARIANTS[1:], ids=lambda variant: variant.name)
def test_without_its_part_the_tracker_does_something_else(variant):
    frames = seen(TELLING[variant.name])
    if variant.name != "no cut detection":
        frames = [frame._replace(thumbnail=frames[0].thumbnail) for frame in frames]
    whole, less = (run(frames, one, TrackerSettings(), 0.6).frames for one in (WHOLE, variant))
    assert any(
        one.given != other.given or not np.array_equal(one.similarity, other.similarity)
        for one, other in zip(whole, less, strict=True)
    )


def test_a_portrait_is_cut_out_round_its_face(scenes):
    head = cast(scenes.judge, None, np.random.default_rng(0), 1)[0]
    x, y, w, h = head.box
    assert head.image.shape[:2] == head.alpha.shape
    assert max(head.image.shape) < max(portrait().shape)
    middle = head.alpha[round(y + h / 2), round(x + w / 2)]
    assert (middle, head.alpha[0, 0]) == (1, 0)


def test_the_command_without_its_library_says_how_to_get_it(monkeypatch, capsys):
    from workers.cli import main

    monkeypatch.setitem(sys.modules, "motmetrics", None)
    monkeypatch.setattr(sys, "argv", ["affectstream", "evaluate", "tracking"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "pip install '.[evaluate]'" in capsys.readouterr().err
