"""Makes small clips of every kind with PyAV."""

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

QUADRANTS = ((200, 150), (100, 50))
"""Gray levels of the four quarters of every picture, as coded."""


def picture(width: int, height: int, number: int = 0) -> NDArray[np.uint8]:
    """Draw (height, width) gray: four quarters, and a bar that moves on by 4 px with every ``number``."""
    image = np.empty((height, width), np.uint8)
    half_w, half_h = (width + 1) // 2, (height + 1) // 2
    for y, row in enumerate(QUADRANTS):
        for x, level in enumerate(row):
            image[y * half_h : (y + 1) * half_h, x * half_w : (x + 1) * half_w] = level
    image[height // 2 - 1 : height // 2 + 1, number * 4 % width : number * 4 % width + 8] = 235
    return image


def clip(
    path: Path,
    *,
    frames: int = 25,
    size: tuple[int, int] = (160, 96),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    times: Sequence[int] | None = None,
    matrix: Sequence[int] | None = None,
    aspect: Fraction | None = None,
    full_range: bool = False,
    gop: int = 12,
    options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write a clip at 25 frames/s, or with ``times`` in ms; return its path."""
    with av.open(str(path), "w", container_options=container_options or {}) as out:
        out.metadata.update(metadata or {})
        stream: Any = out.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.gop_size, stream.thread_count = gop, 1  # lest the packets depend on how many cores there are
        if codec == "libx264":
            stream.codec_context.options = {"preset": "ultrafast", **(options or {})}
        stream.codec_context.color_range = 2 if full_range else 1
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if matrix is not None:
            stream.set_display_matrix(matrix)
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for packet in encode(stream, range(frames), size, pixels, times, full_range):
            out.mux(packet)
    return path


def encode(
    stream: Any,
    numbers: Iterable[int],
    size: tuple[int, int],
    pixels: str,
    times: Sequence[int] | None = None,
    full_range: bool = False,
) -> Iterable[Any]:
    for number in numbers:
        frame = av.VideoFrame.from_ndarray(picture(*size, number), "gray")
        # Gray counts as full range; a clip of full range takes its levels as they are.
        frame = frame.reformat(format=pixels, src_color_range="JPEG", dst_color_range="JPEG" if full_range else "MPEG")
        frame.color_range = 2 if full_range else 1
        if times is None:
            frame.pts, frame.time_base = number, Fraction(1, 25)
        else:
            frame.pts, frame.time_base = times[number], Fraction(1, 1000)
        yield from stream.encode(frame)
    yield from stream.encode()


def damage(path: Path, numbers: Iterable[int]) -> Path:
    """Overwrite the packets of these numbers with zeros; return the path."""
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for number in numbers:
        at, size = places[number]
        content[at : at + size] = bytes(size)
    path.write_bytes(content)
    return path


def photos(path: Path, orientation: int, frames: int = 2) -> Path:
    """Write a clip of JPEGs as cameras take them, with an orientation (Exif 2.32, 4.6.4 A); return its path."""
    plain = clip(path.with_stem(f"{path.stem}-plain"), frames=frames, codec="mjpeg", pixels="yuvj420p", full_range=True)
    # One directory, of one entry: tag 0x0112, a single unsigned short.
    tags = struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    segment = struct.pack(">BBH6s", 0xFF, 0xE1, 8 + len(tags), b"Exif") + tags
    with av.open(str(plain)) as source, av.open(str(path), "w") as out:
        copy = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                jpeg = bytes(packet)
                photo = av.Packet(jpeg[:2] + segment + jpeg[2:])
                photo.pts, photo.dts, photo.time_base, photo.stream = packet.pts, packet.dts, packet.time_base, copy
                photo.is_keyframe = True
                out.mux(photo)
    plain.unlink()
    return path


def sound(path: Path, seconds: int = 1, beside: Path | None = None) -> Path:
    """Write so much silence, s, with the pictures of another clip if asked; return its path."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("aac", rate=44_100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44_100 * seconds), np.float32), "fltp", "mono")
        frame.rate = 44_100
        packets = [*stream.encode(frame), *stream.encode()]
        if beside is not None:
            with av.open(str(beside)) as pictures:
                copy = out.add_stream_from_template(pictures.streams.video[0])
                for packet in pictures.demux(video=0):
                    if packet.size:
                        packet.stream = copy
                        packets.append(packet)
        for packet in packets:
            out.mux(packet)
    return path
