"""All stages in one process, joined by a real Redis, in this process."""

import json
import threading
import time

import pytest

from pipeline.settings import BusSettings, ParquetSettings
from tests.redis_server import Server, newest
from workers.bus import keys
from workers.cluster.layout import STAGES, parse_layout
from workers.cluster.node import Node
from workers.cluster.pulse import Pulse
from workers.config import Config
from workers.engine import Engine


@pytest.fixture
def client(tmp_path):
    with Server(tmp_path, newest()) as server, server.client() as client:
        config = Config(out=tmp_path / "out", bus=BusSettings(lease=0.6), parquet=ParquetSettings(part_seconds=1))
        node = Node(
            parse_layout("+".join(STAGES)),
            server.url,
            Engine.load(config),
            most=None,
            pulse=Pulse("all"),
        )
        stopped = threading.Event()
        thread = threading.Thread(target=node.run, args=(stopped,))
        thread.start()
        yield client
        stopped.set()
        thread.join(30)
        assert not thread.is_alive()


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_is_counted_late_of_a_source_that_was_forgotten_is_forgotten_too(client, scene):
    client.hset(keys.SOURCES, "scene", json.dumps({"url": str(scene)}))
    until(lambda: client.hget(keys.counts("scene"), "frames"))
    client.hdel(keys.SOURCES, "scene")
    until(lambda: not client.sismember(keys.UNDER_WAY, "scene"))
    time.sleep(0.6)  # three beats
    assert not client.exists(*keys.remembered("scene"))


def test_counts_that_cannot_be_stored_are_told_once_and_spoil_no_others(client, scene, caplog):
    client.set(keys.counts("scene"), "mine")
    for name in ("scene", "other"):
        client.hset(keys.SOURCES, name, json.dumps({"url": str(scene)}))
    until(lambda: client.hget(keys.counts("other"), "frames") == "150")
    time.sleep(0.6)  # three beats
    assert client.hget(keys.counts("other"), "frames") == "150"
    assert caplog.text.count("what is counted of scene cannot be stored: Redis at") == 1
    assert "WRONGTYPE" in caplog.text
    client.delete(keys.counts("scene"))
    until(lambda: client.hget(keys.counts("scene"), "frames") == "150")
