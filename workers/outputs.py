"""Where results go: the Parquet folder, and the Redis that the configuration names or an embedded one."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version

from pipeline.connection import check_url
from pipeline.errors import BrokerError
from pipeline.ingest.source import Source
from pipeline.sink.parquet import ParquetWriter
from pipeline.sink.parts import READ_FROM
from pipeline.sink.redis import RedisWriter
from pipeline.sink.tables import Origin
from pipeline.sink.writer import Writer
from pipeline.tally import Tally
from workers.config import Config, of_source
from workers.embedded import EmbeddedRedis

log = logging.getLogger(__name__)

OFF = "none"
"""Value of ``redis.url`` that publishes nothing."""


def origin(config: Config, source: Source | None = None) -> Origin:
    """Return what a part's metadata tells of who wrote it, the settings that may change rows, and the source."""
    sections = {"ingest", "detector", "tracker", "emotion", "smoother", "runtime"}
    metadata = {"affectstream.version": version("affectstream")}
    if source is not None:
        config = of_source(source, config)
        metadata[READ_FROM] = source.safe_url if source.live else source.url
    return metadata | {"affectstream.settings": config.model_dump_json(include=sections)}


def check_redis(config: Config) -> None:
    """Raise ``InputError`` where a Redis is named by a URL that cannot be used; nothing is asked of it."""
    if config.redis.url not in {None, OFF}:
        check_url(config.redis.url)


@contextmanager
def redis_server(config: Config) -> Iterator[str | None]:
    """Give the URL of the Redis to publish to, starting an embedded one if none is named; None if turned off.

    Where no embedded server can be had the streams are left out, with a warning that says how to get them.
    """
    if config.redis.url is not None:
        yield None if config.redis.url == OFF else config.redis.url
        return
    try:
        server = EmbeddedRedis(config.out, config.redis.memory)
    except BrokerError as error:
        log.warning("no Redis Streams: %s", error)
        yield None
        return
    with server:
        yield server.url


@contextmanager
def open_writers(
    config: Config,
    redis: str | None,
    tally: Tally,
    sources: Sequence[Source],
    *,
    live: bool,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[list[Writer]]:
    """Open the writers of some sources' runs and close them whatever happens.

    After an error, none waits for Redis, save for the few seconds of live sources.

    Args:
        config: everything that is set.
        redis: URL of the server, or None.
        tally: counts what is never published.
        sources: where the runs come from.
        live: whether what is written cannot be had again.
        stopped: asked while somebody erases in the folder whether to wait no longer; of what can be had again also
            while Redis is away, from other threads.

    Raises:
        OutputError: the folder cannot be written, or it was told to stop while somebody erased in it.
        BrokerError: Redis cannot be used, or was away when told to stop.
    """
    with ExitStack() as stack:
        writers: list[Writer] = []
        # Redis last: what a reader of the stream sees is then already on its way to the disk.
        parquet = ParquetWriter(
            config.out,
            config.parquet,
            origins={source.id: origin(config, source) for source in sources},
            patient=live,
            stopped=stopped,
        )
        stack.callback(parquet.close)
        writers.append(parquet)
        if redis is not None:
            # Live, it waits for seconds at most, for what cannot be had again: whoever stops is owed these.
            publisher = RedisWriter(redis, config.redis, tally, wait=not live, stopped=lambda: not live and stopped())
            stack.push(lambda kind, *_: publisher.close(patient=live or kind is None))
            writers.append(publisher)
        yield writers
