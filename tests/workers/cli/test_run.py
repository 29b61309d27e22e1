"""``affectstream run``, as a user meets it."""

import re
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from pipeline.sink.occupancy import alone
from tests import video
from tests.rtsp import free_port
from tests.web import sends, web


@pytest.fixture
def film(tmp_path):
    """A recording that web servers can send, of a second."""
    return video.clip(tmp_path / "film.mp4", frames=25, container_options={"movflags": "faststart"}).read_bytes()


@pytest.fixture
def run(affectstream, tmp_path):
    return lambda *words: affectstream("run", *words, "--redis", "none", "--out", tmp_path / "out")


def test_a_camera_that_never_answers_is_told_with_the_reason_and_leaves_nothing(run, tmp_path):
    ended = run(f"door=http://127.0.0.1:{free_port()}/cam.mjpg", "--duration", "1")
    assert ended.code == 1
    (line,) = (line for line in ended.out.splitlines() if line.startswith("door"))
    assert "0 frames decoded" in line
    assert line.endswith("refuses the connection: nothing listens there")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("redis", ["none", "nobody listens"])
def test_folders_that_were_made_for_nothing_are_taken_away(affectstream, tmp_path, redis):
    door = f"door=http://127.0.0.1:{free_port()}/cam.mjpg"
    at = "none" if redis == "none" else f"redis://127.0.0.1:{free_port()}"  # ends it when the folder has been made
    ended = affectstream("run", door, "--duration", "0.5", "--redis", at, "--out", tmp_path / "a" / "b" / "out")
    assert ended.code == 1
    assert ("cannot connect" in ended.err) == (redis != "none")
    assert list(tmp_path.iterdir()) == []


def test_a_camera_that_says_nothing_is_told(run, tmp_path):
    (tmp_path / "out").mkdir()
    with web(lambda request: request.connection.recv(1)) as url:
        ended = run(f"door={url}/cam.mjpg", "--duration", "0.5")
    assert ended.code == 1
    assert ended.out.splitlines()[-1].endswith("no frame came")
    assert (tmp_path / "out").is_dir()  # was there before


def test_where_a_source_can_be_found_is_said_first(run, film, tmp_path, monkeypatch):
    monkeypatch.setenv("TOKEN", "hunter2")
    with web(sends(film)) as url:
        ended = run(f"Front-Door={url}/a.mp4?key=${{TOKEN}}", f"{url}/b.mp4", f"{url}/${{TOKEN}}.mp4")
    assert ended.code == 0, ended.err
    assert "hunter2" not in ended.out + ended.err
    at = url.removeprefix("http://").replace(".", "-").replace(":", "-")
    told = [line.split(" from ")[0] for line in ended.err.splitlines() if " -> " in line]
    names = ["front-door", f"source-{at}-b-mp4", f"source-{at}-token-mp4"]
    assert told == [f"{name} -> {tmp_path}/out/emotions/source={name}" for name in names]
    for name in names:
        assert f"{name}  " in ended.out
        assert (tmp_path / "out" / "emotions" / f"source={name}").is_dir()


def test_a_variable_that_is_not_set_is_told(run, monkeypatch):
    monkeypatch.delenv("DOOR_PASSWORD", raising=False)
    ended = run("door=rtsp://me:${DOOR_PASSWORD}@127.0.0.1/h264")
    assert (ended.code, ended.err) == (
        2,
        "error: source 'door': the environment of this process holds no DOOR_PASSWORD\n",
    )


def test_two_sources_of_one_name(run):
    ended = run("door=rtsp://a/b", "rtsp://door")
    assert ended.code == 2
    assert "two sources have the id 'door'; give them names of their own: NAME=URL" in ended.err


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_the_log_tells_of_what_others_ended_it_by(tmp_path, number):
    words = ["run", "door=rtsp://127.0.0.1:1/h264", "--redis", "none", "--out", tmp_path / "out"]

    def as_ever():  # the tests may have been started with nohup, or in the background
        for one in (signal.SIGHUP, signal.SIGINT):
            signal.signal(one, signal.SIG_DFL)

    command = [sys.executable, "-m", "workers.cli", *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=as_ever,  # noqa: PLW1509 (no thread of this test holds a lock)
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert any(line.startswith("door -> ") for line in process.stderr)
        process.send_signal(number)
        told = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == 1  # no frame came
    ended = [line.split(" ", 1)[1] for line in told if "ended" in line]
    assert ended == ([] if number is signal.SIGINT else [f"WARNING ended by {number.name}"])


def test_the_page_and_metrics_are_served_where_they_are_asked_for(tmp_path):
    with web(lambda request: request.connection.recv(1)) as camera:
        words = ["run", f"door={camera}/cam.mjpg", "--listen", "0", "--redis", "none", "--out", str(tmp_path / "out")]
        with subprocess.Popen(
            [sys.executable, "-m", "workers.cli", *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stderr is not None
            page = next(match[1] for line in process.stderr if (match := re.match("live page: ([^,]+),", line)))
            with urllib.request.urlopen(f"{page}/metrics", timeout=10) as answer:
                assert b'affectstream_source_up{source="door"} 0.0' in answer.read()
            with urllib.request.urlopen(f"{page}/healthz", timeout=10) as answer:
                assert answer.read() == b"well\n"
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
    assert process.returncode == 1  # no frame came


def test_an_address_that_is_taken_is_told_before_anything_is_made(run, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run("0", "--listen", taken.getsockname()[1])
    assert (ended.code, "address already in use" in ended.err) == (2, True)
    assert not (tmp_path / "out").exists()


def test_it_ends_when_it_is_told_to_though_another_erases_in_its_folder(tmp_path):
    words = ["run", f"door=http://127.0.0.1:{free_port()}/cam.mjpg", "--redis", "none", "--out", str(tmp_path)]
    with (
        alone(tmp_path),
        subprocess.Popen(
            [sys.executable, "-m", "workers.cli", *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        ) as process,
    ):
        assert process.stderr is not None
        try:
            assert any("waiting until `affectstream erase`" in line for line in process.stderr)
            process.send_signal(signal.SIGTERM)
            told = process.communicate(timeout=60)[1]
        finally:
            process.kill()
    assert process.returncode == 1
    assert f"`affectstream erase` has '{tmp_path}'; run again when it has ended" in told
