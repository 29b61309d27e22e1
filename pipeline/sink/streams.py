"""Results as entries of Redis Streams, and the one atomic step that adds them; ``keys`` says what is where."""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

import msgspec
import redis

from pipeline.lua import MISTYPED
from pipeline.messages import Emotion, Event, Results, Stamp
from pipeline.settings import RedisSettings
from pipeline.sink import keys
from pipeline.sink.columns import EMOTIONS, utc
from pipeline.sink.writer import Frontier, position

FIELDS: Final = ("source", *(name for column in EMOTIONS for name in column.names))
"""Fields of an entry of ``affect:emotions`` and ``affect:face``, named as the columns of the table."""

EVENT_FIELDS: Final = ("source", "run", "frame", "pts", "time", "clock", "track", "event", "dominant", "previous")
"""Fields of an entry of ``affect:events``; ``previous`` is empty but for a change."""

RUNS: Final = 1000
"""Runs of a source whose progress is remembered; then the one that was silent for longest is forgotten."""

BATCH: Final = 256
"""Rows added in one step, about, or results without any: Redis does nothing else meanwhile, for a few ms."""

_FORMAT: Final = " ".join(["%.6g"] * 26)

_COMMIT: Final = (
    f"{MISTYPED}\n"
    + """
-- KEYS: progress, emotions, events, then one per face.
-- ARGV: run, frames, length of streams, ms for which a face is kept, ms for which a source is, s since 1970, runs
-- remembered.
-- A frame is {number, {{index of the face's key, fields}, ...}, {fields, ...}, whether the run is complete}.
for i = 2, #KEYS do
  local wrong = mistyped(KEYS[i], 'stream')
  if wrong then return wrong end
end
local run, length = ARGV[1], tonumber(ARGV[3])
-- Streams that have grown to their length make room before they take more: a script that has written may go on though
-- memory is full. While none has, rows wait for memory as all else does.
for i = 2, #KEYS do
  if redis.call('XLEN', KEYS[i]) >= length then redis.call('XTRIM', KEYS[i], 'MAXLEN', '~', length) end
end
local done, complete = -1, 0
local stored = redis.call('HGET', KEYS[1], run)
if stored then
  local frame, whole = string.match(stored, '^(%-?%d+) (%d)')
  done, complete = tonumber(frame), tonumber(whole)
end
for _, frame in ipairs(cmsgpack.unpack(ARGV[2])) do
  if frame[1] > done and complete == 0 then
    for _, row in ipairs(frame[2]) do
      redis.call('XADD', KEYS[2], 'MAXLEN', '~', length, '*', unpack(row[2]))
      redis.call('XADD', KEYS[row[1]], 'MAXLEN', '~', length, '*', unpack(row[2]))
    end
    for _, event in ipairs(frame[3]) do
      redis.call('XADD', KEYS[3], 'MAXLEN', '~', length, '*', unpack(event))
    end
    done = frame[1]
  end
  if frame[4] then complete = 1 end
end
for i = 2, #KEYS do
  redis.call('PEXPIRE', KEYS[i], i < 4 and ARGV[5] or ARGV[4])
end
redis.call('HSET', KEYS[1], run, string.format('%d %d %s', done, complete, ARGV[6]))
if not stored and redis.call('HLEN', KEYS[1]) > tonumber(ARGV[7]) then
  local oldest, since
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    local at = tonumber(string.match(all[i + 1], '%d+$'))
    if all[i] ~= run and (not since or at < since) then oldest, since = all[i], at end
  end
  redis.call('HDEL', KEYS[1], oldest)
end
return done
"""
)


class Streams:
    """Adds results to the streams of a Redis server, each exactly once.

    A commit is one script, which Redis runs as a whole or not at all: it passes over what the stored progress says is
    there already, adds the rest, and stores how far it came. Whether the answer to a commit got lost, or a commit
    arrives late after a reconnection, does therefore not matter: repeating it adds nothing.
    """

    def __init__(self, client: "redis.Redis", settings: RedisSettings) -> None:
        self._client = client
        self._settings = settings
        self._script = client.register_script(_COMMIT)
        self._frontiers: dict[tuple[str, str], int] = {}
        """Last frame of a run that had been added when it was first asked for; see ``news``."""

    def commit(self, batch: Iterable[Results]) -> None:
        """Add results in order, a frame as a whole, many in several steps.

        Raises:
            redis.RedisError: nothing is known of what was added; commit the same again.
        """
        runs: dict[tuple[str, str], list[Results]] = {}
        for results in batch:
            runs.setdefault(_run_of(results), []).append(results)
        for (source, run), part in runs.items():
            for step in _steps(part):
                self._commit(source, run, step)

    def frontier(self, source: str, run: str) -> Frontier:
        """Return how far a run has come."""
        stored = self._client.hget(keys.progress(source), run)
        if not isinstance(stored, bytes):
            return Frontier()
        frame, complete, _ = stored.split()
        return Frontier(int(frame), complete == b"1")

    def news(self, batch: Iterable[Results]) -> list[Results]:
        """Return what had not been added when a run was first asked for here, all ends among it.

        Raises:
            redis.RedisError: ask again.
        """
        found = []
        for results in batch:
            of = _run_of(results)
            if of not in self._frontiers:
                self._frontiers[of] = self.frontier(*of).frame
            if results.ends or position(results) > self._frontiers[of]:
                found.append(results)
            if results.ends:
                del self._frontiers[of]
        return found

    def _commit(self, source: str, run: str, part: Sequence[Results]) -> None:
        names = [keys.progress(source), keys.emotions(source), keys.events(source)]
        faces: dict[str, int] = {}
        frames = []
        for results in part:
            rows = []
            for row in results.emotions:
                if row.track not in faces:
                    names.append(keys.face(source, row.track))
                    faces[row.track] = len(names)
                rows.append((faces[row.track], entry(row)))
            events = [event_entry(event) for event in results.events]
            complete = any(end.complete for end in results.ends)
            frames.append((position(results), rows, events, complete))
        self._script(
            keys=names,
            args=[
                run,
                msgspec.msgpack.encode(frames),
                self._settings.length,
                int(self._settings.face_ttl * 1000),
                int(self._settings.source_ttl * 1000),
                int(time.time()),
                RUNS,
            ],
        )


def _steps(part: Sequence[Results]) -> Iterator[Sequence[Results]]:
    """Cut the results of a run into steps of about ``BATCH`` rows; a frame stays whole."""
    first = rows = 0
    for index, results in enumerate(part):
        rows += len(results.emotions)
        if rows >= BATCH or index + 1 - first >= BATCH:
            yield part[first : index + 1]
            first, rows = index + 1, 0
    if first < len(part):
        yield part[first:]


def entry(row: Emotion) -> list[str]:
    """Return the names and values of a row, alternately: floats with six digits, times as ISO 8601 in UTC."""
    numbers = _FORMAT % (
        *row.box,
        row.score,
        row.quality,
        *row.pose,
        *row.raw,
        *row.smoothed,
        row.uncertainty,
    )
    values = (
        *_stamp(row.stamp),
        row.track,
        *numbers.split(),
        row.dominant,
        f"{row.intensity:.6g}",
        f"{row.entropy:.6g}",
        row.model,
    )
    return list(chain.from_iterable(zip(FIELDS, values, strict=True)))


def event_entry(event: Event) -> list[str]:
    """Return the names and values of an event, alternately."""
    values = (*_stamp(event.stamp), event.track, event.change.value, event.dominant, event.previous or "")
    return list(chain.from_iterable(zip(EVENT_FIELDS, values, strict=True)))


def _stamp(stamp: Stamp) -> tuple[str, ...]:
    return (
        stamp.source,
        stamp.run,
        str(stamp.frame),
        f"{stamp.pts:.6f}",
        utc(stamp.time).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        stamp.clock.value,
    )


def _run_of(results: Results) -> tuple[str, str]:
    if results.emotions:
        stamp = results.emotions[0].stamp
        return stamp.source, stamp.run
    first = results.tracks[0] if results.tracks else results.ends[0]
    return first.source, first.run
