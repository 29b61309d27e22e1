import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.errors import BrokerError, InputError
from pipeline.tally import Count
from tests.redis_server import Server, newest
from workers.bus import keys
from workers.web.board import RedisBoard


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path, newest()) as running:
        yield running


def test_sources_of_workers_and_those_that_are_only_published(server, monkeypatch):
    monkeypatch.setattr("workers.web.board.FRESH", 0.0)
    board = RedisBoard(server.url)
    assert board.statuses() == []
    with server.client() as redis:
        redis.hset(keys.SOURCES, mapping={"door": '{"url": "rtsp://me:hunter2@10.0.0.8/h264"}', "gate": "{"})
        redis.set(keys.lease("ingest", "door"), "me")
        redis.hset(keys.counts("door"), mapping={"frames": 12, "of another version": 1})
        redis.hset(keys.failures("gate"), "ingest", "cannot be read")
        redis.xadd("affect:emotions:door", {"frame": 1})
        redis.xadd("affect:emotions:hall", {"frame": 1})
        redis.xadd("affect:emotions:attic", {"frame": 1}, id=f"{round((time.time() - 3600) * 1000)}-0")
        redis.set("affect:emotions:no-stream", "1")
    attic, door, gate, hall = board.statuses()
    assert (door.source, door.state, door.up, door.read_from) == ("door", "ingest", None, "rtsp://***@10.0.0.8/h264")
    assert door.counts == {Count.FRAMES: 12}
    assert (gate.source, gate.up, gate.reason) == ("gate", False, "ingest fails: cannot be read")
    assert (hall.source, hall.state, hall.up, hall.reason) == ("hall", "faces", True, "")
    assert (attic.source, attic.state, attic.up) == ("attic", "no faces", None)
    assert attic.reason.startswith("the last was published 20")


def test_pages_that_ask_at_once_are_answered_by_one_look(server, monkeypatch):
    monkeypatch.setattr("workers.web.board.FRESH", 3600.0)
    board = RedisBoard(server.url)
    with server.client() as redis:
        for number in range(50):
            redis.hset(keys.SOURCES, f"cam-{number}", '{"url": "0"}')
        before = redis.info("commandstats")
        assert len(board.statuses()) == 50
        with ThreadPoolExecutor(4) as pool:
            assert len({id(told) for told in pool.map(lambda _: board.statuses(), range(20))}) == 1
        after = redis.info("commandstats")
    assert before.get("cmdstat_hgetall", {"calls": 0})["calls"] + 101 == after["cmdstat_hgetall"]["calls"]


def test_a_server_that_is_away_is_told(server):
    board = RedisBoard(server.url)
    assert board.ailment() == ""
    server.kill()
    assert "refuses the connection" in board.ailment() or "cannot connect" in board.ailment()
    with pytest.raises(BrokerError):
        board.statuses()
    server.start()
    assert board.ailment() == ""


def test_a_url_that_cannot_be_used_is_refused():
    with pytest.raises(InputError, match="must begin with redis://"):
        RedisBoard("http://broker")
