"""What an autoscaler reads: how many messages wait for a member of the group, whoever finishes first."""

import random

import pytest

from tests.redis_server import Server, executables
from workers.bus import keys
from workers.bus.broker import Broker


@pytest.fixture(params=executables())
def broker(request, tmp_path):
    with Server(tmp_path, request.param) as server:
        broker = Broker(server.url)
        yield broker
        broker.close()


def test_lag_is_what_nobody_has_taken(broker):
    client, chance = broker.client, random.Random(7)
    client.xgroup_create(keys.FACES, keys.GROUP, id="0", mkstream=True)
    added, taken, in_hand = 0, 0, []
    tells = int(client.info("server")["redis_version"].split(".")[0]) >= 7  # older servers tell no lag
    for _ in range(300):
        match chance.choice(("add", "take", "take", "finish", "finish")):
            case "add":
                for _ in range(chance.randint(1, 8)):
                    client.xadd(keys.FACES, {"s": "door", "n": added, "m": b"faces"})
                    client.hincrby(keys.PENDING, "door", 1)
                    added += 1
            case "take":
                member = f"member {chance.randrange(4)}"
                answer = client.xreadgroup(keys.GROUP, member, {keys.FACES: ">"}, count=chance.randint(1, 4))
                entries = [name for _, found in answer for name, _ in found]
                taken += len(entries)
                in_hand += [entries] if entries else []
            case "finish" if in_hand:
                done = in_hand.pop(chance.randrange(len(in_hand)))
                parts = [part for name in done for part in (name, "door", 1, 1, "m", b"scores")]
                names = [keys.FACES, keys.PENDING, keys.scores("door")]
                assert broker.share(keys=names, args=[keys.GROUP, *parts]) == len(done)
        (group,) = client.xinfo_groups(keys.FACES)
        assert group["pending"] == sum(map(len, in_hand))
        if tells:
            assert group["lag"] == added - taken
        # Nothing is kept from before the first in hand.
        first = client.xpending(keys.FACES, keys.GROUP)["min"]
        kept = added - taken if first is None else len(client.xrange(keys.FACES, first))
        assert client.xlen(keys.FACES) == kept
    assert taken > 100
    assert client.xlen(keys.scores("door")) == taken - sum(map(len, in_hand))
