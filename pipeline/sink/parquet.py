"""Two Parquet tables that are their own checkpoint.

::

    OUT/emotions/source=<id>/date=<YYYY-MM-DD>/part-<run>-<first frame>-<last frame>.parquet
    OUT/tracks/source=<id>/date=<YYYY-MM-DD>/part-<run>-<first frame>-<last frame>.parquet

A part appears whole or not at all: it is written under a hidden name, flushed to the disk and renamed. Parts of a run
hold its rows in order and never overlap, so their names say where a run that was cut short goes on.
"""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pipeline.channel import Closed
from pipeline.durable import Fence, failure, make_folder, sync, unusable
from pipeline.errors import OutputError
from pipeline.messages import End, Results, check_ids
from pipeline.settings import ParquetSettings
from pipeline.sink.occupancy import writing
from pipeline.sink.tables import NOWHERE, Origin, RunTables
from pipeline.sink.writer import Frontier, position

log = logging.getLogger(__name__)

HELD: Final = 10
"""Parts' worth of rows that a patient writer holds while it cannot write."""


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
        origins: by source, what else the metadata of its files should tell of where its rows come from.
        patient: whether ``write`` and ``tick`` only warn of a part that cannot be written, as long as ``HELD`` parts'
            worth of rows have not gathered: what comes live cannot be had again.
        stopped: asked while somebody erases in ``out``, which is waited for, whether to wait no longer.

    Raises:
        InputError: ``out`` is a file, or within one.
        OutputError: ``out`` cannot be made or written, or it was told to stop while it waited.
    """

    def __init__(
        self,
        out: Path,
        settings: ParquetSettings,
        fence: Fence | None = None,
        origins: Mapping[str, Origin] = MappingProxyType({}),
        *,
        patient: bool = False,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._out = out
        self._patient = patient
        self._troubled = False
        self._settings = settings
        self._fence = fence
        self._origins = origins
        self._runs: dict[tuple[str, str], RunTables] = {}
        self._unsure: set[Path] = set()
        """Folders in which a power cut may undo what was written."""
        self._lock = threading.Lock()
        try:
            if not make_folder(out):
                self._unsure.update(out.parents)
            probe = out / f".probe-{os.getpid()}-{secrets.token_hex(4)}"
            probe.touch(exist_ok=False)
            probe.unlink()
        except OSError as error:
            raise unusable(out, error) from error
        self._closed = False
        self._held = ExitStack()
        """What ``close`` lets go of."""
        self._held.enter_context(writing(out, stopped))

    def write(self, results: Results) -> None:
        """See ``Writer.write``; a ``MessageError`` where a source or a run is no id, whoever made it up.

        If a part cannot be written nothing of it stays on the disk, all rows stay in memory, and it is tried again when
        ``RETRY`` s have gone by, and by ``close``.
        """
        with self._lock:
            self._check_open()
            frame = position(results)
            steps: list[Callable[[], None]] = []
            if results.emotions:
                stamp = results.emotions[0].stamp
                emotions = self._run(stamp.source, stamp.run).emotions
                steps.append(partial(emotions.add, results.emotions, frame, stamp.time))
            if results.tracks:
                track = results.tracks[0]
                # The time of the frame at which they were known to have ended is not told; this is just before it.
                ended = max(track.last.time for track in results.tracks)
                steps.append(partial(self._run(track.source, track.run).tracks.add, results.tracks, frame, ended))
            steps += [partial(self._end, end) for end in results.ends]
            self._try(steps)

    def frontier(self, source: str, run: str) -> Frontier:
        """See ``Writer.frontier``; raises ``Closed`` after ``close``, for it clears away what dead writers left."""
        with self._lock:
            self._check_open()
            return self._run(source, run).frontier()

    def tick(self) -> None:
        """See ``Writer.tick``."""
        before = time.monotonic() - self._settings.part_seconds
        with self._lock:
            self._try([partial(run.flush, before) for run in self._runs.values()])

    def flush(self) -> None:
        """End every open part, so that all that was written is durable; return only if it outlives a power cut too.

        For whoever then gives away what the rows were made of. The other ways to a part only warn where its folder
        could not be synced: a file is still there to be replayed, and what came live cannot be had again anyway.

        Raises:
            OutputError: a part cannot be written, or the folder of one that was written cannot be synced. Rows of the
                latter are passed over from now on, and it is tried again by the next call.
        """
        with self._lock:
            for run in self._runs.values():
                run.flush()
            for folder in sorted(self._unsure):
                try:
                    sync(folder)
                except OSError as error:
                    raise failure(folder, error) from error
                self._unsure.discard(folder)

    def close(self, *, save: bool = True) -> None:
        """See ``Writer.close``; every run is tried even if one fails.

        Args:
            save: whether to write the open parts; else their rows are given up.
        """
        with self._lock:
            self._patient = False
            try:
                self._try([run.flush for run in self._runs.values() if save])
            finally:
                self._closed, self._troubled = True, False
                self._runs.clear()
                self._held.close()

    def _check_open(self) -> None:
        """Raise ``Closed`` where the folder is not held any more: somebody may erase there."""
        if self._closed:
            raise Closed

    def _try(self, steps: Sequence[Callable[[], None]]) -> None:
        """Take all steps, whichever fails; then raise the first error, or warn of it if that is the way."""
        errors = []
        for step in steps:
            try:
                step()
            except OutputError as error:
                errors.append(error)
        held = sum(run.held for run in self._runs.values())
        if errors and not (self._patient and held < HELD * self._settings.part_rows):
            raise errors[0]
        if errors and not self._troubled:
            log.warning("%s; rows are kept in memory meanwhile", errors[0])
            self._troubled = True
        elif self._troubled and not any(run.failed for run in self._runs.values()):
            log.warning("Parquet parts can be written again; no row was lost")
            self._troubled = False

    def _end(self, end: End) -> None:
        self._run(end.source, end.run).end(end)
        del self._runs[end.source, end.run]

    def _run(self, source: str, run: str) -> "RunTables":
        key, origin = (source, run), self._origins.get(source, NOWHERE)
        if key not in self._runs:
            check_ids(source, run)
            self._runs[key] = RunTables(self._out, source, run, self._settings, self._fence, origin, self._unsure)
        return self._runs[key]
