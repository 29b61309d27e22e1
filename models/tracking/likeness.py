"""Fit what appearance tells of who is who: `python -m models.tracking.likeness --data DATA`.

A pair is what a face looked like over a second, and what a face looks like up to ``LATER`` s from then: the same, or
another. Pairs come from recordings (``DATA/videos`` and ``DATA/tracks``), where the tracker says who is who and the
other face is one of the same recording, or of another where there is nobody else; and from generated scenes, where the
truth says it. Faces in recordings turn and hardly cross, drawn ones cross and do not turn: each half counts as much.

For each number of cells that count, logistic regression gives the difference at which a pair is as likely one face as
two (``appearance.ALIKE``) and the slope, and the loss says how well the two are told apart (nats a pair; 0.69 is
chance).
"""

import argparse
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize

from models.program import run
from models.tracking.evaluate import Scenes
from models.tracking.measures import MATCH
from models.tracking.truth import truth
from models.tracking.watch import Shown, Watched, watch
from pipeline.errors import InputError
from pipeline.messages import Floats
from pipeline.settings import PipelineSettings
from pipeline.tracker.appearance import CELLS, COVERED, SURE, covered
from pipeline.tracker.finder import Sighting
from pipeline.tracker.follower import Follower
from pipeline.tracker.kalman import Doubles
from pipeline.tracker.overlap import iou
from pipeline.tracker.tracker import Tracker

KEPT: Final = (4, 6, 8, 10, 12, 16)
"""Numbers of cells to try."""

LATER: Final = 2.5
"""s."""

FRAMES: Final = 500
"""Of a recording that are read."""

DRAWN: Final = 600
"""Sightings of a recording or scene that pairs are begun with."""


class Sightings(NamedTuple):
    """Every time that somebody was seen, n in all, in one recording or scene."""

    times: Doubles
    """(n,) s."""
    people: NDArray[np.intp]
    """(n,)"""
    appearances: Floats
    """(n, ``appearance.VALUES``)"""
    clear: NDArray[np.bool_]
    """(n,) whether nobody else's box covers it."""


class Pairs(NamedTuple):
    """n pairs: mean squared differences per cell, (n, CELLS²), and whether both are one face, (n,)."""

    squares: Doubles
    one: NDArray[np.bool_]


def recorded(path: Path, scenes: Scenes) -> Sightings:
    """Follow the faces of a recording.

    Raises:
        InputError: it cannot be read.
    """
    follower = Follower(Tracker(scenes.settings.tracker, scenes.threshold))
    rows: list[tuple[float, int, Floats, bool]] = []
    for frame in watch(_frames(path), scenes.detector, scenes.settings.detector):
        seen = follower.follow(Sighting(frame.pts, frame.found, frame.pixel, frame.thumbnail, frame.appearances))
        rows += _owned(frame, seen.numbers, seen.boxes)
    return _sightings(rows)


def _frames(path: Path) -> Iterator[Shown]:
    """Decode a recording's first frames, one at a time: in full size they are many gigabytes."""
    nobody = truth([], [], [])
    try:
        with av.open(str(path)) as container:
            for frame in islice(container.decode(video=0), FRAMES):
                yield Shown(frame.time or 0.0, np.asarray(frame.to_ndarray(format="bgr24"), np.uint8), nobody)
    except (OSError, av.FFmpegError) as error:
        raise InputError(f"{str(path)!r} cannot be read: {error}") from error


def generated(frames: Sequence[Watched]) -> Sightings:
    """Take who is who from the truth of a scene."""
    return _sightings([row for frame in frames for row in _owned(frame, frame.truth.ids, frame.truth.boxes)])


def _owned(frame: Watched, people: Sequence[int], boxes: Floats) -> Iterator[tuple[float, int, Floats, bool]]:
    """Give each detection to the person whose box it is nearest to."""
    if not len(people) or not len(frame.found.boxes):
        return
    shared = iou(boxes, frame.found.boxes)
    free = covered(frame.found.boxes) <= COVERED
    for column, row in enumerate(shared.argmax(0)):
        if shared[row, column] >= MATCH:
            yield frame.pts, people[row], frame.appearances[column], bool(free[column])


def _sightings(rows: Sequence[tuple[float, int, Floats, bool]]) -> Sightings:
    times, people, views, clear = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Sightings(
        np.array(times, float), np.array(people, np.intp), np.array(views, np.float32), np.array(clear, bool)
    )


def pairs(seen: Sightings, strangers: Floats, rng: np.random.Generator) -> Pairs:
    """Pair sightings with later ones; ``strangers``, (m, VALUES), stand in where nobody else is there."""
    squares, one = [], []
    for number in rng.permutation(len(seen.times))[:DRAWN]:
        elapsed = seen.times - seen.times[number]
        same = seen.people == seen.people[number]
        known = same & seen.clear & (elapsed <= 0) & (elapsed > -1)
        if known.sum() < 3:
            continue
        known_as = seen.appearances[known].mean(0)
        later = (elapsed > 0.2) & (elapsed <= LATER)
        for candidates, is_same in ((seen.appearances[later & same], True), (seen.appearances[later & ~same], False)):
            pool = candidates if len(candidates) or is_same else strangers
            if len(pool):
                difference = (known_as - pool[rng.integers(len(pool))]) ** 2
                squares.append(difference.reshape(CELLS * CELLS, -1).mean(1))
                one.append(is_same)
    return Pairs(np.array(squares, float).reshape(-1, CELLS * CELLS), np.array(one, bool))


def joined(parts: Sequence[Pairs]) -> Pairs:
    """Put pairs together."""
    return Pairs(np.concatenate([part.squares for part in parts]), np.concatenate([part.one for part in parts]))


class Fit(NamedTuple):
    """The likeliest constants, and the loss per pair in each group, nats."""

    alike: float
    slope: float
    losses: tuple[float, ...]


def fit(groups: Sequence[Pairs], kept: int) -> Fit:
    """Fit to groups that count alike, as both answers do in each, by the ``kept`` best cells of every pair."""
    levels = [np.log(np.sqrt(np.sort(group.squares, 1)[:, :kept].mean(1)) + 1e-3) for group in groups]

    def losses(values: Doubles) -> tuple[float, ...]:
        alike, slope = values
        ratios = [np.clip(slope * (alike - level), -SURE[1], SURE[0]) for level in levels]
        right = [
            np.logaddexp(0, np.where(group.one, -ratio, ratio)) for group, ratio in zip(groups, ratios, strict=True)
        ]
        return tuple(
            float((loss[group.one].mean() + loss[~group.one].mean()) / 2)
            for group, loss in zip(groups, right, strict=True)
        )

    def total(values: Doubles) -> float:
        return sum(losses(values))

    found = minimize(total, np.array([np.log(6.0), 3.0]), method="Nelder-Mead")
    return Fit(float(np.exp(found.x[0])), float(found.x[1]), losses(found.x))


def main() -> None:
    """Print the fits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds photos/, tracks/ and videos/")
    parser.add_argument("--scenes", type=int, default=8)
    parser.add_argument("--seed", type=int, default=300, help="of the first generated scene")
    args = parser.parse_args()
    scenes = Scenes(PipelineSettings(), args.data)
    rng = np.random.default_rng(0)
    paths = sorted(path for folder in ("videos", "tracks") for path in (args.data / folder).glob("*.m*"))
    recordings = [seen for path in paths if len((seen := recorded(path, scenes)).times)]
    single = [len(set(seen.people.tolist())) == 1 for seen in recordings]
    real = []
    for number, seen in enumerate(recordings):
        others = [other.appearances for place, other in enumerate(recordings) if single[place] and place != number]
        real.append(pairs(seen, np.concatenate(others) if single[number] else seen.appearances[:0], rng))
    drawn = scenes.generated(range(args.seed, args.seed + args.scenes)).scenes
    groups = {
        "recorded": [joined(real)],
        "generated": [joined([pairs(generated(frames), np.empty((0, 0), np.float32), rng) for frames in drawn])],
    }
    groups["both"] = groups["recorded"] + groups["generated"]
    table = Table("pairs", "number", "cells", "alike", "slope", "loss", title="what appearance tells")
    for name, parts in groups.items():
        for kept in KEPT:
            found = fit(parts, kept)
            losses = ", ".join(f"{loss:.3f}" for loss in found.losses)
            count = sum(len(part.one) for part in parts)
            table.add_row(name, str(count), str(kept), f"{found.alike:.1f}", f"{found.slope:.1f}", losses)
    Console().print(table)


if __name__ == "__main__":
    run(main)
