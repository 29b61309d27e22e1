"""Members of one group: whatever they die of and whoever is slow, a message is published once."""

import threading
import time
from contextlib import suppress

import msgspec
import numpy as np
import pytest

from pipeline.channel import Closed
from pipeline.errors import BrokerError, VersionError
from pipeline.messages import End, Scores
from pipeline.settings import BusSettings
from pipeline.tally import Count
from tests.messages import faces
from workers.bus import keys
from workers.bus.codec import VERSION, decode, encode
from workers.bus.poison import Poison
from workers.bus.pool import PoolLink


def put(client, number, source="door", seen=1):
    client.xadd(keys.FACES, {"s": source, "n": number, "m": encode(faces(seen, number, source=source), quality=None)})
    client.hincrby(keys.PENDING, source, 1)


def scored(message):
    if isinstance(message, End):
        return message
    probabilities = np.full((len(message.tracks), 8), 1 / 8, np.float32)
    return Scores(msgspec.structs.replace(message, crops=message.crops[:0]), probabilities, "m")


def published(broker, source="door"):
    entries = broker.client.xrange(keys.scores(source))
    return [(int(fields[b"n"]), fields.get(b"m") and decode(fields[b"m"])) for _, fields in entries]


class Member(PoolLink):
    def __init__(self, broker, *, claim=60.0, tries=3, batch=4):
        self.stopped = threading.Event()
        poison = Poison(broker, "inference", self.stopped)
        super().__init__(broker, BusSettings(claim=claim, tries=tries), poison, batch, self.stopped)

    def read(self):
        """Read, but give up at last: what never comes fails a test."""
        giving_up = threading.Timer(10, self.stopped.set)
        giving_up.start()
        try:
            return super().read()
        finally:
            giving_up.cancel()

    def work(self):
        """Do one step; return how many messages it took."""
        messages = self.read()
        self.commit([scored(message) for message in messages])
        return len(messages)


def test_members_share_and_publish_once(broker, client):
    for number in range(1, 7):
        put(client, number)
    one, other = Member(broker), Member(broker)
    assert len(one.read()) == 4
    assert other.work() == 2
    assert [number for number, _ in published(broker)] == [5, 6]
    one.commit([scored(faces(1, number)) for number in range(1, 5)])
    assert [number for number, _ in published(broker)] == [5, 6, 1, 2, 3, 4]
    assert client.xlen(keys.FACES) == 0
    assert client.hgetall(keys.PENDING) == {}
    assert published(broker)[0][1].faces.stamp.frame == 5


@pytest.mark.parametrize(
    ("seen", "steps"),
    [(7, [32, 4, 4, 4]), (1, [32, 12]), (0, [32, 12]), (50, [32, *[1] * 12])],
)
def test_a_step_holds_about_a_batch_of_faces_however_many_a_message_has(broker, client, seen, steps):
    for number in range(1, 45):
        put(client, number, seen=seen)
    member = Member(broker, batch=32)
    assert [member.work() for _ in steps] == steps


def test_each_source_has_its_outbox(broker, client):
    for number, source in enumerate(("door", "gate", "door", "gate"), 1):
        put(client, number, source)
    Member(broker).work()
    assert [number for number, _ in published(broker, "door")] == [1, 3]
    assert [number for number, _ in published(broker, "gate")] == [2, 4]


def test_what_a_member_has_held_for_too_long_goes_to_another(broker, client):
    for number in range(1, 4):
        put(client, number)
    slow, other = Member(broker, claim=0.2), Member(broker, claim=0.2)
    in_hand = slow.read()
    assert sum(other.work() for _ in range(3)) == 3
    slow.commit([scored(message) for message in in_hand])  # wakes up
    assert sorted(number for number, _ in published(broker)) == [1, 2, 3]
    assert client.hgetall(keys.PENDING) == {}
    assert client.xpending(keys.FACES, keys.GROUP)["pending"] == 0


def age(client):
    """Let what is in hand have been there for longer than any member may be silent."""
    for one in client.xpending_range(keys.FACES, keys.GROUP, "-", "+", 100):
        claim = (keys.FACES, keys.GROUP, one["consumer"], 0, [one["message_id"]])
        client.xclaim(*claim, idle=1000_000, retrycount=one["times_delivered"], justid=True)


def test_what_a_living_member_works_on_for_long_is_its_own_and_no_try_is_counted(broker, client, poisoned):
    put(client, 1)
    put(client, 2)
    slow = Member(broker, tries=1)
    in_hand = slow.read()
    for number in range(3, 6):
        age(client)
        slow.hold()
        put(client, number)
        assert Member(broker, tries=1).work() == 1
    slow.commit([scored(message) for message in in_hand])
    assert [number for number, _ in published(broker)] == [3, 4, 5, 1, 2]
    assert poisoned() == []


def test_what_was_taken_over_meanwhile_is_not_taken_back(broker, client):
    for number in (1, 2):
        put(client, number)
    slow, other = Member(broker), Member(broker)
    slow.read()
    age(client)
    assert [message.stamp.frame for message in other.read()] == [1]
    age(client)
    slow.hold()
    pending = client.xpending_range(keys.FACES, keys.GROUP, "-", "+", 9)
    assert [one["consumer"] for one in pending] == [other._name, slow._name]
    assert [one["time_since_delivered"] >= 1000_000 for one in pending] == [True, False]
    assert [one["times_delivered"] for one in pending] == [2, 1]


def test_what_hangs_is_taken_over_though_its_process_lives_and_is_told_once(broker, client, monkeypatch, caplog):
    for number in (1, 2):
        put(client, number)
    hangs = Member(broker)
    assert hangs.hold()
    in_hand = hangs.read()
    assert hangs.hold()
    monkeypatch.setattr("workers.bus.pool.HUNG", 0)
    age(client)
    assert (hangs.hold(), hangs.hold()) == (False, False)
    assert Member(broker).work() == 1
    assert caplog.text.count("works on message 1 of door, and on 1 that came with it, for 0 s: it hangs") == 1
    hangs.commit([scored(message) for message in in_hand])
    assert hangs.hold()
    assert len(caplog.records) == 1
    put(client, 3)
    hangs.read()
    assert not hangs.hold()
    assert "works on message 3 of door" in caplog.text


def test_a_member_may_hold_when_it_has_nothing_and_when_redis_forgot(broker, client):
    member = Member(broker)
    member.hold()
    put(client, 1)
    member.work()
    member.hold()
    assert client.xpending(keys.FACES, keys.GROUP)["pending"] == 0
    client.flushall()
    member.hold()
    assert client.keys() == []


def test_the_slow_one_may_be_first_all_the_same(broker, client):
    put(client, 1)
    slow, other = Member(broker, claim=0.2), Member(broker, claim=0.2)
    in_hand = slow.read()
    claimed = other.read()
    slow.commit([scored(message) for message in in_hand])
    other.commit([scored(message) for message in claimed])
    assert [number for number, _ in published(broker)] == [1]


def work_until_death(member, number):
    """Work until a message comes that ends the process."""
    while True:
        messages = member.read()
        if any(message.stamp.frame == number for message in messages):
            return
        member.commit([scored(message) for message in messages])


def test_a_message_that_kills_members_is_set_aside_and_its_neighbours_are_not(broker, client, poisoned):
    for number in range(1, 9):
        put(client, number)
    for _ in range(3):
        work_until_death(Member(broker, claim=0.05, tries=3), 3)
    last = Member(broker, claim=0.05, tries=3)
    put(client, 9)
    while not (poisoned() and client.hget(keys.PENDING, "door") is None):
        threading.Timer(0.5, last.stopped.set).start()
        with suppress(Closed):
            work_until_death(last, 3)
        last.stopped.clear()
    found = dict(published(broker))
    assert sorted(found) == list(range(1, 10))
    assert [number for number, message in found.items() if message is None] == [3]
    (entry,) = poisoned()
    assert (entry["worker"], entry["s"], entry["n"]) == ("inference", "door", "3")
    assert "died every time" in entry["reason"]


def test_what_cannot_be_worked_on_is_set_aside_counted_and_leaves_no_gap(broker, client, poisoned):
    client.sadd(keys.UNDER_WAY, "door")
    put(client, 1)
    for fields in (
        {"s": "door", "n": 2, "m": "\x00"},
        {"s": "door", "n": 3, "m": encode(scored(faces(1, 3)), quality=None)},
    ):
        client.xadd(keys.FACES, fields)
        client.hincrby(keys.PENDING, "door", 1)
    client.xadd(keys.FACES, {"hello": "world"})
    client.xadd(keys.FACES, {"s": "door", "m": encode(faces(1), quality=None)})
    put(client, 4)
    member = Member(broker, batch=10)
    messages = member.read()
    member.commit([scored(messages[0]), ValueError("bad crop")])
    assert [(number, message is None) for number, message in sorted(published(broker))] == [
        (1, False),
        (2, True),
        (3, True),
        (4, True),
    ]
    entries = poisoned()
    assert [one["n"] for one in entries] == ["2", "3", "0", "0", "4"]
    assert "Faces or End was awaited, not Scores" in entries[1]["reason"]
    assert entries[-1]["reason"] == "ValueError('bad crop')"
    assert decode(broker.client.xrange(keys.POISON)[-1][1][b"m"]).stamp.frame == 4
    assert client.hget(keys.counts("door"), Count.POISON) == str(3 + 1)
    assert client.xpending(keys.FACES, keys.GROUP)["pending"] == 0


def test_a_message_that_tells_of_another_source_is_set_aside_and_leaves_no_gap(broker, client, poisoned):
    for number, message in enumerate((faces(1, source="gate"), End("../gate", "r", complete=True)), 1):
        client.xadd(keys.FACES, {"s": "door", "n": number, "m": encode(message, quality=None)})
        client.hincrby(keys.PENDING, "door", 1)
    put(client, 3)
    Member(broker).work()
    assert [(number, message is None) for number, message in published(broker)] == [(1, True), (2, True), (3, False)]
    assert published(broker, "gate") == published(broker, "../gate") == []
    assert [(one["s"], one["n"], one["reason"]) for one in poisoned()] == [
        ("door", "1", "a message of 'door' was awaited, not one of 'gate'"),
        ("door", "2", "a message of 'door' was awaited, not one of '../gate'"),
    ]
    assert client.hgetall(keys.PENDING) == {}


def test_another_version_is_refused_and_left_for_who_can_read_it(broker, client):
    put(client, 1)
    later = msgspec.msgpack.encode((VERSION + 1, "novel", {}))
    client.xadd(keys.FACES, {"s": "door", "n": 2, "m": later})
    member = Member(broker)
    with pytest.raises(VersionError, match="schema version"):
        member.read()
    member.close()
    assert client.xlen(keys.FACES) == 2
    assert client.xpending(keys.FACES, keys.GROUP)["pending"] == 2
    assert client.xlen(keys.POISON) == 0


def test_who_cannot_read_a_version_leaves_it_whole_to_one_that_can_however_often_it_tries(
    broker, client, monkeypatch, poisoned
):
    put(client, 1)
    client.xadd(keys.FACES, {"s": "door", "n": 2, "m": encode(End("door", "r", complete=True), quality=None)})
    for _ in range(3 + 2):
        with monkeypatch.context() as patch:
            patch.setattr("workers.bus.codec.VERSION", VERSION + 1)
            for _ in range(2):  # either message
                member = Member(broker, claim=0.02, tries=3)
                with pytest.raises(VersionError, match=f"schema version {VERSION}"):
                    member.read()
                member.close()
                time.sleep(0.03)
    assert client.xpending(keys.FACES, keys.GROUP)["pending"] == 2
    able = Member(broker, claim=0.02, tries=3)
    assert able.work() + able.work() == 2
    assert [number for number, message in published(broker) if message is not None] == [1, 2]
    assert poisoned() == []


def test_an_end_is_never_set_aside_or_its_source_would_never_be_over(broker, client, poisoned):
    end = End("door", "r", complete=True)
    client.xadd(keys.FACES, {"s": "door", "n": 1, "m": encode(end, quality=None)})
    for _ in range(9):
        member = Member(broker, claim=0.02, tries=3)
        assert member.read() == [end]  # and is never heard of again
        time.sleep(0.03)
    assert poisoned() == []


def test_a_group_that_was_lost_is_founded_anew(broker, client, caplog):
    member = Member(broker)
    put(client, 1)
    assert member.work() == 1
    client.flushall()
    put(client, 1)
    put(client, 2)
    assert member.work() == 2
    assert [number for number, _ in published(broker)] == [1, 2]
    assert "Redis has lost the group inference" in caplog.text


def test_what_was_in_hand_when_redis_lost_it_is_not_published(broker, client):
    member = Member(broker)
    put(client, 1)
    messages = member.read()
    client.flushall()
    member.commit([scored(message) for message in messages])
    assert not client.exists(keys.scores("door"))


def test_who_leaves_leaves_nothing_but_what_is_in_hand(broker, client):
    def members():
        return len(client.xinfo_consumers(keys.FACES, keys.GROUP))

    put(client, 1)
    put(client, 2)
    one = Member(broker, batch=1)
    one.work()
    one.close()
    assert members() == 0
    other = Member(broker)
    other.read()
    other.close()
    assert members() == 1
    assert client.xpending(keys.FACES, keys.GROUP)["pending"] == 1


def test_who_is_silent_for_long_is_struck_off(broker, client, monkeypatch):
    monkeypatch.setattr("workers.bus.pool.FORGOTTEN", 0)
    put(client, 1)
    Member(broker).work()
    holder = Member(broker)
    put(client, 2)
    holder.read()
    put(client, 3)
    Member(broker).work()
    names = [one["name"] for one in client.xinfo_consumers(keys.FACES, keys.GROUP)]
    assert len(names) == 2
    assert client.xpending(keys.FACES, keys.GROUP)["pending"] == 1


@pytest.fixture
def after(broker, monkeypatch):
    """Have something happen once, right after Redis has answered the first request of a name, or else any."""

    def arrange(action, name=None):
        real, waiting = broker.client.execute_command, [action]

        def request(*words, **options):
            try:
                return real(*words, **options)
            finally:
                if waiting and name in {None, words[0]}:
                    waiting.pop()()

        monkeypatch.setattr(broker.client, "execute_command", request)

    return arrange


def test_what_a_member_is_handed_while_it_leaves_goes_to_another(broker, client, after):
    """As when its last request timed out, and Redis answered all the same."""
    leaving = Member(broker)

    def hand_over():
        put(client, 1)
        broker.client.xreadgroup(keys.GROUP, leaving._name, {keys.FACES: ">"})

    after(hand_over)
    leaving.close()
    assert Member(broker, claim=0.01).work() == 1
    assert [number for number, _ in published(broker)] == [1]


def test_who_wakes_up_just_when_it_is_struck_off_finishes_what_it_took(broker, client, monkeypatch, after):
    monkeypatch.setattr("workers.bus.pool.FORGOTTEN", -1)
    put(client, 1)
    sleeper, other = Member(broker), Member(broker)
    sleeper.work()
    for number in (2, 3):
        put(client, number)
    in_hand = []
    sleeper._most = 1
    after(lambda: in_hand.extend(sleeper.read()), "XINFO CONSUMERS")
    assert other.work() == 1
    sleeper.commit([scored(message) for message in in_hand])
    assert [number for number, _ in published(broker)] == [1, 3, 2]
    assert client.xpending(keys.FACES, keys.GROUP)["pending"] == 0


def test_what_is_gone_though_it_was_in_hand_holds_nobody_up(broker, client):
    put(client, 1)
    put(client, 2)
    Member(broker, claim=0.1).read()  # and is never heard of again
    client.xdel(keys.FACES, broker.client.xrange(keys.FACES)[0][0])
    member = Member(broker, claim=0.1)
    assert member.work() == 1
    assert [number for number, _ in published(broker)] == [2]
    assert client.xpending(keys.FACES, keys.GROUP)["pending"] == 0


def test_a_stopped_member_ends(broker):
    member = Member(broker)
    member.stopped.set()
    with pytest.raises(Closed):
        member.read()


@pytest.mark.parametrize("key", [keys.FACES, keys.PENDING, keys.scores("door")])
def test_a_key_of_another_kind_is_named_and_nothing_is_lost(broker, client, key):
    if key != keys.FACES:
        member = Member(broker)
        put(client, 1)
        messages = member.read()
        client.set(key, "mine")
        with pytest.raises(BrokerError, match=f"WRONGTYPE.*{key}"):
            member.commit([scored(message) for message in messages])
        assert client.xpending(keys.FACES, keys.GROUP)["pending"] == 1
    else:
        client.set(key, "mine")
        with pytest.raises(BrokerError, match=r"WRONGTYPE.*another database"):
            Member(broker)
    assert client.get(key) == "mine"
