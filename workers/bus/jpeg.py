"""Pictures as baseline JPEGs (ITU-T T.81), gray or in colour at full resolution (4:4:4), and back.

OpenCV's decoder alone would trust what it is given: it makes room for whatever size a header names, turns pictures as
their metadata ask, and reads formats other than JPEG. So the header is read here first.
"""

from math import ceil, prod
from struct import Struct
from struct import error as StructError  # noqa: N812 (an exception after all)
from typing import Any, Final

import cv2
import numpy as np

from pipeline.errors import MessageError
from pipeline.messages import Bytes

LONGEST: Final = 65500
"""px, the longest side that libjpeg writes and reads."""

BLOCKS_PER_BYTE: Final = 4
"""Blocks of 8x8 samples that a byte may hold: each takes one bit for its mean and one for its end at least."""

_START: Final = b"\xff\xd8"
_BASELINE: Final = 0xC0  # SOF0
_SEGMENT: Final = Struct(">BBH")  # 0xFF, marker, length from itself on (B.1.1.4)
_FRAME: Final = Struct(">BHHB")  # precision, rows, columns, components (B.2.2)


def compress(picture: Bytes, quality: int) -> Bytes:
    """Return (length,) bytes of a JPEG.

    ``picture``: (rows, columns) gray, stored as it is in whatever range, or (rows, columns, 3) BGR; sides of 1 to 65500
    px, in any layout in memory. ``quality``: 1 to 100.
    """
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    data: Bytes = cv2.imencode(".jpg", picture, options)[1]
    return data


def decompress(data: memoryview, shape: tuple[int, ...]) -> Bytes:
    """Return the picture of ``shape``, (rows, columns) or (rows, columns, 3), that ``data`` holds.

    Takes no more memory than a real JPEG as long as ``data`` may need. Damage within the picture may go unnoticed.

    Raises:
        MessageError: it is no baseline JPEG, or of another shape, or does not decode.
    """
    named = _shape(data)
    if named is None:
        raise MessageError("no baseline JPEG")
    if named != (*shape[:2], prod(shape[2:])):
        raise MessageError(f"a JPEG of rows, columns, components {named} instead of {shape}")
    if ceil(shape[0] / 8) * ceil(shape[1] / 8) > BLOCKS_PER_BYTE * len(data):
        raise MessageError(f"{len(data)} bytes are too few for a JPEG of {shape}")
    flags = cv2.IMREAD_COLOR if len(shape) > 2 else cv2.IMREAD_GRAYSCALE
    picture: Any
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        picture = None
    if picture is None or picture.shape != shape:
        raise MessageError(f"the JPEG of {shape} does not decode")
    decoded: Bytes = picture
    return decoded


def _shape(data: memoryview) -> tuple[int, int, int] | None:
    """Return (rows, columns, components) by the header of a baseline JPEG of 8 bits; None if it is none."""
    if bytes(data[: len(_START)]) != _START:
        return None
    at = len(_START)
    try:
        while True:
            begin, marker, length = _SEGMENT.unpack_from(data, at)
            if begin != 0xFF:
                return None
            if marker == _BASELINE:
                precision, rows, columns, components = _FRAME.unpack_from(data, at + _SEGMENT.size)
                return (rows, columns, components) if precision == 8 else None
            at += 2 + length
    except StructError:
        return None
