"""The stages' messages as bytes, so that stages in different processes can exchange them.

A message is a MessagePack array ``[version, kind, body]``; whatever later versions change, the version stays first.
The body holds a message's fields in their order, arrays as their bytes in C order, little endian. Element types follow
from the version, and shapes from the number of faces and a few sides, so that nothing is said twice and no forged
shape can ask for more memory than a message of its length may need.

A frame's luma and its image for the detector are coded apart, and so arrive as they were made. One colour picture for
both would have to be converted to BGR and enlarged to the full size, and taken apart again at the other end: two
conversions of every pixel, luma that went through a colour matrix (and was rescaled, where it is in the studio range),
and an image for the detector other than the one it gets when both stages share a process. As a gray JPEG luma is
stored as it is, in whatever range. The image is kept at full colour resolution (4:4:4), for it is small already.
"""

from collections.abc import Callable
from math import ceil, prod
from struct import Struct
from struct import error as StructError  # noqa: N812 (an exception after all)
from typing import Annotated, Any, Final, TypeVar

import cv2
import msgspec
import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from pipeline.errors import MessageError, VersionError
from pipeline.labels import LABELS
from pipeline.messages import Bytes, End, Faces, Floats, Frame, Scores, Stamp

VERSION: Final = 1
"""Of the form of messages; raised with every change that a program of the version before would not understand."""

LONGEST: Final = 65500
"""px, the longest side that a JPEG may have (libjpeg), and here any picture."""

BLOCKS_PER_BYTE: Final = 4
"""A block of 8x8 samples takes 2 bits of a baseline JPEG at least: one for its mean and one to end it."""

_SOF0: Final = 0xC0
_SEGMENT: Final = Struct(">BBH")  # 0xFF, marker, length from itself on (ITU-T T.81, B.1.1.4)
_FRAME_HEADER: Final = Struct(">BHHB")  # precision, rows, columns, components (ITU-T T.81, B.2.2)

_Side = Annotated[int, msgspec.Meta(ge=1, le=LONGEST)]


class _Array(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """Base of what is written as an array of its fields."""


class _Version(msgspec.Struct, array_like=True, frozen=True):
    """What messages of all versions have in common."""

    version: int


class _Envelope(_Array, frozen=True):
    version: int
    kind: str
    body: msgspec.Raw


class _Stamp(Stamp, array_like=True, frozen=True, forbid_unknown_fields=True):
    pass


class _End(End, array_like=True, frozen=True, forbid_unknown_fields=True):
    pass


class _Picture(_Array, frozen=True):
    rows: _Side
    columns: _Side
    data: memoryview


class _Frame(_Array, frozen=True):
    stamp: _Stamp
    width: Annotated[int, msgspec.Meta(ge=1)]
    height: Annotated[int, msgspec.Meta(ge=1)]
    full_range: bool
    min_face: float
    jpeg: bool
    luma: _Picture
    image: _Picture


class _Faces(_Array, frozen=True):
    stamp: _Stamp
    tracks: tuple[str, ...]
    ended: tuple[str, ...]
    boxes: memoryview
    landmarks: memoryview
    scores: memoryview
    quality: memoryview
    pose: memoryview
    side: _Side
    crops: memoryview


class _Scores(_Array, frozen=True):
    faces: _Faces
    probabilities: memoryview
    model: str


def encode(message: Frame | Faces | Scores | End, *, quality: int | None) -> bytes:
    """Return a message as bytes.

    Args:
        message: any; ``Scores`` hold no crops.
        quality: of a frame's pictures as JPEGs, 1 to 100; None leaves them as they are. Other messages are exact.

    Raises:
        MessageError: an array has another type or shape than ``pipeline.messages`` says, or a value cannot be written.
    """
    body: _Array | _End
    match message:
        case Frame():
            kind, body = "frame", _pack_frame(message, quality)
        case Faces():
            kind, body = "faces", _pack_faces(message, len(message.tracks))
        case Scores():
            kind, body = "scores", _pack_scores(message)
        case End():
            kind, body = "end", _End(*astuple(message))
    try:
        return msgspec.msgpack.encode((VERSION, kind, body))
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
        raise MessageError(f"{kind} message cannot be written: {_line(error)}") from None


def decode(data: bytes) -> Frame | Faces | Scores | End:
    """Return the message that ``data`` holds.

    Crops and raw pictures are read-only views of ``data``; other arrays are the caller's own.

    Raises:
        VersionError: it was written by another version of the program.
        MessageError: it is damaged, or no message at all.
    """
    version = _read(_VERSION, data, "message").version
    if version != VERSION:
        older = "this program" if version > VERSION else "the program that wrote it"
        raise VersionError(
            f"message was written by schema version {version}, this program reads {VERSION}; update {older}"
        )
    envelope = _read(_ENVELOPE, data, "message")
    unpack = _KINDS.get(envelope.kind)
    if unpack is None:
        raise MessageError(f"message is of the unknown kind {envelope.kind[:40]!r}, not {', '.join(_KINDS)}")
    return unpack(envelope.body)


def _pack_frame(frame: Frame, quality: int | None) -> _Frame:
    return _Frame(
        stamp=_Stamp(*astuple(frame.stamp)),
        width=frame.width,
        height=frame.height,
        full_range=frame.full_range,
        min_face=frame.min_face,
        jpeg=quality is not None,
        luma=_pack_picture("luma", frame.luma, (), quality),
        image=_pack_picture("image", frame.image, (3,), quality),
    )


def _unpack_frame(body: msgspec.Raw) -> Frame:
    frame = _read(_FRAME, body, "frame message")
    picture = _decompressed if frame.jpeg else _raw
    return Frame(
        stamp=Stamp(*astuple(frame.stamp)),
        width=frame.width,
        height=frame.height,
        luma=picture("luma", frame.luma, ()),
        full_range=frame.full_range,
        image=picture("image", frame.image, (3,)),
        min_face=frame.min_face,
    )


def _pack_faces(faces: Faces, crops: int) -> _Faces:
    """``crops``: how many there must be."""
    count, side = len(faces.tracks), faces.crops.shape[-1] if faces.crops.ndim else 0
    return _Faces(
        stamp=_Stamp(*astuple(faces.stamp)),
        tracks=faces.tracks,
        ended=faces.ended,
        boxes=_pack("boxes", faces.boxes, np.float32, (count, 4)),
        landmarks=_pack("landmarks", faces.landmarks, np.float32, (count, 5, 2)),
        scores=_pack("scores", faces.scores, np.float32, (count,)),
        quality=_pack("quality", faces.quality, np.float32, (count,)),
        pose=_pack("pose", faces.pose, np.float32, (count, 3)),
        side=side,
        crops=_pack("crops", faces.crops, np.uint8, (crops, side, side)),
    )


def _unpack_faces(faces: _Faces, crops: int) -> Faces:
    count = len(faces.tracks)
    return Faces(
        stamp=Stamp(*astuple(faces.stamp)),
        tracks=faces.tracks,
        boxes=_floats("boxes", faces.boxes, (count, 4)),
        landmarks=_floats("landmarks", faces.landmarks, (count, 5, 2)),
        scores=_floats("scores", faces.scores, (count,)),
        quality=_floats("quality", faces.quality, (count,)),
        pose=_floats("pose", faces.pose, (count, 3)),
        crops=_view("crops", faces.crops, np.dtype(np.uint8), (crops, faces.side, faces.side)),
        ended=faces.ended,
    )


def _unpack_faces_message(body: msgspec.Raw) -> Faces:
    faces = _read(_FACES, body, "faces message")
    return _unpack_faces(faces, len(faces.tracks))


def _pack_scores(scores: Scores) -> _Scores:
    shape = (len(scores.faces.tracks), len(LABELS))
    return _Scores(
        faces=_pack_faces(scores.faces, 0),
        probabilities=_pack("probabilities", scores.probabilities, np.float32, shape),
        model=scores.model,
    )


def _unpack_scores(body: msgspec.Raw) -> Scores:
    scores = _read(_SCORES, body, "scores message")
    shape = (len(scores.faces.tracks), len(LABELS))
    return Scores(
        faces=_unpack_faces(scores.faces, 0),
        probabilities=_floats("probabilities", scores.probabilities, shape),
        model=scores.model,
    )


def _unpack_end(body: msgspec.Raw) -> End:
    return End(*astuple(_read(_END, body, "end message")))


_KINDS: Final[dict[str, Callable[[msgspec.Raw], Frame | Faces | Scores | End]]] = {
    "frame": _unpack_frame,
    "faces": _unpack_faces_message,
    "scores": _unpack_scores,
    "end": _unpack_end,
}

_VERSION: Final = msgspec.msgpack.Decoder(_Version)
_ENVELOPE: Final = msgspec.msgpack.Decoder(_Envelope)
_FRAME: Final = msgspec.msgpack.Decoder(_Frame)
_FACES: Final = msgspec.msgpack.Decoder(_Faces)
_SCORES: Final = msgspec.msgpack.Decoder(_Scores)
_END: Final = msgspec.msgpack.Decoder(_End)

_T = TypeVar("_T")


def _read(decoder: msgspec.msgpack.Decoder[_T], data: bytes | msgspec.Raw, what: str) -> _T:
    try:
        return decoder.decode(data)
    # Beside its own errors msgspec lets through those of text that is not UTF-8 and of arrays nested too deep.
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"{what} cannot be read: {_line(error)}") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _pack(name: str, array: NDArray[Any], dtype: type[np.generic], shape: tuple[int, ...]) -> memoryview:
    if array.dtype != dtype or array.shape != shape:
        raise MessageError(f"{name}: {array.dtype} {array.shape} instead of {np.dtype(dtype)} {shape}")
    return np.ascontiguousarray(array).astype(np.dtype(dtype).newbyteorder("<"), copy=False).data


def _view(name: str, data: memoryview, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    length = prod(shape) * dtype.itemsize
    if len(data) != length:
        raise MessageError(f"{name}: {len(data)} bytes instead of {length} for {shape}")
    return np.ndarray(shape, dtype, data)


def _floats(name: str, data: memoryview, shape: tuple[int, ...]) -> Floats:
    # A copy: within a message, floats lie at any address, and not every library takes those.
    return _view(name, data, np.dtype("<f4"), shape).astype(np.float32)


def _pack_picture(name: str, array: Bytes, channels: tuple[int, ...], quality: int | None) -> _Picture:
    rows, columns = array.shape[:2] if array.ndim > 1 else (0, 0)
    if not (1 <= rows <= LONGEST and 1 <= columns <= LONGEST):
        raise MessageError(f"{name}: shape {array.shape} has no sides of 1 to {LONGEST} px")
    if quality is None:
        return _Picture(rows, columns, _pack(name, array, np.uint8, (rows, columns, *channels)))
    if array.dtype != np.uint8 or array.shape != (rows, columns, *channels):
        raise MessageError(f"{name}: {array.dtype} {array.shape} instead of uint8 {(rows, columns, *channels)}")
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    done, data = cv2.imencode(".jpg", array, options)
    if not done:
        raise MessageError(f"{name}: no JPEG can be made of {array.shape}")
    return _Picture(rows, columns, data.data)


def _raw(name: str, picture: _Picture, channels: tuple[int, ...]) -> Bytes:
    return _view(name, picture.data, np.dtype(np.uint8), (picture.rows, picture.columns, *channels))


def _decompressed(name: str, picture: _Picture, channels: tuple[int, ...]) -> Bytes:
    shape = (picture.rows, picture.columns, *channels)
    # OpenCV would make room for whatever size the JPEG names, and read formats other than JPEG.
    found = _jpeg_shape(picture.data)
    if found is None:
        raise MessageError(f"{name}: no JPEG of the baseline kind")
    if found != (*shape[:2], prod(channels)):
        raise MessageError(f"{name}: a JPEG of rows, columns, components {found} instead of {shape}")
    if ceil(picture.rows / 8) * ceil(picture.columns / 8) > BLOCKS_PER_BYTE * len(picture.data):
        raise MessageError(f"{name}: {len(picture.data)} bytes are too few for a JPEG of {shape}")
    flags = (cv2.IMREAD_COLOR if channels else cv2.IMREAD_GRAYSCALE) | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image: NDArray[Any] | None = cv2.imdecode(np.frombuffer(picture.data, np.uint8), flags)
    except cv2.error:
        image = None
    if image is None or image.shape != shape:
        raise MessageError(f"{name}: the JPEG of {shape} does not decode")
    return image


def _jpeg_shape(data: memoryview) -> tuple[int, int, int] | None:
    """Return (rows, columns, components) by the header of a baseline JPEG of 8 bits, None if it is none."""
    if bytes(data[:2]) != b"\xff\xd8":
        return None
    at = 2
    try:
        while True:
            begin, marker, length = _SEGMENT.unpack_from(data, at)
            if begin != 0xFF:
                return None
            if marker == _SOF0:
                precision, rows, columns, components = _FRAME_HEADER.unpack_from(data, at + _SEGMENT.size)
                return (rows, columns, components) if precision == 8 else None
            at += 2 + length
    except StructError:
        return None
