"""Where an mp4 on a web server keeps its index, and whether it can be had from there."""

import errno
import struct
from typing import Final

import av

from pipeline.ingest.source import Source

BEFORE: Final = (b"ftyp", b"free", b"skip", b"wide", b"uuid", b"pdin", b"styp")
"""Boxes that may come before the pictures or the index."""


def index_last(beginning: bytes) -> bool:
    """Say whether an mp4 or mov that begins like this has its pictures before its index (ISO/IEC 14496-12, 4.2).

    >>> index_last(bytes.fromhex("00000010") + b"ftypisom0000" + bytes.fromhex("00001000") + b"mdat" + bytes(8))
    True
    """
    at = 0
    while at + 16 <= len(beginning):
        size, kind, long_size = struct.unpack_from(">I4sQ", beginning, at)
        if kind == b"mdat":
            return True
        if kind not in BEFORE or size == 0:
            return False
        at += max(long_size if size == 1 else size, 8)
    return False


def out_of_reach(source: Source, error: Exception) -> bool:
    """Say whether ``error`` came of an mp4 whose index is at its end, on a web server that cannot send it from there.

    FFmpeg's error is one that a broken connection causes too. So the server is asked again, twice, for at most
    ``open_timeout`` s each: how the file begins, and whether it can be had from another place. False where that leaves
    any doubt.
    """
    unread = isinstance(error, av.error.InvalidDataError) or getattr(error, "errno", None) == errno.EIO
    if not (unread and source.url.lower().startswith(("http://", "https://"))):
        return False
    try:
        if not index_last(_read(source, 0)):
            return False
    except (av.FFmpegError, OSError):
        return False
    try:
        _read(source, 1)
    except (av.FFmpegError, OSError) as refusal:
        # What FFmpeg says where it asked for a part of a file and was sent the whole.
        return refusal.errno == errno.EIO
    return False


def _read(source: Source, offset: int) -> bytes:
    """Read the first KiB from an offset, over the connection that FFmpeg would make for a video."""
    settings = source.settings
    with av.open(
        source.url, format="data", options={"offset": str(offset)}, timeout=(settings.open_timeout,) * 2
    ) as container:
        return bytes(next(container.demux()))
