import pytest

from pipeline.channel import Closed
from tests.redis_server import Server, newest
from workers.bus.broker import Broker
from workers.bus.lease import Lease, Lost, acquire, renew


@pytest.fixture
def claims(broker):
    return [Lease(broker, "sink", "door", 30) for _ in range(2)]


def test_one_owner_at_a_time(claims, client):
    one, other = claims
    assert one.acquire()
    assert one.acquire()  # the answer was lost: the same claim may ask again
    assert not other.acquire()
    assert not other.renew()
    other.release()
    assert one.renew()
    one.release()
    assert other.acquire()
    assert not one.renew()
    assert 0 < client.pttl(one.key) <= 30_000


def test_an_expired_lease_is_anybodys(claims, client):
    one, other = claims
    one.acquire()
    client.pexpire(one.key, 1)
    while client.exists(one.key):
        pass
    assert not one.renew()
    assert other.acquire()
    with pytest.raises(Lost):
        one.verify()
    assert one.stopped.is_set()
    other.verify()
    assert not other.stopped.is_set()


def test_one_that_is_to_end_does_not_wait_for_a_redis_that_is_away(tmp_path):
    with Server(tmp_path, newest()) as server:
        lease = Lease(Broker(server.url), "sink", "door", 30)
        assert lease.acquire()
        lease.stopped.set()
        lease.verify()  # so that a clean stop still saves
        server.kill()
        with pytest.raises(Closed):
            lease.verify()


def test_many_are_asked_for_at_once_and_each_answered_for_itself(broker, client):
    mine = [Lease(broker, "sink", f"door-{number}", 30) for number in range(6)]
    others = [Lease(broker, "sink", f"door-{number}", 30) for number in (1, 4)]
    assert acquire(broker, others) == others
    assert acquire(broker, mine) == [mine[0], mine[2], mine[3], mine[5]]
    client.delete(mine[3].key)
    assert renew(broker, mine) == [mine[0], mine[2], mine[5]]
    assert [client.get(one.key) for one in others] == [one.token for one in others]
    assert all(0 < client.pttl(mine[number].key) <= 30_000 for number in (0, 2, 5))
    assert acquire(broker, []) == renew(broker, []) == []


def test_no_more_are_taken_than_there_is_room_for(broker, client):
    wanted = [Lease(broker, "sink", f"door-{number}", 30) for number in range(6)]
    assert Lease(broker, "sink", "door-0", 30).acquire()
    assert acquire(broker, wanted, 2) == wanted[1:3]
    assert sorted(client.keys()) == [wanted[number].key for number in range(3)]


def test_sources_and_workers_are_apart(broker):
    assert all(Lease(broker, *claim, 30).acquire() for claim in (("sink", "a"), ("sink", "b"), ("tracker", "a")))


def test_a_full_redis_still_hands_out_work(claims, broker, client):
    """What makes room is done by owners."""
    client.config_set("maxmemory", 1)
    try:
        assert claims[0].acquire()
        assert not claims[1].acquire()
        assert claims[0].renew()
        assert broker.census(keys=["affect:bus:census:sink"], args=["me 0", 1000]) == [b"me 0"]
    finally:
        client.config_set("maxmemory", 0)


def test_the_census_knows_who_is_alive(broker, client):
    def census(member, milliseconds):
        return [one.decode() for one in broker.census(keys=["affect:bus:census:sink"], args=[member, milliseconds])]

    assert census("a", 60_000) == ["a"]
    assert sorted(census("b", 1)) == ["a", "b"]
    while (
        client.zrangebyscore(
            "affect:bus:census:sink", "-inf", sum(t / 10**e for t, e in zip(client.time(), (-3, 3), strict=True))
        )
        == []
    ):
        pass
    assert census("a", 60_000) == ["a"]
    assert census("a", 0) == []
