from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import SourceError
from pipeline.ingest.file import FileReader
from pipeline.ingest.picture import Pictures, detection_size
from pipeline.ingest.source import parse_source
from pipeline.messages import Frame
from pipeline.settings import DetectorSettings
from pipeline.tally import Tally
from tests.video import QUADRANTS, clip, photos, picture

ONE, W = 1 << 16, 1 << 30
UPRIGHT = np.array(QUADRANTS)


def first(path: Path) -> Frame:
    frame = next(iter(FileReader(parse_source(str(path)), "run", Tally())))
    assert isinstance(frame, Frame)
    return frame


def quadrants(image: NDArray[np.uint8], *, studio: bool = False) -> NDArray[np.float64]:
    """Mean gray level in the middle of each quarter, (2, 2), expanded from the studio range if asked."""
    image = image if image.ndim == 2 else image.mean(2)
    rows, columns = image.shape
    levels = [
        [
            np.median(image[rows * y // 8 - 2 : rows * y // 8 + 2, columns * x // 8 - 2 : columns * x // 8 + 2])
            for x in (2, 6)
        ]
        for y in (2, 6)
    ]
    values = np.array(levels, float)
    return (values - 16) * 255 / 219 if studio else values


@pytest.mark.parametrize(
    ("width", "height", "min_face", "max_side", "size"),
    [
        (1920, 1080, 20, 960, (960, 544)),
        (1280, 720, 20, 960, (768, 448)),
        (1280, 720, 24, 960, (640, 352)),
        (7680, 4320, 20, 960, (960, 544)),
        (640, 480, 8, 960, (640, 480)),
        (400, 300, 12, 4096, (384, 288)),
        (1, 1, 20, 960, (32, 32)),
        (1, 4320, 20, 100, (32, 96)),
    ],
)
def test_detection_size(width: int, height: int, min_face: float, max_side: int, size: tuple[int, int]) -> None:
    assert detection_size(width, height, DetectorSettings(min_face=min_face, max_side=max_side)) == size


@pytest.mark.parametrize(
    ("codec", "pixels", "suffix", "full_range"),
    [
        ("libx264", "yuv420p", "mp4", False),
        ("libx264", "yuv420p", "mp4", True),
        ("libx264", "nv12", "mp4", False),
        ("libx265", "yuv420p", "mkv", False),  # FFmpeg refuses it in mp4 now and then
        ("libvpx-vp9", "yuv420p", "webm", False),
        ("libvpx", "yuv420p", "webm", False),
        ("mjpeg", "yuvj420p", "avi", True),
        ("ffv1", "gray", "mkv", True),
        ("ffv1", "gray10le", "mkv", True),
        ("ffv1", "yuv420p10le", "mkv", False),
        ("ffv1", "yuv422p10le", "mkv", False),
        ("ffv1", "yuv444p", "mkv", False),
        ("ffv1", "bgr0", "mkv", True),
        ("rawvideo", "yuyv422", "mkv", False),
        ("png", "rgb24", "mov", True),
    ],
)
def test_formats(codec: str, pixels: str, suffix: str, full_range: bool, tmp_path: Path) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = clip(tmp_path / f"a.{suffix}", frames=2, codec=codec, pixels=pixels, full_range=full_range, options=options)
    frame = first(path)
    assert (frame.width, frame.height) == (160, 96)
    assert frame.luma.shape == (96, 160)
    assert frame.image.shape == (64, 96, 3)
    assert frame.luma.dtype == frame.image.dtype == np.uint8
    assert frame.full_range or not full_range
    assert quadrants(frame.luma, studio=not frame.full_range) == pytest.approx(UPRIGHT, abs=2)
    assert quadrants(frame.image) == pytest.approx(UPRIGHT, abs=3)


def test_luma_is_not_copied(tmp_path: Path) -> None:
    decoded = next(av.open(str(clip(tmp_path / "a.mp4", frames=1))).decode(video=0))
    plane: Any = decoded.planes[0]
    luma = Pictures(DetectorSettings()).picture(decoded).luma
    assert np.shares_memory(luma, np.frombuffer(plane, np.uint8))


@pytest.mark.parametrize(
    ("matrix", "turned"),
    [
        ((0, ONE, -ONE, 0), np.rot90(UPRIGHT, -1)),
        ((-ONE, 0, 0, -ONE), np.rot90(UPRIGHT, 2)),
        ((0, -ONE, ONE, 0), np.rot90(UPRIGHT)),
        ((-ONE, 0, 0, ONE), np.fliplr(UPRIGHT)),
        ((ONE, 0, 0, -ONE), np.flipud(UPRIGHT)),
        ((0, ONE, ONE, 0), UPRIGHT.T),
    ],
    ids=["90", "180", "270", "mirrored", "upside down", "transposed"],
)
def test_orientation(matrix: tuple[int, int, int, int], turned: NDArray[np.int64], tmp_path: Path) -> None:
    a, b, c, d = matrix
    frame = first(clip(tmp_path / "a.mp4", frames=1, matrix=(a, b, 0, c, d, 0, 0, 0, W)))
    size = (96, 160) if a == 0 else (160, 96)
    assert (frame.width, frame.height) == size
    assert frame.luma.shape == size[::-1]
    assert frame.image.shape == ((96, 64, 3) if a == 0 else (64, 96, 3))
    assert quadrants(frame.luma, studio=True) == pytest.approx(turned, abs=2)
    assert quadrants(frame.image) == pytest.approx(turned, abs=3)


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (1, UPRIGHT),
        (2, np.fliplr(UPRIGHT)),
        (3, np.rot90(UPRIGHT, 2)),
        (4, np.flipud(UPRIGHT)),
        (5, UPRIGHT.T),
        (6, np.rot90(UPRIGHT, -1)),
        (7, np.rot90(UPRIGHT, 2).T),
        (8, np.rot90(UPRIGHT)),
    ],
)
def test_orientation_of_jpegs(orientation: int, turned: NDArray[np.int64], tmp_path: Path) -> None:
    frame = first(photos(tmp_path / "a.avi", orientation))
    size = (96, 160) if orientation > 4 else (160, 96)
    assert (frame.width, frame.height) == size
    assert frame.luma.shape == size[::-1]
    assert quadrants(frame.luma) == pytest.approx(turned, abs=2)
    assert quadrants(frame.image) == pytest.approx(turned, abs=3)


@pytest.mark.parametrize(("matrix", "size"), [(None, (320, 96)), ((0, ONE, 0, -ONE, 0, 0, 0, 0, W), (96, 320))])
def test_oblong_pixels(matrix: tuple[int, ...] | None, size: tuple[int, int], tmp_path: Path) -> None:
    frame = first(clip(tmp_path / "a.mp4", frames=1, aspect=Fraction(2), matrix=matrix))
    assert (frame.width, frame.height) == size
    assert frame.luma.size == 160 * 96  # as coded
    assert frame.image.shape[1::-1] == detection_size(*size, DetectorSettings())


@pytest.mark.parametrize("size", [(161, 97), (1, 1), (3, 200), (33, 1)])
def test_odd_sizes(size: tuple[int, int], tmp_path: Path) -> None:
    frame = first(clip(tmp_path / "a.mkv", frames=1, codec="rawvideo", size=size))
    assert (frame.width, frame.height) == size
    assert frame.luma.shape == size[::-1]
    studio = np.clip(picture(*size).astype(float), 0, 255) * 219 / 255 + 16
    assert np.abs(frame.luma - studio).max() <= 2


def test_8k() -> None:
    decoded = av.VideoFrame(7680, 4320, "yuv420p")
    for plane in decoded.planes:
        plane.update(bytes([128]) * plane.buffer_size)
    result = Pictures(DetectorSettings()).picture(decoded)
    assert result.luma.shape == (4320, 7680)
    assert result.image.shape == (544, 960, 3)
    assert np.abs(result.image - (128 - 16) * 255 / 219).max() < 3


def test_size_changes_midway(tmp_path: Path) -> None:
    small, large = clip(tmp_path / "a.ts", frames=30), clip(tmp_path / "b.ts", frames=20, size=(320, 192))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(small.read_bytes() + large.read_bytes())
    frames = [m for m in FileReader(parse_source(str(joined)), "run", Tally()) if isinstance(m, Frame)]
    assert [(f.width, f.height) for f in frames] == [(160, 96)] * 30 + [(320, 192)] * 20
    assert {f.image.shape for f in frames} == {(64, 96, 3), (128, 192, 3)}
    assert quadrants(frames[-1].luma, studio=True) == pytest.approx(UPRIGHT, abs=2)
    pts = [f.stamp.pts for f in frames]
    assert pts == sorted(pts)


def test_pictures_that_cannot_be_converted_are_a_failure_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.nut"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb4"
        frame = av.VideoFrame(64, 48, "rgb4")
        frame.pts = 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    with pytest.raises(SourceError, match=r"'rgb4'.*H\.264"):
        first(path)


@pytest.mark.parametrize(
    ("matrix", "size", "turned"),
    [
        (None, (320, 96), UPRIGHT),
        ((0, ONE, 0, -ONE, 0, 0, 0, 0, W), (96, 320), np.rot90(UPRIGHT, -1)),
        ((0, -ONE, 0, ONE, 0, 0, 0, 0, W), (96, 320), np.rot90(UPRIGHT)),
    ],
)
def test_whole_pictures_are_as_they_are_displayed(
    matrix: tuple[int, ...] | None, size: tuple[int, int], turned: NDArray[np.int64], tmp_path: Path
) -> None:
    with av.open(str(clip(tmp_path / "a.mp4", frames=1, aspect=Fraction(2), matrix=matrix))) as container:
        whole = Pictures(DetectorSettings(), 2.0).whole(next(container.decode(video=0)))
    assert whole.shape == (*size[::-1], 3)
    assert quadrants(whole) == pytest.approx(turned, abs=3)
