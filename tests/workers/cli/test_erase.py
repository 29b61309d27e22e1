"""``affectstream erase`` as a user meets it, on outputs of real replays and in real Redis servers."""

import shutil
import subprocess
import sys
import threading
import time

import pandas as pd
import pyarrow.parquet as pq
import pytest
import redis

from tests.redis_server import Server, executables, newest
from tests.web import web

pytestmark = pytest.mark.skipif(not executables(), reason="no redis-server")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("redis"), newest(), "--appendonly", "yes").start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def made(scene, server, tmp_path_factory):
    """Two files of the same two faces, replayed into small parts and a Redis of their own."""
    folder = tmp_path_factory.mktemp("made")
    for name in ("one", "two"):
        shutil.copy(scene, folder / f"{name}.mp4")
    with (folder / "two.mp4").open("ab") as film:
        film.write(b"\0\0\0\x08free")  # an empty box, or the two would be taken for one file
    command = [sys.executable, "-m", "workers.cli", "replay", folder, "--out", folder / "out", "--redis", server.url]
    (folder / "site.yaml").write_text("parquet: {part_seconds: 2}\n")
    subprocess.run([*command, "--config", folder / "site.yaml"], check=True, capture_output=True)
    with redis.Redis.from_url(server.url) as client:
        kept = {key: (client.pttl(key), client.dump(key)) for key in client.keys("affect:*")}
    return folder, kept


@pytest.fixture
def replayed(made, server, tmp_path):
    """The folder of both files and of ``out``, and the Redis as the replay has left it."""
    folder = tmp_path / "site"
    shutil.copytree(made[0] / "out", folder / "out")
    with server.client() as client:
        client.flushall()
    with redis.Redis.from_url(server.url) as client:
        for key, (ttl, value) in made[1].items():
            client.restore(key, max(ttl, 0), value)
    return folder / "out"


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


def rows(out, table="emotions", **which):
    found = pd.read_parquet(out / table)
    for name, value in which.items():
        found = found[found[name] == value]
    return found.astype(dict.fromkeys(found.select_dtypes("category").columns, str)).reset_index(drop=True)


def everything(client):
    """All text that a server holds, by key."""
    found = {}
    for key in client.keys("*"):
        kind = client.type(key)
        found[key] = str(client.xrange(key) if kind == "stream" else client.hgetall(key) if kind == "hash" else "")
    return found


def test_nothing_of_a_source_is_left_and_the_others_stay_as_they_are(affectstream, replayed, server):
    two = contents(replayed / "emotions" / "source=two"), contents(replayed / "tracks" / "source=two")
    with server.client() as client:
        before = everything(client)
        ended = affectstream("erase", replayed, "--source", "one", "--redis", server.url, "--yes")
        assert ended.code == 0, ended.err
        after = everything(client)
    assert two == (contents(replayed / "emotions" / "source=two"), contents(replayed / "tracks" / "source=two"))
    assert after == {key: text for key, text in before.items() if key.split(":")[2] == "two"}
    assert len(after) == 5  # rows, events, progress, two faces
    assert sorted(path.name for path in replayed.glob("*/*")) == ["source=two", "source=two"]
    assert set(rows(replayed)["source"]) == set(rows(replayed, "tracks")["source"]) == {"two"}
    assert "BGREWRITEAOF" in ended.out
    assert "Out of reach" in ended.out


def test_a_source_that_was_erased_may_be_replayed_as_a_new_one(affectstream, made, replayed, server):
    was = rows(replayed, source="one")
    affectstream("erase", replayed, "--source", "one", "--redis", server.url, "--yes")
    assert " done " in affectstream("replay", made[0] / "one.mp4", "--out", replayed, "--redis", server.url).out
    pd.testing.assert_frame_equal(rows(replayed, source="one"), was)


def test_of_a_track_nothing_is_left_and_a_replay_brings_nothing_back(affectstream, made, replayed, server):
    two = contents(replayed / "emotions" / "source=two"), contents(replayed / "tracks" / "source=two")
    was = rows(replayed, source="one")
    metadata = {path: pq.read_schema(path).metadata for path in replayed.glob("*/source=one/*/part-*")}
    written = {path: path.stat().st_mtime_ns for path in metadata}
    assert len(metadata) > 3
    track = next(track for track in sorted(was["track"].unique()) if (was["track"] == track).sum() < 100)
    number = track.rpartition("-")[2]
    ended = affectstream("erase", replayed, "--source", "one", "--track", number, "--redis", server.url, "--yes")
    assert ended.code == 0, ended.err

    pd.testing.assert_frame_equal(rows(replayed, source="one"), was[was["track"] != track].reset_index(drop=True))
    assert track not in set(rows(replayed, "tracks", source="one")["track"])
    assert two == (contents(replayed / "emotions" / "source=two"), contents(replayed / "tracks" / "source=two"))
    for path in replayed.glob("*/source=one/*/part-*"):
        assert pq.read_schema(path).metadata == metadata[path]
        assert path.stat().st_mtime_ns == written[path]
        assert track.encode() not in path.read_bytes()
    with server.client() as client:
        of_one = {key: text for key, text in everything(client).items() if key.split(":")[2] == "one"}
        assert len(of_one) == 4  # rows, events, progress, the other face
        assert not any(track in key or track in text for key, text in of_one.items())
        assert client.xlen("affect:emotions:one") == (was["track"] != track).sum()

    now = contents(replayed)
    assert "already" in affectstream("replay", made[0] / "one.mp4", "--out", replayed, "--redis", server.url).out
    assert contents(replayed) == now
    with server.client() as client:
        assert {key: text for key, text in everything(client).items() if key.split(":")[2] == "one"} == of_one


def test_not_even_the_bytes_of_a_track_are_left_in_redis(affectstream, replayed, server):
    track = rows(replayed, source="one")["track"].min()
    with redis.Redis.from_url(server.url) as client:
        client.config_set("rdbcompression", "no")
        client.xgroup_create("affect:emotions:one", "readers", id="0")
        client.xgroup_create("affect:events:one", "readers", id="$")
        read = client.xreadgroup("readers", "me", {"affect:emotions:one": ">"}, count=220)
        before = {key: client.dump(key) for key in ("affect:emotions:one", "affect:events:one")}
        lives = {key: client.pttl(key) for key in before}
        assert all(track.encode() in text for text in before.values())
        last = client.xinfo_stream("affect:emotions:one")["last-generated-id"]
        others = [entry for entry in client.xrange("affect:emotions:one") if entry[1][b"track"] != track.encode()]
        # Parquet first: what is left of it in Redis can still be erased.
        assert affectstream("erase", replayed, "--source", "one", "--track", track, "--redis=none", "-y").code == 0
        ended = affectstream("erase", replayed, "--source", "one", "--track", track, "--redis", server.url, "--yes")
        assert ended.code == 0, ended.err
        for key in before:
            assert track.encode() not in client.dump(key)
            assert 0 < lives[key] - client.pttl(key) < 60_000
        assert client.xrange("affect:emotions:one") == others
        assert client.xinfo_stream("affect:emotions:one")["last-generated-id"] == last
        pending = client.xpending_range("affect:emotions:one", "readers", "-", "+", 1000)
        there = {name for name, _ in others}
        assert [one["message_id"] for one in pending] == [name for name, _ in read[0][1] if name in there]
        seen = {name for name, _ in read[0][1]}
        rest = client.xreadgroup("readers", "me", {"affect:emotions:one": ">"})[0][1]
        assert rest == [entry for entry in others if entry[0] not in seen]
        assert not client.keys("affect:copy:*")


def test_a_full_server_is_taken_out_of_and_what_stays_in_its_memory_is_told(affectstream, replayed, server):
    track = rows(replayed, source="one")["track"].min()
    with server.client() as client:
        client.config_set("maxmemory", 1)
        try:
            ended = affectstream("erase", replayed, "--source=one", "--track", track, "--redis", server.url, "--yes")
        finally:
            client.config_set("maxmemory", 0)
        assert ended.code == 0, ended.err
        assert "deleted from affect:emotions:one cannot be read any more, but stays in memory" in ended.out
        assert not any(track in text for text in everything(client).values())
        assert not client.keys("affect:copy:*")


def test_a_user_who_may_not_rewrite_the_log_is_told_to_have_it_done(affectstream, replayed, server):
    with server.client() as client:
        client.acl_setuser(
            "eraser", enabled=True, passwords=["+pw"], keys=["affect:*"], commands=["+@all", "-bgrewriteaof"]
        )
    url = server.url.replace("redis://", "redis://eraser:pw@")
    ended = affectstream("erase", replayed, "--source", "one", "--redis", url, "--yes")
    assert ended.code == 0, ended.err
    assert "holds what was deleted until it is rewritten (BGREWRITEAOF); NOPERM" in ended.out
    assert not list(replayed.glob("*/source=one"))


def test_when_all_tracks_go_a_replay_still_brings_nothing_back(affectstream, made, replayed, server):
    tracks = sorted(rows(replayed, source="one")["track"].unique())
    affectstream("erase", replayed, "--source", "one", *(f"--track={track}" for track in tracks), "--redis=none", "-y")
    assert rows(replayed, source="one").empty
    assert rows(replayed, "tracks", source="one").empty
    assert len(list(replayed.glob("*/source=one/*/part-*"))) == 2  # the last of each table
    assert "already" in affectstream("replay", made[0] / "one.mp4", "--out", replayed, "--redis", server.url).out
    assert rows(replayed, source="one").empty


def test_only_what_is_from_before_a_day_goes(affectstream, replayed, server):
    was = rows(replayed, source="one")
    day = was["time"].min().date()
    ended = affectstream("erase", replayed, "--source", "one", "--before", day, "--redis", server.url, "--yes")
    assert (ended.code, ended.out) == (0, "There is nothing of that; nothing was deleted.\n")
    pd.testing.assert_frame_equal(rows(replayed, source="one"), was)

    after = day + pd.Timedelta(days=1)
    ended = affectstream("erase", replayed, "--source", "one", "--before", after, "--redis", server.url, "--yes")
    assert ended.code == 0, ended.err
    assert rows(replayed, source="one").empty
    with server.client() as client:
        assert client.keys("affect:*:one*") == ["affect:progress:one"]


def test_it_asks_and_takes_no_for_an_answer(replayed, server):
    was = contents(replayed)
    command = [sys.executable, "-m", "workers.cli", "erase", replayed, "--source", "one", "--redis", server.url]
    ended = subprocess.run(command, input="n\n", capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "affect:emotions:one" in ended.stdout
    assert "Delete this for good?" in ended.stdout
    assert contents(replayed) == was
    with server.client() as client:
        assert client.exists("affect:emotions:one")


def asked(*words):
    """Begin to erase; give the process as it waits for an answer."""
    command = [sys.executable, "-m", "workers.cli", "erase", *map(str, words)]
    running = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    said = ""
    while "for good?" not in said:
        letter = running.stdout.read(1)
        assert letter, running.communicate()[1]
        said += letter
    return running


def test_what_is_published_while_it_asks_is_kept(replayed, server):
    day = rows(replayed, source="one")["time"].max().date() + pd.Timedelta(days=1)
    words = [replayed, "--source", "one", "--before", day, "--redis", server.url]
    with server.client() as client, asked(*words) as running:
        added = client.xadd("affect:emotions:one", {"track": "r2-1", "time": f"{day}T00:00:00.000000Z"})
        _, err = running.communicate("y\n")
        assert (running.returncode, err) == (0, "")
        assert [name for name, _ in client.xrange("affect:emotions:one")] == [added]
        assert not client.exists("affect:events:one")


def test_a_run_that_begins_while_it_asks_is_seen(replayed, server):
    was = contents(replayed)
    with server.client() as client, asked(replayed, "--source", "one", "--redis", server.url) as running:
        client.hset("affect:progress:one", "20240101t120000-01234567", f"7 0 {client.time()[0]}")
        _, err = running.communicate("y\n")
        assert (running.returncode, "end it first" in err) == (2, True)
        assert client.exists("affect:emotions:one")
    assert contents(replayed) == was


def test_what_was_set_aside_of_a_track_is_told(affectstream, replayed, server):
    words = ["erase", replayed, "--source", "one", "--redis", server.url, "--yes"]
    track = rows(replayed, source="one")["track"].min()
    with server.client() as client:
        client.xadd("affect:bus:poison", {"worker": "sink", "s": "one", "n": 1, "reason": "", "m": b""})
        ended = affectstream(*words, "--track", track)
        assert "affect:bus:poison) stay for 7 days" in ended.out
        assert client.xlen("affect:bus:poison") == 1
        assert "affect:bus:poison" not in affectstream(*words).out
        assert client.xlen("affect:bus:poison") == 0


def test_the_embedded_redis_of_the_folder_is_seen_to(affectstream, scene, tmp_path):
    out = tmp_path / "out"
    affectstream("replay", scene, "--out", out, "--fps", 5)
    assert b"affect:emotions:scene" in (out / "redis.rdb").read_bytes()
    ended = affectstream("erase", out, "--source", "scene", "--yes")
    assert ended.code == 0, ended.err
    assert b"scene" not in (out / "redis.rdb").read_bytes()
    assert not list(out.rglob("*.parquet"))


def test_other_runs_of_the_same_faces_and_rows_that_may_still_come_are_told(affectstream, made, tmp_path):
    out = tmp_path / "out"
    for fps in (5, 2):
        affectstream("replay", made[0] / "one.mp4", "--out", out, "--fps", fps, "--redis", "none")
    found = rows(out)
    track = found["track"].min()
    run = track.rpartition("-")[0]
    other = (set(found["run"]) - {run}).pop()
    for part in out.glob(f"*/source=one/*/part-{run}-*"):  # as if it had been stopped there
        table = pq.read_table(part, partitioning=None)
        pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"affectstream.complete": b"0"}), part)
    ended = affectstream("erase", out, "--source", "one", "--track", track, "--redis", "none", "--yes")
    assert f"the same faces under other ids: {other}." in ended.out
    assert f"Run {run} was stopped before its end" in ended.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--source", "three"], "there is no source 'three'"),
        (["--source", "../one"], "cannot be the id of a source"),
        (["--source", "one", "--track", "99"], "there is no track '99'; there are: r"),
        (["--source", "one", "--track", "r0123456789a-1"], "there is no track 'r0123456789a-1'; there are: r"),
        (["--source", "one", "--redis", "redis://127.0.0.1:1"], "cannot connect"),
    ],
)
def test_what_is_not_there_is_told(affectstream, replayed, words, says):
    was = contents(replayed)
    ended = affectstream("erase", replayed, *words, "--yes")
    assert ended.code in {1, 2}
    assert says in ended.err
    assert contents(replayed) == was


def test_a_run_that_writes_without_redis_is_seen(affectstream, replayed):
    """Its parts are hidden for moments only."""
    was = contents(replayed)
    ended = threading.Event()
    erase = ["erase", replayed, "--source", "one", "--redis", "none", "--yes"]
    with web(lambda _: ended.wait(60)) as url:
        command = [sys.executable, "-m", "workers.cli", "run", f"cam={url}/v", "--out", replayed, "--redis", "none"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            deadline = time.monotonic() + 60
            while not (replayed / ".writing").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            refused = affectstream(*erase)
            run.terminate()
            ended.set()
    assert (refused.code, "another process writes to" in refused.err) == (2, True)
    assert contents(replayed) == was
    assert not (replayed / ".writing").exists()
    assert affectstream(*erase).code == 0


def test_it_refuses_while_something_writes(affectstream, replayed, server):
    was = contents(replayed)
    erase = ["erase", replayed, "--source", "one", "--redis", server.url, "--yes"]
    with server.client() as client:
        now = client.time()[0]
        client.hset("affect:progress:one", "20240101t120000-01234567", f"7 0 {now}")
        assert "end it first" in affectstream(*erase).err
        client.hset("affect:progress:one", "20240101t120000-01234567", f"7 0 {now - 3600}")
        client.hset("affect:sources", "one", '{"url": "rtsp://door/1"}')
        assert "sources remove one" in affectstream(*erase).err
        client.delete("affect:sources")
    part = next(replayed.glob("emotions/source=one/*/part-*"))
    with subprocess.Popen(["sleep", "60"]) as other:
        hidden = part.with_name(f".part-r1-{other.pid}-0123abcd.tmp")
        hidden.touch()
        assert "is being written" in affectstream(*erase).err
        other.kill()
    assert contents(replayed) == was
    assert affectstream(*erase).code == 0
    assert not hidden.exists()  # of a process that is gone
