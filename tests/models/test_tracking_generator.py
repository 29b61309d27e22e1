"""The generator draws what its truth says, the same for every run of a seed."""

import itertools

import cv2
import numpy as np
import pytest

from models.tracking.cast import Cutout, cut_out
from models.tracking.generator import (
    FPS,
    HEIGHT,
    ROAM,
    SECONDS,
    SHOTS,
    WIDTH,
    Actor,
    Shot,
    Wave,
    draw,
    moments,
    scene,
    shot,
    true_faces,
)

GRAY = np.full((HEIGHT + 2 * ROAM, WIDTH + 2 * ROAM, 3), 128, np.uint8)


def person(colour: tuple[int, int, int] = (0, 0, 255)) -> Cutout:
    """A square face of one colour."""
    image = np.full((200, 200, 3), 30, np.uint8)
    image[60:140, 60:140] = colour
    return cut_out(image, (60, 60, 80, 80))


def actor(x: float, y: float = 200, height: float = 80, *, sweep: float = 0.0, cutout: Cutout | None = None) -> Actor:
    still = cutout or person()
    levels = (still, still.halved())
    return Actor(levels, Wave(x, sweep, 4, 0), Wave(y, 0, 1, 0), Wave(float(np.log(height)), 0, 1, 0), 0, SECONDS)


def plan(*actors: Actor, pillars: tuple[tuple[float, float], ...] = (), shake: float = 0.0) -> Shot:
    waves = (Wave(0, shake, 1, 0.25),)
    return Shot(actors, GRAY, pillars, (waves, waves), ())


@pytest.mark.parametrize("height", [30.0, 80.0, 130.0])
@pytest.mark.parametrize("shake", [0.0, 10.0])
def test_a_face_is_drawn_where_the_truth_says(height, shake):
    shot = plan(actor(400, height=height, sweep=150), shake=shake)
    for time in (0.0, 0.7, 2.3):
        red = draw(shot, time)[:, :, 2] > 200
        rows, columns = np.nonzero(red)
        drawn = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        np.testing.assert_allclose(true_faces(shot, time).boxes[0], drawn, atol=2)


def test_who_is_in_front_covers_and_counts():
    back, front = actor(300), actor(320, cutout=person((0, 255, 0)))
    seen = true_faces(plan(back, front), 0)
    assert dict(zip(seen.ids, seen.counted, strict=True)) == {0: False, 1: True}
    apart = true_faces(plan(back, actor(600)), 0)
    assert dict(zip(apart.ids, apart.counted, strict=True)) == {0: True, 1: True}


def test_a_pillar_hides_a_face_in_part_and_then_wholly():
    for edge, expected in ((200, [True]), (300, [False]), (400, [])):
        assert true_faces(plan(actor(300), pillars=((180, edge),)), 0).counted.tolist() == expected


@pytest.mark.parametrize(("x", "expected"), [(40, [True]), (10, [True]), (-10, [False]), (-60, [])])
def test_a_face_counts_while_enough_of_it_is_in_the_picture(x, expected):
    assert true_faces(plan(actor(x)), 0).counted.tolist() == expected


@pytest.mark.parametrize(("edge", "expected"), [(290, True), (310, False)])
def test_a_face_covered_in_part_is_still_in_sight(edge, expected):
    # The face reaches from 260 to 340.
    truth = true_faces(plan(actor(300), pillars=((180, edge + 10),)), 0)
    assert (truth.counted.tolist(), truth.glimpsed.tolist()) == ([False], [expected])


def test_nobody_appears_or_vanishes_in_mid_picture():
    people = [person()] * 7
    comings = 0
    for seed in range(20):
        for one in shot(people, None, np.random.default_rng(seed)).actors:
            places = [one.box(time) for time in np.arange(0, SECONDS, 0.02)]
            heights = np.array([h for _, _, _, h in places])
            steps = np.diff([x + w / 2 for x, _, w, _ in places]) / heights[1:]
            assert np.abs(steps).max() < 9 * 0.02
            if one.begin > 4:
                comings += 1
                x, _, w, h = places[0]
                assert one.enter * (one.x.at(one.begin) - WIDTH / 2) < 0  # from the nearer edge
                assert abs(x + w / 2 - one.x.at(0)) > 8 * h / 1.5
    assert comings


def test_times_rise_and_some_frames_are_lost():
    for seed in range(5):
        times = moments(np.random.default_rng(seed))
        assert 0.7 * SECONDS * FPS < len(times) <= SECONDS * FPS
        assert min(later - earlier for earlier, later in itertools.pairwise(times)) > 0.02


def test_one_seed_is_one_scene():
    people = [person((0, 0, 200 + number)) for number in range(8)]

    def first(seed: int) -> list:
        return list(itertools.islice(scene(seed, people, []), 3))

    for one, other in zip(first(3), first(3), strict=True):
        assert one.pts == other.pts
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.truth.boxes, other.truth.boxes)
    assert not np.array_equal(first(3)[0].image, first(4)[0].image)


def test_nobody_lives_through_a_cut():
    people = [person((0, 0, 200 + number)) for number in range(8)]
    shots = [set() for _ in range(SHOTS)]
    for frame in itertools.islice(scene(3, people, []), 0, None, 10):
        shots[min(int((frame.pts - 1 / FPS + 0.01) / SECONDS), SHOTS - 1)].update(frame.truth.ids)
    assert all(shots)
    assert not any(one & other for one, other in itertools.combinations(shots, 2))


def test_a_mirrored_head_has_its_face_on_the_other_side():
    whole = person()
    turned = whole.mirrored()
    x, _, w, _ = whole.box
    assert turned.box[0] == pytest.approx(whole.image.shape[1] - x - w)
    np.testing.assert_array_equal(cv2.flip(turned.image, 1), whole.image)
