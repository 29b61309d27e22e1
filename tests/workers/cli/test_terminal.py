"""Status lines, where nobody takes them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import video
from workers.cli import terminal

COMMAND = [sys.executable, "-m", "workers.cli"]
FULL = Path("/dev/full")

pytestmark = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full to stand for a full disk")


@pytest.fixture(params=["full disk", "nobody", "closed"])
def nowhere(request):
    """Give what a shell may make of standard error: a file on a full disk, a pipe that nobody reads, nothing."""
    if request.param == "full disk":
        with FULL.open("w") as file:
            yield {"stderr": file}
    elif request.param == "nobody":
        reader, writer = os.pipe()
        os.close(reader)
        yield {"stderr": writer}
        os.close(writer)
    else:
        yield {"preexec_fn": lambda: os.close(2)}


@pytest.mark.parametrize("nowhere", ["full disk"], indirect=True)
def test_a_replay_ends_well(tmp_path, nowhere):
    words = ["replay", video.clip(tmp_path / "a.mp4"), "--out", tmp_path / "out", "--redis", "none", "--fps", "0.4"]
    ended = subprocess.run([*COMMAND, *words], stdout=subprocess.PIPE, text=True, check=False, **nowhere)
    assert ended.returncode == 0
    assert "done" in ended.stdout


@pytest.mark.parametrize("nowhere", ["full disk", "nobody"], indirect=True)
def test_a_run_goes_on_to_its_end(tmp_path, nowhere):
    words = ["run", "rtsp://127.0.0.1:1/door", "--out", tmp_path, "--redis", "none", "--duration", "0.5"]
    every = "from workers.cli import main, watch; watch.LOG_EVERY = 0.1; main()"
    ended = subprocess.run(
        [sys.executable, "-c", every, *words],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "250"},
        **nowhere,
    )
    assert ended.returncode == 1  # no frame came
    assert "127-0-0-1-1-door" in ended.stdout


def test_an_error_keeps_its_code(nowhere):
    assert subprocess.run([*COMMAND, "run"], check=False, **nowhere).returncode == 2


@pytest.mark.parametrize("command", ["models", "models --json int8", "--version", "replay"])
def test_results_that_nobody_can_have_are_an_error_of_one_line(tmp_path, command):
    words = command.split()
    if command == "replay":
        words += [video.clip(tmp_path / "a.mp4"), "--out", tmp_path / "out", "--redis", "none"]
    with FULL.open("w") as full:
        ended = subprocess.run([*COMMAND, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "error: cannot write to standard output: no space left on device"
    assert "Traceback" not in ended.stderr


def test_signs_that_an_encoding_lacks_end_nothing():
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    ended = subprocess.run([*COMMAND, "models", "standard"], env=environment, capture_output=True, check=False)
    assert ended.returncode == 0
    assert b" ? Apache-2.0" in ended.stdout


def test_lines_stay_whole_in_a_pipe():
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    command = [*COMMAND, "models", "standard"]
    lines = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()
    assert max(map(len, lines)) > 250  # as the card has it
    assert all(line.startswith(("  ", "affect-")) for line in lines if line)


def test_lines_come_again_once_there_is_room(monkeypatch):
    with FULL.open("w") as file:
        monkeypatch.setattr(sys, "stderr", file)
        console = terminal.console(stderr=True)
        console.print("lost")
        reader, writer = os.pipe()
        os.dup2(writer, file.fileno())
        os.close(writer)
        console.print("told")
        assert os.read(reader, 1000).endswith(b"told\n")
        os.close(reader)
        os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())
