"""A replay that is told to end while Redis is away."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pandas as pd
import pytest

from pipeline.ingest.source import expand
from tests.redis_server import Server, newest
from tests.workers.films import film
from workers.config import load_config
from workers.engine import Engine
from workers.replay.archive import replay_side_by_side
from workers.replay.outcome import Status
from workers.replay.processes import Processes

AOF = ("--appendonly", "yes", "--appendfsync", "always")
LONGEST = 60
"""s; a replay that cannot be ended takes longer."""


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "redis"
    folder.mkdir()
    with Server(folder, newest(), *AOF) as running:
        yield running


def published(server, *names):
    with server.client() as client:
        return [client.xlen(f"affect:emotions:{name}") for name in names]


def nobody_left(group):
    """Whether no process of a group is left; those that were killed take a moment."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(("jobs", "times"), [(1, 1), (1, 2), (2, 2)])
def test_ctrl_c_ends_it_with_all_its_processes(affectstream, server, scene, tmp_path, jobs, times):
    for name in ("one", "two"):
        shutil.copy(scene, tmp_path / f"{name}.mp4")
    config = tmp_path / "config.yaml"
    config.write_text("redis: {buffer: 100}\n")  # or all of a file is read before Redis is gone
    words = ["replay", tmp_path / "one.mp4", tmp_path / "two.mp4", "--out", tmp_path / "out", "--redis", server.url]
    words += ["--config", config]
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.cli", *words, "--jobs", str(jobs)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    while not any(published(server, "one", "two")):
        assert process.poll() is None
        time.sleep(0.005)
    server.pause() if times > 1 else server.kill()
    said = ""
    while "waiting for it" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    for _ in range(times):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.5)
    try:
        printed, told = process.communicate(timeout=LONGEST)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert nobody_left(process.pid)
    if times == 1:
        assert "stopped while Redis at" in printed
    if jobs > 1:
        return

    server.kill()
    server.start()
    assert affectstream(*words).code == 0
    rows = pd.read_parquet(tmp_path / "out" / "emotions").groupby("source", observed=True).size()
    assert published(server, "one", "two") == [rows["one"], rows["two"]]
    assert rows["one"] == rows["two"]


def test_a_divided_file_is_stopped_and_completed(server, tmp_path):
    path = film(tmp_path / "long.mp4", [2 + n / 25 for n in range(80)], gop=20)
    config = load_config(None, {"out": tmp_path / "out"})
    engine, sources = Engine.load(config), expand([str(path)])

    def done(executor, stopped):
        given = (executor, engine, server.url, sources, lambda _: None, stopped, 0.8)
        (outcome,) = replay_side_by_side(*given)
        return outcome

    over = threading.Event()

    def stopped():
        asking = threading.current_thread().name
        if asking.startswith("join"):
            server.kill()  # its writers are open now
        elif asking == "redis":
            over.set()
        return over.is_set()

    with Processes(2) as executor:
        outcome = done(executor, stopped)
    assert outcome.status is Status.STOPPED
    assert "while Redis at" in outcome.note
    server.start()
    with Processes(2) as executor:
        assert done(executor, lambda: False).status is Status.DONE
    assert published(server, "long") == [len(pd.read_parquet(tmp_path / "out" / "emotions"))]
