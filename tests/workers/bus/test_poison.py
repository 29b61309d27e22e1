import threading

import numpy as np
import pytest

from pipeline.messages import End, Frame, Scores
from pipeline.tally import Count
from tests.messages import faces, stamp
from workers.bus import keys, poison
from workers.bus.codec import decode
from workers.bus.poison import LIFE, Poison
from workers.cluster.registry import forget


@pytest.fixture
def aside(broker):
    return Poison(broker, "tracker", threading.Event()).set_aside


@pytest.fixture
def counted(client):
    """Have a source under way; give how many of its messages were counted."""
    client.sadd(keys.UNDER_WAY, "door")
    return lambda: int(client.hget(keys.counts("door"), Count.POISON) or 0)


def kept(broker):
    return [fields[b"m"] for _, fields in broker.client.xrange(keys.POISON)]


def test_a_message_is_kept_with_its_reason_counted_and_told(broker, aside, counted, caplog):
    aside("door", 7, End("door", "r1", complete=True), "it is garbage")
    ((_, entry),) = broker.client.xrange(keys.POISON)
    assert decode(entry.pop(b"m")) == End("door", "r1", complete=True)
    assert entry == {b"worker": b"tracker", b"s": b"door", b"n": b"7", b"reason": b"it is garbage"}
    assert counted() == 1
    assert "tracker: message 7 of door was set aside: it is garbage" in caplog.text


def test_a_successor_that_comes_to_it_again_neither_keeps_nor_counts_it_again(broker, counted, poisoned, caplog):
    for _ in range(2):
        Poison(broker, "sink", threading.Event()).set_aside("door", 7, faces(1), "it is garbage")
    assert len(poisoned()) == 1
    assert counted() == 1
    assert caplog.text.count("was set aside") == 1


def test_only_the_same_message_is_the_same(broker, poisoned):
    def aside(worker="tracker", source="door", number=7, message=None):
        Poison(broker, worker, threading.Event()).set_aside(source, number, message, "it is garbage")

    def frame(number, run):
        luma, canvas = np.zeros((8, 8), np.uint8), np.zeros((4, 4, 3), np.uint8)
        return Frame(stamp(number, run=run), 8, 8, luma, True, canvas, 20.0)

    aside()
    aside(worker="sink")
    aside(source="gate")
    aside(number=8)
    for run in ("a", "b", "b"):
        aside(message=frame(7, run))
        aside(number=0, message=frame(0, run))  # the first of its run
    for _ in range(2):
        aside(number=0)  # it has no number
        aside(source="")
    assert len(poisoned()) == 4 + 2 * 2 + 2 * 2


def test_what_is_known_of_those_is_bounded_and_goes_by_itself(broker, aside, monkeypatch):
    monkeypatch.setattr(poison, "KEPT", 3)
    for number in range(1, 31):
        aside("door", number, None, "too much")
    assert 3 <= broker.client.zcard(keys.poisoned("door")) <= 4
    assert 0 < broker.client.ttl(keys.poisoned("door")) <= LIFE


def test_a_full_redis_still_sets_aside(aside, client, counted, poisoned):
    """What waits for room is acknowledged behind it."""
    client.config_set("maxmemory", 1)
    try:
        aside("door", 7, None, "it is garbage")
    finally:
        client.config_set("maxmemory", 0)
    assert len(poisoned()) == 1
    assert counted() == 1


def test_counts_that_cannot_be_stored_hold_up_nothing(aside, client, counted, poisoned):
    client.set(keys.counts("door"), "mine")
    aside("door", 7, None, "it is garbage")
    assert len(poisoned()) == 1
    assert client.get(keys.counts("door")) == "mine"


def test_no_picture_is_kept(broker, aside):
    found = faces(2)
    luma = np.full((720, 1280), 77, np.uint8)
    aside("door", 1, found, "too hard")
    aside("door", 2, Frame(stamp(), 1280, 720, luma, True, np.full((384, 640, 3), 77, np.uint8), 20.0), "too hard")
    aside("door", 3, None, "no message at all")
    seen, *others = kept(broker)
    assert others == [b"", b""]
    told = decode(seen)
    assert told.tracks == found.tracks
    assert np.array_equal(told.boxes, found.boxes)
    assert not told.crops.any()
    assert all(found.crops[index].tobytes() not in seen for index in range(2))


def test_scores_are_kept_as_they_are(broker, aside):
    found = faces(0)
    aside("door", 1, Scores(found, np.zeros((0, 8), np.float32), "m@1"), "too hard")
    assert decode(kept(broker)[0]).faces.stamp == found.stamp


def test_they_go_by_themselves_and_many_do_not_fill_redis(broker, aside, monkeypatch):
    monkeypatch.setattr(poison, "KEPT", 3)
    for number in range(1, 301):
        aside("door", number, None, "too much")
    assert 3 <= broker.client.xlen(keys.POISON) <= 200  # whole nodes of a stream go, of 100 entries
    assert 0 < broker.client.ttl(keys.POISON) <= LIFE


def test_they_are_forgotten_with_their_source(broker, aside, poisoned):
    for number, source in enumerate(("door", "gate", "door"), 1):
        aside(source, number, faces(1, source=source), "too hard")
    forget(broker.client, "door")
    assert [one["s"] for one in poisoned()] == ["gate"]
    aside("door", 1, faces(1), "too hard")  # of a source that was added again
    assert [one["s"] for one in poisoned()] == ["gate", "door"]


@pytest.mark.parametrize("source", ["", "forgotten"])
def test_what_belongs_to_nobody_is_counted_for_nobody(aside, client, source):
    aside(source, 7, None, "it has no source, or that was just forgotten")
    assert client.keys("affect:counts:*") == []
