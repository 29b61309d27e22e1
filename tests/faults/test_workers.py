"""Workers in processes of their own are killed, put to sleep and cut off from Redis: the rows stay the same.

The long form, 30 deaths on 600 frames and more: python -m pytest tests/faults -m soak
"""

import random
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from tests.redis_server import Server, newest
from tests.site import FORKED, Site, rows, site
from tests.tables import assert_whole
from workers.scene import render

APART = ("ingest", "tracker", "inference", "sink")

AOF = ("--appendonly", "yes", "--appendfsync", "always")

HASTY = (
    "AFFECTSTREAM_BUS__FRAMES=raw",  # JPEG would change the rows a little
    "AFFECTSTREAM_BUS__LEASE=1",
    "AFFECTSTREAM_BUS__CLAIM=1",
    "AFFECTSTREAM_BUS__TRIES=1000",  # deaths are this test's doing, not the messages'
    "AFFECTSTREAM_BUS__UNSAVED=256",  # several parts, so that there is something to go on from
)


class Film:
    """A clip, and what one process makes of it."""

    def __init__(self, folder, seconds):
        self.path = folder / "scene.mp4"
        render(self.path, seconds=seconds)
        command = [sys.executable, "-m", "workers.cli", "replay", str(self.path), "--out", str(folder / "one")]
        subprocess.run([*command, "--redis", "none"], check=True, capture_output=True)
        self.rows = rows(folder / "one")
        self.tracks = rows(folder / "one", "tracks")

    def check(self, running: Site) -> None:
        """The workers made the same of it: not a row missing, twice, out of order or different in the last bit."""
        for table, wanted in (("emotions", self.rows), ("tracks", self.tracks)):
            found = rows(running.out, table)
            found = found[found["source"] == "scene"].reset_index(drop=True)
            pd.testing.assert_frame_equal(found, wanted, check_exact=True)
            assert_whole(found)
        published = running.published("scene")
        assert [(int(row["frame"]), row["track"]) for row in published] == [
            (row.frame, row.track) for row in self.rows.itertuples()
        ]
        for name in ("x", "p_happiness", "s_happiness", "s_std"):
            assert [float(row[name]) for row in published] == pytest.approx(self.rows[name].tolist(), rel=1e-5)
        assert running.client.xlen("affect:bus:faces") == 0
        assert running.client.xlen("affect:bus:poison") == 0


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return Film(tmp_path_factory.mktemp("film"), 6)


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path, newest(), *AOF) as running:
        yield running


@pytest.fixture
def hasty(server, tmp_path):
    with site(server.url, tmp_path / "site", HASTY, FORKED) as running:
        yield running


def begun(running: Site, frames: int = 20) -> bool:
    """Whether so many rows were published."""
    return running.client.xlen("affect:emotions:scene") >= frames


@pytest.mark.parametrize("layout", [APART, ("ingest+tracker+inference+sink",)])
def test_processes_give_the_rows_of_one_process(film, hasty, layout):
    hasty.start(*layout)
    hasty.add("scene", film.path)
    hasty.wait(lambda: hasty.over("scene"))
    film.check(hasty)
    assert "taken" not in hasty.logs()
    assert [worker.stop() for worker in hasty.workers] == [0] * len(layout)


def kill_at_random(film, running, deaths, seed):
    """Kill workers at random moments before the film is half read, and a sink that has published; replace each at once.

    Returns when the film is over.
    """
    chance = random.Random(seed)
    # In steps of the reader, of about four frames.
    moments = sorted(chance.uniform(0, film.rows["frame"].nunique() / 8) for _ in range(deaths))
    alive = dict(zip(APART, running.start(*APART), strict=True))
    running.add("scene", film.path)
    for moment in moments:
        running.wait(lambda step=moment: int(running.client.hget("affect:bus:state:ingest:scene", "step") or 0) > step)
        stage = chance.choice(APART)
        alive[stage].kill()
        alive[stage] = running.start(stage)[0]
    running.wait(lambda: begun(running))
    alive["sink"].kill()
    running.start("sink")
    assert not running.over("scene")
    running.wait(lambda: running.over("scene"), 300)


def test_killed_workers_change_nothing(film, hasty):
    kill_at_random(film, hasty, 4, seed=7)  # of the others first: what waits for a sink is published in one go
    film.check(hasty)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [0, 1])
def test_thirty_deaths_change_nothing(tmp_path, hasty, seed):
    long = Film(tmp_path, 40)
    kill_at_random(long, hasty, 30, seed)
    long.check(hasty)


def test_sleepers_that_wake_up_publish_nothing(film, hasty):
    """SIGSTOP for longer than the lease, of the owners and of the member that holds messages."""
    sleepers = hasty.start(*APART)
    hasty.add("scene", film.path)
    hasty.wait(lambda: begun(hasty))
    for sleeper in sleepers:
        sleeper.send(signal.SIGSTOP)
    hasty.start(*APART)
    before = hasty.client.xlen("affect:emotions:scene")
    hasty.wait(lambda: begun(hasty, before + 20))
    for sleeper in sleepers:
        sleeper.send(signal.SIGCONT)
    hasty.wait(lambda: hasty.over("scene"))
    film.check(hasty)


def test_two_members_with_the_same_message_publish_it_once(film, hasty):
    first = hasty.start("ingest+tracker", "inference", "sink")[1]
    hasty.add("scene", film.path)
    hasty.wait(lambda: begun(hasty))
    first.send(signal.SIGSTOP)
    hasty.start("inference")
    # What the sleeper holds is claimed; it wakes while the other works on it.
    hasty.wait(lambda: any(member["pending"] for member in members(hasty)[1:]))
    first.send(signal.SIGCONT)
    hasty.wait(lambda: hasty.over("scene"))
    film.check(hasty)


def members(running):
    return sorted(running.client.xinfo_consumers("affect:bus:faces", "inference"), key=lambda one: -one["idle"])


def test_a_redis_that_dies_and_comes_back_loses_nothing(film, server, hasty):
    hasty.start(*APART)
    hasty.add("scene", film.path)
    for away in (1.2, 0.1):  # longer than the lease, and shorter
        published = hasty.client.xlen("affect:emotions:scene")
        hasty.wait(lambda seen=published: begun(hasty, seen + 20))
        server.kill()
        time.sleep(away)
        server.start()
    hasty.wait(lambda: hasty.over("scene"))
    film.check(hasty)
    logs = hasty.logs()
    assert "waiting for it" in logs
    assert "is back" in logs


def test_a_redis_that_forgets_everything_is_told_and_read_into_anew(film, tmp_path):
    with Server(tmp_path, newest()) as server, site(server.url, tmp_path / "site", HASTY, FORKED) as running:
        running.start(*APART)
        running.add("scene", film.path)
        running.wait(lambda: begun(running, 40))
        server.kill()
        server.start()
        running.add("scene", film.path)
        running.wait(lambda: running.over("scene"))
        film.check(running)
        assert "Redis has lost" in running.logs()


def test_a_standby_takes_over_within_ten_seconds(film, server, tmp_path):
    options = [option for option in HASTY if "LEASE" not in option]  # as it is by default
    with site(server.url, tmp_path / "site", options, FORKED) as running:
        owners = running.start(*APART)
        running.start("tracker", "sink")
        running.add("scene", film.path)
        running.wait(lambda: begun(running))
        working = [owner for owner in (owners[1], owners[3]) if "owns scene" in owner.log.read_text()]
        for owner in working:
            owner.kill()
        killed = time.monotonic()
        published = running.client.xlen("affect:emotions:scene")
        running.wait(lambda: begun(running, published + 20), 60)
        assert not working or time.monotonic() - killed < 10
        running.wait(lambda: running.over("scene"))
        film.check(running)


def test_work_waits_while_redis_is_full(film, hasty):
    hasty.start(*APART)
    hasty.add("scene", film.path)
    hasty.wait(lambda: begun(hasty))
    used = hasty.client.info("memory")["used_memory"]
    hasty.client.config_set("maxmemory", used // 2)
    hasty.wait(lambda: "out of memory" in hasty.logs())
    time.sleep(1.2)  # longer than the lease
    assert all(worker.ended() is None for worker in hasty.workers)
    hasty.client.config_set("maxmemory", 0)
    hasty.wait(lambda: hasty.over("scene"))
    film.check(hasty)


def test_sources_come_and_go_while_others_are_read(film, hasty):
    _, inference, _ = hasty.start("ingest+tracker", "inference", "sink")
    assert hasty.sources("add", str(film.path)).strip() == "scene"
    hasty.add("door", film.path)
    hasty.wait(lambda: hasty.client.xlen("affect:emotions:door") > 10)
    inference.send(signal.SIGSTOP)  # or the film might be over first
    hasty.sources("remove", "door")
    time.sleep(1)  # for the owner to look
    inference.send(signal.SIGCONT)
    hasty.wait(lambda: hasty.over("scene"))
    film.check(hasty)
    hasty.wait(lambda: not hasty.client.sismember("affect:bus:sources", "door"))
    hasty.wait(lambda: not hasty.client.exists("affect:bus:state:ingest:door"))
    seen = hasty.client.xlen("affect:emotions:door")
    hasty.add("door", film.path)
    hasty.wait(lambda: hasty.over("door"))
    door = rows(hasty.out)
    door = door[door["source"] == "door"].reset_index(drop=True)
    assert len(door) == len(film.rows) > seen
    assert len(hasty.published("door")) == len(film.rows)


def test_workers_wait_for_a_redis_that_is_not_there_yet(film, tmp_path):
    server = Server(tmp_path, newest())
    with site(server.url, tmp_path / "site", HASTY, FORKED) as running:
        workers = running.start("ingest+tracker+inference+sink", "inference")
        running.wait(lambda: all("waiting for it" in worker.log.read_text() for worker in workers))
        assert workers[1].stop() == 0
        with server:
            running.add("scene", film.path)
            running.wait(lambda: running.over("scene"))
            film.check(running)


def test_a_source_that_is_forgotten_in_the_middle_may_begin_anew(film, hasty):
    hasty.start(*APART)
    hasty.add("scene", film.path)
    hasty.wait(lambda: begun(hasty))
    hasty.sources("remove", "scene", "--forget")
    left = [key for key in hasty.client.scan_iter("affect:bus:*:scene") if "lease" not in key]
    assert left == []
    assert hasty.client.xlen("affect:bus:faces") == 0
    hasty.add("scene", film.path)
    hasty.wait(lambda: hasty.over("scene"))
    film.check(hasty)
