"""The stages' messages as bytes, so that stages in different processes can exchange them.

A message is a MessagePack array ``[version, kind, body]``; whatever later versions change, the version stays first.
The body holds a message's fields in their order, arrays as their bytes in C order, little endian. Element types follow
from the version, and shapes from the number of faces and a few sides, so that nothing is said twice and no forged
shape can ask for more memory than a message of its length may need.

A frame's luma and its image for the detector are coded apart, and so arrive as they were made. One colour picture for
both would take less room, but every full frame would have to be converted to BGR, and taken apart and shrunk again at
the other end: luma would go through a colour matrix (and be rescaled, where it is in the studio range), and the
detector would see another image than it does when both stages share a process. As a gray JPEG luma is stored as it is,
in whatever range. The image keeps its colour at full resolution (4:4:4), for it is small already.
"""

from collections.abc import Callable
from typing import Annotated, Final, TypeVar

import msgspec
import numpy as np
from msgspec.structs import astuple

from pipeline.errors import MessageError, VersionError
from pipeline.labels import LABELS
from pipeline.messages import Bytes, End, Faces, Frame, Scores, Stamp, check_ids, ids_of
from workers.bus.arrays import check, floats, packed, viewed
from workers.bus.jpeg import LONGEST, compress, decompress

Message = Frame | Faces | Scores | End

VERSION: Final = 1
"""Of the form of messages; raised with every change that a program of the version before would not understand."""

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


def encode(message: Message, *, quality: int | None) -> bytes:
    """Return a message as bytes.

    A frame of 720p with an image of 768x448 takes 98 kB (a face before a smooth background) to 227 kB (a busy street)
    as JPEGs of quality 90, and 2 to 3 ms of one core to write and as much to read; raw 1954 kB, less than 1 ms to write
    and next to nothing to read. JPEG changes the results by about a third of what they change from one frame to the
    next. A face takes 2.4 kB with its crop of 48x48 px, 0.11 kB without (``tests/benchmarks/test_codec.py``).

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


def decode(data: bytes) -> Message:
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


def decode_one_of(data: bytes, kinds: tuple[type[Message], ...], source: str) -> Message:
    """Return the message that ``data`` holds, as ``decode`` does.

    Args:
        data: of an entry that anybody who reaches this Redis may have put there.
        kinds: what may come.
        source: whose entry it is.

    Raises:
        VersionError: as ``decode``.
        MessageError: as ``decode``, and where the message is of another kind; of another source, whose rows would go
            where that one's are; or of a run that is no id, whose rows might leave the results' folder.
    """
    message = decode(data)
    if not isinstance(message, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise MessageError(f"{wanted} was awaited, not {type(message).__name__}")
    told, run = ids_of(message)
    if told != source:
        raise MessageError(f"a message of {source[:40]!r} was awaited, not one of {told[:40]!r}")
    check_ids(told, run)
    return message


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
    return Frame(
        stamp=Stamp(*astuple(frame.stamp)),
        width=frame.width,
        height=frame.height,
        luma=_unpack_picture("luma", frame.luma, (), jpeg=frame.jpeg),
        full_range=frame.full_range,
        image=_unpack_picture("image", frame.image, (3,), jpeg=frame.jpeg),
        min_face=frame.min_face,
    )


def _pack_faces(faces: Faces, crops: int) -> _Faces:
    """``crops``: how many there must be."""
    count, side = len(faces.tracks), faces.crops.shape[-1] if faces.crops.ndim else 0
    return _Faces(
        stamp=_Stamp(*astuple(faces.stamp)),
        tracks=faces.tracks,
        ended=faces.ended,
        boxes=packed("boxes", faces.boxes, np.float32, (count, 4)),
        landmarks=packed("landmarks", faces.landmarks, np.float32, (count, 5, 2)),
        scores=packed("scores", faces.scores, np.float32, (count,)),
        quality=packed("quality", faces.quality, np.float32, (count,)),
        pose=packed("pose", faces.pose, np.float32, (count, 3)),
        side=side,
        crops=packed("crops", faces.crops, np.uint8, (crops, side, side)),
    )


def _unpack_faces(faces: _Faces, crops: int) -> Faces:
    count = len(faces.tracks)
    return Faces(
        stamp=Stamp(*astuple(faces.stamp)),
        tracks=faces.tracks,
        boxes=floats("boxes", faces.boxes, (count, 4)),
        landmarks=floats("landmarks", faces.landmarks, (count, 5, 2)),
        scores=floats("scores", faces.scores, (count,)),
        quality=floats("quality", faces.quality, (count,)),
        pose=floats("pose", faces.pose, (count, 3)),
        crops=viewed("crops", faces.crops, np.uint8, (crops, faces.side, faces.side)),
        ended=faces.ended,
    )


def _unpack_faces_message(body: msgspec.Raw) -> Faces:
    faces = _read(_FACES, body, "faces message")
    return _unpack_faces(faces, len(faces.tracks))


def _pack_scores(scores: Scores) -> _Scores:
    shape = (len(scores.faces.tracks), len(LABELS))
    return _Scores(
        faces=_pack_faces(scores.faces, 0),
        probabilities=packed("probabilities", scores.probabilities, np.float32, shape),
        model=scores.model,
    )


def _unpack_scores(body: msgspec.Raw) -> Scores:
    scores = _read(_SCORES, body, "scores message")
    shape = (len(scores.faces.tracks), len(LABELS))
    return Scores(
        faces=_unpack_faces(scores.faces, 0),
        probabilities=floats("probabilities", scores.probabilities, shape),
        model=scores.model,
    )


def _unpack_end(body: msgspec.Raw) -> End:
    return End(*astuple(_read(_END, body, "end message")))


_KINDS: Final[dict[str, Callable[[msgspec.Raw], Message]]] = {
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
    # It may quote what was read, of any length.
    return " ".join(str(error).split())[:150]


def _pack_picture(name: str, picture: Bytes, channels: tuple[int, ...], quality: int | None) -> _Picture:
    rows, columns = picture.shape[:2] if picture.ndim > 1 else (0, 0)
    # Rows are a side too.
    check(name, picture[None], np.uint8, (1, rows, columns, *channels))
    data = np.ascontiguousarray(picture) if quality is None else compress(picture, quality)
    return _Picture(rows, columns, data.data)


def _unpack_picture(name: str, picture: _Picture, channels: tuple[int, ...], *, jpeg: bool) -> Bytes:
    shape = (picture.rows, picture.columns, *channels)
    if not jpeg:
        return viewed(name, picture.data, np.uint8, shape)
    try:
        return decompress(picture.data, shape)
    except MessageError as error:
        raise MessageError(f"{name}: {error}") from None
