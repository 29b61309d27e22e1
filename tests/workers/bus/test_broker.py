"""A Redis that is away, full, somebody else's or of another mind."""

import logging
import threading
import time

import pytest
import redis

from pipeline import connection
from pipeline.channel import Closed
from pipeline.connection import explain
from pipeline.errors import BrokerError
from pipeline.messages import End
from pipeline.outage import BACKOFF
from pipeline.settings import BusSettings
from tests.redis_server import Server, executables, newest, oldest
from workers.bus import keys
from workers.bus.broker import Broker, GroupLost
from workers.bus.codec import encode
from workers.bus.lease import Lease
from workers.bus.ledger import Ledger, Outbox, Position
from workers.bus.ordered import Ordered
from workers.bus.poison import Poison
from workers.bus.pool import PoolLink


@pytest.fixture
def own_server(tmp_path):
    with Server(tmp_path, oldest(), "--appendonly", "yes") as server:
        yield server


def test_requests_wait_for_a_redis_that_is_away_and_it_is_said_once(own_server, caplog, never):
    broker = Broker(own_server.url)
    own_server.kill()
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(broker.call(lambda: broker.client.incr("affect:n"), never)))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    assert answers == []
    own_server.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answers) == [1, 2, 3, 4, 5]
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == 2
    assert said[0].startswith(f"Redis at 127.0.0.1:{own_server.port}: cannot connect")
    assert said[0].endswith("waiting for it")
    assert said[1].endswith("is back")
    broker.close()


def test_it_is_not_back_while_it_still_refuses_somebody(broker, client, caplog, never):
    client.config_set("maxmemory", 1)
    try:
        writer = threading.Thread(target=lambda: broker.call(lambda: broker.client.set("affect:a", 1), never))
        writer.start()
        while "out of memory" not in caplog.text:
            assert broker.call(lambda: broker.client.get("affect:b"), never) is None
        for _ in range(20):
            broker.call(lambda: broker.client.get("affect:b"), never)
        assert "is back" not in caplog.text
    finally:
        client.config_set("maxmemory", 0)
    writer.join(30)
    assert client.get("affect:a") == "1"
    assert len(caplog.records) == 2


def test_waiting_ends_when_stopped(own_server):
    broker = Broker(own_server.url)
    own_server.kill()
    stopped = threading.Event()
    threading.Timer(0.3, stopped.set).start()
    with pytest.raises(Closed):
        broker.call(broker.client.ping, stopped)
    broker.close()


def test_waiting_does_not_spin(own_server):
    broker = Broker(own_server.url)
    own_server.kill()
    stopped = threading.Event()
    attempts = []

    def request():
        attempts.append(time.monotonic())
        return broker.client.ping()

    threading.Timer(1.0, stopped.set).start()
    with pytest.raises(Closed):
        broker.call(request, stopped)
    assert 2 <= len(attempts) <= 5
    assert BACKOFF[0] * 0.9 <= attempts[1] - attempts[0]
    broker.close()


def test_a_lost_group_is_told_from_a_refusal(broker, client, never):
    with pytest.raises(GroupLost):
        broker.call(lambda: broker.client.xreadgroup(keys.GROUP, "me", {keys.FACES: ">"}, count=1), never)
    with pytest.raises(GroupLost):
        broker.call(lambda: broker.client.xinfo_consumers(keys.FACES, keys.GROUP), never)
    client.set(keys.FACES, "mine")
    with pytest.raises(BrokerError, match="WRONGTYPE"):
        broker.call(lambda: broker.client.xlen(keys.FACES), never)


def test_a_full_redis_is_waited_for_and_inputs_are_consumed_all_the_same(server, broker, client, own, outbox, caplog):
    inbox = keys.frames("door")
    ids = [client.xadd(inbox, {"s": "door", "n": n, "m": "frame"}) for n in (1, 2)]
    _, ledger = own(inbox=inbox, outbox=outbox)
    ledger.load()
    _, reader = own("ingest", outbox=outbox)
    reader.load()
    client.config_set("maxmemory", 1)
    try:
        ledger.attempt(1, first=True)
        ledger.commit(Position(taken=1, given=1), ids[:1], [(1, b"a")])  # work in hand makes room
        assert client.xlen(inbox) == 1
        assert client.xlen(keys.FACES) == 1
        thread = threading.Thread(target=reader.commit, args=(Position(given=2), [], [(2, b"b")]))
        thread.start()  # new work does not
        thread.join(0.3)
        assert thread.is_alive()
        late = Broker(server.url)  # whoever starts now is needed to make room
        late.close()
    finally:
        client.config_set("maxmemory", 0)
    thread.join(30)
    assert client.xlen(keys.FACES) == 2
    assert "out of memory" in caplog.text


def test_a_request_that_cannot_even_be_written_is_not_repeated(broker, never):
    with pytest.raises(BrokerError, match="NoneType"):
        broker.call(lambda: broker.client.set("affect:probe", None), never)


def test_a_user_that_may_not_do_enough_is_told_what_is_needed(tmp_path, never):
    user = ("--user", "door", "on", ">hunter2", "~affect:*", "+ping", "+set", "+client")
    with Server(tmp_path, oldest(), *user) as server:
        broker = Broker(f"redis://door:hunter2@127.0.0.1:{server.port}")
        with pytest.raises(BrokerError, match=r"NOPERM.*~affect:\* \+@read") as error:
            broker.call(lambda: broker.client.hgetall(keys.SOURCES), never)
        broker.close()
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://:hunter2@127.0.0.1:{port}", "the name or password is wrong"),
        ("redis://127.0.0.1:{port}", "password"),
        ("rediss://:hunter2@127.0.0.1:{port}", "TLS failed|without TLS"),
    ],
)
def test_what_does_not_open_is_one_line_without_the_password(tmp_path, monkeypatch, url, message):
    if url.startswith("rediss:"):
        monkeypatch.setattr(connection, "TIMEOUT", 1.0)  # which runs out: the server waits for the end of a line
    with (
        Server(tmp_path, oldest(), password="right") as server,
        pytest.raises(BrokerError, match=message) as error,
    ):
        Broker(url.format(port=server.port))
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("place", ["127.0.0.1:1", "no host"])
def test_what_is_not_there_is_waited_for_without_the_password(place, caplog):
    broker, stopped = Broker(f"redis://:hunter2@{place}"), threading.Event()
    threading.Timer(0.3, stopped.set).start()
    with pytest.raises(Closed):
        broker.call(broker.client.ping, stopped)
    broker.close()
    assert "waiting for it" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("executable", executables())
def test_the_rights_that_are_named_are_enough(tmp_path, executable, never):
    rights = explain("redis://", redis.exceptions.NoPermissionError("")).rsplit("all of ", 1)[1].split()
    user = ("--user", "door", "on", ">hunter2", *rights)
    with Server(tmp_path, executable, *user) as server:
        broker = Broker(f"redis://door:hunter2@127.0.0.1:{server.port}")
        lease = Lease(broker, "tracker", "door", 30)
        assert lease.acquire()
        assert lease.renew()
        assert broker.census(keys=[keys.census("tracker")], args=["me 0", 1000]) == [b"me 0"]
        poison = Poison(broker, "tracker", never)
        poison.set_aside("door", 1, None, "nothing")
        ledger = Ledger(broker, lease, inbox=None, outbox=Outbox(keys.FACES, True, 10, keys.scores("door"), 10))
        ledger.load()
        ledger.attempt(1, first=True)
        message = End("door", "r1", complete=True)
        ledger.commit(Position(given=1), [], [(1, encode(message, quality=None))], runs=1)
        member = PoolLink(broker, BusSettings(), poison, 1, never)
        assert member.read() == [message]
        member.commit([message])
        member.close()
        inbox = Ordered(broker, lease, ledger, poison, key=keys.scores("door"), kinds=(End,), tries=3, patience=60.0)
        assert [one.message for one in inbox.take(1)] == [message]
        lease.release()
        broker.close()


@pytest.mark.parametrize("kept", ["yes", "no"])
def test_a_server_without_an_append_only_file_forgets(tmp_path, kept):
    with Server(tmp_path, newest(), "--appendonly", kept) as server:
        assert Broker(server.url).forgets == (kept == "no")
