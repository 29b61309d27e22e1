"""A stream is written anew while others add to it, in a real Redis server."""

import threading

import pytest
import redis

from tests.redis_server import Server, executables, newest
from workers import rewriting
from workers.rewriting import rewrite_stream

pytestmark = pytest.mark.skipif(not executables(), reason="no redis-server")

KEY = "affect:emotions:door"


@pytest.fixture
def client(tmp_path):
    with Server(tmp_path, newest()) as server, redis.Redis.from_url(server.url) as client:
        with client.pipeline(transaction=False) as step:
            for number in range(3000):
                step.xadd(KEY, {"number": number})
            step.execute()
        yield client


def test_what_is_added_once_meanwhile_is_in_the_copy(client, monkeypatch):
    added = []
    copied = rewriting._copy_entries

    def late(*args):
        copied(*args)
        if not added:
            added.append(client.xadd(KEY, {"number": -1}))

    monkeypatch.setattr(rewriting, "_copy_entries", late)
    rewrite_stream(client, KEY)
    assert client.xlen(KEY) == 3001
    assert client.xrange(KEY)[-1] == (added[0], {b"number": b"-1"})
    assert not client.keys("affect:copy:*")


def test_what_is_added_all_the_time_is_lost_in_no_case(client):
    added, stopped, begun = [], threading.Event(), threading.Event()

    def add():
        while not stopped.is_set():
            added.append(client.xadd(KEY, {"number": -1}))
            begun.set()

    adding = threading.Thread(target=add)
    adding.start()
    begun.wait()
    try:
        with pytest.raises(redis.WatchError):
            rewrite_stream(client, KEY)
    finally:
        stopped.set()
        adding.join()
    there = {name for name, _ in client.xrange(KEY)}
    assert len(there) == 3000 + len(added)
    assert there.issuperset(added)
    assert not client.keys("affect:copy:*")
