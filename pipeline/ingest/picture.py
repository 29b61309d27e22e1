"""From a decoded frame to what the tracker needs: a view of its luma, and one small colour image."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import av
import msgspec
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from pipeline.errors import SourceError
from pipeline.messages import Bytes
from pipeline.settings import DetectorSettings

FACE_PX: Final = 12.0
"""px that the smallest wanted face keeps in the detector's image; YuNet finds faces from about 10 to 16 px on."""

STRIDE: Final = 32
"""Both sides of the detector's image are multiples of its coarsest stride."""

_UNSPECIFIED_SPACE: Final = 2  # AVCOL_SPC_UNSPECIFIED
_HD_ROWS: Final = 720  # from here on untagged video is BT.709 rather than BT.601, as players assume
_LARGEST_ASPECT: Final = 8.0  # pixels more oblong than this are a mistake in the header


def _unnamed(kinds: type[SideDataType], value: int) -> Any:
    """Make a member for a kind of side data that PyAV has no name for."""
    kind: Any = object.__new__(kinds)
    kind._name_, kind._value_ = f"KIND_{value}", value
    return kind


# PyAV 18 reads no side data at all of a frame that has some of a kind it does not know, such as the Exif of a JPEG.
SideDataType._missing_ = classmethod(_unnamed)  # type: ignore[method-assign, assignment]


class Picture(msgspec.Struct, frozen=True, eq=False):
    """One frame, upright; see ``messages.Frame`` for the fields."""

    width: int
    height: int
    luma: Bytes
    full_range: bool
    image: Bytes


def detection_size(width: int, height: int, detector: DetectorSettings) -> tuple[int, int]:
    """Return (width, height) of the detector's image for a frame of ``width`` x ``height`` px.

    Both are multiples of 32. The scale makes a face of ``min_face`` px about 12 px high, never enlarges, and keeps
    the longer side within ``max_side``.

    >>> detection_size(1920, 1080, DetectorSettings(min_face=20, max_side=960))
    (960, 544)
    """
    limit = detector.max_side // STRIDE * STRIDE
    scale = min(1.0, FACE_PX / detector.min_face, limit / max(width, height))
    return _side(width * scale, limit), _side(height * scale, limit)


def _side(length: float, limit: int) -> int:
    return int(min(limit, max(STRIDE, round(length / STRIDE) * STRIDE)))


class _Layout(msgspec.Struct, frozen=True):
    """What stays the same from frame to frame until the video changes."""

    plane: bool
    """Whether plane 0 is 8-bit luma as it stands."""
    transpose: bool
    flip_x: bool
    flip_y: bool
    width: int
    """As displayed, px."""
    height: int
    image: tuple[int, int]
    """Width and height of the small image before it is turned upright."""
    shrinks: bool


class Pictures:
    """Turns the frames of one source into pictures; sizes are worked out anew only when the video changes."""

    def __init__(self, detector: DetectorSettings, aspect: float = 1.0, *, copies: bool = False) -> None:
        """Prepare for the frames of a source.

        Args:
            detector: decides on the size of the small image.
            aspect: width of a coded pixel over its height.
            copies: whether luma is copied out of the decoder's memory, so that the decoder has it back at once.
        """
        self._detector = detector
        self._copies = copies
        self._held: av.VideoFrame | None = None
        self._aspect = aspect if 1 / _LARGEST_ASPECT <= aspect <= _LARGEST_ASPECT else 1.0
        self._key: tuple[int, int, str, int] | None = None
        self._layout: _Layout
        self._image = VideoReformatter()
        self._luma = VideoReformatter()
        self._whole = VideoReformatter()

    def picture(self, frame: av.VideoFrame) -> Picture:
        """Return the frame upright: luma as a view (a copy only where luma is not 8-bit planar), image at its size.

        Raises:
            SourceError: swscale, which FFmpeg converts with, does not know the pixel format.
        """
        with _known(frame):
            return self._converted(frame)

    def whole(self, frame: av.VideoFrame) -> Bytes:
        """Return the frame in full as it is displayed, in which boxes are measured: (height, width, 3) BGR, 0-255.

        Raises:
            SourceError: as ``picture``.
        """
        layout = self._layout_of(frame)
        width, height = layout.width, layout.height
        if layout.transpose:
            width, height = height, width
        with _known(frame):
            coloured = _coloured(self._whole, frame, width, height, Interpolation.BILINEAR)
        return np.ascontiguousarray(_upright(coloured, layout))

    def _converted(self, frame: av.VideoFrame) -> Picture:
        layout = self._layout_of(frame)
        full_range = is_full_range(frame)
        scaling = Interpolation.AREA if layout.shrinks else Interpolation.BILINEAR
        small = _coloured(self._image, frame, *layout.image, scaling)
        if not layout.plane:
            # swscale's gray is always full range.
            frame = self._luma.reformat(
                frame,
                format="gray",
                src_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
                dst_color_range=ColorRange.JPEG,
                threads=1,
            )
            full_range = True
        luma = _plane(frame, frame.width, frame.height)
        return Picture(
            width=layout.width,
            height=layout.height,
            luma=_upright(luma.copy() if self._copies and layout.plane else luma, layout),
            full_range=full_range,
            image=_upright(small, layout),
        )

    def _layout_of(self, frame: av.VideoFrame) -> _Layout:
        key = (frame.width, frame.height, frame.format.name, frame.rotation)
        if key != self._key:
            self._layout = self._new_layout(frame)
            self._key = key
            # Reading side data creates a reference cycle; we hold the frame so that its buffer is not reused at a
            # random moment.
            self._held = frame if self._copies else None
        return self._layout

    def _new_layout(self, frame: av.VideoFrame) -> _Layout:
        transpose, flip_x, flip_y = orientation(frame)
        width, height = max(1, round(frame.width * self._aspect)), frame.height
        if transpose:
            width, height = height, width
        size = detection_size(width, height, self._detector)
        image = size[::-1] if transpose else size
        return _Layout(
            plane=_has_luma_plane(frame.format),
            transpose=transpose,
            flip_x=flip_x,
            flip_y=flip_y,
            width=width,
            height=height,
            image=image,
            shrinks=image[0] <= frame.width and image[1] <= frame.height,
        )


@contextmanager
def _known(frame: av.VideoFrame) -> Iterator[None]:
    """Say what to do about a pixel format that swscale, which FFmpeg converts with, does not know."""
    try:
        yield
    except (av.FFmpegError, OSError) as error:
        raise SourceError(
            f"pictures of the pixel format {frame.format.name!r} cannot be converted ({error.strerror}); encode "
            "them otherwise, as by H.264"
        ) from None


def _coloured(
    reformatter: VideoReformatter, frame: av.VideoFrame, width: int, height: int, scaling: Interpolation
) -> Bytes:
    """Return a frame, not turned yet, as (height, width, 3) BGR, 0-255."""
    space = frame.colorspace
    if space == _UNSPECIFIED_SPACE and frame.height >= _HD_ROWS:
        space = Colorspace.ITU709
    image = reformatter.reformat(
        frame,
        width,
        height,
        format="bgr24",
        src_colorspace=space,
        src_color_range=ColorRange.JPEG if is_full_range(frame) else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=scaling,
        threads=1,  # the stages already run beside each other
    )
    return _plane(image, width * 3, height).reshape(height, width, 3)


def _plane(frame: av.VideoFrame, columns: int, rows: int) -> Bytes:
    """View plane 0 as (rows, columns), without the padding at the end of its lines."""
    plane: Any = frame.planes[0]
    lines: Bytes = np.frombuffer(plane, np.uint8).reshape(rows, abs(plane.line_size))[:, :columns]
    return lines if plane.line_size > 0 else lines[::-1]


def _upright(image: Bytes, layout: _Layout) -> Bytes:
    if layout.transpose:
        image = image.swapaxes(0, 1)
    if layout.flip_y:
        image = image[::-1]
    if layout.flip_x:
        image = image[:, ::-1]
    return image


def orientation(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """Return (transpose, flip columns, flip rows) that show the frame as its display matrix asks.

    The matrix (ISO/IEC 14496-12, 6.2.2) takes a point to (a x + c y, b x + d y); other angles than quarter turns
    are taken as the nearest quarter turn.
    """
    # frame.side_data keeps frame and container alive in a cycle: read it once per layout, never per frame.
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return False, False, False
    a, b, _, c, d = (int(value) for value in np.frombuffer(data, np.int32)[:5])
    if abs(a) >= abs(b):
        return False, a < 0, d < 0
    return True, c < 0, b < 0


def _has_luma_plane(pixels: Any) -> bool:
    components = pixels.components
    return (
        bool(components)
        and not pixels.is_rgb
        and not pixels.has_palette
        and not pixels.is_bit_stream
        and not pixels.name.startswith(("bayer", "xyz"))
        and components[0].bits == 8
        and sum(component.plane == 0 for component in components) == 1
    )


def is_full_range(frame: av.VideoFrame) -> bool:
    """Say whether the samples span 0-255; untagged YUV does not, untagged gray and RGB do."""
    if frame.color_range != ColorRange.UNSPECIFIED:
        return bool(frame.color_range == ColorRange.JPEG)
    return frame.format.name.startswith(("yuvj", "gray", "ya", "pal", "mono")) or frame.format.is_rgb
