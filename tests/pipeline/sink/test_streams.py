"""The step that adds rows, in a server that has no memory left."""

import pytest
import redis

from pipeline.settings import RedisSettings
from pipeline.sink.streams import Streams
from tests.pipeline.sink.runs import results
from tests.redis_server import Server, executables

EMOTIONS = "affect:emotions:door"

RESULTS = results(2000, faces=1, life=10_000, complete=False)


@pytest.fixture(params=executables())
def client(request, tmp_path):
    with Server(tmp_path, request.param) as server, server.client() as client:
        yield client


def fill(client):
    """Let no memory be left; return what is used."""
    client.config_set("maxmemory", client.info("memory")["used_memory"] - 1)
    with pytest.raises(redis.OutOfMemoryError):
        client.set("affect:probe", 1)
    return client.info("memory")["used_memory_dataset"]


def test_streams_at_their_cap_take_rows_though_memory_is_full(client):
    streams = Streams(client, RedisSettings(length=500))
    streams.commit(RESULTS[:1000])
    used = fill(client)

    for first in range(1000, len(RESULTS), 20):
        streams.commit(RESULTS[first : first + 20])

    newest = max(row.stamp.frame for result in RESULTS for row in result.emotions)
    for key in (EMOTIONS, f"affect:face:door:{RESULTS[0].emotions[0].track}"):
        ((_, last),) = client.xrevrange(key, count=1)
        assert int(last["frame"]) == newest
        assert 500 <= client.xlen(key) < 700
    assert client.info("memory")["used_memory_dataset"] < 1.2 * used


def test_streams_that_would_grow_are_refused_whole_while_memory_is_full(client):
    streams = Streams(client, RedisSettings(length=5000))
    streams.commit(RESULTS[:100])
    fill(client)
    before = client.xlen(EMOTIONS), client.hgetall("affect:progress:door")

    with pytest.raises(redis.ResponseError, match="used memory > 'maxmemory'"):
        streams.commit(RESULTS[100:120])
    assert (client.xlen(EMOTIONS), client.hgetall("affect:progress:door")) == before

    client.config_set("maxmemory", 0)
    streams.commit(RESULTS[100:120])
    assert client.xlen(EMOTIONS) > before[0]
