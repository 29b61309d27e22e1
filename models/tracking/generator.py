"""Draws scenes of moving faces whose truth is known.

Each scene is a few shots at different places with a cut between them. In each shot heads move over a photo on paths
that cross, and pass behind each other and behind pillars; some leave the picture and return, all change size. The
camera shakes and pans, loses focus and smears for moments; frames come at uneven times and some are missing. One seed,
one scene.

The truth asks for what can be known without recognising people. A face counts while at least ``VISIBLE`` of its box is
in the picture and uncovered; one of which less can be seen counts neither for nor against. It keeps its id until it is
out of sight (less than ``GLIMPSE``) for more than ``truth.ABSENCE`` s, or the scene is cut: then it counts as another.
Nobody appears or vanishes in mid-picture: heads come and go across the picture's edge, since nobody could tell one that
vanished from another that appeared in its place. Blur is no excuse: a smeared face counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from models.tracking.cast import Cutout
from models.tracking.truth import Truth, renewed, truth
from models.tracking.watch import Shown
from pipeline.messages import Bytes

WIDTH: Final = 960
HEIGHT: Final = 540
FPS: Final = 25
SHOTS: Final = 3
SECONDS: Final = 9.0
"""Length of a shot, s."""

VISIBLE: Final = 0.6
"""Share of a face's box that must be in the picture and uncovered for the face to count."""

GLIMPSE: Final = 0.3
"""The same for it to be in sight at all."""

CELL: Final = 4
"""px per cell of the grid on which cover is counted."""

ROAM: Final = 48
"""px by which the background is larger than the picture on every side."""


class Wave(NamedTuple):
    """A value that swings: ``middle + swing * sin(2 pi (time / period + phase))``."""

    middle: float
    swing: float
    period: float
    """s."""
    phase: float

    def at(self, time: float) -> float:
        """Return the value at a time, s."""
        return self.middle + self.swing * float(np.sin(2 * np.pi * (time / self.period + self.phase)))


@dataclass(frozen=True)
class Actor:
    """One head on its way; all in px of a camera at rest."""

    levels: tuple[Cutout, ...]
    """At full size, half size and so on."""
    x: Wave
    y: Wave
    size: Wave
    """Logarithm of the height of the face's box."""
    begin: float
    """When it has come, s from the start of the shot."""
    end: float
    """When it turns to go."""
    enter: float = 0.0
    """px/s along x by which it is faster until ``begin``."""
    leave: float = 0.0
    """px/s along x by which it is faster from ``end`` on."""

    def box(self, time: float) -> tuple[float, float, float, float]:
        """Return x, y, w, h of the face, wherever it is."""
        height = float(np.exp(self.size.at(time)))
        width = height * self.levels[0].box[2] / self.levels[0].box[3]
        x = self.x.at(time) + self.enter * min(time - self.begin, 0) + self.leave * max(time - self.end, 0)
        return x - width / 2, self.y.at(time) - height / 2, width, height


@dataclass(frozen=True)
class Shot:
    """What is between two cuts."""

    actors: tuple[Actor, ...]
    """The nearest to the camera last."""
    background: Bytes
    """(HEIGHT + 2 ROAM, WIDTH + 2 ROAM, 3)"""
    pillars: tuple[tuple[float, float], ...]
    """Left and right edge of each, px; in front of everybody."""
    camera: tuple[tuple[Wave, ...], tuple[Wave, ...]]
    """Shake and pan, px, along x and y."""
    blurs: tuple[tuple[float, float, float, bool], ...]
    """Begin and end, s, strength, px, and whether the picture smears sideways rather than loses focus."""

    def shift(self, time: float) -> tuple[float, float]:
        """Return by how much everything is moved, px."""
        x, y = (sum(wave.at(time) for wave in waves) for waves in self.camera)
        return float(np.clip(x, -ROAM, ROAM)), float(np.clip(y, -ROAM, ROAM))


def shot(people: list[Cutout], background: Bytes | None, rng: np.random.Generator) -> Shot:
    """Invent a shot; without a photo for the background, a smooth one is made up."""
    actors = tuple(_actor(person, rng) for person in people)
    size = (WIDTH + 2 * ROAM, HEIGHT + 2 * ROAM)
    if background is None:
        background = rng.integers(40, 216, (9, 16, 3), np.uint8)
    scene = np.asarray(cv2.resize(background, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    edges = rng.uniform(0, WIDTH, rng.integers(0, 3))
    pillars = tuple((float(edge), float(edge + rng.uniform(40, 110))) for edge in edges)
    still, pan = rng.uniform(0, 1) < 0.3, rng.uniform(0, 1) < 0.4

    def waves() -> tuple[Wave, ...]:
        shake = 0.0 if still else rng.uniform(0.5, 4)
        rates = ((shake, 0.6), (shake / 2, 0.21), (30.0 if pan else 0.0, 7.0))
        return tuple(Wave(0, swing, period * rng.uniform(0.7, 1.4), rng.uniform()) for swing, period in rates)

    blurs = []
    for _ in range(rng.integers(0, 3)):
        begin = rng.uniform(0, SECONDS - 1)
        smears = bool(rng.uniform() < 0.5)
        strength = rng.uniform(7, 19) if smears else rng.uniform(1, 3)
        blurs.append((float(begin), float(begin + rng.uniform(0.2, 1)), float(strength), smears))
    return Shot(actors, scene, pillars, (waves(), waves()), tuple(blurs))


def _actor(person: Cutout, rng: np.random.Generator) -> Actor:
    height = rng.uniform(40, 120)
    # In face heights per second a pedestrian makes about 3 to 6 across the picture, somebody seated hardly any.
    walks = rng.uniform() < 0.65
    speed = height * (rng.uniform(0.8, 3.5) if walks else rng.uniform(0, 0.4))
    period = rng.uniform(5, 14)
    swing = min(speed * period / (2 * np.pi), 0.6 * WIDTH)
    begin = 0.0 if rng.uniform() < 0.7 else rng.uniform(0, SECONDS / 2)
    end = SECONDS if rng.uniform() < 0.7 else begin + rng.uniform(2, SECONDS)
    x = Wave(rng.uniform(0.1, 0.9) * WIDTH, swing, period, rng.uniform())
    # Across the nearer edge.
    enter, leave = (height * rng.uniform(2, 4) * sign for sign in _sides(x, begin, end))
    levels = [person if rng.uniform() < 0.5 else person.mirrored()]
    for _ in range(2):
        levels.append(levels[-1].halved())
    return Actor(
        levels=tuple(levels),
        x=x,
        y=Wave(rng.uniform(0.3, 0.7) * HEIGHT, rng.uniform(0, 0.25) * height, rng.uniform(0.5, 4), rng.uniform()),
        size=Wave(float(np.log(height)), rng.uniform(0, 0.3), rng.uniform(5, 12), rng.uniform()),
        begin=begin,
        end=end,
        enter=enter,
        leave=leave,
    )


def _sides(x: Wave, begin: float, end: float) -> tuple[float, float]:
    """Return the signs of the velocities with which somebody comes and goes across the nearer edge."""
    from_left, to_left = (x.at(time) < WIDTH / 2 for time in (begin, end))
    return 1.0 if from_left else -1.0, -1.0 if to_left else 1.0


def moments(rng: np.random.Generator) -> list[float]:
    """Return the times of a shot's frames, s: 25 a second, uneven by up to a third in half of the shots, some lost."""
    uneven = 0.33 if rng.uniform() < 0.5 else 0.0
    times = []
    lost = 0
    for number in range(round(SECONDS * FPS)):
        if rng.uniform() < 0.01:
            lost = int(rng.integers(1, 7))
        if lost:
            lost -= 1
            continue
        times.append((number + uneven * float(rng.uniform(-1, 1)) / 2) / FPS)
    return times


def scene(seed: int, people: list[Cutout], backgrounds: list[Bytes]) -> Iterator[Shown]:
    """Draw the scene of a seed with some of these people before some of these backgrounds.

    ``backgrounds``: (h, w, 3) photos without faces; may be empty.
    """
    rng = np.random.default_rng(seed)
    plans = []
    places = rng.permutation(len(backgrounds))
    for number in range(SHOTS):
        # In half of the shots two people at least, in the others up to seven.
        count = int(rng.integers(2, 8))
        chosen = [people[number] for number in rng.choice(len(people), min(count, len(people)), replace=False)]
        photo = backgrounds[places[number % len(places)]] if backgrounds else None
        plans.append((shot(chosen, photo, rng), moments(rng)))
    times, truths = [], []
    for number, (plan, instants) in enumerate(plans):
        for instant in instants:
            times.append(number * SECONDS + instant + 1 / FPS)
            truths.append(true_faces(plan, instant, first=100 * number))
    known = iter(zip(times, renewed(times, truths), strict=True))
    for plan, instants in plans:
        for instant in instants:
            time, one = next(known)
            yield Shown(time, draw(plan, instant), one)


def true_faces(plan: Shot, time: float, first: int = 0) -> Truth:
    """Return who is in the picture and how much of each can be seen; ids count from ``first``."""
    dx, dy = plan.shift(time)
    covered = np.zeros((HEIGHT // CELL, WIDTH // CELL), np.uint8)
    for left, right in plan.pillars:
        covered[:, max(0, round((left + dx) / CELL)) : max(0, round((right + dx) / CELL))] = 1
    ids, boxes, counted, glimpsed = [], [], [], []
    for number, actor in reversed(list(enumerate(plan.actors))):
        x, y, w, h = actor.box(time)
        x, y = x + dx, y + dy
        columns = slice(max(0, round(x / CELL)), max(0, round((x + w) / CELL)))
        rows = slice(max(0, round(y / CELL)), max(0, round((y + h) / CELL)))
        free = covered[rows, columns]
        share = (free.size - int(free.sum())) * CELL**2 / (w * h)
        if share > 0:
            ids.append(first + number)
            boxes.append((x, y, w, h))
            counted.append(share >= VISIBLE)
            glimpsed.append(share >= GLIMPSE)
        _cover(covered, actor.levels[0], (x, y, w, h))
    return truth(ids, boxes, counted, glimpsed)


def _cover(covered: NDArray[np.uint8], person: Cutout, box: tuple[float, float, float, float]) -> None:
    matrix = _placement(person, box) / CELL
    size = covered.shape[::-1]
    alpha = np.asarray(cv2.warpAffine(person.alpha, matrix, size, flags=cv2.INTER_LINEAR))
    covered[alpha > 0.5] = 1


def draw(plan: Shot, time: float) -> Bytes:
    """Draw the picture at a time, (HEIGHT, WIDTH, 3) BGR."""
    dx, dy = plan.shift(time)
    canvas = _seen(plan.background, dx, dy)
    for actor in plan.actors:
        x, y, w, h = actor.box(time)
        _paste(canvas, actor, (x + dx, y + dy, w, h))
    for left, right in plan.pillars:
        begin, end = (int(np.clip(round(edge + dx), 0, WIDTH)) for edge in (left, right))
        # A pillar shows what is elsewhere in the background, upside down and darker.
        canvas[:, begin:end] = plan.background[ROAM : ROAM + HEIGHT, begin:end][::-1] // 2
    for begin_time, end_time, strength, smears in plan.blurs:
        if begin_time <= time < end_time:
            canvas = _blurred(canvas, strength, smears=smears)
    return canvas


def _seen(background: Bytes, dx: float, dy: float) -> Bytes:
    matrix = np.array([[1, 0, dx - ROAM], [0, 1, dy - ROAM]])
    moved = cv2.warpAffine(background, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def _placement(person: Cutout, box: tuple[float, float, float, float]) -> NDArray[np.float64]:
    """(2, 3) map from the cut-out to the picture that puts its face into the box."""
    across, down = box[2] / person.box[2], box[3] / person.box[3]
    return np.array([[across, 0, box[0] - person.box[0] * across], [0, down, box[1] - person.box[1] * down]])


def _paste(canvas: Bytes, actor: Actor, box: tuple[float, float, float, float]) -> None:
    person = next((level for level in actor.levels if level.box[3] < 2 * box[3]), actor.levels[-1])
    matrix = _placement(person, box)
    rows, columns = person.alpha.shape
    near = np.floor(matrix[:, 2]).astype(int)
    far = np.ceil(matrix @ (columns, rows, 1)).astype(int)
    near, far = np.maximum(near, 0), np.minimum(far, (WIDTH, HEIGHT))
    if (near >= far).any():
        return
    matrix[:, 2] -= near
    size = (far - near).tolist()
    head = cv2.warpAffine(person.image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = np.asarray(cv2.warpAffine(person.alpha, matrix, size, flags=cv2.INTER_LINEAR))[:, :, None]
    part = canvas[near[1] : far[1], near[0] : far[0]]
    part[:] = part + (np.asarray(head, np.float32) - part) * alpha


def _blurred(canvas: Bytes, strength: float, *, smears: bool) -> Bytes:
    if smears:
        return np.asarray(cv2.blur(canvas, (round(strength), 1)), np.uint8)
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), strength), np.uint8)
