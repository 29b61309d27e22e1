"""Messages that nobody can work on, or not this version, among four real workers."""

import pytest
import redis

from tests.redis_server import Server, newest
from tests.site import FORKED, rows, site
from workers.scene import render

LATER = b"\x93\x63\xa5novel\x90"  # [99, "novel", []]


@pytest.fixture
def running(tmp_path):
    options = ("AFFECTSTREAM_BUS__FRAMES=raw", "AFFECTSTREAM_BUS__LEASE=1", "AFFECTSTREAM_BUS__CLAIM=1")
    with Server(tmp_path, newest()) as server, site(server.url, tmp_path / "site", options, FORKED) as made:
        made.client.close()
        # Messages are no text.
        made.client = redis.Redis.from_url(server.url, decode_responses=True, encoding_errors="replace")
        yield made


def replace(client, key, number, message):
    """Put something else into the place of a message that waits."""
    (entry,) = [name for name, fields in client.xrange(key) if fields["n"] == str(number)]
    client.xdel(key, entry)
    client.xadd(key, {"s": "scene", "n": number, "m": message})


def test_poison_on_every_stream_is_set_aside_and_the_rest_goes_on(running, tmp_path):
    film = tmp_path / "scene.mp4"
    render(film, seconds=4)
    client = running.client
    running.start("ingest")
    running.sources("add", str(film))
    streams = ("affect:bus:frames:scene", "affect:bus:faces", "affect:bus:scores:scene")
    for key, number, stage in zip(streams, (3, 5, 7), ("tracker", "inference", "sink"), strict=True):
        running.wait(lambda key=key, number=number: client.xlen(key) >= number)
        replace(client, key, number, b"\xc1 poison")
        running.start(stage)
    running.wait(lambda: running.over("scene"))
    found = rows(running.out)
    # The third frame; the fifth of what was seen without it; the seventh of both.
    assert sorted(set(range(100)) - set(found["frame"])) == [2, 5, 7]
    assert {int(row["frame"]) for row in running.published("scene")} == set(found["frame"])
    entries = [fields for _, fields in client.xrange("affect:bus:poison")]
    assert [(one["worker"], one["n"]) for one in entries] == [("tracker", "3"), ("inference", "5"), ("sink", "7")]
    assert all("cannot be read" in one["reason"] for one in entries)
    running.wait(lambda: client.hget("affect:counts:scene", "dropped: poison") == "3")
    assert [worker.stop() for worker in running.workers] == [0] * 4


@pytest.mark.parametrize(
    ("stage", "key"),
    [("tracker", "frames:scene"), ("inference", "faces"), ("sink", "scores:scene")],
)
def test_a_stream_of_another_version_is_refused_and_left_as_it_is(running, stage, key):
    client = running.client
    client.sadd("affect:bus:sources", "scene")
    client.xadd(f"affect:bus:{key}", {"s": "scene", "n": 1, "m": LATER})
    (worker,) = running.start(stage)
    running.wait(lambda: worker.ended() is not None)
    assert worker.ended() == 1
    (told,) = [line for line in running.logs().splitlines() if "error:" in line]
    assert "schema version 99" in told
    assert "update this program" in told
    assert "Traceback" not in running.logs()
    assert client.xlen(f"affect:bus:{key}") == 1
    assert client.xlen("affect:bus:poison") == 0
