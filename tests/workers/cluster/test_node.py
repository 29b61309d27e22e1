"""All stages in one process, joined by a real Redis, in this process."""

import json
import threading
import time
from types import SimpleNamespace

import pytest

from pipeline.messages import End
from pipeline.settings import BusSettings, ParquetSettings
from tests.redis_server import Server, newest
from workers.bus import keys
from workers.bus.codec import encode
from workers.cluster.layout import STAGES, parse_layout
from workers.cluster.node import Node
from workers.cluster.pulse import Pulse, ailment
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


class Slow:
    """Inference that takes until it is told to be over."""

    def __init__(self):
        self.over = threading.Event()

    def process(self, inputs):
        assert self.over.wait(60)
        return inputs


class Inference(SimpleNamespace):
    """A process of inference with one message in hand, for as long as ``stage`` takes."""

    def in_hand(self):
        return self.client.xpending_range(keys.FACES, keys.GROUP, "-", "+", 1)

    def await_hold(self):
        """Wait until the process holds anew what nobody seems to have heard of for long."""
        (one,) = self.in_hand()
        claim = (keys.FACES, keys.GROUP, one["consumer"], 0, [one["message_id"]])
        self.client.xclaim(*claim, idle=1000_000, justid=True)
        until(lambda: self.in_hand()[0]["time_since_delivered"] < 1000_000)

    def stop(self):
        self.stopped.set()
        self.stage.over.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


@pytest.fixture
def inference(tmp_path, monkeypatch):
    stage = Slow()
    monkeypatch.setattr(Engine, "inference", lambda _: stage)
    with Server(tmp_path, newest()) as server, server.client() as client:
        end = End("door", "r", complete=True)
        client.xadd(keys.FACES, {"s": "door", "n": 1, "m": encode(end, quality=None)})
        config = Config(out=tmp_path / "out", bus=BusSettings(lease=600, claim=0.6))
        node = Node(parse_layout("inference"), server.url, Engine.load(config), most=None, pulse=Pulse("slow"))
        stopped = threading.Event()
        thread = threading.Thread(target=node.run, args=(stopped,))
        thread.start()
        made = Inference(client=client, stage=stage, stopped=stopped, thread=thread)
        until(lambda: client.xinfo_groups(keys.FACES) and made.in_hand())
        yield made
        made.stop()


def test_a_step_of_inference_that_takes_long_is_left_to_its_process(inference):
    """A message in hand for longer than ``bus.claim`` is held by the beats of the process that works on it."""
    inference.await_hold()
    inference.stage.over.set()
    until(lambda: inference.client.xlen(keys.scores("door")))


def test_a_step_that_is_in_hand_while_its_process_ends_is_left_to_it(inference):
    inference.stopped.set()
    inference.await_hold()  # by its last beat, perhaps
    inference.await_hold()
    inference.stop()
    assert inference.client.xlen(keys.scores("door")) == 1


def test_a_process_whose_step_hangs_is_not_healthy_until_it_goes_on(inference, monkeypatch):
    until(lambda: not ailment("slow", 10))
    monkeypatch.setattr("workers.bus.pool.HUNG", 0)
    until(lambda: ailment("slow", 2))  # ten beats
    inference.stage.over.set()
    until(lambda: not ailment("slow", 2))
