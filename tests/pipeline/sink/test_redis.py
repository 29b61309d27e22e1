import re
import socket
import subprocess
import threading
from datetime import datetime

import pytest

from pipeline import connection
from pipeline.connection import connect
from pipeline.errors import BrokerError, InputError
from pipeline.messages import Change
from pipeline.settings import RedisSettings
from pipeline.sink import streams
from pipeline.sink.redis import RedisWriter
from pipeline.sink.streams import EVENT_FIELDS, FIELDS
from pipeline.tally import Tally
from tests.pipeline.sink.runs import results
from tests.redis_server import Server, executables, oldest

RESULTS = results(120, life=40)
ROWS = [row for result in RESULTS for row in result.emotions]


@pytest.fixture(scope="module", params=executables())
def server(request, tmp_path_factory):
    with Server(tmp_path_factory.mktemp("redis"), request.param) as running:
        yield running


@pytest.fixture
def client(server):
    with server.client() as client:
        yield client
        client.flushall()


def publish(url, made, settings=None, wait=True):
    writer = RedisWriter(url, settings or RedisSettings(), Tally(), wait=wait)
    for result in made:
        writer.write(result)
    writer.close()


def test_every_row_is_on_the_stream_of_its_source_in_order(server, client):
    publish(server.url, RESULTS)

    entries = [fields for _, fields in client.xrange("affect:emotions:door")]

    assert [tuple(fields) for fields in entries] == [FIELDS] * len(ROWS)
    for fields, row in zip(entries, ROWS, strict=True):
        assert (fields["source"], fields["run"], fields["track"]) == ("door", "r1", row.track)
        assert (int(fields["frame"]), float(fields["pts"])) == (row.stamp.frame, row.stamp.pts)
        assert datetime.fromisoformat(fields["time"]).timestamp() == pytest.approx(row.stamp.time / 1e6, abs=1e-5)
        assert (fields["dominant"], fields["model"], fields["clock"]) == (row.dominant, row.model, "file")
        numbers = [float(fields[name]) for name in FIELDS if name.startswith(("p_", "s_"))]
        assert numbers == pytest.approx([*row.raw, *row.smoothed, row.uncertainty], rel=1e-5)
        box = tuple(float(fields[name]) for name in "xywh")
        assert box == pytest.approx(row.box, rel=1e-5)
        pose = tuple(float(fields[name]) for name in ("yaw", "pitch", "roll"))
        assert pose == pytest.approx(row.pose, rel=1e-5)
        assert float(fields["intensity"]) == pytest.approx(row.intensity, rel=1e-5)
        assert float(fields["entropy"]) == pytest.approx(row.entropy, rel=1e-5)


def test_redis_cli_shows_the_same_rows(server, client):
    publish(server.url, RESULTS[:5])
    command = ["redis-cli", "-p", str(server.port), "XRANGE", "affect:emotions:door", "-", "+"]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    except FileNotFoundError:
        pytest.skip("no redis-cli on PATH")

    rows = sum(len(result.emotions) for result in RESULTS[:5])
    assert len([line for line in shown if line]) == rows * (1 + 2 * len(FIELDS))
    assert shown[1:5] == ["source", "door", "run", "r1"]


def test_each_face_has_a_stream_of_its_own_that_expires_long_before_the_source_s(server, client):
    publish(server.url, RESULTS, RedisSettings(face_ttl=60, source_ttl=3600))

    for track in {row.track for row in ROWS}:
        key = f"affect:face:door:{track}"
        assert [fields["frame"] for _, fields in client.xrange(key)] == [
            str(row.stamp.frame) for row in ROWS if row.track == track
        ]
        assert 0 < client.ttl(key) <= 60
    for key in ("affect:emotions:door", "affect:events:door"):
        assert 3000 < client.ttl(key) <= 3600
    assert client.ttl("affect:progress:door") == -1  # a run that is over is not published again


def test_events_tell_what_happened(server, client):
    publish(server.url, RESULTS)
    events = [event for result in RESULTS for event in result.events]

    entries = [fields for _, fields in client.xrange("affect:events:door")]

    assert [tuple(fields) for fields in entries] == [EVENT_FIELDS] * len(events)
    assert [(fields["event"], fields["track"], fields["dominant"], fields["previous"]) for fields in entries] == [
        (event.change, event.track, event.dominant, event.previous or "") for event in events
    ]
    assert {fields["event"] for fields in entries} == set(Change)


def test_streams_are_capped(server, client):
    publish(server.url, results(600), RedisSettings(length=100))

    # MAXLEN ~ drops whole nodes of the stream, which hold 100 entries by default.
    assert 100 <= client.xlen("affect:emotions:door") <= 200


@pytest.mark.parametrize("stop", [0, 1, 60, len(RESULTS)])
def test_a_repeated_run_adds_no_row_twice(server, client, stop):
    for made in (RESULTS[:stop], RESULTS, RESULTS):
        publish(server.url, made)

    assert client.xlen("affect:emotions:door") == len(ROWS)
    assert client.xlen("affect:events:door") == sum(len(result.events) for result in RESULTS)
    writer = RedisWriter(server.url, RedisSettings(), Tally(), wait=True)
    assert writer.frontier("door", "r1") == (120, True)
    assert writer.frontier("door", "r2") == (-1, False)
    writer.close()


def test_sources_and_runs_stay_apart(server, client):
    mixed = [
        result
        for pair in zip(results(50), results(50, source="gate"), results(50, run="r2"), strict=True)
        for result in pair
    ]
    publish(server.url, mixed)

    assert client.xlen("affect:emotions:door") == 2 * client.xlen("affect:emotions:gate")
    assert set(client.hkeys("affect:progress:door")) == {"r1", "r2"}


def test_progress_is_kept_for_so_many_runs_only(server, client, monkeypatch):
    monkeypatch.setattr(streams, "RUNS", 3)
    client.hset("affect:progress:door", mapping={"old": "9 1 100", "older": "9 1 50", "new": "9 1 200"})

    publish(server.url, RESULTS)

    assert set(client.hkeys("affect:progress:door")) == {"old", "new", "r1"}


def test_a_run_is_not_forgotten_by_its_own_rows_where_the_clock_was_set_back(server, client, monkeypatch):
    monkeypatch.setattr(streams, "RUNS", 2)
    client.hset("affect:progress:door", mapping={"new": "9 1 99999999999", "newer": "9 1 99999999999999"})

    publish(server.url, RESULTS)

    assert set(client.hkeys("affect:progress:door")) == {"newer", "r1"}


def test_a_key_that_holds_something_else_is_refused_whole(server, client):
    client.set("affect:events:door", "mine")

    with pytest.raises(BrokerError, match=r"WRONGTYPE affect:events:door holds a string.*delete or rename"):
        publish(server.url, RESULTS)

    assert client.keys("*") == ["affect:events:door"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--maxmemory", "1"), "out of memory.*redis.length"),
        (("--replicaof", "127.0.0.1", "1"), "read-only replica.*master"),
    ],
)
def test_a_server_that_takes_no_writes_is_refused_at_the_start(tmp_path, options, message):
    with (
        Server(tmp_path, oldest(), *options) as server,
        pytest.raises(BrokerError, match=f"127.0.0.1:{server.port}.*{message}"),
    ):
        RedisWriter(server.url, RedisSettings(), Tally(), wait=True)


@pytest.mark.parametrize("login", ["", ":hunter2@", "door:hunter2@"])
def test_a_wrong_password_is_never_shown(tmp_path, login):
    with Server(tmp_path, oldest(), password="right") as server:
        url = f"redis://{login}127.0.0.1:{server.port}"
        with pytest.raises(BrokerError, match=rf"^Redis at 127.0.0.1:{server.port}: .*password") as error:
            RedisWriter(url, RedisSettings(), Tally(), wait=True)
    assert "hunter2" not in str(error.value)
    assert error.value.__cause__ is None


def test_a_missing_password_is_not_called_a_wrong_one(tmp_path):
    with Server(tmp_path, oldest(), password="right") as server:
        with pytest.raises(BrokerError, match=r": it asks for a password; give redis://NAME:PASSWORD@"):
            connect(f"redis://127.0.0.1:{server.port}")
        with pytest.raises(BrokerError, match=r": the name or password is wrong"):
            connect(f"redis://:hunter2@127.0.0.1:{server.port}")


def test_a_user_who_may_not_do_enough_is_told_what_is_needed(tmp_path):
    user = ("--user", "door", "on", ">hunter2", "~affect:*", "+ping", "+set", "+client")
    with Server(tmp_path, oldest(), *user) as server:
        url = f"redis://door:hunter2@127.0.0.1:{server.port}"
        with pytest.raises(BrokerError, match=r"NOPERM.*evalsha.*affect:\*") as error:
            publish(url, RESULTS)
    assert "hunter2" not in str(error.value)


def test_a_user_who_may_do_what_is_told_to_be_needed_can_publish(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "RUNS", 1)
    told = re.search(r"needed: (.*) on affect:\*, and", connection._WAYS_OUT["NOPERM"])
    assert told is not None
    user = ("--user", "door", "on", ">hunter2", "~affect:*", *(f"+{name}" for name in re.findall(r"\w+", told[1])))
    options = [word for word in user if word != "+and"]
    with Server(tmp_path, oldest(), *options) as server, server.client() as client:
        for run in ("r1", "r2"):
            publish(f"redis://door:hunter2@127.0.0.1:{server.port}", results(5, run=run), RedisSettings(length=1))
        assert client.hkeys("affect:progress:door") == ["r2"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1", "must begin with redis://"),
        ("redis://:hunter2@127.0.0.1:port", "cannot be read"),
        ("redis://:hunter2/@127.0.0.1:6379", "cannot be read"),
        ("redis://:hunter2@[::1/0", "cannot be read"),
        ("redis://:hunter2/w@127.0.0.1:6379", "cannot be read.*%2F for /"),
        ("redis://:p@hunter2/w@127.0.0.1:6379", "cannot be read.*%40 for @"),
        ("redis://:12/hunter2@127.0.0.1", "cannot be read"),
        ("rediss://me:p?hunter2@127.0.0.1", "cannot be read"),
        ("redis://me:p#hunter2@127.0.0.1", "cannot be read"),
        ("unix://me:p/hunter2@/tmp/redis.socket", "cannot be read"),
        ("redis://:hunter2@127.0.0.1:6379?foo=1", "127.0.0.1:6379 has an unknown option 'foo'; redis:// knows db, "),
        ("rediss://:hunter2@localhost?ssl_ca_cert=a.pem", "option 'ssl_ca_cert'; rediss:// knows .*ssl_ca_certs"),
        ("redis://:hunter2@127.0.0.1?ssl_ca_certs=a.pem", "unknown option 'ssl_ca_certs'; redis:// knows"),
    ],
)
def test_a_useless_url_is_refused_without_its_password(url, message):
    with pytest.raises(InputError, match=message) as error:
        RedisWriter(url, RedisSettings(), Tally(), wait=True)
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://:hunter2@127.0.0.1:1/0", "127.0.0.1:1: cannot connect.*--redis none"),
        ("unix:///nowhere/redis.socket", "/nowhere/redis.socket: cannot connect"),
    ],
)
def test_a_server_that_is_not_there_is_told_without_its_password(url, message):
    with pytest.raises(BrokerError, match=message) as error:
        RedisWriter(url, RedisSettings(url=url), Tally(), wait=True)
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)


def serve_once(answer):
    """Answer whatever comes first on a port with the same bytes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        with listener, connection:
            connection.recv(1000)
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return listener.getsockname()[1], thread


def test_what_is_not_a_redis_is_told_so():
    port, thread = serve_once(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with pytest.raises(BrokerError, match=f"127.0.0.1:{port}: what answers there is not a Redis"):
        RedisWriter(f"redis://127.0.0.1:{port}", RedisSettings(), Tally(), wait=True)
    thread.join()


def test_a_failure_of_tls_is_told_so():
    port, thread = serve_once(b"-ERR what was that\r\n")

    with pytest.raises(BrokerError, match=f"127.0.0.1:{port}: TLS failed"):
        RedisWriter(f"rediss://127.0.0.1:{port}", RedisSettings(), Tally(), wait=True)
    thread.join()
