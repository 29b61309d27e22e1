import threading

import pytest

from pipeline.tally import Count, Tally
from workers.bus import keys, poison
from workers.bus.poison import LARGEST, Poison


@pytest.fixture
def tally():
    return Tally()


@pytest.fixture
def aside(broker, tally):
    return Poison(broker, "tracker", tally, threading.Event()).set_aside


def test_a_message_is_kept_with_its_reason_counted_and_told(broker, aside, tally, caplog):
    aside("door", 7, b"\xc1", "it is garbage")
    ((_, entry),) = broker.client.xrange(keys.POISON)
    assert entry == {b"worker": b"tracker", b"s": b"door", b"n": b"7", b"reason": b"it is garbage", b"m": b"\xc1"}
    assert tally.of("door")[Count.POISON] == 1
    assert "tracker: message 7 of door was set aside: it is garbage" in caplog.text


def test_large_messages_and_many_do_not_fill_redis(broker, aside, monkeypatch):
    monkeypatch.setattr(poison, "KEPT", 3)
    for number, size in enumerate((1, LARGEST, LARGEST + 1, 5_000_000), 1):
        aside("door", number, b"x" * size, "too much")
    entries = [fields for _, fields in broker.client.xrange(keys.POISON)]
    assert 3 <= len(entries) <= 4
    assert [len(one[b"m"]) for one in entries[-3:]] == [LARGEST, 0, 0]
    assert entries[-1][b"reason"] == b"too much"


def test_what_belongs_to_nobody_is_counted_for_nobody(aside, tally):
    aside("", 0, b"", "it has no source")
    assert tally.take() == {}
