"""Two Parquet tables that are their own checkpoint.

::

    OUT/emotions/source=<id>/date=<YYYY-MM-DD>/part-<run>-<first frame>-<last frame>.parquet
    OUT/tracks/source=<id>/date=<YYYY-MM-DD>/part-<run>-<first frame>-<last frame>.parquet

A part appears whole or not at all: it is written under a hidden name, flushed to the disk and renamed. Parts of a run
hold its rows in order and never overlap, so their names say where a run that was cut short goes on.
"""

import os
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final, Generic

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import OutputError
from pipeline.labels import LABELS
from pipeline.messages import End, Results
from pipeline.settings import ParquetSettings
from pipeline.sink.columns import EMOTIONS, TRACKS, Column, Row, table, utc
from pipeline.sink.durable import Fence, failure, make_folder, write_whole
from pipeline.sink.parts import COMPLETE, hidden_name, is_last, part_name, parts, unfinished
from pipeline.sink.writer import Frontier, position

SCHEMA_VERSION: Final = "1"

DAY: Final = 86_400_000_000
"""µs."""

BLOCK: Final = 4096
"""Rows that become Arrow columns at a time: an Arrow row takes a sixth of the memory of a Python one."""

Origin = Mapping[str, str]
NOWHERE: Final[Origin] = MappingProxyType({})


class ParquetWriter:
    """Writes the rows and the track summaries of any number of runs.

    A part ends at ``settings.part_seconds`` of event time, at ``settings.part_rows`` rows, at midnight UTC, at the end
    of its run, when ``tick`` finds it open for ``part_seconds`` by the wall clock, and at ``close``; always between two
    frames.

    Args:
        out: folder of both tables; made if missing.
        settings: when parts end.
        fence: for a writer that may be replaced while it sleeps: called when a part lies ready under its hidden name,
            before it gets its own; raises if another writer has these runs now. A successor takes away what hidden
            parts it finds and looks for finished ones only then, so that no part appears behind its back.
        origin: what else the metadata of every file should tell of where its rows come from.

    Raises:
        OutputError: ``out`` cannot be made or written.
    """

    def __init__(
        self, out: Path, settings: ParquetSettings, fence: Fence | None = None, origin: Origin = NOWHERE
    ) -> None:
        self._out = out
        self._settings = settings
        self._fence = fence
        self._origin = origin
        self._runs: dict[tuple[str, str], _Run] = {}
        self._lock = threading.Lock()
        try:
            out.mkdir(parents=True, exist_ok=True)
            probe = out / f".probe-{os.getpid()}-{secrets.token_hex(4)}"
            probe.touch(exist_ok=False)
            probe.unlink()
        except OSError as error:
            raise failure(out, error) from error

    def write(self, results: Results) -> None:
        """See ``Writer.write``.

        If a part cannot be written nothing of it stays on the disk, its rows stay in memory, and the next call
        that ends a part tries again.
        """
        with self._lock:
            frame = position(results)
            if results.emotions:
                stamp = results.emotions[0].stamp
                self._run(stamp.source, stamp.run).emotions.add(results.emotions, frame, stamp.time)
            if results.tracks:
                track = results.tracks[0]
                # The time of the frame at which they were known to have ended is not told; this is just before it.
                ended = max(track.last.time for track in results.tracks)
                self._run(track.source, track.run).tracks.add(results.tracks, frame, ended)
            for end in results.ends:
                self._run(end.source, end.run).end(end)
                del self._runs[end.source, end.run]

    def frontier(self, source: str, run: str) -> Frontier:
        """See ``Writer.frontier``."""
        with self._lock:
            return self._run(source, run).frontier()

    def tick(self) -> None:
        """See ``Writer.tick``."""
        before = time.monotonic() - self._settings.part_seconds
        with self._lock:
            for run in self._runs.values():
                run.flush(before)

    def flush(self) -> None:
        """End every open part, so that all that was written is durable."""
        with self._lock:
            for run in self._runs.values():
                run.flush()

    def close(self) -> None:
        """See ``Writer.close``; every run is tried even if one fails."""
        first: OutputError | None = None
        with self._lock:
            for run in self._runs.values():
                try:
                    run.flush()
                except OutputError as error:
                    first = first or error
            self._runs.clear()
        if first is not None:
            raise first

    def _run(self, source: str, run: str) -> "_Run":
        key = (source, run)
        if key not in self._runs:
            self._runs[key] = _Run(self._out, source, run, self._settings, self._fence, self._origin)
        return self._runs[key]


class _Run:
    """Both tables of one run."""

    def __init__(
        self, out: Path, source: str, run: str, settings: ParquetSettings, fence: Fence | None, origin: Origin
    ) -> None:
        self.emotions = _Table(out / "emotions" / f"source={source}", run, EMOTIONS, settings, fence, origin)
        self.tracks = _Table(out / "tracks" / f"source={source}", run, TRACKS, settings, fence, origin)

    def frontier(self) -> Frontier:
        # A run is complete when both are: the rows are ended last.
        return self.emotions.frontier

    def flush(self, opened_before: float | None = None) -> None:
        self.tracks.flush(opened_before)
        self.emotions.flush(opened_before)

    def end(self, end: End) -> None:
        self.tracks.end(end)
        self.emotions.end(end)


class _Table(Generic[Row]):
    """The parts of one table that belong to one run."""

    def __init__(
        self,
        folder: Path,
        run: str,
        columns: Sequence[Column[Row]],
        settings: ParquetSettings,
        fence: Fence | None,
        origin: Origin,
    ) -> None:
        self._folder = folder
        self._fence = fence
        self._origin = origin
        self._run = run
        self._columns: Sequence[Column[Row]] = columns
        self._settings = settings
        self.frontier = self._recover()
        self._blocks: list[pa.Table] = []
        self._rows: list[Row] = []
        self._count = 0
        self._first = self._last = 0
        self._begun = 0
        """Event time of the part's first rows, µs."""
        self._opened = 0.0

    def add(self, rows: Sequence[Row], frame: int, event_time: int) -> None:
        """Add the rows of one frame unless they are on the disk already."""
        if self.frontier.complete or frame <= self.frontier.frame:
            return
        if self._count and self._is_over(event_time):
            self.flush()
        if not self._count:
            self._first = frame
            self._begun = event_time
            self._opened = time.monotonic()
        self._rows += rows
        self._count += len(rows)
        self._last = frame
        if len(self._rows) >= BLOCK:
            self._blocks.append(table(self._columns, self._rows))
            self._rows = []
        if self._count >= self._settings.part_rows:
            self.flush()

    def _is_over(self, event_time: int) -> bool:
        return (
            abs(event_time - self._begun) >= self._settings.part_seconds * 1e6
            or event_time // DAY != self._begun // DAY
        )

    def flush(self, opened_before: float | None = None) -> None:
        """Write the open part, if there is one (and if it was opened before that monotonic time, s)."""
        if self._count and (opened_before is None or self._opened < opened_before):
            self._write_part(complete=False)

    def end(self, end: End) -> None:
        """Write the last part; that of a complete run says so, even if there are no rows left for it."""
        if end.complete and not self.frontier.complete:
            if not self._count:
                self._first = self._last = self.frontier.frame + 1
                # No row, no event time: an empty part is filed under the day on which it was written.
                self._begun = time.time_ns() // 1000
            self._write_part(complete=True)
        else:
            self.flush()

    def _write_part(self, *, complete: bool) -> None:
        content = pa.concat_tables([*self._blocks, table(self._columns, self._rows)]).unify_dictionaries()
        content = content.replace_schema_metadata(
            {
                "affectstream.schema": SCHEMA_VERSION,
                "affectstream.source": self._folder.name.removeprefix("source="),
                "affectstream.run": self._run,
                "affectstream.first": str(self._first),
                "affectstream.last": str(self._last),
                COMPLETE: str(int(complete)),
                "affectstream.labels": ",".join(LABELS),
                **self._origin,
            }
        )
        folder = self._folder / f"date={utc(self._begun).date()}"
        path = folder / part_name(self._run, self._first, self._last)
        try:
            make_folder(folder)
            write = partial(pq.write_table, content, compression="zstd")
            write_whole(write, path, folder / hidden_name(self._run), self._fence)
        except OSError as error:
            raise failure(folder, error) from error
        self.frontier = Frontier(self._last, complete)
        self._blocks, self._rows, self._count = [], [], 0

    def _recover(self) -> Frontier:
        """Find the last durable part, and clear away what dead writers of this run left."""
        try:
            for path in unfinished(self._folder, self._run, abandoned=self._fence is None):
                path.unlink(missing_ok=True)
            newest = max((part for part in parts(self._folder) if part.run == self._run), default=None)
            return Frontier() if newest is None else Frontier(newest.last, is_last(newest.path))
        except OSError as error:
            raise failure(self._folder, error) from error
