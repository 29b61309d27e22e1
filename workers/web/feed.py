"""Records and events of a source as they are published, for one browser: a server-sent event stream (WHATWG HTML).

It is a reader of the streams that the README documents, like anybody's: nothing waits for it, and where it falls
behind it leaves out what is old.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import msgspec
import redis.asyncio
from redis.exceptions import RedisError

from pipeline.connection import NAME, TIMEOUT
from pipeline.sink import keys

log = logging.getLogger(__name__)

PAUSE: Final = 0.1
"""s between messages at least."""
MOST: Final = 1000
"""Entries of each stream in one message; a reader that finds as many has fallen behind."""
BLOCK: Final = 1.0
"""s to wait for entries before a message without any is sent, as a sign of life."""
RECENT: Final = 20
"""Events of before that the first message tells."""
TEXT: Final = frozenset({"source", "run", "time", "clock", "track", "dominant", "model", "event", "previous"})
"""Fields that are no numbers."""


def number(text: str) -> float | None:
    """Return the number that a field holds; None where it is none that JSON can tell."""
    try:
        value = int(text) if text.isdecimal() else float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def readable(fields: Mapping[str, str]) -> dict[str, str | float | None]:
    """Return an entry of a stream with its numbers as numbers.

    >>> readable({"track": "r1-2", "frame": "7", "s_fear": "0.25"})
    {'track': 'r1-2', 'frame': 7, 's_fear': 0.25}
    """
    return {name: value if name in TEXT else number(value) for name, value in fields.items()}


def client(url: str) -> "redis.asyncio.Redis":
    """Return a client that has asked nothing yet, for any number of feeds."""
    made = redis.asyncio.Redis.from_url(
        url, protocol=2, client_name=NAME, decode_responses=True, encoding_errors="replace"
    )
    # Whatever the URL says: an answer may take as long as it blocks.
    made.connection_pool.connection_kwargs.update(socket_timeout=BLOCK + TIMEOUT, socket_connect_timeout=TIMEOUT)
    return made


async def feed(client: Any, source: str, closing: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Give messages until ``closing``, or until Redis does not answer: browsers then ask again by themselves.

    Each holds a JSON object with ``records`` and ``events``, oldest first, since the last one; the first, the latest
    events of before.
    """
    streams = {"records": keys.emotions(source), "events": keys.events(source)}
    last = {}
    try:
        for stream in streams.values():
            newest = await client.xrevrange(stream, count=1)
            last[stream] = newest[0][0] if newest else "0-0"
        before = await client.xrevrange(streams["events"], max=last[streams["events"]], count=RECENT)
        yield _message({"records": [], "events": [readable(fields) for _, fields in reversed(before)]})
        while not closing():
            found = dict(await client.xread(last, count=MOST, block=int(BLOCK * 1000)))
            if not found:
                yield _message({})  # else neither side would notice that the other has gone
                continue
            news = {}
            for name, stream in streams.items():
                entries = found.get(stream, [])
                if entries:
                    last[stream] = entries[-1][0]
                if len(entries) == MOST:
                    last[stream] = (await client.xrevrange(stream, count=1))[0][0]
                news[name] = [readable(fields) for _, fields in entries]
            yield _message(news)
            await asyncio.sleep(PAUSE)
    except (RedisError, OSError) as error:
        log.info("records of %s cannot be read: %s", source, error)


def _message(news: Mapping[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(news) + b"\n\n"
