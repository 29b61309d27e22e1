"""The two tables of one run, each with the part of it that is open."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final, Generic

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.durable import Fence, failure, make_folder, write_whole
from pipeline.labels import LABELS
from pipeline.messages import End
from pipeline.settings import ParquetSettings
from pipeline.sink.columns import EMOTIONS, TRACKS, Column, Row, table, utc
from pipeline.sink.parts import COMPLETE, hidden_name, is_last, part_name, parts, unfinished
from pipeline.sink.writer import Frontier

SCHEMA_VERSION: Final = "1"

DAY: Final = 86_400_000_000
"""µs."""

BLOCK: Final = 4096
"""Rows that become Arrow columns at a time: an Arrow row takes a sixth of the memory of a Python one."""

RETRY: Final = 15.0
"""s before a part that could not be written is tried again."""

Origin = Mapping[str, str]
"""What else the metadata of a source's files should tell of where its rows come from."""

NOWHERE: Final[Origin] = MappingProxyType({})


class RunTables:
    """Both tables of one run."""

    def __init__(
        self,
        out: Path,
        source: str,
        run: str,
        settings: ParquetSettings,
        fence: Fence | None,
        origin: Origin,
        unsure: set[Path],
    ) -> None:
        self.emotions = Table(out / "emotions" / f"source={source}", run, EMOTIONS, settings, fence, origin, unsure)
        self.tracks = Table(out / "tracks" / f"source={source}", run, TRACKS, settings, fence, origin, unsure)

    def frontier(self) -> Frontier:
        """How far both are durable."""
        # A run is complete when both are: the rows are ended last.
        return self.emotions.frontier

    @property
    def held(self) -> int:
        """Rows that are not on the disk yet."""
        return self.emotions.held + self.tracks.held

    @property
    def failed(self) -> bool:
        """Whether a part could not be written when it was tried last."""
        return self.emotions.failed or self.tracks.failed

    def flush(self, opened_before: float | None = None) -> None:
        """Write the open parts (those opened before that monotonic time, s), the second even if the first fails."""
        try:
            self.tracks.flush(opened_before)
        finally:
            self.emotions.flush(opened_before)

    def end(self, end: End) -> None:
        """Write the last parts."""
        self.tracks.end(end)
        self.emotions.end(end)


class Table(Generic[Row]):
    """The parts of one table that belong to one run.

    A part that cannot be written grows until it can: it may then be longer than the settings say, and go beyond the day
    under which it is filed.

    Args:
        folder: ``OUT/emotions/source=<id>`` or ``OUT/tracks/source=<id>``.
        run: id.
        columns: of the table.
        settings: when parts end.
        fence: see ``ParquetWriter``.
        origin: more metadata.
        unsure: takes up the folders in which a power cut may undo what was written.
    """

    def __init__(
        self,
        folder: Path,
        run: str,
        columns: Sequence[Column[Row]],
        settings: ParquetSettings,
        fence: Fence | None,
        origin: Origin,
        unsure: set[Path],
    ) -> None:
        self._folder = folder
        self._unsure = unsure
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
        self._rest = 0.0
        """Monotonic time before which a part that could not be written is not tried again, s; 0 if it could."""

    @property
    def held(self) -> int:
        """Rows that are not on the disk yet."""
        return self._count

    @property
    def failed(self) -> bool:
        """Whether the part could not be written when it was tried last."""
        return self._rest > 0

    def add(self, rows: Sequence[Row], frame: int, event_time: int) -> None:
        """Add the rows of one frame unless they are on the disk already; they are added even if a part fails."""
        if self.frontier.complete or frame <= self.frontier.frame:
            return
        try:
            if self._count and self._is_over(event_time):
                self._flush_if_rested()
        finally:
            self._append(rows, frame, event_time)
        if self._count >= self._settings.part_rows:
            self._flush_if_rested()

    def _append(self, rows: Sequence[Row], frame: int, event_time: int) -> None:
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

    def _is_over(self, event_time: int) -> bool:
        return (
            abs(event_time - self._begun) >= self._settings.part_seconds * 1e6
            or event_time // DAY != self._begun // DAY
        )

    def flush(self, opened_before: float | None = None) -> None:
        """Write the open part, if there is one (and if it was opened before that monotonic time, s)."""
        if self._count and opened_before is None:
            self._write_part(complete=False)
        elif self._count and opened_before is not None and self._opened < opened_before:
            self._flush_if_rested()

    def _flush_if_rested(self) -> None:
        if time.monotonic() >= self._rest:
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
            if not make_folder(folder):
                self._doubt(folder)
            write = partial(pq.write_table, content, compression="zstd")
            if not write_whole(write, path, folder / hidden_name(self._run), self._fence):
                self._doubt(folder)
        except OSError as error:
            self._rest = time.monotonic() + RETRY
            raise failure(folder, error) from error
        self.frontier = Frontier(self._last, complete)
        self._blocks, self._rows, self._count, self._rest = [], [], 0, 0.0

    def _recover(self) -> Frontier:
        """Find the last durable part, and clear away what dead writers of this run left."""
        try:
            for path in unfinished(self._folder, self._run, abandoned=self._fence is None):
                path.unlink(missing_ok=True)
            found = [part for part in parts(self._folder) if part.run == self._run]
            if self._fence is not None:
                # Whoever wrote them may have ended, or failed, between naming a part and syncing its folder.
                for part in found:
                    self._doubt(part.path.parent)
            newest = max(found, default=None)
            return Frontier() if newest is None else Frontier(newest.last, is_last(newest.path))
        except OSError as error:
            raise failure(self._folder, error) from error

    def _doubt(self, folder: Path) -> None:
        """Note that a power cut may undo what was written to the folder of a day: it, or a name above it up to OUT."""
        self._unsure.update((folder, *folder.parents[:3]))
