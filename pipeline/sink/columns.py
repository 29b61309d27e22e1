"""The columns of both tables: names, types, and how rows become Arrow tables."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from pipeline.labels import LABELS
from pipeline.messages import Emotion, Track

Row = TypeVar("Row", Emotion, Track)

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

TEXT: Final = pa.dictionary(pa.int32(), pa.string())
TIME: Final = pa.timestamp("us", tz="UTC")


def utc(time: int) -> datetime:
    """Return an event time, µs since 1970, as a date and time.

    >>> utc(1_500_000).isoformat()
    '1970-01-01T00:00:01.500000+00:00'
    """
    return EPOCH + timedelta(microseconds=time)


class Column(NamedTuple, Generic[Row]):
    """Neighbouring columns of one type, taken from a row together."""

    names: tuple[str, ...]
    type: pa.DataType
    take: Callable[[Row], Any]
    """The value, or a tuple of them if there are several names."""


EMOTIONS: Final[tuple[Column[Emotion], ...]] = (
    Column(("run",), TEXT, lambda row: row.stamp.run),
    Column(("frame",), pa.int64(), lambda row: row.stamp.frame),
    Column(("pts",), pa.float64(), lambda row: row.stamp.pts),
    Column(("time",), TIME, lambda row: row.stamp.time),
    Column(("clock",), TEXT, lambda row: row.stamp.clock.value),
    Column(("track",), TEXT, lambda row: row.track),
    Column(
        (
            *("x", "y", "w", "h"),
            *("score", "quality"),
            *("yaw", "pitch", "roll"),
            *(f"p_{label}" for label in LABELS),
            *(f"s_{label}" for label in LABELS),
            "s_std",
        ),
        pa.float32(),
        lambda row: (*row.box, row.score, row.quality, *row.pose, *row.raw, *row.smoothed, row.uncertainty),
    ),
    Column(("dominant",), TEXT, lambda row: row.dominant),
    Column(("intensity", "entropy"), pa.float32(), lambda row: (row.intensity, row.entropy)),
    Column(("model",), TEXT, lambda row: row.model),
)
"""One row per face per frame; ``source`` and ``date`` are named by the folders."""

TRACKS: Final[tuple[Column[Track], ...]] = (
    Column(("run",), TEXT, lambda row: row.run),
    Column(("track",), TEXT, lambda row: row.track),
    Column(("first_frame",), pa.int64(), lambda row: row.first.frame),
    Column(("last_frame",), pa.int64(), lambda row: row.last.frame),
    Column(("first_pts",), pa.float64(), lambda row: row.first.pts),
    Column(("last_pts",), pa.float64(), lambda row: row.last.pts),
    Column(("first_time",), TIME, lambda row: row.first.time),
    Column(("last_time",), TIME, lambda row: row.last.time),
    Column(("clock",), TEXT, lambda row: row.last.clock.value),
    Column(("frames",), pa.int64(), lambda row: row.frames),
    Column(("seconds",), pa.float64(), lambda row: row.seconds),
    Column(tuple(f"p_{label}" for label in LABELS), pa.float32(), lambda row: row.mean),
    Column(("dominant",), TEXT, lambda row: row.dominant),
    Column(("share",), pa.float32(), lambda row: row.share),
    Column(("transitions",), pa.int64(), lambda row: row.transitions),
    Column(("model",), TEXT, lambda row: row.model),
)
"""One row per track; ``source`` and ``date`` (of the ending) are named by the folders."""


def schema(columns: Sequence[Column[Row]]) -> pa.Schema:
    """Return the Arrow schema of a table."""
    return pa.schema([(name, column.type) for column in columns for name in column.names])


def table(columns: Sequence[Column[Row]], rows: Sequence[Row]) -> pa.Table:
    """Return n rows as an Arrow table of n rows."""
    arrays: list[pa.Array] = []
    for names, kind, take in columns:
        values = [take(row) for row in rows]
        if kind is TEXT:
            arrays.append(pa.array(values, pa.string()).dictionary_encode())
        elif len(names) == 1:
            arrays.append(pa.array(values, kind))
        else:
            block = np.array(values, np.float32).reshape(len(rows), len(names))
            arrays += [pa.array(column) for column in np.ascontiguousarray(block.T)]
    return pa.table(arrays, schema=schema(columns))
