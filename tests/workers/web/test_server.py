import json
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import BrokerError, InputError
from pipeline.tally import Count
from tests.redis_server import Server, newest
from workers.latency import Delay
from workers.status import SourceStatus
from workers.web.address import Address, parse_address
from workers.web.server import LEAVING, MOST, WebServer

HERE = Address("127.0.0.1", 0)


class Said:
    """A board that says what it is told to."""

    def __init__(self, *statuses, why=""):
        self.told, self.why = statuses, why

    def statuses(self):
        if self.why:
            raise BrokerError(self.why)
        return self.told

    def ailment(self):
        return self.why


def get(url, path, **headers):
    """Return status, headers and text of an answer."""
    request = urllib.request.Request(url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


def test_sources_are_described_as_the_board_knows_them():
    door = SourceStatus(
        "door", "live", True, "", "rtsp://10.0.0.8/h264", 24.5, {Count.FRAMES: 7}, Delay(0.1, 0.3, 1.0, (0,) * 12)
    )
    gate = SourceStatus("gate", "waiting", False, "no route to the host")
    with WebServer(HERE) as web, web.serving(Said(door, gate), None):
        status, headers, text = get(web.url, "/api/sources")
    assert (status, headers["content-type"]) == (200, "application/json")
    said = json.loads(text)
    assert said["published"] is False
    assert said["labels"][0] == "neutral"
    assert said["sources"][0] == {
        "source": "door",
        "state": "live",
        "up": True,
        "reason": "",
        "from": "rtsp://10.0.0.8/h264",
        "fps": 24.5,
        "counts": {"frames": 7},
        "latency": {"median": 0.1, "worst": 0.3},
    }
    assert (said["sources"][1]["reason"], said["sources"][1]["latency"]) == ("no route to the host", None)


def test_the_page_comes_from_here_alone_and_is_kept_by_nobody():
    with WebServer(HERE) as web, web.serving(Said(), None):
        answers = [get(web.url, path) for path in ("/", "/static/page.js", "/static/page.css", "/nothing")]
    assert [status for status, _, _ in answers] == [200, 200, 200, 404]
    for _, headers, _ in answers:
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert headers["cache-control"] == "no-store"


def test_metrics_and_health():
    with WebServer(HERE) as web, web.serving(Said(SourceStatus("door", "live", up=True)), None):
        status, headers, text = get(web.url, "/metrics")
        assert (status, headers["content-type"].split(";")[0]) == (200, "text/plain")
        assert 'affectstream_source_up{source="door"} 1.0' in text
        assert get(web.url, "/healthz")[::2] == (200, "well\n")
    with WebServer(HERE) as web, web.serving(Said(why="it is away"), None):
        assert get(web.url, "/healthz")[::2] == (503, "it is away\n")
        assert get(web.url, "/metrics")[::2] == (503, '{"error":"it is away"}')
        assert get(web.url, "/api/sources")[0] == 503


def test_records_are_read_from_redis_while_they_are_published_and_an_end_is_not_held_up(tmp_path):
    with Server(tmp_path, newest()) as server, server.client() as redis, WebServer(HERE) as web:
        with web.serving(Said(), server.url):
            request = urllib.request.Request(f"{web.url}/api/live/door")
            stream = urllib.request.urlopen(request, timeout=10)
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert json.loads(stream.readline().removeprefix(b"data: ")) == {"records": [], "events": []}
            redis.xadd("affect:emotions:door", {"frame": "3", "dominant": "fear"})
            lines = (line for line in stream if line.startswith(b"data: "))
            assert json.loads(next(lines).removeprefix(b"data: "))["records"] == [{"frame": 3, "dominant": "fear"}]
            ending = time.monotonic()
        assert time.monotonic() - ending < LEAVING  # it was not waited for until it was cut off
        stream.close()


def test_without_redis_there_is_nothing_to_follow():
    with WebServer(HERE) as web, web.serving(Said(), None):
        assert get(web.url, "/api/live/door")[::2] == (404, '{"error":"nothing is published: Redis is turned off"}')


def test_a_page_from_elsewhere_cannot_have_its_name_point_here():
    with WebServer(HERE, ["faces.example.org"]) as web, web.serving(Said(), None):
        port = web.url.rpartition(":")[2]
        for host in (
            f"127.0.0.1:{port}",
            f"localhost:{port}",
            "faces.example.org",
            "Faces.Example.org:1",
            "[::1]:80",
        ):
            assert get(web.url, "/healthz", Host=host)[0] == 200
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "evil.example@127.0.0.1.evil"):
            status, _, text = get(web.url, "/healthz", Host=host)
            assert (status, "give that name" in text) == (400, True)


def test_what_every_network_can_reach_is_warned_of_and_guarded_as_well(caplog):
    with WebServer(Address("0.0.0.0", 0), ["box.example.org:8443"]) as web, web.serving(Said(), None):
        assert get(web.url, "/healthz", Host="192.0.2.7:8080")[0] == 200  # as probes ask
        assert get(web.url, "/healthz", Host="box.example.org")[0] == 200
        assert get(web.url, "/healthz", Host="evil.example")[0] == 400
    assert "asks for no password" in caplog.text


def test_who_only_connects_takes_no_more_files_than_there_are_connections():
    with WebServer(HERE) as web, web.serving(Said(), None):
        at = ("127.0.0.1", int(web.url.rpartition(":")[2]))
        with ExitStack() as stack:
            idle = [stack.enter_context(socket.create_connection(at)) for _ in range(MOST + 20)]
            idle[-1].settimeout(10)
            assert idle[-1].recv(1) == b""  # closed by the server
            idle[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            idle[0].settimeout(10)
            assert idle[0].recv(12) == b"HTTP/1.1 200"


def test_an_address_that_is_taken_or_not_ours_is_told_at_once():
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"cannot listen on 127.0.0.1:{port}: address already in use"):
            WebServer(Address("127.0.0.1", port))
    with pytest.raises(InputError, match=r"cannot listen on 192\.0\.2\.1:0"):
        WebServer(Address("192.0.2.1", 0))


def test_nothing_is_left_behind():
    before = threading.active_count()
    with WebServer(HERE) as web, web.serving(Said(), None):
        get(web.url, "/healthz")
    deadline = time.monotonic() + 20
    while threading.active_count() > before:  # those that answered end by themselves
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(urllib.error.URLError):
        get(web.url, "/healthz")


@pytest.mark.parametrize(
    "text", ["", "host", ":8080", "8080:", "http://127.0.0.1:8080", "a b:1", "65536", "::1:80", "-1"]
)
def test_what_is_no_address_is_refused_with_the_way_out(text):
    with pytest.raises(InputError, match="give HOST:PORT"):
        parse_address(text)


@given(st.sampled_from(["127.0.0.1", "0.0.0.0", "::", "::1", "cam.example.org"]), st.integers(0, 65535))
def test_an_address_is_read_as_it_is_written(host, port):
    address = Address(host, port)
    assert parse_address(str(address)) == address
    assert address.private == (host in ("127.0.0.1", "::1"))
