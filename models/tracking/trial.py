"""Runs the tracker over watched scenes: at other frame rates, and with one of its parts switched off.

Also with fewer frames searched for faces than followed.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final, NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from models.altered import altered
from models.tracking.measures import MATCH, Compared, compared
from models.tracking.watch import Watched
from pipeline.messages import Bytes, Floats
from pipeline.settings import TrackerSettings
from pipeline.tracker import association, kalman, tracker
from pipeline.tracker import follower as following
from pipeline.tracker.detector import Detections
from pipeline.tracker.finder import Sighting
from pipeline.tracker.follower import Follower
from pipeline.tracker.kalman import Doubles
from pipeline.tracker.tracker import Tracker

RATES: Final = ("25 fps", "5 fps, jittered", "70 % dropped")
"""How many of a scene's frames the tracker gets."""


class Forgetful(Tracker):
    """A tracker that ends every track at the first frame that does not show it."""

    _before = -np.inf
    """Time of the frame before, s."""

    def _bury(self, horizon: float) -> tuple[int, ...]:
        before, self._before = self._before, self.memory.searched or 0.0
        return super()._bury(max(horizon, before))


class Twinned(Tracker):
    """A tracker that keeps both numbers of a face that got a second one while it was away."""

    def _twins(self, cost: Doubles, owners: NDArray[np.intp]) -> set[int]:
        return set()


@dataclass(frozen=True)
class Variant:
    """The tracker, whole or with one part switched off."""

    name: str
    tracker: type[Tracker] = Tracker
    second_round: bool = True
    """Whether detections below the threshold are used at all."""
    true_times: bool = True
    """Whether the tracker knows the true times, rather than count frames of 1/25 s."""
    every: int = 1
    """Frames from one that is searched for faces to the next."""
    patched: Callable[[], AbstractContextManager[None]] = field(default=nullcontext)
    """Switches off what is off while the tracker runs."""


def _still(dt: float) -> NDArray[np.float64]:
    """Stand in for ``kalman.transition``: nothing moves."""
    return np.eye(8)


def _never(before: Bytes, after: Bytes, elapsed: float) -> bool:
    """Stand in for ``cuts.is_cut``."""
    return False


def _lost(places: Doubles, paces: Doubles, elapsed: Doubles, measurements: Doubles) -> Doubles:
    """Stand in for ``association.strayed``: nothing is near."""
    return np.full((len(places), len(measurements)), np.inf)


def _unseen(known: Floats, seen: Floats) -> Doubles:
    """Stand in for ``appearance.unlikeness``: looks tell nothing."""
    return np.zeros((len(known), len(seen)))


WHOLE: Final = Variant("whole tracker")

VARIANTS: Final = (
    WHOLE,
    Variant("no second round (low scores)", second_round=False),
    Variant("no motion model (faces expected where they were)", patched=lambda: altered(kalman, transition=_still)),
    Variant("time counted in frames, not true", true_times=False),
    Variant(
        "no gates on distance and growth",
        patched=lambda: altered(association, REACH=1e9, GROWTH=(1e9, 0.0)),
    ),
    Variant(
        "no recovery from last place and pace",
        patched=lambda: altered(tracker, strayed=_lost),
    ),
    Variant("no appearance (motion alone)", patched=lambda: altered(tracker, unlikeness=_unseen)),
    Variant("tracks begin within others' boxes at once", patched=lambda: altered(tracker, WITHIN=2.0)),
    Variant("second numbers of returned faces are kept", tracker=Twinned),
    Variant("no re-activation", tracker=Forgetful),
    Variant("no cut detection", patched=lambda: altered(following, is_cut=_never)),
)
"""The whole tracker, and each part's absence."""

SEARCHES: Final = (
    Variant("every frame searched"),
    Variant("every 2nd frame searched", every=2),
    Variant("every 3rd frame searched", every=3),
    Variant("every 5th frame searched", every=5),
)
"""Fewer and fewer frames searched."""


def thinned(frames: Sequence[Watched], rate: str, seed: int) -> list[Watched]:
    """Leave out frames for one of ``RATES``."""
    rng = np.random.default_rng(seed)
    if rate == RATES[2]:
        return [frame for frame in frames if rng.uniform() < 0.3]
    if rate == RATES[0]:
        return list(frames)
    kept, due = [], frames[0].pts
    for frame in frames:
        if frame.pts >= due:
            kept.append(frame)
            due = frame.pts + rng.uniform(0.1, 0.3) - 0.02  # half a frame, lest every interval be rounded up
    return kept


class Trial(NamedTuple):
    """What came of one run over one scene."""

    frames: list[Compared]
    seconds: float
    """Time that finding and following the faces took, s."""


def run(
    frames: Sequence[Watched], variant: Variant, settings: TrackerSettings, threshold: float, match: float = MATCH
) -> Trial:
    """Follow the faces of a scene as the tracker's stage does, and compare every frame with the truth."""
    follower = Follower(variant.tracker(settings, threshold), settings.min_quality, variant.every)
    results, seconds = [], 0.0
    with variant.patched():
        for number, frame in enumerate(frames):
            found, appearances = frame.found, frame.appearances
            if not variant.second_round:
                sure = found.scores >= threshold
                found = Detections(found.boxes[sure], found.landmarks[sure], found.scores[sure])
                appearances = appearances[sure]
            pts = frame.pts if variant.true_times else number / 25
            sighting = Sighting(pts, found, frame.pixel, frame.thumbnail, appearances)
            begun = perf_counter()
            glimpse = replace(sighting, found=None)
            due = follower.is_due(glimpse)
            seen = follower.follow(sighting if due else glimpse)
            seconds += perf_counter() - begun + (frame.seconds if due else 0.0)
            results.append(compared(frame.truth, seen.numbers, seen.boxes, match))
    return Trial(results, seconds)
