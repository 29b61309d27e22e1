"""Redis dies, hangs, and comes back while rows are being published."""

import logging
import random
import threading
import time

import pytest

from pipeline.channel import Closed
from pipeline.errors import BrokerError, OutputError
from pipeline.settings import RedisSettings
from pipeline.sink import redis as sink_redis
from pipeline.sink.redis import RedisWriter
from pipeline.tally import Count, Tally
from tests.pipeline.sink.runs import results
from tests.redis_server import Server, executables
from workers.config import Config
from workers.outputs import open_writers

AOF = ("--appendonly", "yes", "--appendfsync", "always")
RESULTS = results(900, faces=3)
ROWS = [(str(row.stamp.frame), row.track) for result in RESULTS for row in result.emotions]


@pytest.fixture(params=executables())
def server(request, tmp_path):
    with Server(tmp_path, request.param, *AOF) as running:
        yield running


def published(server):
    with server.client() as client:
        return [(fields["frame"], fields["track"]) for _, fields in client.xrange("affect:emotions:door")]


def faces(server):
    with server.client() as client:
        return sum(client.xlen(key) for key in client.scan_iter("affect:face:*"))


def publish_slowly(writer, made):
    for number, result in enumerate(made):
        writer.write(result)
        if number % 100 == 0:
            time.sleep(0.05)


def wait_until(condition, timeout=10.0):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def test_killed_and_restarted_servers_hold_every_row_once(server, monkeypatch):
    # Small steps: more of them to be killed in.
    monkeypatch.setattr(sink_redis, "BATCH", 16)
    chance = random.Random(0)
    writer = RedisWriter(server.url, RedisSettings(), Tally(), wait=True)
    feeder = threading.Thread(target=publish_slowly, args=(writer, RESULTS))
    feeder.start()
    for _ in range(3):
        time.sleep(chance.uniform(0.02, 0.25))
        server.kill()
        server.start()
    feeder.join()
    writer.close()

    assert published(server) == ROWS
    assert faces(server) == len(ROWS)


def test_a_hung_server_that_wakes_up_holds_every_row_once(server, monkeypatch, caplog):
    # While it is stopped, commits time out and are sent again; then it finds all of them at once.
    monkeypatch.setattr("pipeline.connection.TIMEOUT", 0.15)
    monkeypatch.setattr(sink_redis, "BATCH", 16)
    writer = RedisWriter(server.url, RedisSettings(), Tally(), wait=True)
    feeder = threading.Thread(target=publish_slowly, args=(writer, RESULTS))
    feeder.start()
    for _ in range(3):
        time.sleep(0.1)
        server.pause()
        time.sleep(0.5)
        server.resume()
    feeder.join()
    writer.close()

    assert published(server) == ROWS
    assert faces(server) == len(ROWS)
    assert "no answer" in caplog.text


def test_live_goes_on_without_redis_and_says_what_was_lost(server, caplog):
    caplog.set_level(logging.INFO)
    tally = Tally()
    writer = RedisWriter(server.url, RedisSettings(buffer=500), tally, wait=False)
    third = len(RESULTS) // 3
    for result in RESULTS[:100]:
        writer.write(result)
    rows = sum(len(result.emotions) for result in RESULTS[:100])
    wait_until(lambda: len(published(server)) == rows)

    server.kill()
    begun = time.monotonic()
    for result in RESULTS[100 : 2 * third]:
        writer.write(result)
    assert time.monotonic() - begun < 1.0
    wait_until(lambda: len(caplog.records) == 1)
    server.start()
    wait_until(lambda: len(caplog.records) == 2)
    lost = tally.of("door")[Count.UNPUBLISHED]
    for first in range(2 * third, len(RESULTS), 50):
        # However slow the server is, what waits for it must fit into the buffer.
        rows = sum(len(result.emotions) for result in RESULTS[:first])
        wait_until(lambda rows=rows: len(published(server)) == rows - lost)
        for result in RESULTS[first : first + 50]:
            writer.write(result)
    writer.close()

    assert tally.of("door")[Count.UNPUBLISHED] == lost
    assert lost > 500
    seen = published(server)
    assert len(seen) == len(ROWS) - lost
    assert seen == [row for row in ROWS if row in set(seen)]
    away, back = (record.message for record in caplog.records)
    assert f"127.0.0.1:{server.port}: cannot connect" in away or "Connection closed" in away
    assert back.endswith(f"is back; {lost} records were lost")


def test_live_publishes_what_is_left_though_it_ends_by_an_error(server, tmp_path):
    def run():
        with open_writers(Config(out=tmp_path), server.url, Tally(), [], live=True) as (_, publisher):
            for result in RESULTS:
                publisher.write(result)
            raise OutputError("the disk is full")

    with pytest.raises(OutputError, match="full"):
        run()
    assert published(server) == ROWS


def test_live_still_publishes_what_is_left_though_redis_was_away_when_it_was_told_to_stop(
    server, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(sink_redis, "PATIENCE", 60.0)
    with open_writers(Config(out=tmp_path), server.url, Tally(), [], live=True, stopped=lambda: True) as writers:
        server.kill()
        writers[1].write(RESULTS[0])
        deadline = time.monotonic() + 30
        while not caplog.messages:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        server.start()
        for result in RESULTS[1:]:
            writers[1].write(result)
    assert published(server) == ROWS


def test_replay_waits_for_redis_and_loses_nothing(server):
    tally = Tally()
    writer = RedisWriter(server.url, RedisSettings(buffer=500), tally, wait=True)
    server.kill()
    feeder = threading.Thread(target=publish_slowly, args=(writer, RESULTS))
    feeder.start()
    time.sleep(0.5)
    assert feeder.is_alive()
    server.start()
    feeder.join()
    writer.close()

    assert published(server) == ROWS
    assert tally.of("door")[Count.UNPUBLISHED] == 0


def test_closing_a_live_writer_does_not_wait_for_ever(server, monkeypatch):
    monkeypatch.setattr(sink_redis, "PATIENCE", 0.3)
    tally = Tally()
    writer = RedisWriter(server.url, RedisSettings(), tally, wait=False)
    server.kill()
    for result in RESULTS[:50]:
        writer.write(result)

    begun = time.monotonic()
    writer.close()

    assert time.monotonic() - begun < 2.0
    assert tally.of("door")[Count.UNPUBLISHED] == sum(len(result.emotions) for result in RESULTS[:50])


def test_who_insists_does_not_wait_for_redis(server):
    writer = RedisWriter(server.url, RedisSettings(buffer=100), Tally(), wait=True)
    server.kill()
    ended = threading.Event()

    def feed():
        with pytest.raises(Closed):
            publish_slowly(writer, RESULTS)
        ended.set()

    feeder = threading.Thread(target=feed)
    feeder.start()
    time.sleep(0.3)
    assert not ended.is_set()
    writer.close(patient=False)
    feeder.join(10)
    assert ended.is_set()


def test_a_replay_that_is_stopped_while_redis_is_away_says_so(server):
    stopped = threading.Event()
    writer = RedisWriter(server.url, RedisSettings(), Tally(), wait=True, stopped=stopped.is_set)
    server.kill()
    for result in RESULTS[:50]:
        writer.write(result)
    stopped.set()
    with pytest.raises(BrokerError, match="was away; run again"):
        writer.close()


def test_a_full_server_is_waited_for(server):
    writer = RedisWriter(server.url, RedisSettings(), Tally(), wait=True)
    with server.client() as client:
        client.config_set("maxmemory", 1)
        feeder = threading.Thread(target=publish_slowly, args=(writer, RESULTS[:100]))
        feeder.start()
        time.sleep(0.3)
        assert client.xlen("affect:emotions:door") == 0
        client.config_set("maxmemory", 0)
    feeder.join()
    writer.close()

    assert len(published(server)) == sum(len(result.emotions) for result in RESULTS[:100])
