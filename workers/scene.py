"""The demo's clip: one portrait, twice, moving through a scene whose truth is known.

The portrait is the U.S. Navy's photograph of Commodore Grace Hopper (public domain) that matplotlib ships as sample
data, so nothing is downloaded. Her mouth and brows are warped over time, for the clip to have something to tell.
"""

from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError, OutputError
from pipeline.messages import Bytes

WIDTH: Final = 640
HEIGHT: Final = 360
FPS: Final = 25
SECONDS: Final = 12

FACE: Final = (183.0, 120.0, 170.0, 212.0)
"""x, y, w, h of the face in the portrait, px."""
MOUTH: Final = ((229.0, 268.0), (302.0, 270.0))
"""Corners of the mouth in the portrait, px."""
BROWS: Final = ((238.0, 178.0), (292.0, 176.0))
"""Inner ends of the brows in the portrait, px."""


@dataclass(frozen=True)
class Appearance:
    """One face during a part of the clip."""

    begin: float
    """s."""
    end: float
    """s."""
    mirrored: bool

    def place(self, time: float) -> tuple[float, float, float] | None:
        """Return x, y of the portrait's middle, px, and its scale; None while it is away."""
        if not self.begin <= time < self.end:
            return None
        phase = 2 * np.pi * time / SECONDS
        if self.mirrored:
            along = (time - self.begin) / (self.end - self.begin)
            return 560 - 30 * np.sin(2 * phase), 190 - 20 * along, 0.45 + 0.05 * np.cos(phase)
        return 190 + 60 * np.sin(phase), 190 + 12 * np.sin(3 * phase), 0.52 + 0.10 * np.sin(2 * phase)

    def box(self, time: float) -> tuple[float, float, float, float] | None:
        """Return the true x, y, w, h of the face, px."""
        placed = self.place(time)
        if placed is None:
            return None
        x, y, scale = placed
        left, top, width, height = FACE
        if self.mirrored:
            left = 512 - left - width
        return x + (left - 256) * scale, y + (top - 300) * scale, width * scale, height * scale


CAST: Final = (Appearance(0, SECONDS, mirrored=False), Appearance(3, 9, mirrored=True))
"""Who appears in the clip."""


def portrait() -> Bytes:
    """Read the portrait, (600, 512, 3) BGR.

    Raises:
        InputError: matplotlib's sample data is missing.
    """
    package = find_spec("matplotlib")
    path = Path(package.origin or "").parent / "mpl-data" / "sample_data" / "grace_hopper.jpg" if package else Path()
    image = cv2.imread(str(path))
    if image is None:
        raise InputError("the demo needs the sample picture of matplotlib; pip install --force-reinstall matplotlib")
    return np.asarray(image, np.uint8)


def expression(image: Bytes, strength: float) -> Bytes:
    """Warp the portrait's face: 1 lifts the corners of the mouth (a smile), -1 lowers them and knits the brows."""
    left, top, width, height = (round(value) for value in FACE)
    region = (slice(top, top + height), slice(left, left + width))
    rows, columns = np.mgrid[region].astype(np.float32)
    lift: NDArray[np.float32] = np.zeros_like(rows)
    spread: NDArray[np.float32] = np.zeros_like(rows)

    def near(x: float, y: float) -> NDArray[np.float32]:
        return np.asarray(np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 14.0**2)), np.float32)

    for side, corner in zip((-1, 1), MOUTH, strict=True):
        lift += 13 * strength * near(*corner)
        spread += 8 * max(strength, 0) * side * near(*corner)
    for brow in BROWS:
        lift -= 9 * max(-strength, 0) * near(*brow)
    warped = image.copy()
    warped[region] = cv2.remap(image, columns - spread, rows + lift, cv2.INTER_LINEAR)
    return warped


def frame(image: Bytes, time: float) -> Bytes:
    """Draw the scene at a time, (HEIGHT, WIDTH, 3) BGR."""
    shade = np.linspace(150, 90, HEIGHT, dtype=np.float32)[:, None, None] * np.array([1.0, 0.95, 0.85], np.float32)
    canvas = np.ascontiguousarray(np.broadcast_to(shade, (HEIGHT, WIDTH, 3)).astype(np.uint8))
    # The first face smiles in the second third of the clip, the other frowns in its second half.
    moods = (np.clip(np.sin(2 * np.pi * (time / SECONDS - 0.25)) * 2, 0, 1), -np.clip((time - 6) / 1.5, 0, 1))
    for who, mood in zip(CAST, moods, strict=True):
        placed = who.place(time)
        if placed is None:
            continue
        x, y, scale = placed
        face = expression(image, float(mood))
        if who.mirrored:
            face = np.ascontiguousarray(face[:, ::-1])
        matrix = np.array([[scale, 0, x - 256 * scale], [0, scale, y - 300 * scale]])
        # Low-pass before shrinking, as a lens would.
        soft = cv2.GaussianBlur(face, (0, 0), 0.5 / scale)
        cv2.warpAffine(soft, matrix, (WIDTH, HEIGHT), canvas, cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT)
    return canvas


def render(path: Path, *, seconds: float = SECONDS) -> None:
    """Write the clip as H.264 (or MPEG-4 part 2 where FFmpeg has no H.264 encoder) in mp4; longer, it begins anew.

    Raises:
        OutputError: it cannot be written there.
    """
    hidden = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _encode(hidden, seconds)
        hidden.rename(path)
    except OSError as error:
        raise OutputError(
            f"cannot write {str(path)!r}: {error.strerror or error}; choose another folder with --out"
        ) from error
    finally:
        hidden.unlink(missing_ok=True)


def _encode(path: Path, seconds: float) -> None:
    image = portrait()
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    with av.open(str(path), "w", format="mp4") as container:
        # A fixed creation time keeps the rows the same on every machine.
        container.metadata["creation_time"] = "2024-01-01T12:00:00.000000Z"
        stream = container.add_stream(codec, rate=Fraction(FPS))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(round(seconds * FPS)):
            picture = av.VideoFrame.from_ndarray(frame(image, number / FPS % SECONDS), format="bgr24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


if __name__ == "__main__":  # the clip of the simulated camera in compose.yaml
    import sys

    render(Path(sys.argv[1]))
