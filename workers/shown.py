"""The frames of a video, each with the rows that the tables have of it."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

from pipeline.errors import InputError, SourceError
from pipeline.ingest.clock import MediaClock, Sampler
from pipeline.ingest.decode import Video
from pipeline.ingest.picture import Pictures
from pipeline.ingest.source import Source
from pipeline.messages import Bytes
from pipeline.sink.parts import READ_FROM, PartFile, metadata, parts, read_part

COLUMNS: Final = ("frame", "pts", "track", "x", "y", "w", "h", "quality", "dominant", "intensity")

SAME: Final = 1e-3
"""s by which the time of a row and that of its frame may differ; beyond, the row is of another video."""

BATCH: Final = 4096
"""Rows that are Python's at a time."""

Report = Callable[[float | None], None]
"""Told what part of the video has been read, in [0, 1]; None if its length is unknown."""


@dataclass(frozen=True)
class Run:
    """The rows of one run of a video.

    Attributes:
        source: its id in the folder.
        id: of the run.
        parts: of the rows, in their order.
        others: ids of the other runs of the video.
    """

    source: str
    id: str
    parts: tuple[Path, ...]
    others: tuple[str, ...]

    def tracks(self) -> list[str]:
        """Return the ids of the tracks that have rows, sorted; raises ``OutputError`` where a part is damaged."""
        found = {track for part in self.parts for track in read_part(part, ["track"])["track"].unique().to_pylist()}
        return sorted(found, key=lambda track: (len(track), track))

    def fps(self) -> float | None:
        """Return how many frames per second were analysed; None: all, or the parts do not tell."""
        settings = json.loads(metadata(self.parts[-1]).get("affectstream.settings", "{}"))
        rate: float | None = settings.get("ingest", {}).get("fps")
        return rate

    def frames(self, track: str | None = None) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """Give the number of each frame that has rows (of a track), with them; only one part is in memory at a time."""
        return ((number, [*rows]) for number, rows in groupby(self._rows(track), itemgetter("frame")))

    def _rows(self, track: str | None) -> Iterator[dict[str, Any]]:
        for part in self.parts:
            for batch in read_part(part, COLUMNS).to_batches(BATCH):
                for row in batch.to_pylist():
                    if track in {None, row["track"]}:
                        yield row


class Shown(NamedTuple):
    """One frame as it is displayed, with what is said of it."""

    pts: float
    """Media time, s."""
    picture: Bytes
    """(height, width, 3) BGR, 0-255, undrawn."""
    rows: list[dict[str, Any]]


def find_run(out: Path, video: Source, source: str | None = None, run: str | None = None) -> Run:
    """Find the rows of a video: by default those of its latest run.

    Args:
        out: folder of results.
        video: the file.
        source: id of the rows' source; None: the one that was read from this path.
        run: id of the run.

    Raises:
        InputError: there are none, or no such run.
        OutputError: a part is damaged.
    """
    known: dict[str, dict[str, list[PartFile]]] = {}
    for folder in sorted(out.glob("emotions/source=*")):
        for part in sorted(parts(folder)):
            known.setdefault(part.source, {}).setdefault(part.run, []).append(part)
    if source is not None:
        found = {(source, name): those for name, those in known.get(source, {}).items()}
    else:
        found = {
            (name, its): those
            for name, runs in known.items()
            for its, those in runs.items()
            if metadata(those[0].path).get(READ_FROM) == video.url
        }
    if not found:
        there = ", ".join(known) or "none"
        moved = "" if source else "; if the video is one of them, moved or renamed, name it with --source"
        whose = f"source {source!r}" if source else video.safe_url
        raise InputError(f"there are no rows of {whose} in {str(out)!r}; sources there: {there}{moved}")
    runs = sorted(found, key=lambda key: max(part.path.stat().st_mtime_ns for part in found[key]))
    names = [name for _, name in runs]
    if run is not None and run not in names:
        raise InputError(f"there is no run {run!r} of {video.safe_url} in {str(out)!r}; there are: {', '.join(names)}")
    chosen = runs[-1] if run is None else runs[names.index(run)]
    those = tuple(part.path for part in sorted(found[chosen], key=lambda part: part.last))
    return Run(*chosen, those, tuple(name for name in names if name != chosen[1]))


def shown(video: Source, run: Run, track: str | None, report: Report) -> Iterator[Shown]:
    """Give every frame of a video, decoded as it was for the run, with its rows; it keeps no more than one.

    Frames that the run left out (``fps``) have the rows of the one before.

    Raises:
        SourceError: the video cannot be read.
        InputError: the rows are of another video.
    """
    with ExitStack() as stack:
        decoder = Video(video)
        stack.callback(decoder.close)
        clock, sampler = MediaClock(decoder.step), Sampler(run.fps())
        pictures = Pictures(video.detector, decoder.aspect)
        frames = run.frames(track)
        due, rows = next(frames, (None, []))
        faces: list[dict[str, Any]] = []
        seen = False
        for decoded in decoder.frames(lambda _: None):
            pts = clock.media_time(decoded.ticks, decoder.base)
            seen = True
            if sampler.wants(pts):
                faces = []
            if due is not None and decoded.number >= due:
                if decoded.number > due or abs(rows[0]["pts"] - pts) > SAME:
                    raise _another(video, run, f"frame {due} is at {rows[0]['pts']:.3f} s in them")
                faces = rows
                due, rows = next(frames, (None, []))
            report(min(1.0, pts / decoder.duration) if decoder.duration else None)
            yield Shown(pts, pictures.whole(decoded.frame), faces)
        if not seen:
            raise SourceError(f"{video.safe_url}: nothing in it can be decoded")
        if due is not None:
            raise _another(video, run, f"they go on to frame {due}, behind its end")


def _another(video: Source, run: Run, why: str) -> InputError:
    return InputError(f"the rows of {run.source} (run {run.id}) are not of {video.safe_url} as it is now: {why}")
