import threading

import pytest

from pipeline.channel import Channel, Closed, MemoryLink, one


def pairs(batch):
    return len(batch) >= 2


def test_keeps_order_and_ends_after_the_last_writer():
    channel = Channel(10, writers=2)
    for item in range(3):
        channel.put(item)
    channel.finish()
    assert channel.take(pairs, None) == [0, 1]
    channel.finish()
    assert channel.take(pairs, None) == [2]
    with pytest.raises(Closed):
        channel.take(one, None)


def test_a_full_channel_makes_the_writer_wait_and_loses_nothing():
    channel = Channel(2)

    def write():
        for item in range(200):
            channel.put(item)
            assert len(channel) <= 2
        channel.finish()

    writer = threading.Thread(target=write)
    writer.start()
    assert [channel.take(one, 0)[0] for _ in range(200)] == list(range(200))
    writer.join()
    with pytest.raises(Closed):
        channel.take(one, 0)


def test_an_abandoned_channel_lets_its_writer_go():
    channel = Channel(1)
    channel.put(0)
    refused = threading.Event()

    def write():
        with pytest.raises(Closed):
            channel.put(1)
        refused.set()

    writer = threading.Thread(target=write)
    writer.start()
    channel.abandon()
    assert refused.wait(5)
    writer.join()


def test_a_bounded_wait_gives_what_has_come():
    channel = Channel(4)
    channel.put("only")
    assert channel.take(pairs, 0.01) == ["only"]


def test_without_a_bound_a_batch_waits_until_it_is_full():
    channel = Channel(4)
    channel.put(1)
    later = threading.Timer(0.05, channel.put, (2,))
    later.start()
    assert channel.take(pairs, None) == [1, 2]
    later.join()


def test_a_link_that_closes_tells_both_neighbours():
    inbox, outbox = Channel(1), Channel(1)
    MemoryLink(inbox, outbox).close()
    with pytest.raises(Closed):
        inbox.put(1)
    with pytest.raises(Closed):
        outbox.take(one, None)
