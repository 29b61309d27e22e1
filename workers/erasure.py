"""What a Redis server has of a source, taken out of it.

What is selected is what ``pipeline.sink.erasure`` takes out of the tables. The progress of runs stays unless the whole
source goes, so that a replay that is repeated adds nothing.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import redis

from pipeline.connection import CHOICE, address, explain, lazy_client, refusal
from pipeline.errors import InputError
from pipeline.sink import keys as published
from pipeline.sink.erasure import Selection
from workers.bus import keys
from workers.bus.poison import LIFE
from workers.cluster import registry
from workers.embedded import EmbeddedRedis
from workers.outputs import OFF
from workers.rewriting import rewrite_stream

READ: Final = 1000
"""Entries that are read, or deleted, at a time."""

TRIES: Final = 5
"""Looks at a key that others add to, until it can be deleted as it was seen."""

UNLINK: Final = """
-- Delete a key unless it is a stream with another newest entry; return whether it is gone.
-- A script, because a server that is full takes no transactions.
-- KEYS: key. ARGV: id of the newest entry, or nothing.
if redis.call('TYPE', KEYS[1])['ok'] == 'stream' then
  local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
  if (newest and newest[1] or '') ~= ARGV[1] then return 0 end
end
redis.call('UNLINK', KEYS[1])
return 1
"""

QUIET: Final = 60
"""s after its last record from which on a run that has not ended counts as one that was killed."""


class Deletion(NamedTuple):
    """What is to go of one key."""

    key: str
    entries: int | None
    """How many; None for what is no stream."""
    ids: tuple[bytes, ...] | None
    """Of the entries of a stream that keeps others; None: the key goes as a whole."""
    last: bytes | None
    """Id of the newest entry of a stream before it was looked at; None where there is none."""


class Server:
    """One server that may have something of a source.

    Attributes:
        name: for people to read.
        found: what is to go; filled by ``look``.
        tracks: ids of the selected tracks that it has, or had until now; likewise.
    """

    def __init__(self, name: str, url: str, *, embedded: bool) -> None:
        """Prepare to ask it; raises ``InputError`` where the URL cannot be used."""
        self.name = name
        self.found: list[Deletion] = []
        self._url = url
        self._embedded = embedded
        self._client: Any = lazy_client(url)  # a full server can be taken out of
        self.tracks: set[str] = set()
        self._marked: dict[str, str] = {}
        """Streams in which deleted entries are only marked, and why."""
        self._log = ""
        self._aside = False
        """Whether messages of the source that workers have set aside stay."""

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def check_idle(self, source: str) -> None:
        """Refuse where the source is being read.

        Raises:
            InputError: it is, as far as this server knows.
            BrokerError: the server does not answer.
        """
        with self._told():
            if registry.is_known(self._client, source, under_way=True):
                raise InputError(
                    f"workers read {source!r}, or have something of it under way; take it out first: affectstream "
                    f"sources remove {source} --forget"
                )
            for run, stored in self._client.hgetall(published.progress(source)).items():
                _, complete, at = stored.split()
                silent = max(0, round(time.time()) - int(at))
                if complete != b"1" and silent < QUIET:
                    raise InputError(
                        f"run {run.decode()} of {source!r} published rows {silent} s ago; end it first, or, if it was "
                        f"killed, try again in a minute"
                    )

    def look(self, selection: Selection) -> None:
        """Find what is to go; raises ``BrokerError`` where the server does not answer."""
        with self._told():
            self.found = list(self._found(selection))

    def erase(self, selection: Selection) -> None:
        """Delete what was found.

        Raises:
            BrokerError: the server does not answer.
            InputError: a key that is to go as a whole is added to all the time.
        """
        with self._told():
            for deletion in self.found:
                self._take(deletion, selection)
            # Messages that were set aside hold no pictures, but boxes and distributions of its faces.
            if selection.whole and self._client.exists(keys.POISON):
                registry.forget(self._client, selection.source)
            else:
                self._aside = any(
                    fields[b"s"].decode() == selection.source for _, fields in self._client.xrange(keys.POISON)
                )
            if self.found and not self._embedded:
                self._log = self._rewrite_log()

    def notes(self) -> Iterator[str]:
        """Say what the server may hold for a while yet."""
        for key, why in self._marked.items():
            yield (
                f"{self.name}: what was deleted from {key} cannot be read any more, but stays in memory and in files "
                f"until its neighbours go too, for the stream could not be written anew: {why}"
            )
        if self._log:
            yield f"{self.name}: {self._log}"
        if self._aside:
            yield (
                f"{self.name}: messages of the source that workers could not work on (affect:bus:poison) stay for "
                f"{LIFE // 86_400} days after the last; they hold no pictures, but boxes and distributions of faces."
            )

    def _take(self, deletion: Deletion, selection: Selection) -> None:
        """Delete what is to go of a key; where it was to go as a whole, and was added to since, what is to go now."""
        for _ in range(TRIES):
            if deletion.ids is not None:
                self._drop(deletion.key, deletion.ids)
                return
            if self._client.register_script(UNLINK)(keys=[deletion.key], args=[deletion.last or b""]):
                return
            again = self._look_at(deletion.key, selection)
            if again is None:
                return
            deletion = again
        raise InputError(
            f"{self.name}: {deletion.key} is added to all the time; end what publishes it, and erase again"
        )

    def _drop(self, key: str, ids: Sequence[bytes]) -> None:
        for first in range(0, len(ids), READ):
            self._client.xdel(key, *ids[first : first + READ])
        try:
            rewrite_stream(self._client, key)
        except redis.WatchError:
            self._marked[key] = "others changed it all the time"
        except redis.ResponseError as error:
            self._marked[key] = explain(self._url, error, "")

    def _rewrite_log(self) -> str:
        """Have the server write its append-only file anew, where it has one; return what is to be said of its files."""
        try:
            if not self._client.info("persistence").get("aof_enabled"):
                return "a file in which it saves its data holds what was deleted until it saves next."
            self._client.bgrewriteaof()
        except redis.ResponseError as error:
            return (
                "its append-only file, if it has one, holds what was deleted until it is rewritten (BGREWRITEAOF); "
                + explain(self._url, error, "")
            )
        return "its append-only file holds what was deleted until it is rewritten, which was asked for (BGREWRITEAOF)."

    def _found(self, selection: Selection) -> Iterator[Deletion]:
        source = selection.source
        streams = [published.emotions(source), published.events(source)]
        faces = sorted(key.decode() for key in self._client.scan_iter(published.face(source, "*"), count=READ))
        if selection.tracks:
            faces = [key for key in faces if key.rpartition(":")[2] in selection.tracks]
        for key in (*streams, *faces):
            if found := self._look_at(key, selection):
                yield found
        if selection.whole and self._client.exists(published.progress(source)):
            yield Deletion(published.progress(source), None, None, None)

    def _look_at(self, key: str, selection: Selection) -> Deletion | None:
        """Find what is to go of a stream."""
        if self._client.type(key) != b"stream":
            return None
        newest = self._client.xrevrange(key, count=1)  # first: what is added from here on is seen by it
        last = newest[0][0] if newest else None
        count = self._client.xlen(key)
        ids = tuple(self._ids(key, selection))
        if len(ids) == count:
            return Deletion(key, count, None, last)
        return Deletion(key, len(ids), ids, last) if ids else None

    def _ids(self, key: str, selection: Selection) -> Iterator[bytes]:
        """Give the ids of the entries of a stream that are to go."""
        before = selection.before and f"{selection.before:%Y-%m-%dT%H:%M:%S.%fZ}"
        start: bytes = b"-"
        while batch := self._client.xrange(key, start, "+", count=READ):
            for name, fields in batch:
                track = fields[b"track"].decode()
                if selection.tracks and track not in selection.tracks:
                    continue
                self.tracks.add(track)
                if before is None or fields[b"time"].decode() < before:
                    yield name
            start = b"(" + batch[-1][0]

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (redis.RedisError, OSError) as error:
            raise refusal(self._url, error, CHOICE) from None


@contextmanager
def servers_of(out: Path, url: str | None, source: str) -> Iterator[list[Server]]:
    """Give the servers that may have something of a source: the one that is named, and the embedded one of a folder.

    Args:
        out: folder; its embedded server is started where it has data.
        url: of the one that is named, or None; ``none``: neither is looked at.
        source: id.

    Raises:
        BrokerError: a server cannot be used.
        InputError: something writes there.
    """
    with ExitStack() as stack:
        servers = []
        if url is not None and url != OFF:
            servers.append(Server(f"Redis at {address(url)}", url, embedded=False))
            stack.callback(servers[-1].close)
        if url != OFF and ((out / "redis.rdb").exists() or (out / "redis.rdb.settings").exists()):
            # However much it holds, nothing may be pushed out to make room.
            embedded = stack.enter_context(EmbeddedRedis(out, memory=0))
            if embedded.shared:
                raise InputError(f"another process uses {out / 'redis.rdb'}; end what writes to {out} first")
            servers.append(Server(str(out / "redis.rdb"), embedded.url, embedded=True))
            stack.callback(servers[-1].close)
        for server in servers:
            server.check_idle(source)
        yield servers
