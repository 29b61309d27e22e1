"""The sink of one source on a disk that fails, in this process."""

import time
from dataclasses import replace

import pandas as pd
import pytest

from pipeline.errors import OutputError
from pipeline.messages import End
from pipeline.settings import BusSettings
from pipeline.sink.occupancy import alone
from pipeline.tally import Tally
from tests.disk import FolderSync
from tests.pipeline.sink.runs import scores
from tests.redis_server import Server, newest
from workers.bus import keys
from workers.bus.broker import Broker
from workers.bus.codec import encode
from workers.bus.lease import Lease
from workers.bus.pool import HUNG
from workers.cluster.context import Context
from workers.cluster.sink_shard import SinkShard
from workers.config import Config
from workers.engine import Engine

INBOX = keys.scores("door")


@pytest.fixture
def broker(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("redis"), newest()) as server:
        made = Broker(server.url)
        yield made
        made.close()


def test_scores_stay_until_a_power_cut_cannot_undo_their_rows_which_are_written_once(broker, tmp_path, monkeypatch):
    out, engine = tmp_path / "out", Engine.load(Config())
    context = Context(broker, replace(engine, config=engine.config.model_copy(update={"out": out})), Tally())
    made = scores(60)
    for number, message in enumerate([*made, End("door", "r1", complete=True)], 1):
        broker.client.xadd(INBOX, {"s": "door", "n": number, "m": encode(message, quality=None)})

    def begun():
        lease = Lease(broker, "sink", "door", 30)
        assert lease.acquire()
        shard = SinkShard(lease, context, None)
        shard.start()
        return shard

    disk = FolderSync(monkeypatch)
    for _ in range(2):  # the second finds all rows there
        shard = begun()
        shard.join(60)
        assert isinstance(shard.error, OutputError)
        assert broker.client.xlen(INBOX) == 61
        with alone(out):  # though what has failed is still remembered, it holds nothing
            pass
        shard.lease.release()
    disk.error = 0
    shard = begun()
    deadline = time.monotonic() + 60
    while broker.client.xlen(INBOX):
        assert time.monotonic() < deadline, shard.error
        time.sleep(0.01)
    shard.stop()
    shard.join(60)
    assert shard.error is None
    rows = [(message.faces.stamp.frame, track) for message in made for track in message.faces.tracks]
    found = pd.read_parquet(out / "emotions")
    assert sorted(zip(found["frame"], found["track"], strict=True)) == sorted(rows)
    assert broker.client.xlen("affect:emotions:door") == len(rows)


@pytest.mark.parametrize(("held", "told"), [(0.0, True), (HUNG, False)])
def test_what_inference_may_still_hold_is_not_told_to_be_lost(broker, tmp_path, monkeypatch, caplog, held, told):
    """An engine of a GPU is built in minutes, in which later messages come from other workers."""
    monkeypatch.setattr("workers.cluster.sink_shard.HUNG", held)
    engine = Engine.load(Config(out=tmp_path / "out", bus=BusSettings(claim=0.01)))
    lease = Lease(broker, "sink", "door", 30)
    assert lease.acquire()
    broker.client.xadd(INBOX, {"s": "door", "n": 2, "m": encode(scores(1)[0], quality=None)})
    shard = SinkShard(lease, Context(broker, engine, Tally()), None)
    shard.start()
    deadline = time.monotonic() + (60 if told else 3)
    while "message 1 of door has not come" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.01)
    shard.stop()
    shard.join(60)
    assert shard.error is None
    assert ("message 1 of door has not come" in caplog.text) == told
