import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from workers.cluster.pulse import Pulse, ailment

ROOT = Path(__file__).parents[3]

CHILD = """
import sys
from workers.cluster.pulse import Pulse
pulse = Pulse("sink")
pulse.beat()
print("beats", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def pulse():
    made = Pulse("sink")
    yield made
    made.close()


def is_well(stages, within):
    return ailment(stages, within) == ""


def stop_beating(path):
    os.utime(path, (0, 0))


def test_a_pulse_is_seen_while_it_is_fresh(folder, pulse):
    assert not is_well("sink", 60)
    pulse.beat()
    assert is_well("sink", 60)
    (path,) = folder.iterdir()
    stop_beating(path)
    assert not is_well("sink", 60)
    pulse.beat()
    assert is_well("sink", 60)
    assert not is_well("tracker", 60)
    pulse.close()
    assert not is_well("sink", 60)
    assert list(folder.iterdir()) == []


def test_what_is_wrong_is_told(affectstream, folder, pulse):
    ended = affectstream("worker", "sink", "--check")
    assert (ended.code, ended.err) == (1, "no worker 'sink' of this user is at work on this machine\n")
    pulse.beat()
    ended = affectstream("worker", "sink", "--check")
    assert (ended.code, ended.err) == (0, "")
    (path,) = folder.iterdir()
    stop_beating(path)
    ended = affectstream("worker", "sink", "--check")
    assert ended.code == 1
    assert re.fullmatch(r"a worker 'sink' has been silent for \d+ s\n", ended.err)


def test_one_that_hangs_is_not_hidden_by_its_neighbour(folder, pulse):
    pulse.beat()
    (path,) = folder.iterdir()
    neighbour = Pulse("sink")
    neighbour.beat()
    stop_beating(path)
    assert not is_well("sink", 60)
    pulse.close()
    assert is_well("sink", 60)  # the end of one takes nothing from the other
    neighbour.close()


def test_it_comes_back_where_the_folder_was_cleared(folder, pulse):
    pulse.beat()
    for path in folder.iterdir():
        path.unlink()
    pulse.beat()
    assert is_well("sink", 60)


def test_what_the_dead_left_is_passed_over_and_removed_by_the_next_worker(folder, pulse):
    pulse.beat()
    environment = os.environ | {"TMPDIR": str(folder)}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        (of_child,) = set(folder.iterdir()) - {Path(pulse._file.name)}
        stop_beating(of_child)
        assert not is_well("sink", 60)
        child.kill()
    assert is_well("sink", 60)
    assert of_child.exists()
    successor = Pulse("sink")
    successor.beat()
    successor.close()
    assert not of_child.exists()
    assert Path(pulse._file.name).exists()


def test_workers_of_other_users_and_stages_have_a_pulse_of_their_own(monkeypatch, pulse):
    pulse.beat()
    assert not is_well("ingest", 60)
    assert not is_well("", 60)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert not is_well("sink", 60)
