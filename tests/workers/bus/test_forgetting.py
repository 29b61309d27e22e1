"""What is forgotten with a source, and when."""

import threading

import msgspec
import numpy as np

from pipeline.messages import Scores
from pipeline.settings import BusSettings
from tests.messages import faces
from workers.bus import keys
from workers.bus.codec import encode
from workers.bus.poison import Poison
from workers.bus.pool import PoolLink
from workers.cluster.registry import forget, tidy


def test_what_is_in_hand_or_waits_goes_with_its_source_alone(broker, client):
    for number, source in enumerate(("door", "gate", "door", "door"), 1):
        message = encode(faces(1, number, source=source), quality=None)
        client.xadd(keys.FACES, {"s": source, "n": number, "m": message})
        client.hincrby(keys.PENDING, source, 1)
    stopped = threading.Event()
    member = PoolLink(broker, BusSettings(), Poison(broker, "inference", stopped), 3, stopped)
    in_hand = member.read()
    assert len(in_hand) == 3

    forget(client, "door")

    assert [fields[b"s"] for _, fields in broker.client.xrange(keys.FACES)] == [b"gate"]
    assert client.hgetall(keys.PENDING) == {"gate": "1"}  # a count that stayed would hold up the source's next run
    member.commit(
        [
            Scores(msgspec.structs.replace(seen, crops=seen.crops[:0]), np.full((1, 8), 1 / 8, np.float32), "m")
            for seen in in_hand
        ]
    )
    assert client.xlen(keys.scores("gate")) == 1
    assert not client.exists(keys.scores("door"))
    assert client.xpending(keys.FACES, keys.GROUP)["pending"] == 0


def test_what_was_taken_out_is_remembered_as_long_as_it_has_a_reader(client):
    state = keys.state("ingest", "door")
    client.hset(state, "step", 1)
    client.set(keys.lease("ingest", "door"), "me")
    assert not tidy(client, "door")
    assert client.exists(state)
    client.delete(keys.lease("ingest", "door"))
    assert tidy(client, "door")
    assert not client.exists(state)
