"""How still crops are on a face in video: one person, drawn at known places, with sensor noise in every frame.

A crop's placement is told by its four corners in the coordinates of the person's picture, so that movement of the
person is taken away exactly and what is left is the pipeline's.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from rich.table import Table

from models.crops.scene import crop_places, gray_frame, relative
from models.tracking.cast import Cutout
from pipeline.messages import Bytes, Faces
from pipeline.tally import Tally
from pipeline.tracker.kalman import Doubles
from workers.engine import Engine

HEIGHTS: Final = (48, 64, 96, 128)
"""px."""

SIZE: Final = (448, 288)
"""Width and height of a frame, px."""

FPS: Final = 25
SECONDS: Final = 5.0

SETTLED: Final = 1.0
"""s after which the measuring begins."""

NOISE: Final = 3.0
"""Standard deviation of the sensor's noise, of 255."""

FINE: Final = 2
"""Pixels of the drawing to one of the frame: each of these is a mean over several, as a sensor's are."""

Path = Callable[[float, float], tuple[float, float, float]]
"""Of time, s, and the face's height, px: where its middle is beside that of the frame, px, and log height over that."""


def _still(time: float, height: float) -> tuple[float, float, float]:
    return 0.0, 0.0, 0.0


def _held(time: float, height: float) -> tuple[float, float, float]:
    """A camera in the hand: about a pixel, hardly ever a whole one."""
    x = 0.8 * np.sin(2 * np.pi * 0.9 * time) + 0.3 * np.sin(2 * np.pi * 3.7 * time)
    y = 0.6 * np.sin(2 * np.pi * 1.3 * time + 1) + 0.3 * np.sin(2 * np.pi * 4.3 * time + 2)
    return float(x), float(y), 0.0


def _walks(time: float, height: float) -> tuple[float, float, float]:
    """To and fro by a face's height either way, at up to 1.6 face heights a second, 20 % nearer and farther."""
    x, y = np.sin(2 * np.pi * time / 4), 0.2 * np.sin(2 * np.pi * time / 1.5)
    return float(height * x), float(height * y), float(0.2 * np.sin(2 * np.pi * time / 5))


PATHS: Final[dict[str, Path]] = {"still": _still, "hand-held camera": _held, "moving": _walks}


@dataclass(frozen=True)
class Row:
    """One size and way of moving: root mean squares over corners, frames and people, px of a crop of 48.

    NaN where nobody was found.
    """

    path: str
    height: float
    """px."""
    seen: float
    """Share of the frames in which the face was found."""
    step: float
    """From one frame to the next."""
    spread: float
    """Around the mean."""
    error: float
    """From where the crop lies on the same face when it is still."""


def measure(engine: Engine, people: Sequence[Cutout], heights: Iterable[float] = HEIGHTS) -> Iterator[Row]:
    """Measure how the crops of people move; those who are not found count as not seen and nothing else."""
    for height in heights:
        rest: list[Doubles] = []
        for name, path in PATHS.items():
            watched = [corners(engine, person, height, path, seed) for seed, person in enumerate(people)]
            rest = rest or watched
            kept = [
                (points, still) for points, still in zip(watched, rest, strict=True) if min(len(points), len(still)) > 1
            ]
            yield Row(
                name,
                height,
                sum(map(len, watched)) / len(people) / round((SECONDS - SETTLED) * FPS),
                _rms([np.diff(points, axis=0) for points, _ in kept]),
                _rms([points - points.mean(0) for points, _ in kept]),
                _rms([points - still.mean(0) for points, still in kept]),
            )


def _rms(moves: Sequence[Doubles]) -> float:
    return float(np.sqrt(np.mean([(move**2).sum(-1).mean() for move in moves]))) if moves else float("nan")


def corners(engine: Engine, person: Cutout, height: float, path: Path, seed: int) -> Doubles:
    """Return (n, 4, 2) corners of the crops of the frames in which the face was found, once the tracker has settled.

    In coordinates of the person's picture, but px of a crop of 48 long.
    """
    rng = np.random.default_rng(seed)
    while person.box[3] > 2 * FINE * height:
        person = person.halved()
    stage = engine.tracker(Tally())
    places, placed = [], []
    for number in range(round(SECONDS * FPS)):
        time = number / FPS
        x, y, growth = path(time, height)
        scale = height / person.box[3] * np.exp(growth)
        middle = np.array([person.box[0] + person.box[2] / 2, person.box[1] + person.box[3] / 2])
        shift = np.array(SIZE) / 2 + (x, y) - scale * middle
        place = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        frame = gray_frame(draw(person, place, rng), "r", time, engine.config.detector)
        (faces,) = (answer for answer in stage.process([frame]) if isinstance(answer, Faces))
        if time >= SETTLED and len(faces.tracks):
            places.append(place)
            placed.append(crop_places(engine, faces)[0])
    if not places:
        return np.zeros((0, 4, 2))
    maps = relative(np.array(places), np.array(placed))
    size = engine.classifier.size
    scale = float(np.hypot(maps[:, 0, 0], maps[:, 1, 0]).mean()) * size / 48
    points: Doubles = maps @ np.array([[0, size, 0, size], [0, 0, size, size], [1, 1, 1, 1]]) / scale
    return points.swapaxes(1, 2)


def draw(person: Cutout, place: Doubles, rng: np.random.Generator) -> Bytes:
    """Draw a person on gray, with noise, as (H, W) luma; ``place``, (2, 3), maps the picture to the frame."""
    warp = place * FINE
    # OpenCV counts from the centres of pixels.
    warp[:, 2] += warp[:, :2].sum(1) / 2 - 0.5
    wide = (SIZE[0] * FINE, SIZE[1] * FINE)
    gray = cv2.cvtColor(person.image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    drawn = cv2.warpAffine(gray, warp, wide, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(person.alpha, warp, wide, flags=cv2.INTER_LINEAR)
    fine = alpha * drawn + (1 - alpha) * 110
    luma = cv2.resize(fine, SIZE, interpolation=cv2.INTER_AREA) + rng.normal(0, NOISE, SIZE[::-1])
    return np.asarray(np.rint(luma).clip(0, 255), np.uint8)


def table(rows: Iterable[Row]) -> Table:
    """Return the figures, for people."""
    shown = Table(title="movement of crops on a face, px of 48 (root mean square of the corners)")
    shown.add_column("face")
    for name in ("height", "seen", "step", "around the mean", "from the still"):
        shown.add_column(name, justify="right")
    for row in rows:
        figures = (f"{value:.2f}" for value in (row.step, row.spread, row.error))
        shown.add_row(row.path, f"{row.height:g} px", f"{100 * row.seen:.0f} %", *figures)
    return shown
