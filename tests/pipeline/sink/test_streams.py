"""The step that adds rows: how much at once, what it looks like, and in a server that has no memory left."""

from datetime import datetime

import numpy as np
import pytest
import redis

from pipeline.connection import connect
from pipeline.settings import RedisSettings
from pipeline.sink.columns import EMOTIONS as COLUMNS
from pipeline.sink.columns import table
from pipeline.sink.streams import BATCH, FIELDS, Streams, entry
from pipeline.sink.writer import position
from tests.pipeline.sink.runs import results
from tests.redis_server import Server, executables

EMOTIONS = "affect:emotions:door"

RESULTS = results(2000, faces=1, life=10_000, complete=False)


@pytest.fixture(params=executables())
def server(request, tmp_path):
    with Server(tmp_path, request.param) as running:
        yield running


@pytest.fixture
def client(server):
    with server.client() as client:
        yield client


def fill(client):
    """Let no memory be left."""
    client.config_set("maxmemory", client.info("memory")["used_memory"] - 1)
    with pytest.raises(redis.OutOfMemoryError):
        client.set("affect:probe", 1)


def held(client):
    """Return what all streams take, bytes; the server's own account of its data has its clients' buffers in it."""
    return sum(client.memory_usage(key, samples=0) for key in client.scan_iter("affect:*"))


def test_streams_at_their_cap_take_rows_though_memory_is_full(client):
    streams = Streams(client, RedisSettings(length=500))
    streams.commit(RESULTS[:1000])
    used = held(client)
    fill(client)

    for first in range(1000, len(RESULTS), 20):
        streams.commit(RESULTS[first : first + 20])

    newest = max(row.stamp.frame for result in RESULTS for row in result.emotions)
    for key in (EMOTIONS, f"affect:face:door:{RESULTS[0].emotions[0].track}"):
        ((_, last),) = client.xrevrange(key, count=1)
        assert int(last["frame"]) == newest
        assert 500 <= client.xlen(key) < 700
    assert held(client) < 1.2 * used


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


def test_many_rows_are_added_in_steps_that_let_others_in(client):
    made = results(200, faces=8, life=10_000)
    rows = sum(len(result.emotions) for result in made)
    Streams(client, RedisSettings()).commit(made)
    assert client.xlen(EMOTIONS) == rows
    steps = client.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert rows / (BATCH + 8) <= steps <= rows / BATCH + 2
    assert client.hget("affect:progress:door", "r1").split()[:2] == ["200", "1"]


def test_frames_without_faces_are_added_in_steps_too(client):
    Streams(client, RedisSettings()).commit(results(3 * BATCH, faces=0, complete=False) + results(1))
    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] <= 5


def test_whoever_takes_over_sends_only_what_is_new_and_all_ends(server, client):
    made = connect(server.url)
    earlier = [result for result in RESULTS[:100] if position(result) >= 0]
    Streams(made, RedisSettings()).commit(earlier)
    successor = Streams(made, RedisSettings())
    complete = results(2000, faces=1, life=10_000)
    news = successor.news(complete)
    assert news == [result for result in complete if position(result) > position(earlier[-1]) or result.ends]
    successor.commit(news)
    assert client.xlen(EMOTIONS) == sum(len(result.emotions) for result in complete)
    assert [result.ends for result in Streams(made, RedisSettings()).news(complete)] == [complete[-1].ends]
    made.close()


def test_an_entry_is_the_row_of_the_table(client):
    """Field by field, whatever the columns are."""
    found = [row for result in results(40, faces=3, life=15) for row in result.emotions]
    rows = table(COLUMNS, found).to_pylist()
    for row, told in zip(rows, found, strict=True):
        words = entry(told)
        fields = dict(zip(words[::2], words[1::2], strict=True))
        assert tuple(fields) == FIELDS == ("source", *row)
        for name, value in row.items():
            if isinstance(value, float):
                assert float(fields[name]) == pytest.approx(value, rel=1e-5, abs=1e-9), name
            elif isinstance(value, datetime):
                assert datetime.fromisoformat(fields[name]) == value
            else:
                assert fields[name] == str(value), name
        values = [value for value in row.values() if isinstance(value, float)]
        assert len(np.unique(values)) > 20  # so that none can stand in the place of another
