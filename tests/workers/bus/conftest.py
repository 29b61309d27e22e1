import threading

import pytest

from tests.redis_server import Server, executables
from workers.bus import keys
from workers.bus.broker import Broker
from workers.bus.lease import Lease
from workers.bus.ledger import Ledger, Outbox


@pytest.fixture(scope="session", params=executables())
def server(request, tmp_path_factory):
    with Server(tmp_path_factory.mktemp("redis"), request.param) as running:
        yield running


@pytest.fixture
def broker(server):
    broker = Broker(server.url)
    broker.client.flushall()
    yield broker
    broker.close()


@pytest.fixture
def client(broker, server):
    with server.client() as client:
        yield client


@pytest.fixture
def own(broker):
    """Claim a source, after the death of its owner or as the first; give the lease and the ledger."""

    def claim(worker="tracker", source="door", *, seconds=30.0, succeeds=False, inbox=None, outbox=None, **options):
        lease = Lease(broker, worker, source, seconds)
        if succeeds:
            broker.client.delete(lease.key)  # expires
        assert lease.acquire()
        return lease, Ledger(broker, lease, inbox=inbox, outbox=outbox, **options)

    return claim


@pytest.fixture
def outbox():
    """Room for three messages at the tracker's end, and for ten further on."""
    return Outbox(keys.FACES, True, 3, keys.scores("door"), 10)


@pytest.fixture
def never():
    return threading.Event()


@pytest.fixture
def poisoned(broker):
    """Give what was set aside, without the messages themselves."""

    def read():
        entries = broker.client.xrange(keys.POISON)
        return [{name.decode(): fields[name].decode() for name in fields if name != b"m"} for _, fields in entries]

    return read
