"""Rows drawn into the frames that they tell of, and written as a video or a picture, for people to look at."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Final

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from pipeline.durable import write_whole
from pipeline.errors import OutputError
from pipeline.messages import Bytes
from pipeline.run import split_track
from workers.shown import Shown

TICKS: Final = 60_000
"""Per s, of the copy: frames of 23.976 to 60 per second fall on whole ones, and MPEG-4 part 2 takes no more."""

HD_ROWS: Final = 720
"""From here on players take a video that does not say otherwise for BT.709."""

COLOURS: Final = ((80, 220, 80), (60, 170, 255), (255, 160, 60), (220, 90, 220), (60, 230, 230), (240, 220, 70))
"""BGR, by the number of a track."""


def draw(frame: Shown) -> Bytes:
    """Return the picture with a box around each face, the number of its track, and what is said of it."""
    picture = frame.picture.copy()
    size = max(1.0, min(picture.shape[:2]) / 540)
    written: list[tuple[int, int, int, int]] = []
    for row in frame.rows:
        number = split_track(row["track"])[1]
        colour = COLOURS[int(number) % len(COLOURS) if number.isdecimal() else 0]
        left, top = round(row["x"]), round(row["y"])
        right, bottom = round(row["x"] + row["w"]), round(row["y"] + row["h"])
        cv2.rectangle(picture, (left, top), (right, bottom), colour, round(size))
        lines = f"{number}: {row['dominant']} {row['intensity']:.2f}", f"quality {row['quality']:.2f}"
        written.append(_label(picture, lines, left, (top, bottom), size, written))
    return picture


def write_png(picture: Bytes, path: Path) -> None:
    """Write a picture, whole or not at all; raises ``OutputError``."""
    _, content = cv2.imencode(".png", picture)
    _write(lambda file: file.write(content.tobytes()), path)


def write_video(frames: Iterator[Shown], path: Path) -> int:
    """Write frames as H.264 in mp4 (MPEG-4 part 2 where FFmpeg has no H.264 encoder), without sound; return how many.

    Sizes are made even, as H.264 has them: the last row or column is there twice. Nothing is written if it fails.

    Raises:
        OutputError: it cannot be written there.
    """
    count = 0

    def encode(file: BinaryIO) -> None:
        nonlocal count
        with av.open(file, "w", format="mp4") as container:
            stream: Any = None
            last = -1
            for frame in frames:
                picture = _even(draw(frame))
                if stream is None:
                    stream = _stream(container, picture)
                if picture.shape[:2] != (stream.height, stream.width):  # it changed on the way
                    picture = np.asarray(cv2.resize(picture, (stream.width, stream.height)), np.uint8)
                coloured = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(
                    format="yuv420p",
                    src_color_range=ColorRange.JPEG,
                    dst_color_range=ColorRange.MPEG,
                    dst_colorspace=Colorspace.ITU709 if stream.height >= HD_ROWS else Colorspace.ITU601,
                )
                last = max(last + 1, round(frame.pts * TICKS))
                coloured.pts, coloured.time_base = last, Fraction(1, TICKS)
                container.mux(stream.encode(coloured))
                count += 1
            container.mux(stream.encode(None))

    _write(encode, path)
    return count


def _stream(container: Any, picture: Bytes) -> Any:
    standard = "libx264" in av.codecs_available
    stream = container.add_stream("libx264" if standard else "mpeg4", rate=25)
    stream.height, stream.width = picture.shape[:2]
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = Fraction(1, TICKS)
    if standard:
        stream.codec_context.options = {"crf": "18", "preset": "veryfast"}
    else:
        stream.codec_context.bit_rate = 10 * picture.shape[0] * picture.shape[1]
    return stream


def _even(picture: Bytes) -> Bytes:
    height, width = picture.shape[:2]
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _label(
    picture: Bytes,
    lines: Sequence[str],
    left: int,
    edges: tuple[int, int],
    size: float,
    written: Sequence[tuple[int, int, int, int]],
) -> tuple[int, int, int, int]:
    """Write lines above a box or, where there is no room, below it; within the picture.

    Args:
        picture: (height, width, 3) BGR.
        lines: of text.
        left: of the box, px.
        edges: upper and lower one of the box, px.
        size: 1 for letters of 10 px.
        written: where there are labels already; see what is returned.

    Returns:
        Where it stands: left, top, right, bottom, px.
    """
    font, scale, line, margin = cv2.FONT_HERSHEY_SIMPLEX, 0.4 * size, round(14 * size), round(2 * size)
    height, width = picture.shape[:2]
    wide = max(cv2.getTextSize(text, font, scale, round(size))[0][0] for text in lines) + 2 * margin
    high = line * len(lines)
    left = max(0, min(left, width - wide))
    places = [(left, top, left + wide, top + high) for top in (edges[0] - high - margin, edges[1] + margin)]
    within = [place for place in places if place[1] >= 0 and place[3] <= height] or [
        (left, max(0, min(edges[0], height - high)), left + wide, height)
    ]
    place = next((one for one in within if not any(_meet(one, other) for other in written)), within[0])
    top = place[1]
    picture[top : top + high, left : left + wide] //= 3
    for index, text in enumerate(lines):
        origin = (left + margin, top + (index + 1) * line - 2 * margin)
        cv2.putText(picture, text, origin, font, scale, (255, 255, 255), round(size), cv2.LINE_AA)
    return place


def _meet(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _write(write: Callable[[BinaryIO], object], path: Path) -> None:
    try:
        write_whole(write, path, path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp"))
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error.strerror or error}; choose another --to") from error
