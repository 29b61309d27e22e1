"""Sources among the processes that share them, as they come and go: keepers in one process, files as sources."""

import json
import logging
import re
import socket
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import redis

from pipeline.errors import VersionError
from pipeline.messages import End, Frame
from pipeline.run import file_run
from pipeline.settings import BusSettings, RedisSettings
from pipeline.sink.parts import is_last, part_name, parts
from pipeline.tally import Tally
from tests.redis_server import Server, newest
from tests.video import clip
from tests.web import sends, web
from workers.bus import keys
from workers.bus.broker import Broker
from workers.bus.codec import decode, encode
from workers.bus.reading import STEP
from workers.cluster.context import Context
from workers.cluster.keeper import Keeper
from workers.cluster.overview import overviews
from workers.cluster.registry import forget, remove
from workers.cluster.shard import ChainShard
from workers.cluster.share import Member, fair_share
from workers.config import Config
from workers.engine import Engine
from workers.scene import render


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("redis"), newest()) as running:
        yield running


@pytest.fixture(scope="module")
def engine():
    return Engine.load(Config())


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return clip(tmp_path_factory.mktemp("film") / "film.mp4", frames=30)


class Site(SimpleNamespace):
    """Keepers round one Redis, beating when told."""

    def keeper(self, *names, most=None, length=100_000, **bus):
        bus = BusSettings(lease=30, pending_frames=4, **bus)
        changes = {"bus": bus, "redis": RedisSettings(length=length), "out": self.out}
        engine = replace(self.engine, config=self.engine.config.model_copy(update=changes))
        made = Keeper(names or ("ingest",), Context(self.broker, engine, self.tally), most)
        self.keepers.append(made)
        return made

    def add(self, name, **settings):
        self.client.hset(keys.SOURCES, name, json.dumps({"url": str(self.film), **settings}))

    def beat(self, times=4):
        for _ in range(times):
            for keeper in self.keepers:
                keeper.beat()
            time.sleep(0.02)

    def until(self, condition):
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline
            self.beat(1)

    def shares(self):
        return sorted(len(keeper.shards) for keeper in self.keepers)

    def owned(self):
        return sorted(source for keeper in self.keepers for source in keeper.shards)

    def frames(self, source):
        return [decode(fields[b"m"]) for _, fields in self.client.xrange(keys.frames(source))]

    def drain(self, source):
        """Take what is on its stream, as a tracker would, until its run ends; return that."""
        taken = []
        deadline = time.monotonic() + 30
        while True:
            assert time.monotonic() < deadline
            self.beat(1)
            for name, fields in self.client.xrange(keys.frames(source)):
                taken.append(decode(fields[b"m"]))
                self.client.xdel(keys.frames(source), name)
                if isinstance(taken[-1], End):  # the next run may have begun
                    return taken


@pytest.fixture
def site(server, engine, film, tmp_path):
    broker = Broker(server.url)
    broker.client.flushall()
    made = Site(broker=broker, client=broker.client, engine=engine, film=film, out=tmp_path, keepers=[], tally=Tally())
    yield made
    for keeper in made.keepers:
        keeper.end()
    broker.close()


NAMES = [f"door-{number}" for number in range(7)]


def test_seven_sources_between_three_are_shared_as_they_come_and_go(site):
    for name in NAMES:
        site.add(name)
    first = site.keeper()
    site.until(lambda: site.shares() == [7])
    site.keeper()
    site.until(lambda: site.shares() == [3, 4] and site.owned() == NAMES)
    site.keeper()
    site.until(lambda: site.shares() == [2, 2, 3] and site.owned() == NAMES)
    site.beat(10)
    assert (site.shares(), site.owned()) == ([2, 2, 3], NAMES)
    site.keepers.remove(first)
    first.end()
    assert not any(shard.is_alive() for shard in first.shards.values())
    site.until(lambda: site.shares() == [3, 4] and site.owned() == NAMES)


@pytest.fixture
def requests(monkeypatch):
    """Each request that this thread sends to Redis and waits for the answer of, but for greetings."""
    sent, thread = [], threading.current_thread()
    send = redis.connection.Connection.send_packed_command

    def note(connection, command, **options):
        # Other threads may have all connections in use, so that one more is made.
        if threading.current_thread() is thread and b"CLIENT" not in b"".join(command):
            sent.append(command)
        return send(connection, command, **options)

    monkeypatch.setattr(redis.connection.Connection, "send_packed_command", note)
    return sent


def test_many_sources_cost_a_keeper_no_more_round_trips_than_few(site, requests, monkeypatch):
    """Redis may be far away: leases would expire while they are taken or renewed one by one."""
    site.add("first")
    keeper = site.keeper()
    for _ in range(2):
        keeper.beat()  # Redis gets to know the scripts
    cost = []
    for more in (["second"], NAMES):
        for name in more:
            site.add(name)
        requests.clear()
        keeper.beat()  # claims
        claims = len(requests)
        keeper.beat()  # renews
        cost.append((claims, len(requests) - claims))
    assert site.owned() == [*NAMES, "first", "second"]
    few, many = cost
    assert many == few
    # One fails: there is room for it, and all others are another worker's.
    monkeypatch.setattr("workers.cluster.keeper.PAUSE", (60.0, 60.0))
    site.client.hset(keys.SOURCES, "gone", json.dumps({"url": "/nowhere/a.mp4"}))
    for number in range(len(keeper.shards) + 1):
        site.add(f"hall-{number}")
        site.client.set(keys.lease("ingest", f"hall-{number}"), "another's")
    site.broker.census(keys=[keys.census("ingest")], args=["another 0", 60_000])
    site.until(lambda: "gone" in keeper._failed)
    requests.clear()
    keeper.beat()
    assert len(requests) == many[0]
    assert "gone" not in keeper.shards


def test_an_expired_lease_that_nobody_took_is_taken_anew(site):
    for name in NAMES[:2]:
        site.add(name)
    keeper = site.keeper()
    site.until(lambda: len(keeper.shards) == 2)
    held = {name: shard.lease.token.encode() for name, shard in keeper.shards.items()}
    mine, others = NAMES[:2]
    site.client.delete(keys.lease("ingest", mine))
    site.client.set(keys.lease("ingest", others), "another's")
    keeper._renew()
    assert site.client.get(keys.lease("ingest", mine)) == held[mine]
    assert site.client.get(keys.lease("ingest", others)) == b"another's"
    assert not keeper.shards[mine].lease.stopped.is_set()
    assert keeper.shards[others].lease.stopped.is_set()


def test_one_that_takes_few_leaves_the_rest_to_the_others(site):
    for name in NAMES:
        site.add(name)
    few = site.keeper(most=1)
    site.keeper()
    site.until(lambda: site.owned() == NAMES)
    assert len(few.shards) == 1


def test_shares_are_dealt_out_whole():
    for most in ([0], [0, 0], [2, 0, 1], [1, 1], [0] * 9):
        members = [Member(f"member {number}", bound) for number, bound in enumerate(most)]
        room = sum(bound or 100 for bound in most)
        for sources in range(30):
            dealt = [fair_share(sources, members, member) for member in members]
            assert sum(dealt) == min(sources, room)
            unbound = [share for share, member in zip(dealt, members, strict=True) if not member.most]
            assert not unbound or max(unbound) - min(unbound) <= 1


def test_two_for_one_source_and_the_other_stands_by_and_says_so(site, caplog):
    caplog.set_level(logging.INFO)
    site.add("door")
    first = site.keeper()
    site.beat()
    other = site.keeper()
    site.beat(10)
    assert sorted(site.shares()) == [0, 1]
    assert caplog.text.count("owns door") == 1
    assert caplog.text.count("idle; every source") == 1
    numbers = [int(fields[b"n"]) for _, fields in site.client.xrange(keys.frames("door"))]
    assert numbers == list(range(1, len(numbers) + 1))
    first.end()
    site.keepers.remove(first)
    site.until(lambda: list(other.shards) == ["door"])


def test_an_expired_lease_is_taken_over_where_it_was_left(site):
    site.add("door")
    late = site.keeper()
    site.until(lambda: site.frames("door"))
    before = [int(fields[b"n"]) for _, fields in site.client.xrange(keys.frames("door"))]
    site.keepers.clear()  # hangs
    site.client.delete(keys.lease("ingest", "door"), keys.census("ingest"))
    site.keeper()
    messages = site.drain("door")
    numbers = [message.stamp.frame for message in messages if isinstance(message, Frame)]
    assert numbers == list(range(30))
    assert isinstance(messages[-1], End)
    assert messages[-1].complete
    assert before == list(range(1, len(before) + 1))
    late.beat()
    site.keepers.append(late)


def test_a_source_that_was_taken_out_ends(site):
    site.add("door")
    keeper = site.keeper()
    site.until(lambda: site.frames("door"))
    site.client.hdel(keys.SOURCES, "door")
    messages = site.drain("door")
    assert isinstance(messages[-1], End)
    assert not messages[-1].complete
    site.until(lambda: not keeper.shards)
    site.beat(10)
    assert not keeper.shards
    assert site.frames("door") == []


@pytest.mark.parametrize("how", ["stop", "end"])
def test_a_camera_that_is_let_go_of_while_it_is_opened_and_gives_no_frame_is_not_waited_for(site, monkeypatch, how):
    opened = ChainShard._open

    def let_go(shard, *position):
        reading = opened(shard, *position)
        getattr(shard, how)()
        return reading

    monkeypatch.setattr(ChainShard, "_open", let_go)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/mjpeg"
        settings = {"ingest": {"open_timeout": 1, "read_timeout": 1}}
        site.client.hset(keys.SOURCES, "door", json.dumps({"url": url, **settings}))
        keeper = site.keeper()
        keeper.beat()
        shard = keeper.shards["door"]
        shard.join(10)
        assert not shard.is_alive()
        assert shard.error is None


def test_a_source_that_comes_back_between_two_beats_is_read_again(site):
    site.add("door")
    keeper = site.keeper()
    site.until(lambda: site.frames("door"))
    shard = keeper.shards["door"]
    site.client.hdel(keys.SOURCES, "door")
    keeper.beat()
    while shard.is_alive():  # nobody beats
        site.client.delete(keys.frames("door"))
        shard.join(0.05)
    site.client.delete(keys.frames("door"))
    site.add("door")
    assert site.drain("door")[-1].complete


def test_a_changed_source_ends_its_run_and_begins_another(site):
    site.add("door")
    site.keeper()
    site.until(lambda: site.frames("door"))
    site.add("door", ingest={"fps": 5})
    first = site.drain("door")
    second = site.drain("door")
    assert not first[-1].complete
    assert second[-1].complete
    assert first[-1].run != second[-1].run
    assert {message.stamp.run for message in second[:-1]} == {second[-1].run}


def test_a_changed_source_whose_first_run_was_over_is_taken_over_in_the_middle(site):
    site.add("door")
    first = site.keeper()
    assert site.drain("door")[-1].complete
    site.add("door", ingest={"fps": 5})
    site.until(lambda: site.frames("door"))
    first.end()
    site.keepers.remove(first)
    site.keeper()
    assert site.drain("door")[-1].complete


@pytest.mark.parametrize(("frames", "quality", "same"), [("raw", 90, True), ("jpeg", 90, False), ("jpeg", 50, False)])
def test_frames_sent_as_jpeg_make_a_run_of_their_own(site, frames, quality, same):
    alone = file_run(site.film, site.engine.config, site.engine.hashes)
    site.add("door")
    site.keeper(frames=frames, quality=quality)
    site.until(lambda: site.frames("door"))
    run = site.frames("door")[0].stamp.run
    assert (run == alone) is same
    assert run == file_run(site.film, site.engine.config, site.engine.hashes, "" if same else f"jpeg{quality}")


def test_a_chain_that_sends_no_frames_makes_the_run_of_one_process(site):
    site.add("door")
    site.keeper("ingest", "tracker", frames="jpeg")
    site.until(lambda: site.client.xlen(keys.FACES))
    found = decode(site.client.xrange(keys.FACES, count=1)[0][1][b"m"])
    assert found.stamp.run == file_run(site.film, site.engine.config, site.engine.hashes)


def test_a_finished_file_is_left_alone_by_everybody(site):
    site.add("door")
    keeper = site.keeper()
    assert site.drain("door")[-1].complete
    site.until(lambda: not keeper.shards)
    site.keeper()
    site.beat(10)
    assert site.owned() == []
    assert site.frames("door") == []


def test_a_source_that_is_over_and_taken_out_by_whomever_is_forgotten(site):
    site.add("door")
    site.keeper()
    site.drain("door")
    site.client.delete(keys.UNDER_WAY)  # as the sink does
    site.client.hset(keys.counts("door"), "frames", 30)
    site.beat(10)
    assert site.client.exists(keys.state("ingest", "door"))
    site.client.hdel(keys.SOURCES, "door")
    site.until(lambda: not site.client.exists(*keys.remembered("door")))
    site.add("door")
    assert site.drain("door")[-1].complete


def test_a_source_that_is_under_way_is_not_forgotten_before_its_end(site):
    site.add("door")
    keeper = site.keeper()
    site.until(lambda: site.frames("door"))
    remove(site.client, "door")
    site.beat(10)
    assert site.client.exists(keys.frames("door"))
    assert not site.drain("door")[-1].complete
    site.until(lambda: not keeper.shards)


def test_a_finished_file_that_was_forgotten_and_put_back_between_two_beats_is_read_again(site):
    site.add("door")
    keeper = site.keeper()
    first = site.drain("door")
    site.until(lambda: not keeper.shards)
    forget(site.client, "door")
    site.add("door")
    assert [message.stamp.frame for message in site.drain("door")[:-1]] == [item.stamp.frame for item in first[:-1]]


def test_a_source_that_fails_is_tried_again_ever_less_often_and_holds_up_nobody(site, caplog, tmp_path):
    site.client.hset(keys.SOURCES, "gone", json.dumps({"url": str(tmp_path / "gone.mp4")}))
    site.client.hset(keys.SOURCES, "garbage", '{"url": "rtsp://me:hunter2@door')
    site.client.hset(keys.SOURCES, "Not an id", json.dumps({"url": str(site.film)}))
    site.client.hset(keys.SOURCES, b"\xff", b"\xff")
    site.add("door")
    site.keeper()
    site.until(lambda: site.frames("door") and caplog.text.count("ingest") >= 4)
    site.beat(10)
    assert caplog.text.count("there is no file") == 1
    assert "cannot be the id of a source" in caplog.text
    assert "hunter2" not in caplog.text
    assert "Traceback" not in caplog.text
    assert site.owned() == ["door"]
    why = site.client.hget(keys.failures("gone"), "ingest").decode()
    assert "there is no file" in why
    assert b"hunter2" not in site.client.hget(keys.failures("garbage"), "ingest")
    assert not site.client.exists(keys.failures("door"))
    site.add("gone")  # put right: tried at once
    site.until(lambda: site.frames("gone"))


def test_why_a_source_fails_is_told_once_and_that_it_works_again(site, caplog, tmp_path, monkeypatch):
    monkeypatch.setattr("workers.cluster.keeper.PAUSE", (0.02, 0.5))
    caplog.set_level(logging.INFO)
    film = tmp_path / "film.mp4"
    site.client.hset(keys.SOURCES, "door", json.dumps({"url": str(film)}))
    keeper = site.keeper()
    tried = []
    begin = keeper._begin
    monkeypatch.setattr(keeper, "_begin", lambda lease: (tried.append(lease.source), begin(lease)))
    site.until(lambda: len(tried) >= 5)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["ingest", "ingest door"]
    assert caplog.text.count("there is no file") == 1
    film.write_text("no video")
    site.until(lambda: "is not a video" in caplog.text)
    monkeypatch.setattr("workers.cluster.keeper.REMIND", 0.0)
    site.until(lambda: caplog.text.count("is not a video") >= 3)
    film.write_bytes(site.film.read_bytes())
    site.until(lambda: "owns door, and it works again" in caplog.text)
    assert not site.client.exists(keys.failures("door"))


def test_that_redis_is_away_is_told_once(engine, film, tmp_path, caplog):
    caplog.set_level(logging.INFO, "workers.cluster.keeper")
    with Server(tmp_path, newest()) as server:
        broker = Broker(server.url)
        site = Site(
            broker=broker, client=broker.client, engine=engine, film=film, out=tmp_path, keepers=[], tally=Tally()
        )
        keeper = site.keeper()
        site.beat(3)
        server.kill()
        site.beat(3)
        server.start()
        site.beat(3)
        keeper.end()
        broker.close()
    away, back = (record.getMessage() for record in caplog.records)
    assert away == "ingest: Redis is away; leases will expire"
    assert re.fullmatch(r"ingest: goes on; Redis was away for \d+\.\d s", back)


def test_what_was_to_be_read_is_put_back_when_redis_lost_it(site, caplog):
    site.add("door")
    site.add("gate")
    site.keeper()
    site.until(lambda: site.frames("door"))
    run = site.frames("door")[0].stamp.run
    site.client.flushall()
    messages = site.drain("door")
    assert "put back what was to be read: door, gate" in caplog.text
    assert [message.stamp.frame for message in messages if isinstance(message, Frame)] == list(range(30))
    assert {message.stamp.run for message in messages[:-1]} == {run}


def test_the_last_source_that_was_taken_out_is_not_put_back(site):
    site.add("door")
    site.keeper()
    site.until(lambda: site.frames("door"))
    site.client.hdel(keys.SOURCES, "door")
    site.drain("door")
    site.beat(10)
    assert not site.client.exists(keys.SOURCES)


def test_another_version_ends_the_process_and_stays_where_it_is(site):
    site.client.sadd(keys.UNDER_WAY, "door")
    site.client.xadd(keys.frames("door"), {"s": "door", "n": 1, "m": b"\x93\x63\xa5novel\x90"})
    site.keeper("tracker")
    with pytest.raises(VersionError, match="schema version 99"):
        site.until(lambda: False)
    site.keepers.clear()
    assert site.client.xlen(keys.frames("door")) == 1
    assert site.client.xlen(keys.POISON) == 0


def test_an_end_that_somebody_forged_ends_no_process(site):
    site.client.sadd(keys.UNDER_WAY, "door")
    for number, run in enumerate(("../../x", "r1"), 1):
        end = encode(End("door", run, complete=True), quality=None)
        site.client.xadd(keys.scores("door"), {"s": "door", "n": number, "m": end})
    site.keeper("sink")
    site.until(lambda: not site.client.xlen(keys.scores("door")))
    assert [fields[b"n"] for _, fields in site.client.xrange(keys.POISON)] == [b"1"]


@pytest.fixture
def hasty(monkeypatch):
    """What failed is tried again at once, and told each time."""
    monkeypatch.setattr("workers.cluster.keeper.PAUSE", (0.01, 0.01))
    monkeypatch.setattr("workers.cluster.keeper.REMIND", 0.0)


def blocked(site, out):
    """A file lies where the folder of the source should be."""
    out.parent.mkdir(parents=True)
    out.touch()
    return out, "cannot write to"


def damaged(site, out):
    """A part of the run was cut short."""
    run = file_run(site.film, site.engine.config, site.engine.hashes)
    part = out / "date=2026-01-01" / part_name(run, 0, 9)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"PAR1")
    return part, "is not whole"


@pytest.mark.parametrize("obstacle", [blocked, damaged])
def test_a_disk_that_refuses_costs_no_message_and_holds_up_no_other_source(site, hasty, caplog, obstacle):
    table = site.out / "emotions" / "source=door"
    in_the_way, told = obstacle(site, table)
    site.add("door")
    site.add("gate")
    site.keeper("ingest", "tracker", "inference")
    sink = site.keeper("sink")
    refusals = sink._context.config.bus.tries + 2
    site.until(lambda: caplog.text.count(told) > refusals)
    site.until(lambda: site.client.smembers(keys.UNDER_WAY) == {b"door"})
    assert site.client.xlen(keys.POISON) == 0
    in_the_way.unlink()
    site.until(lambda: not site.client.exists(keys.UNDER_WAY))
    assert site.client.xlen(keys.POISON) == 0
    assert [is_last(part.path) for part in parts(table)] == [True]


def test_a_full_redis_is_drained_into_streams_that_have_grown_to_their_length(site, tmp_path):
    render(tmp_path / "scene.mp4", seconds=2)
    site.client.hset(keys.SOURCES, "door", json.dumps({"url": str(tmp_path / "scene.mp4")}))
    site.keeper("ingest", "tracker", "inference")
    site.until(lambda: site.client.xlen(keys.scores("door")) == 2 * 25 + 1)
    for number in range(10):
        site.client.xadd("affect:emotions:door", {"an earlier row": number})
    site.client.config_set("maxmemory", 1)
    try:
        site.keeper("sink", length=10)
        site.until(lambda: not site.client.exists(keys.UNDER_WAY))
    finally:
        site.client.config_set("maxmemory", 0)
    assert site.client.xlen(keys.scores("door")) == 0
    ((_, last),) = site.client.xrevrange("affect:emotions:door", count=1)
    assert last[b"frame"] == b"49"


class Picky:
    """A stage that can do nothing with one frame, nor with the end."""

    def process(self, inputs):
        for message in inputs:
            if isinstance(message, End) or message.stamp.frame == 7:
                raise ValueError("that one")
        return inputs


def test_what_no_attempt_gets_through_is_told_by_its_frame_and_the_run_still_ends(site, monkeypatch):
    monkeypatch.setattr(Context, "stages", lambda *_: [Picky()])
    site.add("door")
    site.keeper("ingest", "tracker", pending=100)
    site.until(lambda: site.client.xlen(keys.FACES) == 30)
    messages = [decode(fields[b"m"]) for _, fields in site.client.xrange(keys.FACES)]
    assert [message.stamp.frame for message in messages[:-1]] == [frame for frame in range(30) if frame != 7]
    assert messages[-1].complete
    told = [fields for _, fields in site.client.xrange(keys.POISON)]
    assert [(one[b"n"], b"that one" in one[b"reason"]) for one in told] == [(b"7", True), (b"0", True)]


class Deadly:
    """A stage from which the owner of some frames does not come back."""

    def __init__(self, frames, over):
        self.frames = frames
        self.over = over
        self.reached = 0

    def process(self, inputs):
        if any(isinstance(message, Frame) and message.stamp.frame in self.frames for message in inputs):
            self.reached += 1
            self.over.wait()
            raise SystemExit
        return inputs


@pytest.fixture
def deadly(site, monkeypatch):
    """Have owners die of some frames of ``door``, each succeeded by another; give how to let them, until one does not.

    To Redis and to its successors a process that hangs for longer than its lease is a dead one.
    """
    over = threading.Event()

    def live(frames, enough):
        stage = Deadly(frames, over)
        monkeypatch.setattr(Context, "stages", lambda *_: [stage])
        deaths = 0
        deadline = time.monotonic() + 60
        keeper = site.keeper("ingest", "tracker", pending=100, tries=2)
        while not enough(keeper):
            assert time.monotonic() < deadline
            keeper.beat()
            if stage.reached > deaths:
                deaths += 1
                site.client.delete(keys.lease("ingest", "door"), keys.census("ingest"))
                site.keepers.remove(keeper)
                keeper = site.keeper("ingest", "tracker", pending=100, tries=2)
            time.sleep(0.01)
        return deaths

    yield live
    over.set()


def passed_on(site):
    return [decode(fields[b"m"]) for _, fields in site.client.xrange(keys.FACES)]


def test_a_frame_that_kills_whoever_tracks_it_is_left_out_and_the_file_goes_on(site, deadly, caplog):
    site.add("door")
    deaths = deadly({7}, lambda _: site.client.xlen(keys.FACES) == 30)
    messages = passed_on(site)
    assert [message.stamp.frame for message in messages[:-1]] == [frame for frame in range(30) if frame != 7]
    assert messages[-1].complete
    assert deaths <= 2 + STEP - 1  # tries, and those that did not begin with it
    (told,) = [fields for _, fields in site.client.xrange(keys.POISON)]
    assert (told[b"n"], b"died every time" in told[b"reason"]) == (b"7", True)


def test_a_file_that_kills_its_owners_again_and_again_ends_for_good(site, deadly, caplog):
    site.add("door")
    deaths = deadly(range(7, 30), lambda keeper: "door" in keeper._finished)
    assert deaths <= 2 * 2 + STEP - 1
    messages = passed_on(site)
    assert [message.stamp.frame for message in messages[:-1]] == list(range(7))
    assert not messages[-1].complete
    assert caplog.text.count("ends the process that reads it at frame 7 or just behind") == 1
    site.keepers.pop().end()
    other = site.keeper("ingest", "tracker")  # has no part in what the first has learnt
    site.until(lambda: "door" in other._finished)
    assert len(passed_on(site)) == len(messages)
    assert b"ends the process that reads it" in site.client.hget(keys.failures("door"), "ingest")


def test_a_camera_that_kills_its_owners_before_its_first_frame_is_left_alone_for_a_while(site, deadly, recording):
    """To a worker, what is played from the web is a camera until it ends."""
    with web(sends(recording)) as url:
        site.client.hset(keys.SOURCES, "door", json.dumps({"url": f"{url}/a.mp4"}))
        assert deadly({0}, lambda _: site.client.exists(keys.failures("door"))) == 2
        (overview,) = overviews(site.client)
        assert "ingest fails: http" in overview.status.reason
        assert "died before it gave a frame, 2 times; it is left alone for" in overview.status.reason
        site.keepers.pop().end()
        site.client.hincrby(keys.state("ingest", "door"), "since", -120)
        assert deadly({0}, lambda _: b"3 times" in site.client.hget(keys.failures("door"), "ingest")) == 1
        site.keepers.pop().end()
        site.client.hincrby(keys.state("ingest", "door"), "since", -180)
        assert deadly({}, lambda _: site.client.xlen(keys.FACES) > 5) == 0  # it is put right
        assert site.client.hget(keys.state("ingest", "door"), "begun") == b"0"


def test_a_camera_that_was_left_alone_is_read_at_once_when_it_is_configured_otherwise(site, deadly, recording):
    with web(sends(recording)) as url:
        site.client.hset(keys.SOURCES, "door", json.dumps({"url": f"{url}/a.mp4"}))
        assert deadly({0}, lambda _: site.client.exists(keys.failures("door"))) == 2
        site.keepers.pop().end()
        site.client.hset(keys.SOURCES, "door", json.dumps({"url": f"{url}/b.mp4"}))
        assert deadly({}, lambda _: site.client.xlen(keys.FACES) > 5) == 0


def test_a_camera_is_not_left_alone_because_the_clock_of_redis_was_set_back(site, recording):
    with web(sends(recording)) as url:
        site.client.hset(keys.SOURCES, "door", json.dumps({"url": f"{url}/a.mp4"}))
        tomorrow = site.client.time()[0] + 86400
        site.client.hset(keys.state("ingest", "door"), mapping={"begun": 9, "since": tomorrow})
        site.keeper("ingest", "tracker", pending=100)
        site.until(lambda: site.client.xlen(keys.FACES) or site.client.exists(keys.failures("door")))
        assert not site.client.exists(keys.failures("door"))


def test_a_camera_whose_owners_end_on_purpose_is_not_left_alone(site):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/mjpeg"
        site.client.hset(keys.SOURCES, "door", json.dumps({"url": url, "ingest": {"open_timeout": 1}}))
        keeper = site.keeper()
        site.until(lambda: site.client.hget(keys.state("ingest", "door"), "begun") == b"1")
        keeper.end()
        assert site.client.hget(keys.state("ingest", "door"), "begun") == b"0"


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """An mp4 as web servers send it: its index comes first."""
    path = tmp_path_factory.mktemp("recording") / "a.mp4"
    return clip(path, frames=60, container_options={"movflags": "faststart"}).read_bytes()


def ends_for_good(site, keeper, run, why):
    """A recording was ended once, says why, and nobody begins it again."""
    assert [message.complete for message in run if isinstance(message, End)] == [False]
    assert {message.stamp.run for message in run[:-1]} <= {run[-1].run}
    site.until(lambda: not keeper.shards)
    keeper.end()
    site.keepers.remove(keeper)
    assert why in site.client.hget(keys.failures("rec"), "ingest")
    other = site.keeper()  # has no part in what the first has learnt
    site.until(lambda: "rec" in other._finished)
    assert site.frames("rec") == []
    assert why in site.client.hget(keys.failures("rec"), "ingest")


def test_a_recording_on_the_web_that_breaks_off_ends_for_good(site, recording):
    with web(sends(recording[: len(recording) * 6 // 10], announced=len(recording))) as url:
        site.client.hset(keys.SOURCES, "rec", json.dumps({"url": f"{url}/a.mp4"}))
        keeper = site.keeper()
        run = site.drain("rec")
        assert len(run) > 10
        ends_for_good(site, keeper, run, b"broke off at")


def test_a_recording_on_the_web_whose_worker_is_started_again_ends_for_good(site, recording):
    with web(sends(recording)) as url:
        site.client.hset(keys.SOURCES, "rec", json.dumps({"url": f"{url}/a.mp4"}))
        first = site.keeper()
        site.until(lambda: site.frames("rec"))
        first.end()
        site.keepers.remove(first)
        keeper = site.keeper()
        ends_for_good(site, keeper, site.drain("rec"), b"cannot be gone on with where an earlier worker left it")


def test_a_recording_on_the_web_stays_with_its_worker_when_another_comes(site, recording):
    with web(sends(recording)) as url:
        site.add("film")
        site.client.hset(keys.SOURCES, "rec", json.dumps({"url": f"{url}/a.mp4"}))
        site.keeper()
        site.until(lambda: site.frames("film") and site.frames("rec"))
        site.keeper()
        site.until(lambda: [list(keeper.shards) for keeper in site.keepers] == [["rec"], ["film"]])
        assert site.drain("rec")[-1].complete
    assert site.drain("film")[-1].complete


def test_recordings_on_the_web_stay_where_they_are_though_another_worker_has_none(site, recording):
    with web(sends(recording)) as url:
        for name in ("one", "two"):
            site.client.hset(keys.SOURCES, name, json.dumps({"url": f"{url}/a.mp4"}))
        first = site.keeper()
        site.until(lambda: site.frames("one") and site.frames("two"))
        site.keeper()
        site.beat(10)
        assert list(first.shards) == ["one", "two"]
        assert site.drain("one")[-1].complete
        assert site.drain("two")[-1].complete


def test_owners_that_end_on_purpose_do_not_make_a_file_deadly(site):
    """As in a cluster that is set up anew, again and again, while the next worker has no room."""
    site.add("door")
    for _ in range(8):
        keeper = site.keeper("ingest", tries=1)
        site.until(lambda keeper=keeper: keeper.shards)
        site.beat(2)
        keeper.end()
        site.keepers.remove(keeper)
    site.keeper("ingest")
    messages = site.drain("door")
    assert messages[-1].complete
    assert [message.stamp.frame for message in messages[:-1]] == list(range(30))
    assert not site.client.exists(keys.POISON)


def test_workers_of_other_stages_do_not_go_on_with_it(site, caplog):
    site.add("door")
    first = site.keeper("ingest")
    site.until(lambda: site.frames("door"))
    before = site.client.xlen(keys.FACES)
    first.end()
    site.keepers.remove(first)
    site.keeper("ingest", "tracker")
    site.until(lambda: "was last worked on by a worker of ingest, not ingest+tracker" in caplog.text)
    assert site.client.xlen(keys.FACES) == before
