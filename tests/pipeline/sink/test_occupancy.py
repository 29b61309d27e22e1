"""Writers and whoever erases keep out of each other's way, in processes of their own too."""

import gc
import logging
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack

import pandas as pd
import pytest

from pipeline.channel import Closed
from pipeline.errors import InputError, OutputError
from pipeline.messages import Results
from pipeline.settings import ParquetSettings
from pipeline.sink.occupancy import NAME, alone, occupied, writing
from pipeline.sink.parquet import ParquetWriter
from tests.outputs import write_output
from tests.pipeline.sink.runs import results

SETTINGS = ParquetSettings()

HOLDER = """
import sys, time
from pathlib import Path
from pipeline.sink.occupancy import alone, writing
held = {"alone": alone, "writing": writing}[sys.argv[1]](Path(sys.argv[2]))
held.__enter__()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hold():
    running = []

    def begin(how, out):
        command = [sys.executable, "-c", HOLDER, how, str(out)]
        running.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        assert running[-1].stdout.readline() == b"held\n"
        return running[-1]

    yield begin
    for one in running:
        one.kill()
        one.communicate()


def test_nobody_erases_while_any_writer_has_the_folder(tmp_path):
    first, second = (ParquetWriter(tmp_path, SETTINGS) for _ in range(2))
    for writer in (first, second):
        with pytest.raises(InputError, match="another process writes to"), alone(tmp_path):
            pass
        writer.close()
    with alone(tmp_path), pytest.raises(InputError), alone(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_writer_that_is_left_lying_about_keeps_nobody_out(tmp_path):
    ParquetWriter(tmp_path, SETTINGS)
    gc.collect()
    with alone(tmp_path):
        pass


def test_a_folder_is_held_to_the_end_of_a_stack_though_nobody_keeps_what_holds_it(tmp_path):
    with ExitStack() as last:
        last.enter_context(writing(tmp_path))
        gc.collect()
        with pytest.raises(InputError), alone(tmp_path):
            pass
    with alone(tmp_path):
        pass


def test_what_a_process_that_was_killed_leaves_keeps_nobody_out(tmp_path, hold):
    other = hold("writing", tmp_path)
    with pytest.raises(InputError), alone(tmp_path):
        pass
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert (tmp_path / NAME).exists()
    with alone(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_writer_waits_until_erasing_has_ended(tmp_path, hold, caplog):
    other = hold("alone", tmp_path)
    done = threading.Event()

    def write():
        ParquetWriter(tmp_path, SETTINGS).close()
        done.set()

    writing = threading.Thread(target=write)
    with caplog.at_level(logging.WARNING):
        writing.start()
        deadline = time.monotonic() + 30
        while not caplog.messages and time.monotonic() < deadline:
            time.sleep(0.05)
    assert "waiting until `affectstream erase`" in caplog.text
    assert not done.is_set()
    other.communicate()
    writing.join(30)
    assert done.is_set()
    assert not list(tmp_path.iterdir())


def test_a_writer_that_waits_may_be_stopped(tmp_path):
    with alone(tmp_path), pytest.raises(OutputError, match="run again"):
        ParquetWriter(tmp_path, SETTINGS, stopped=lambda: True)


def test_many_that_come_and_go_at_once_never_meet_one_who_is_alone(tmp_path):
    writers, met, had, stopped = [], [], [], threading.Event()

    def write():
        while not stopped.is_set():
            with writing(tmp_path):
                writers.append(1)
                time.sleep(0.001)
                writers.pop()
            time.sleep(0.003)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while len(had) < 5 and time.monotonic() < deadline:
        try:
            with alone(tmp_path):
                had.append(1)
                for _ in range(20):
                    met.extend(writers)
                    time.sleep(0.001)
        except InputError:
            pass
    stopped.set()
    for thread in threads:
        thread.join()
    assert len(had) == 5
    assert not met
    assert not list(tmp_path.iterdir())


def test_a_closed_writer_writes_nothing_while_another_erases(tmp_path):
    made = results(60, faces=1)
    writer = ParquetWriter(tmp_path, ParquetSettings(part_rows=20))
    for result in made[:30]:
        writer.write(result)
    writer.close()
    before = sorted(tmp_path.rglob("*"))
    with alone(tmp_path):
        for result in (*made[30:], Results()):
            with pytest.raises(Closed):
                writer.write(result)
        with pytest.raises(Closed):
            writer.frontier("door", "r1")
        writer.tick()
        writer.close()
    assert sorted(tmp_path.rglob("*")) == before


def test_what_a_writer_gives_up_is_not_written(tmp_path):
    writer = ParquetWriter(tmp_path, SETTINGS)
    writer.write(results(1)[0])
    writer.close(save=False)
    assert not list(tmp_path.iterdir())


def test_readers_pass_over_the_lock(tmp_path):
    write_output(tmp_path, tracks=2)
    rows = len(pd.read_parquet(tmp_path / "emotions"))
    for folder in (tmp_path, tmp_path / "emotions"):  # wherever a reader may begin
        (folder / NAME).touch()
    assert len(pd.read_parquet(tmp_path / "emotions")) == rows


def test_where_files_cannot_be_locked_all_goes_on(tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    writer = ParquetWriter(tmp_path, SETTINGS)
    with alone(tmp_path):
        pass
    writer.close()
    assert "cannot be locked" in caplog.text


@pytest.mark.parametrize("how", ["writing", "alone"])
def test_whoever_is_at_work_is_seen_and_nothing_is_made_for_the_look(tmp_path, hold, how):
    assert not occupied(tmp_path)
    assert not occupied(tmp_path / "missing")
    other = hold(how, tmp_path)
    assert occupied(tmp_path)
    other.kill()
    other.wait()
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert not occupied(tmp_path)  # and what was killed is not taken for somebody
    with writing(tmp_path):  # nor does the look hold anything
        pass
    assert not list(tmp_path.iterdir())
