"""Order out of disorder: several members publish a source's messages, each when it is done."""

import threading

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.channel import Closed
from pipeline.errors import VersionError
from pipeline.messages import End, Faces, Scores
from pipeline.tally import Count
from tests.messages import faces
from workers.bus import keys
from workers.bus.broker import Broker
from workers.bus.codec import VERSION, encode
from workers.bus.lease import Lease, Lost
from workers.bus.ledger import Ledger, Position
from workers.bus.ordered import Ordered
from workers.bus.poison import Poison

KEY = keys.scores("door")


def put(client, number, message=None):
    """Publish a message whose track names its number."""
    message = message or End("door", f"r{number}", complete=True)
    return client.xadd(KEY, {"s": "door", "n": number, "m": encode(message, quality=None)})


def counted(client):
    return int(client.hget(keys.counts("door"), Count.POISON) or 0)


def numbers(taken):
    return [one.number for one in taken]


class Reader:
    def __init__(self, broker, own, *, last=0, tries=3, kinds=(Faces, End), succeeds=False, patience=60.0):
        self.lease, self.ledger = own("sink", inbox=KEY, succeeds=succeeds)
        self.ledger.load()
        if last:
            self.commit(last)
        poison = Poison(broker, "sink", self.lease.stopped)
        self.inbox = Ordered(
            broker, self.lease, self.ledger, poison, key=KEY, kinds=kinds, tries=tries, patience=patience
        )

    def take(self, most=100, within=0.01):
        return self.inbox.take(most, within)

    def commit(self, last, ids=()):
        self.ledger.commit(Position(taken=last), list(ids), [])

    def drain(self):
        """Take all that can be taken."""
        taken = []
        while more := self.take():
            taken += more
        return taken


@pytest.fixture
def read(broker, client, own):
    client.sadd(keys.UNDER_WAY, "door")

    def make(**options):
        return Reader(broker, own, **options)

    return make


def test_messages_come_in_order_and_a_gap_is_waited_for(client, read):
    reader = read()
    for number in (2, 1, 5, 3):
        put(client, number)
    assert numbers(reader.take()) == [1]  # one by itself first, so that whoever dies of it is known
    assert numbers(reader.take()) == [2, 3]
    assert reader.take(within=0.1) == []
    put(client, 4)
    assert numbers(reader.take(most=1)) == [4]
    taken = reader.take()
    assert numbers(taken) == [5]
    assert taken[0].message == End("door", "r5", complete=True)
    assert reader.inbox.number(taken[0].message) == 5


def test_a_message_that_does_not_come_though_later_ones_wait_is_told_once(client, read, caplog):
    reader = read(patience=0.0)
    assert reader.take() == []  # nothing has come: nothing is missing
    for number in (1, 3, 4):
        put(client, number)
    assert numbers(reader.drain()) == [1]
    for _ in range(3):
        assert reader.take() == []
    assert caplog.text.count("message 2 of door has not come") == 1
    assert caplog.text.count("and 2 behind it wait") == 1
    put(client, 2)
    put(client, 6)
    assert numbers(reader.drain()) == [2, 3, 4]
    for _ in range(3):
        assert reader.take() == []
    assert [record.getMessage().split(" of door")[0] for record in caplog.records] == [
        "sink: message 2",
        "sink: message 5",
    ]


def test_a_message_that_is_only_late_is_not_told_of(client, read, caplog):
    reader = read(patience=60.0)
    put(client, 2)
    for _ in range(3):
        assert reader.take() == []
    assert caplog.text == ""


def test_what_was_not_acknowledged_comes_again(client, read):
    ids = [put(client, number) for number in (1, 2, 3)]
    first = read()
    assert numbers(first.drain()) == [1, 2, 3]
    first.commit(1, ids[:1])
    first.lease.release()
    assert numbers(read().drain()) == [2, 3]


def test_a_message_may_come_long_after(client, read):
    reader = read()
    later = threading.Timer(0.8, put, (client, 1))
    later.start()
    assert numbers(reader.take(within=None)) == [1]
    later.join()


def test_waiting_ends_when_stopped(client, read):
    reader = read()
    threading.Timer(0.2, reader.lease.stopped.set).start()
    with pytest.raises(Closed):
        reader.take(within=None)


@settings(max_examples=25)
@given(
    order=st.integers(1, 40).flatmap(lambda last: st.permutations(range(1, last + 1))),
    sizes=st.lists(st.tuples(st.integers(1, 10), st.integers(1, 8), st.booleans()), min_size=40, max_size=40),
)
def test_any_interleaving_comes_out_in_order(server, order, sizes):
    broker = Broker(server.url)
    broker.client.flushall()
    lease = Lease(broker, "sink", "door", 30)
    assert lease.acquire()
    ledger = Ledger(broker, lease, inbox=KEY, outbox=None)
    ledger.load()
    poison = Poison(broker, "sink", lease.stopped)
    inbox = Ordered(broker, lease, ledger, poison, key=KEY, kinds=(End,), tries=3, patience=60.0)
    out = []

    def take(most, commits):
        taken = inbox.take(most, 0)
        if taken and commits:
            ledger.commit(Position(taken=taken[-1].number), [one.id for one in taken], [])
        out.extend(taken)

    waiting = list(order)
    for published, most, commits in sizes:
        for number in waiting[:published]:
            put(broker.client, number)
        del waiting[:published]
        if len(out) + 1 not in waiting:  # otherwise it would wait
            take(most, commits)
        if not waiting:
            break
    while len(out) < len(order):
        take(100, True)
    assert numbers(out) == list(range(1, len(order) + 1))
    assert [one.message.run for one in out] == [f"r{number}" for number in numbers(out)]
    broker.close()


def test_a_stream_that_begins_anew_is_noticed(client, read):
    reader = read()
    for number in (1, 2, 3):
        put(client, number)
    reader.drain()
    reader.commit(3)
    client.flushall()
    put(client, 1)
    with pytest.raises(Lost, match="forgotten"):
        reader.take(within=None)


def test_a_message_that_was_made_again_is_noticed(client, read):
    """Redis lost the last moments, and with them the entry that this owner has in hand."""
    reader = read()
    ids = [put(client, number) for number in (1, 2)]
    reader.drain()
    reader.commit(1, ids[:1])
    client.xdel(KEY, ids[1])
    put(client, 2)
    with pytest.raises(Lost, match="forgotten"):
        reader.take(within=None)
    assert numbers(read(succeeds=True).drain()) == [2]


def test_garbage_is_taken_out_and_the_rest_goes_on(client, read, poisoned):
    reader = read(last=5)
    for fields in ({"hello": "world"}, {"s": "door", "n": "six", "m": "?"}, {"s": "door", "n": "-1", "m": "?"}):
        client.xadd(KEY, fields)
    put(client, 3)
    put(client, 6)
    assert numbers(reader.drain()) == [6]
    assert client.xlen(KEY) == 1
    assert [one["reason"] for one in poisoned()] == ["it has no number"] * 3 + ["its number was dealt with already"]
    assert counted(client) == 4


def test_poison_is_set_aside_without_a_gap(client, read, poisoned, caplog):
    reader = read(kinds=(End,))
    put(client, 1)
    client.xadd(KEY, {"s": "door", "n": 2, "m": b"\xc1 no message"})
    client.xadd(KEY, {"s": "door", "n": 3, "x": "ValueError('bad crop')"})  # set aside by who should have made it
    put(client, 4, faces(1))
    client.xadd(KEY, {"s": "door", "n": 5})
    put(client, 6)
    taken = reader.drain()
    assert numbers(taken) == [1, 2, 3, 4, 5, 6]
    assert [one.message is None for one in taken] == [False, True, True, True, True, False]
    entries = poisoned()
    assert [(one["worker"], one["s"], one["n"]) for one in entries] == [("sink", "door", n) for n in "245"]
    assert "End was awaited, not Faces" in entries[1]["reason"]
    assert counted(client) == 3
    assert "message 2 of door was set aside" in caplog.text


@pytest.mark.parametrize("forged", ["gate", "x/../../../elsewhere", ""])
def test_a_message_that_tells_of_another_source_is_set_aside(client, read, poisoned, forged):
    seen = faces(1, source=forged)
    scores = Scores(msgspec.structs.replace(seen, crops=seen.crops[:0]), np.full((1, 8), 1 / 8, np.float32), "m")
    for number, message in enumerate((seen, scores, End(forged, "r1", complete=True)), 1):
        put(client, number, message)
    put(client, 4)
    taken = read(kinds=(Faces, Scores, End)).drain()
    assert numbers(taken) == [1, 2, 3, 4]
    assert [one.message for one in taken] == [None, None, None, End("door", "r4", complete=True)]
    entries = poisoned()
    assert [(one["s"], one["n"]) for one in entries] == [("door", n) for n in "123"]
    assert {one["reason"] for one in entries} == {f"a message of 'door' was awaited, not one of {forged!r}"}


def test_a_message_of_a_run_that_leads_out_of_the_results_folder_is_set_aside(client, read, poisoned):
    """An end too, which is never set aside later: whoever writes rows would fail of it again and again."""
    seen = faces(1)
    seen = msgspec.structs.replace(seen, stamp=msgspec.structs.replace(seen.stamp, run="../../x"))
    scores = Scores(msgspec.structs.replace(seen, crops=seen.crops[:0]), np.full((1, 8), 1 / 8, np.float32), "m")
    for number, message in enumerate((seen, scores, End("door", "../../x", complete=True)), 1):
        put(client, number, message)
    put(client, 4)
    taken = read(kinds=(Faces, Scores, End)).drain()
    assert [one.message for one in taken] == [None, None, None, End("door", "r4", complete=True)]
    reasons = [one["reason"] for one in poisoned()]
    assert reasons == ["'../../x' cannot be part of a path: ids are of a to z, 0 to 9, - and _"] * 3


def test_poison_that_waits_to_be_acknowledged_is_set_aside_once_however_often_it_is_taken_over(
    client, read, poisoned, caplog
):
    client.xadd(KEY, {"s": "door", "n": 1, "m": b"\xc1 no message"})
    put(client, 2)
    for _ in range(3):
        assert [one.message is None for one in read(succeeds=True).drain()] == [True, False]  # and dies
    assert counted(client) == 1
    assert len(poisoned()) == 1


def test_another_version_stays_where_it_is(client, read):
    reader = read()
    client.xadd(KEY, {"s": "door", "n": 1, "m": msgspec.msgpack.encode((VERSION + 1, "novel", {}))})
    with pytest.raises(VersionError, match=f"schema version {VERSION + 1}, this program reads {VERSION}"):
        reader.take(within=None)
    assert client.xlen(KEY) == 1
    assert client.xlen(keys.POISON) == 0


def test_a_message_that_kills_its_owners_is_set_aside_alone(client, read, poisoned):
    for number in range(1, 6):
        put(client, number, faces(1))
    deaths = 0
    while True:
        owner = read(tries=3, succeeds=True)
        taken = []
        while more := owner.take():
            if any(one.number == 4 and one.message is not None for one in more):
                break  # a process that does not come back
            taken += more
        else:
            break
        deaths += 1
    assert [(one.number, one.message is None) for one in taken] == [(n, n == 4) for n in range(1, 6)]
    assert deaths == 4  # the first had not been careful
    (entry,) = poisoned()
    assert entry["n"] == "4"
    assert "died every time" in entry["reason"]


def test_an_end_is_never_set_aside_or_its_source_would_never_be_over(client, read, poisoned):
    put(client, 1)
    for _ in range(9):
        (taken,) = read(tries=3, succeeds=True).take()  # and does not come back
        assert taken.message == End("door", "r1", complete=True)
    assert poisoned() == []
