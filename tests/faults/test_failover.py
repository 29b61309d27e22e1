"""A master and its replica that change places, behind one address: what still talks to the old master must leave it."""

import socket
import threading
import time

import pytest

from pipeline.settings import RedisSettings
from pipeline.sink.redis import RedisWriter
from pipeline.tally import Tally
from tests.pipeline.sink.runs import results
from tests.redis_server import Server, executables
from workers.bus.broker import Broker

RESULTS = results(120, life=40)


class Address:
    """A port of 127.0.0.1 that leads to one server or another; who is connected stays with the one it reached."""

    def __init__(self, port):
        self.leads_to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.leads_to))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    @staticmethod
    def _pump(one, other):
        try:
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_RDWR)
        except OSError:  # both ends are gone
            pass
        finally:
            one.close()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Pair:
    """Two servers, of which the first is the master until they change places."""

    def __init__(self, first, second):
        self.first, self.second = first, second
        with second.client() as client:
            client.replicaof("127.0.0.1", first.port)
            wait_until(lambda: client.info("replication")["master_link_status"] == "up")
        self.address = Address(first.port)

    def change_places(self):
        with self.first.client() as old, self.second.client() as new:
            assert old.wait(1, 5000) == 1
            new.replicaof("NO", "ONE")
            old.replicaof("127.0.0.1", self.second.port)
        self.address.leads_to = self.second.port


@pytest.fixture(params=executables())
def pair(request, tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    at_once = ("--repl-diskless-sync-delay", "0")
    servers = [Server(tmp_path / name, request.param, *at_once) for name in ("first", "second")]
    with servers[0] as first, servers[1] as second:
        pair = Pair(first, second)
        yield pair
        pair.address.close()


def wait_until(condition, timeout=20.0):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def in_time(work):
    """Run what would wait for ever where it fails; give what it returned."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(work()), daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "it still waits"
    return answers[0]


def test_a_run_goes_on_at_the_new_master(pair):
    writer = RedisWriter(pair.address.url, RedisSettings(), Tally(), wait=True)
    half = len(RESULTS) // 2
    for made in RESULTS[:half]:
        writer.write(made)
    with pair.first.client() as client:
        wait_until(lambda: client.xlen("affect:emotions:door") == sum(len(made.emotions) for made in RESULTS[:half]))
    pair.change_places()
    for made in RESULTS[half:]:
        writer.write(made)
    in_time(writer.close)
    with pair.second.client() as client:
        rows = [fields["track"] for _, fields in client.xrange("affect:emotions:door")]
    assert rows == [row.track for made in RESULTS for row in made.emotions]


def request_of(kind, client):
    """Return a request that counts, as workers make them."""
    script = client.register_script("return redis.call('INCR', KEYS[1])")

    def together():
        with client.pipeline() as pipe:
            pipe.incr("affect:n")
            pipe.incr("affect:m")
            return pipe.execute()[0]

    def script_among_others():
        with client.pipeline() as pipe:
            script(keys=["affect:n"], client=pipe)
            return pipe.execute()[0]

    return {
        "alone": lambda: client.incr("affect:n"),
        "script": lambda: script(keys=["affect:n"]),
        "together": together,
        "script among others": script_among_others,
    }[kind]


@pytest.mark.parametrize("kind", ["alone", "script", "together", "script among others"])
def test_workers_go_on_at_the_new_master(pair, kind):
    broker = Broker(pair.address.url)
    request = request_of(kind, broker.client)
    assert broker.call(request, threading.Event()) == 1
    pair.change_places()
    assert in_time(lambda: broker.call(request, threading.Event())) == 2
    broker.close()


def test_who_waits_for_messages_waits_on_at_the_new_master(pair):
    broker = Broker(pair.address.url)

    def change_places_and_push():
        with pair.first.client() as client:
            wait_until(lambda: client.info("clients")["blocked_clients"] == 1)
        pair.change_places()
        with pair.second.client() as client:
            client.rpush("affect:list", "here")

    pusher = threading.Thread(target=change_places_and_push)
    pusher.start()
    told = in_time(lambda: broker.call(lambda: broker.client.blpop("affect:list", timeout=3), threading.Event()))
    assert told == (b"affect:list", b"here")
    pusher.join()
    broker.close()
