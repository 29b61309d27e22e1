"""The measurement as a whole: scenes, watched once; the tracker, run over them many times."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from rich.table import Table

from models.tracking.cast import cast
from models.tracking.generator import scene
from models.tracking.measures import MATCH, Measures, measure
from models.tracking.sequences import LOOSE, alone, load, tiled
from models.tracking.trial import RATES, SEARCHES, WHOLE, Variant, run, thinned
from models.tracking.watch import Shown, Watched, flawless, watch
from pipeline.errors import InputError
from pipeline.messages import Bytes
from pipeline.settings import PipelineSettings
from pipeline.tracker.detector import Detector
from pipeline.tracker.opened import open_detector

PEOPLE: Final = 30
"""Faces that the generator draws from."""

BACKGROUNDS: Final = 24
"""Photos without faces that it draws from."""

SIZES: Final = ((416, 416), (640, 352))
"""Widths and heights at which a background must not look like a face, px."""

GENERATED: Final = "generated"
TILED: Final = "tiles"


@dataclass(frozen=True)
class Group:
    """Scenes that are measured together."""

    name: str
    scenes: tuple[list[Watched], ...]
    match: float
    """Least IoU of a face and its true box."""


@dataclass(frozen=True)
class Row:
    """One line of the report."""

    group: str
    rate: str
    variant: str
    measures: Measures
    speed: float
    """Frames per second of time that finding and following faces took, on one thread."""


class Scenes:
    """Opens the detector and watches scenes with it.

    Who is cast, before which backgrounds, and which annotated faces can be seen is for the detector that ships to say,
    whichever one watches: all detectors are measured on the same scenes.

    ``data``: folder that holds ``photos`` and ``tracks``, or None: then only generated scenes of the demo's portrait.
    """

    def __init__(self, settings: PipelineSettings, data: Path | None) -> None:
        """Raise ``InputError`` where ``data`` lacks what it should hold, and as ``open_detector`` does."""
        opened = open_detector(settings)
        self.detector, self.threshold = opened.detector, opened.threshold
        self.settings = settings.model_copy(update={"tracker": opened.tracking})
        self.judge = open_detector(PipelineSettings(runtime=settings.runtime)).detector
        self._data = data
        for part in ("photos", "tracks"):
            if data is not None and not (data / part).is_dir():
                raise InputError(f"{str(data)!r} has no folder {part!r}; give --data the folder that holds it")

    def annotated(self) -> Iterator[Group]:
        """Watch every annotated sequence alone, then tiles of them."""
        if self._data is None:
            return
        sequences = load(self._data / "tracks", self.judge)
        for sequence in sequences:
            yield Group(sequence.name, (self._watch(alone(sequence)),), LOOSE)
        tiles = tuple(self._watch(tiled(sequences, first, mirrored=first % 2 == 1)) for first in range(len(sequences)))
        yield Group(TILED, tiles, LOOSE)

    def generated(self, seeds: Sequence[int]) -> Group:
        """Watch one generated scene per seed."""
        photos = self._data / "photos" if self._data is not None else None
        backgrounds = _backgrounds(photos, self.judge) if photos else []
        scenes = []
        for number, seed in enumerate(seeds):
            people = cast(self.judge, photos, np.random.default_rng(seed), PEOPLE)
            scenes.append(self._watch(scene(seed, people, backgrounds), number))
        return Group(GENERATED, tuple(scenes), MATCH)

    def _watch(self, frames: Iterator[Shown], seed: int = 0) -> list[Watched]:
        return watch(frames, self.detector, self.settings.detector, seed)


def rows(
    group: Group, scenes: Scenes, variants: Sequence[Variant] = (WHOLE,), rates: Sequence[str] = RATES
) -> Iterator[Row]:
    """Run variants of the tracker over a group at some rates."""
    for variant in variants:
        for rate in rates:
            trials = [
                run(thinned(frames, rate, seed), variant, scenes.settings.tracker, scenes.threshold, group.match)
                for seed, frames in enumerate(group.scenes)
            ]
            speed = sum(len(one.frames) for one in trials) / sum(one.seconds for one in trials)
            yield Row(group.name, rate, variant.name, measure([one.frames for one in trials], group.match), speed)


def seldom(group: Group, scenes: Scenes) -> Iterator[Row]:
    """Search fewer and fewer frames of a group for faces, at its full rate."""
    return rows(group, scenes, SEARCHES, RATES[:1])


def idealised(group: Group) -> Group:
    """Return the group as a flawless detector sees it: what is confused then is the tracker's doing."""
    scenes = tuple(flawless(frames) for frames in group.scenes)
    return Group(f"{group.name}, flawless detector", scenes, group.match)


def _backgrounds(photos: Path, detector: Detector) -> list[Bytes]:
    """Read photos in which the detector finds nothing: how often it is wrong is measured elsewhere, of it alone."""
    found: list[Bytes] = []
    for path in sorted(photos.glob("background_*")):
        image = cv2.imread(str(path))
        if len(found) == BACKGROUNDS or image is None:
            break
        resized = [np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8) for size in SIZES]
        if not any(len(detector(image).scores) for image in resized):
            found.append(np.asarray(image, np.uint8))
    return found


def _with(value: float, interval: tuple[float, float] | None, digits: int) -> str:
    """A figure with its interval, where it has one."""
    around = f" ({interval[0]:.{digits}f}-{interval[1]:.{digits}f})" if interval else ""
    return f"{value:.{digits}f}{around}"


def table(title: str, lines: Sequence[Row], *, speed: bool = False) -> Table:
    """The report, for people; ``speed``: with frames per second."""
    shown = Table(title=title)
    for column in ("tracker", "scenes", "frames"):
        shown.add_column(column)
    for column in ("from IoU", "faces", "HOTA", "IDF1", "MOTA", "switches", "per 1,000", "fragments", "box IoU"):
        shown.add_column(column, justify="right")
    if speed:
        shown.add_column("frames/s", justify="right")
    for line in lines:
        found = line.measures
        shown.add_row(
            line.variant,
            line.group,
            line.rate,
            f"{found.match:g}",
            f"{found.faces:,}",
            f"{found.hota:.3f}",
            _with(found.idf1, found.idf1_ci95, 3),
            f"{found.mota:.3f}",
            str(found.switches),
            _with(found.switch_rate, found.switch_rate_ci95, 2),
            str(found.fragmentations),
            f"{found.iou:.3f}",
            *([f"{line.speed:.0f}"] if speed else []),
        )
    return shown
