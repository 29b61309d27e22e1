import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.index import index_last
from tests.video import clip


def box(kind: bytes, content: int = 8, *, long: bool = False) -> bytes:
    """Make an empty box; ``long`` writes its size as recorders do beyond 4 GB."""
    if long:
        return struct.pack(">I4sQ", 1, kind, 16 + content) + bytes(content)
    return struct.pack(">I4s", 8 + content, kind) + bytes(content)


@pytest.mark.parametrize(
    ("beginning", "last"),
    [
        (box(b"ftyp", 16) + box(b"free", 0) + box(b"mdat"), True),
        (box(b"ftyp", 16) + box(b"mdat", long=True), True),
        (box(b"ftyp", 16) + box(b"uuid", 100, long=True) + box(b"mdat"), True),
        (box(b"wide", 0) + box(b"mdat"), True),
        (box(b"ftyp", 16) + struct.pack(">I4s", 0, b"mdat") + bytes(8), True),  # as long as the file
        (box(b"ftyp", 16) + box(b"moov", 200) + box(b"mdat"), False),
        (box(b"ftyp", 16) + struct.pack(">I4s", 0, b"free") + box(b"mdat"), False),
        (box(b"ftyp", 16) + box(b"free", 5000), False),  # what follows is beyond what was read
        (b"#EXTM3U\n#EXT-X-VERSION:3\n" * 10, False),
        (b"", False),
    ],
)
def test_what_comes_first(beginning: bytes, last: bool) -> None:
    assert index_last(beginning) is last


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
@pytest.mark.parametrize(("flags", "last"), [("", True), ("faststart", False), ("frag_keyframe+empty_moov", False)])
def test_what_ffmpeg_writes(suffix: str, flags: str, last: bool, tmp_path: Path) -> None:
    path = clip(tmp_path / f"a.{suffix}", container_options={"movflags": flags} if flags else None)
    assert index_last(path.read_bytes()[:1024]) is last


@given(st.binary(max_size=200))
def test_any_bytes_are_looked_at_to_an_end(beginning: bytes) -> None:
    assert index_last(beginning) in (True, False)
