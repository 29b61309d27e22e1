"""Long files in parts, beside short ones, in processes of this machine."""

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace

import av
import pandas as pd
import pytest

from pipeline.ingest.source import expand
from pipeline.sink.occupancy import occupied
from tests import video
from tests.tables import assert_alike
from tests.workers.films import film
from workers.config import load_config
from workers.engine import Engine
from workers.replay.archive import long_files, replay_side_by_side
from workers.replay.checkpoint import save
from workers.replay.executor import TaskLost
from workers.replay.file import replay
from workers.replay.long import parts_of, replay_long
from workers.replay.outcome import Status
from workers.replay.processes import Processes

TIMES = [2 + n / 25 for n in range(80)]
"""s of the scene: the second face comes at 3 s."""

LEAST = 0.8
"""s of video in a part."""


@pytest.fixture(scope="module")
def engine():
    settings = {"redis": {"url": "none"}, "parquet": {"part_rows": 20}, "smoother": {"lag": 0.4}}
    return Engine.load(load_config(None, settings))


def into(engine, out):
    return replace(engine, config=engine.config.model_copy(update={"out": out}))


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with Processes(2) as executor:
        yield executor


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    return film(tmp_path_factory.mktemp("long") / "long.mp4", TIMES, gop=20, options={"bf": "2"})


@pytest.fixture(scope="module")
def whole(long, engine, tmp_path_factory):
    """The rows of the long file, read in one go."""
    out = tmp_path_factory.mktemp("whole")
    (outcome,) = replay(expand([str(long)]), into(engine, out), None, lambda _: None, lambda: False)
    assert outcome.status is Status.DONE
    return out


def in_parts(executor, engine, out, paths, *, report=lambda _: None, stopped=lambda: False):
    sources = expand([str(path) for path in paths])
    outcomes = replay_side_by_side(executor, into(engine, out), None, sources, report, stopped, LEAST)
    return {outcome.source: outcome for outcome in outcomes}


def rows(out, table):
    found = pd.read_parquet(out / table)
    labels = found.select_dtypes("category").columns  # categories depend on how the parts were cut
    return found.astype(dict.fromkeys(labels, str)).sort_values(["source", "run", "track", *found.columns[2:3]])


def assert_same(one, other):
    for table in ("emotions", "tracks"):
        assert_alike(rows(one, table), rows(other, table))


def test_a_long_file_and_a_short_one(processes, engine, long, whole, tmp_path):
    told = []
    short = video.clip(tmp_path / "short.mp4", frames=10)
    outcomes = in_parts(processes, engine, tmp_path / "out", [long, short], report=told.append)
    assert {name: outcome.status for name, outcome in outcomes.items()} == {"long": Status.DONE, "short": Status.DONE}
    assert (outcomes["long"].frames, outcomes["long"].note) == (80, "")
    assert outcomes["long"].faces == len(rows(whole, "emotions"))
    assert_same(tmp_path / "out", whole)
    assert all(0 <= progress.share <= 1 and progress.part is None for progress in told)

    again = in_parts(processes, engine, tmp_path / "out", [long])
    assert again["long"].status is Status.ALREADY


@pytest.fixture(scope="module")
def halted(engine, long, whole, tmp_path_factory):
    """What is left of a replay of the long file that was stopped once a part was written."""
    stop = threading.Event()
    out = tmp_path_factory.mktemp("halted")
    held = []

    def saved(*what):
        held.append(occupied(out))
        save(*what)

    def wants_to_stop():
        if list(out.glob("emotions/**/part-*")):
            stop.set()
        return stop.is_set()

    with Processes(2) as executor, pytest.MonkeyPatch.context() as patch:
        patch.setattr("workers.replay.long.save", saved)
        outcomes = in_parts(executor, engine, out, [long], stopped=wants_to_stop)
    assert outcomes["long"].status is Status.STOPPED
    assert held == [True]  # or whoever erases just then would not find what was stopped
    assert 0 < len(rows(out, "emotions")) < len(rows(whole, "emotions"))
    assert list(out.glob(".stopped-long-*"))
    return out


@pytest.mark.parametrize("lost", [False, True])
def test_stopped_and_run_again(engine, processes, long, whole, halted, tmp_path, lost):
    out = shutil.copytree(halted, tmp_path / "out")
    if lost:
        shutil.rmtree(out / "emotions")
    again = in_parts(processes, engine, out, [long])["long"]
    assert again.status is Status.DONE
    # It goes on from the last part that was written, unless rows of it are gone.
    assert (again.frames == 80) is lost
    assert_same(out, whole)
    assert not list(out.glob(".*"))


def test_tasks_that_were_stopped_complete_nothing(engine, processes, long, whole, tmp_path):
    with Processes(1) as executor:
        executor.stop()
        executor.workers = 2  # or nothing would be divided
        assert in_parts(executor, engine, tmp_path / "out", [long])["long"].status is Status.STOPPED
    assert in_parts(processes, engine, tmp_path / "out", [long])["long"].status is Status.DONE
    assert_same(tmp_path / "out", whole)


def test_a_file_without_key_frames_is_read_in_one_go(processes, engine, tmp_path):
    path = film(tmp_path / "rare.mp4", TIMES[:60], gop=1000)
    outcome = in_parts(processes, engine, tmp_path / "out", [path])["rare"]
    assert (outcome.status, outcome.frames) == (Status.DONE, 60)
    assert outcome.note == "read in one go, because its key frames are too far apart"


def test_damage_just_before_a_cut_is_found_out(processes, engine, tmp_path):
    """A frame that the packets promise and the decoder does not give: what comes after is not what it would be."""
    path = film(tmp_path / "hurt.mp4", TIMES[:60], gop=20, options={"bf": "0"})
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][19]
        content = bytearray(path.read_bytes())
        content[packet.pos + 5 : packet.pos + packet.size] = bytes(packet.size - 5)
    path.write_bytes(content)
    sources = expand([str(path)])
    (expected,) = replay(sources, into(engine, tmp_path / "whole"), None, lambda _: None, lambda: False)
    assert expected.frames < 60
    outcome = in_parts(processes, engine, tmp_path / "out", [path])["hurt"]
    assert (outcome.status, outcome.frames) == (Status.DONE, expected.frames)
    assert outcome.note == "1 corrupt packet skipped; read in one go, because its content is damaged"
    assert_same(tmp_path / "out", tmp_path / "whole")


def test_what_is_no_video_fails_alone(processes, engine, tmp_path):
    (tmp_path / "text.mp4").write_text("this is no video")
    good = video.clip(tmp_path / "good.mp4", frames=5)
    outcomes = in_parts(processes, engine, tmp_path / "out", [tmp_path / "text.mp4", good])
    assert outcomes["text"].status is Status.FAILED
    assert "not a video" in outcomes["text"].note
    assert outcomes["good"].status is Status.DONE


def test_a_long_file_that_goes_away_fails_alone(processes, engine, long, tmp_path):
    source = expand([str(shutil.copy(long, tmp_path / "gone.mp4"))])[0]
    source.path.unlink()
    outcome = replay_long(processes, into(engine, tmp_path / "out"), None, source, 4, LEAST, lambda: False)
    assert outcome.status is Status.FAILED
    assert "is not there" in outcome.note


def test_a_process_that_dies_takes_no_file_for_done(engine, long, tmp_path):
    with Processes(1) as executor:
        last = [executor.submit(os.getpid) for _ in range(50)][-1]
        assert last.cancel() or last.done()
        with pytest.raises(TaskLost, match="died"):
            executor.submit(os._exit, 3).result(60)
        with pytest.raises(TaskLost, match="died"):
            executor.submit(os.getpid).result(60)
        outcomes = in_parts(executor, engine, tmp_path / "out", [long])
    assert outcomes["long"].status is Status.FAILED
    assert "died" in outcomes["long"].note


def test_reports_that_nobody_reads_any_more_keep_no_process_alive():
    talk = """
from workers.replay import tasks
from workers.replay.outcome import Progress
for number in range(5000):
    tasks._Process.context.report(Progress("door", number, 0, None))
"""
    executor = Processes(1)
    executor.submit(exec, talk).result(60)
    leaving = threading.Thread(target=executor.__exit__, args=(None, None, None), daemon=True)
    leaving.start()
    leaving.join(20)
    assert not leaving.is_alive()


def test_no_file_is_divided_where_not_every_frame_is_searched(processes, long, tmp_path):
    engine, sources = Engine.load(load_config(None, {"detector": {"every": 3}})), expand([str(long)])
    (expected,) = replay(sources, into(engine, tmp_path / "whole"), None, lambda _: None, lambda: False)
    shared = (lambda _: None, lambda: False, LEAST)
    (outcome,) = replay_side_by_side(processes, into(engine, tmp_path / "parts"), None, sources, *shared)
    assert (outcome.status, outcome.faces) == (Status.DONE, expected.faces)
    assert_same(tmp_path / "parts", tmp_path / "whole")


def test_only_files_longer_than_their_share_are_divided(tmp_path):
    for name, frames in {"long": 250, "middle": 60, "short": 25, "twin": 60}.items():
        video.clip(tmp_path / f"{name}.mp4", frames=frames)
    long, middle, short, twin = expand([str(tmp_path)])
    assert long_files([long, middle, short], 2, LEAST) == {"long": parts_of(10, 2, LEAST)}
    assert set(long_files([long, middle, short], 8, LEAST)) == {"long", "middle"}
    assert long_files([long], 1, LEAST) == {}
    assert long_files([middle, twin], 2, LEAST) == {}
    assert long_files([long] + [short] * 8, 2, LEAST) == {}  # enough to do for everybody
    assert long_files([long], 2, 60.0) == {}
    short.path.write_bytes(b"")
    assert long_files([short], 2, LEAST) == {}
