"""What a folder of results holds: its runs, told from the names and the footers of its parts alone.

Nothing is written, no table is read, and writers are not waited for.
"""

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow.parquet as pq

from pipeline.card import detector_card, network_file
from pipeline.errors import AffectError, InputError, OutputError
from pipeline.run import is_of_file
from pipeline.settings import PipelineSettings
from pipeline.sink.occupancy import occupied
from pipeline.sink.parts import COMPLETE, READ_FROM, PartFile, as_part, footer, told
from workers.replay.stopped import stopped_runs

TIMES: Final = {"emotions": ("time", "time"), "tracks": ("first_time", "last_time")}
"""Tables, and in each the columns that hold the first and the last event time of a row."""

SHAPING: Final = ("ingest.fps", "ingest.camera_clock", "detector.", "tracker.", "smoother.", "runtime.provider")
"""Settings, or sections of them, that shape rows whatever the machine and the network are."""

READERS: Final = 8
"""Parts that are opened at once: on the disks of other machines most of the time is waiting."""

Report = Callable[[int, int], None]
"""Told how many parts have been looked at, and how many there are."""


class State(StrEnum):
    """How far a run has come."""

    FINISHED = "finished"
    """All of a video is there."""
    UNFINISHED = "unfinished"
    """A replay was stopped before the end of its video: the same command completes it."""
    ENDED = "ended"
    """A run of a camera, which has no end of its own."""
    OPEN = "may be running"
    """It has not ended by its own account, and somebody writes to the folder."""
    DAMAGED = "damaged"
    """A part is not whole, cannot be read, or is missing."""


@dataclass(frozen=True)
class Stock:
    """What there is of one run of one source."""

    source: str
    run: str
    first: datetime | None
    """Event time of its first row, UTC; None if it has none."""
    last: datetime | None
    rows: int
    tracks: int
    models: tuple[str, ...]
    """Names and hashes of its expression networks: one, save where it was changed meanwhile."""
    changes: Mapping[str, Any]
    """Settings that shape rows and are not what they are by default, by name with its section."""
    settings: Mapping[str, Any]
    """All that its newest part tells, by section; empty where it does not."""
    version: str
    """Of affectstream; empty where the newest part does not tell."""
    read_from: str
    """Path of the video, or URL without secrets; empty where the newest part does not tell."""
    state: State
    parts: int
    bytes: int

    @property
    def seconds(self) -> float:
        """From the first row to the last, s of event time; 0 if it has none."""
        return (self.last - self.first).total_seconds() if self.first and self.last else 0.0


@dataclass(frozen=True)
class Inventory:
    """What a folder holds."""

    runs: tuple[Stock, ...]
    """By source, and within it by time."""
    busy: bool
    """Whether somebody writes to the folder, or erases there."""
    damage: tuple[str, ...]
    """What is wrong with parts, a sentence each."""
    foreign: tuple[Path, ...]
    """Files that are no parts, though readers of Parquet would take them for some."""


def take_stock(out: Path, sources: Sequence[str] = (), report: Report = lambda *_: None) -> Inventory:
    """Look through a folder of results, or through some sources of it.

    Raises:
        InputError: a folder cannot be listed.
    """
    busy = occupied(out)
    listed, foreign = _listed(out, sources)
    total, seen = sum(len(parts) for _, parts in listed), 0
    found: dict[tuple[str, str], _Gathered] = defaultdict(_Gathered)
    with ThreadPoolExecutor(READERS) as pool:
        for table, parts in listed:
            for part, end in zip(parts, pool.map(_look, [part.path for part in parts]), strict=True):
                if end is not None:
                    found[part.source, part.run].add(table, part, end)
            seen += len(parts)
            report(seen, total)
    for source, run in stopped_runs(out):
        if not sources or source in sources:
            found[source, run]  # which may have been stopped before it had any row
    busy = busy or occupied(out)
    # Every start of a camera is a run of its own, named after its beginning: only the newest may be going on.
    newest = {source: run for source, run in sorted(found) if not is_of_file(run)}
    runs = [
        each.stock(source, run, may_run=busy and (is_of_file(run) or newest[source] == run))
        for (source, run), each in found.items()
    ]
    runs.sort(key=lambda each: (each.source, each.first is None, each.first, each.run))
    damage = [line for _, each in sorted(found.items()) for line in each.damage]
    return Inventory(tuple(runs), busy, tuple(damage), tuple(foreign))


class _End(NamedTuple):
    """What the footer of a part tells."""

    rows: int
    spans: dict[str, tuple[Any, Any]]
    """The least and the largest value of columns that have any."""
    told: dict[str, str]
    bytes: int


@dataclass
class _Gathered:
    """What is known of a run so far."""

    rows: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TIMES, 0))
    times: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)
    newest: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    """Of each table the number of the last frame, and what the part of that tells."""
    damage: list[str] = field(default_factory=list)
    parts: int = 0
    bytes: int = 0

    def add(self, table: str, part: PartFile, end: _End | OutputError) -> None:
        self.parts += 1
        if isinstance(end, OutputError):
            self.damage.append(str(end))
            return
        self.rows[table] += end.rows
        self.bytes += end.bytes
        begun, ended = (end.spans.get(name) for name in TIMES[table])
        if begun is not None and ended is not None:
            was = self.times.get(table, (begun[0], ended[1]))
            self.times[table] = min(was[0], begun[0]), max(was[1], ended[1])
        self.models.update(end.spans.get("model", ()))
        if table not in self.newest or part.last > self.newest[table][0]:
            self.newest[table] = part.last, end.told

    def stock(self, source: str, run: str, *, may_run: bool) -> Stock:
        complete = {table: tags.get(COMPLETE) == "1" for table, (_, tags) in self.newest.items()}
        finished = complete.get("emotions", False)
        if finished and not self.damage and not complete.get("tracks", False):
            self.damage.append(
                f"run {run} of {source} is finished, but the last part of its tracks is missing; copy it again, or "
                "delete the others of the run and replay its source"
            )
        if self.damage:
            state = State.DAMAGED
        elif finished:
            state = State.FINISHED
        elif may_run:
            state = State.OPEN
        else:
            state = State.UNFINISHED if is_of_file(run) else State.ENDED
        _, tags = self.newest.get("emotions") or self.newest.get("tracks") or (0, {})
        # The rows are what is asked for; old tracks alone are left where the days of a camera were deleted.
        first, last = self.times.get("emotions") or self.times.get("tracks") or (None, None)
        settings = tags.get("affectstream.settings", "{}")
        return Stock(
            source=source,
            run=run,
            first=first,
            last=last,
            rows=self.rows["emotions"],
            tracks=self.rows["tracks"],
            models=tuple(sorted(self.models)),
            changes=_changes(settings),
            settings=json.loads(settings),
            version=tags.get("affectstream.version", ""),
            read_from=tags.get(READ_FROM, ""),
            state=state,
            parts=self.parts,
            bytes=self.bytes,
        )


def _listed(out: Path, sources: Sequence[str]) -> tuple[list[tuple[str, list[PartFile]]], list[Path]]:
    """Return the parts of each day of each source with the name of their table, and what is no part."""
    days, foreign = [], []
    for table in TIMES:
        for folder, inner, names in os.walk(out / table, onerror=_refuse):
            here = Path(folder)
            depth = len(here.relative_to(out).parts)
            inner[:] = sorted(name for name in inner if not name.startswith((".", "_")))
            if depth == 1 and sources:
                inner[:] = [name for name in inner if name.removeprefix("source=") in sources]
            of_day = depth == 3 and here.name.startswith("date=") and here.parent.name.startswith("source=")
            parts = []
            for path in (here / name for name in sorted(names) if not name.startswith((".", "_"))):
                part = as_part(path) if of_day else None
                if part is None:
                    foreign.append(path)
                else:
                    parts.append(part)
            if parts:
                days.append((table, parts))
    return days, foreign


def _refuse(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # a table that was never written, or a day that was just deleted
        raise InputError(f"cannot list {error.filename}: {(error.strerror or str(error)).lower()}") from error


def _look(path: Path) -> _End | OutputError | None:
    """Read the footer of a part; None if it was deleted meanwhile."""
    try:
        end = footer(path)
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    except OSError as error:
        return OutputError(f"cannot read {path}: {(error.strerror or str(error)).lower()}")
    except OutputError as error:
        return error
    return _End(end.num_rows, dict(_spans(end, {"model", *TIMES[path.parts[-4]]})), told(end), size)


def _spans(end: pq.FileMetaData, names: Set[str]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Give the least and the largest value of some columns, of those that have any and of which the file tells."""
    groups = [end.row_group(group) for group in range(end.num_row_groups)]
    for column, name in enumerate(end.schema.names):
        if name in names:
            found = [group.column(column).statistics for group in groups]
            known = [each for each in found if each is not None and each.has_min_max]
            if known:
                yield name, (min(each.min for each in known), max(each.max for each in known))


@lru_cache(maxsize=256)
def _changes(settings: str) -> dict[str, Any]:
    """Return which of the settings that a part tells are not what they are by default.

    >>> _changes('{"ingest": {"fps": 5.0, "transport": "udp"}, "detector": {"every": 1, "model": null}}')
    {'ingest.fps': 5.0}
    """
    given = dict(_flat(json.loads(settings)))
    usual = dict(_flat(PipelineSettings().model_dump(mode="json")))
    # What was left open may be told as the detector's card had it.
    with suppress(AffectError):
        chosen = given.get("detector.model")
        if card := detector_card(network_file("detector", Path(chosen) if chosen else None)):
            usual |= {"detector.threshold": card.threshold, "tracker.birth": card.birth}
    return {
        name: value
        for name, value in given.items()
        if name.startswith(SHAPING) and value is not None and value != usual.get(name)
    }


def _flat(settings: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    return ((f"{section}.{name}", value) for section, values in settings.items() for name, value in values.items())
