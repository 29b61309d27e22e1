"""Names of part files: what they say, and what lies in a folder.

A part ``part-<run>-<first frame>-<last frame>.parquet`` is whole. What is being written is hidden from whoever reads
the folder, under ``.part-<run>-<process>-<chance>.tmp``.
"""

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import OutputError

COMPLETE: Final = "affectstream.complete"
"""Name in a part's metadata of whether its run ends with it: 1 or 0."""

READ_FROM: Final = "affectstream.read_from"
"""Name in a part's metadata of the absolute path of the file, or of the URL without secrets, that its rows tell of."""

_PART: Final = re.compile(r"part-(?P<run>.+)-\d{10,}-(?P<last>\d{10,})\.parquet")
_HIDDEN: Final = re.compile(r"\.part-(?P<run>.+)-(?P<pid>\d+)-[0-9a-f]{8}\.tmp")


class PartFile(NamedTuple):
    """One part that is there."""

    source: str
    run: str
    last: int
    """Number of its last frame."""
    path: Path


def part_name(run: str, first: int, last: int) -> str:
    """Return the name of the part that holds two frames and those between.

    >>> part_name("r1", 0, 19)
    'part-r1-0000000000-0000000019.parquet'
    """
    return f"part-{run}-{first:010}-{last:010}.parquet"


def hidden_name(run: str) -> str:
    """Return a name of this process's own for a part that is being written."""
    return f".part-{run}-{os.getpid()}-{secrets.token_hex(4)}.tmp"


def parts(folder: Path) -> Iterator[PartFile]:
    """Give the parts of one source, of the folder ``OUT/emotions/source=<id>`` or ``OUT/tracks/source=<id>``."""
    return (part for path in folder.glob("date=*/part-*") if (part := as_part(path)))


def as_part(path: Path) -> PartFile | None:
    """Return what the path of a part says, ``…/source=<id>/date=<day>/part-…``; None if the name is not a part's."""
    if match := _PART.fullmatch(path.name):
        return PartFile(path.parts[-3].removeprefix("source="), match["run"], int(match["last"]), path)
    return None


def unfinished(folder: Path, run: str | None, *, abandoned: bool) -> Iterator[Path]:
    """Give what was being written of one source, of a run or of any; ``abandoned``: only by processes that are gone."""
    for path in folder.glob("date=*/.part-*"):
        match = _HIDDEN.fullmatch(path.name)
        if match and run in {None, match["run"]} and not (abandoned and _is_writing(int(match["pid"]))):
            yield path


def is_last(part: Path) -> bool:
    """Return whether a part says that its run ends with it; raises as ``metadata``."""
    return metadata(part).get(COMPLETE) == "1"


def metadata(part: Path) -> dict[str, str]:
    """Return what a part tells of itself, without Arrow's own; raises as ``footer``."""
    return told(footer(part))


def told(end: pq.FileMetaData) -> dict[str, str]:
    """Return what the end of a part tells of it, without Arrow's own; see ``footer``."""
    found = end.metadata or {}
    return {key.decode(): value.decode() for key, value in found.items() if key.startswith(b"affectstream.")}


def footer(part: Path) -> pq.FileMetaData:
    """Read what stands at the end of a part.

    Raises:
        OutputError: it is not whole.
    """
    with _whole(part):
        return pq.read_metadata(part)


def read_part(part: Path, columns: Sequence[str]) -> pa.Table:
    """Read columns of a part; raises as ``footer``."""
    with _whole(part), pq.ParquetFile(part) as file:
        return file.read(list(columns))


@contextmanager
def _whole(part: Path) -> Iterator[None]:
    """Say what to do about a part in which Arrow finds damage."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # it is not the part that is wrong
        raise OutputError(
            f"{part} is not whole, as a copy that was cut short; copy it again, or delete it with the others of its "
            "run and replay its source"
        ) from error


def _is_writing(pid: int) -> bool:
    """Return whether another process lives that may finish its hidden file."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
