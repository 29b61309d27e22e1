"""What a folder holds, told without reading its tables: compared with the tables themselves."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.ingest.source import parse_source
from pipeline.messages import Results
from pipeline.settings import ParquetSettings
from pipeline.sink.occupancy import alone, writing
from pipeline.sink.parquet import ParquetWriter
from tests.outputs import START, write_output
from tests.pipeline.sink.runs import results
from workers.config import load_config
from workers.inventory import State, take_stock
from workers.outputs import origin

FILE, OTHER = "r0123456789a", "r0123456789b"
LIVE, LATER = "20231114t221320-01234567", "20231115t101010-01234567"
SMALL = ParquetSettings(part_seconds=5)


def written(out: Path, **more) -> Path:
    """A run of a file whose faces come and go, in several parts of both tables."""
    writer = ParquetWriter(out, SMALL)
    for each in results(600, **({"source": "film", "run": FILE} | more)):
        writer.write(each)
    writer.close()
    return out


def snapshot(out: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in out.rglob("*")}


def the_newest(out: Path, table: str = "emotions") -> Path:
    return max(out.glob(f"{table}/*/*/part-*"), key=lambda path: path.name)


def test_what_is_told_is_what_the_tables_hold_and_nothing_is_changed(tmp_path):
    written(tmp_path)
    written(tmp_path, source="hall", run=LIVE, start=START + 86_400_000_000, complete=False)
    was = snapshot(tmp_path)
    told = []
    found = take_stock(tmp_path, report=lambda *each: told.append(each))
    assert snapshot(tmp_path) == was
    assert (found.busy, found.damage, found.foreign) == (False, (), ())
    assert [(run.source, run.run, run.state) for run in found.runs] == [
        ("film", FILE, State.FINISHED),
        ("hall", LIVE, State.ENDED),
    ]
    rows, tracks = pd.read_parquet(tmp_path / "emotions"), pd.read_parquet(tmp_path / "tracks")
    for run in found.runs:
        mine, ended = (table[table["source"] == run.source] for table in (rows, tracks))
        assert run.rows == len(mine) > 500
        assert run.tracks == len(ended) > 10
        assert (run.first, run.last) == (mine["time"].min(), mine["time"].max())
        assert run.seconds == (mine["time"].max() - mine["time"].min()).total_seconds()
        assert [*run.models] == [*mine["model"].unique()]
        files = [*tmp_path.glob(f"*/source={run.source}/*/part-*")]
        assert run.parts == len(files) > 6
        assert run.bytes == sum(path.stat().st_size for path in files)
    assert told[-1] == (sum(run.parts for run in found.runs),) * 2


def test_how_it_was_made_is_told_where_the_parts_tell_it(tmp_path):
    video = tmp_path / "door.mp4"
    video.touch()
    options = {"ingest": {"fps": 5, "read_timeout": 3}, "detector": {"model": "fast"}, "smoother": {"lag": 0}}
    config = load_config(None, options)
    made = origin(config, parse_source(str(video), ingest=config.ingest, detector=config.detector))
    write_output(tmp_path, 3, run=FILE, origin=made)
    write_output(tmp_path, 3, source="silent", run=OTHER)
    door, silent = take_stock(tmp_path).runs
    assert door.changes == {"ingest.fps": 5, "detector.model": "fast", "smoother.lag": 0}
    assert door.settings["ingest"]["read_timeout"] == 3
    assert door.read_from == str(video)
    assert door.version
    assert (silent.changes, silent.settings, silent.read_from, silent.version) == ({}, {}, "", "")


@pytest.mark.parametrize(("birth", "changes"), [(0.72, {}), (0.9, {"tracker.birth": 0.9})])
def test_what_the_card_of_the_detector_says_is_a_default(tmp_path, birth, changes):
    config = load_config(None, {"detector": {"threshold": 0.55}, "tracker": {"birth": birth}})
    write_output(tmp_path, 2, run=FILE, origin=origin(config))
    assert take_stock(tmp_path).runs[0].changes == changes


def test_a_replay_that_was_stopped_is_unfinished_even_without_a_row(tmp_path):
    write_output(tmp_path, 3, run=FILE, complete=False)
    (tmp_path / f".stopped-hall-2-{OTHER}.state").touch()
    (tmp_path / f".stopped-attic-{OTHER}.state.01234567.tmp").touch()
    door, hall = take_stock(tmp_path).runs
    assert (door.state, door.tracks) == (State.UNFINISHED, 0)
    assert (hall.source, hall.run, hall.state, hall.rows, hall.first) == ("hall-2", OTHER, State.UNFINISHED, 0, None)
    assert [run.source for run in take_stock(tmp_path, ["door"]).runs] == ["door"]


def test_only_what_has_not_ended_may_be_running_while_somebody_writes(tmp_path):
    write_output(tmp_path, 3, source="film", run=FILE)
    write_output(tmp_path, 3, source="film", run=OTHER, complete=False)
    write_output(tmp_path, 3, run=LIVE, complete=False)
    write_output(tmp_path, 3, run=LATER, complete=False, start=START + 10**11)
    at_rest = [State.ENDED, State.ENDED, State.FINISHED, State.UNFINISHED]
    assert [run.state for run in take_stock(tmp_path).runs] == at_rest
    with writing(tmp_path):
        found = take_stock(tmp_path)
    assert found.busy
    assert [run.state for run in found.runs] == [State.ENDED, State.OPEN, State.FINISHED, State.OPEN]
    assert [run.state for run in take_stock(tmp_path).runs] == at_rest
    with alone(tmp_path):
        assert take_stock(tmp_path).busy


def test_a_part_that_is_not_whole_is_told_and_the_rest_as_well(tmp_path):
    written(tmp_path)
    written(tmp_path, source="hall", run=OTHER)
    broken = the_newest(tmp_path)
    os.truncate(broken, 1000)
    found = take_stock(tmp_path)
    whole, damaged = sorted(found.runs, key=lambda run: run.run in broken.name)
    assert (whole.state, damaged.state) == (State.FINISHED, State.DAMAGED)
    assert 0 < damaged.rows < whole.rows
    (line,) = found.damage
    assert line.startswith(f"{broken} is not whole")


def test_tracks_whose_last_part_is_missing_are_told(tmp_path):
    written(tmp_path)
    the_newest(tmp_path, "tracks").unlink()
    found = take_stock(tmp_path)
    assert [run.state for run in found.runs] == [State.DAMAGED]
    assert "the last part of its tracks is missing" in found.damage[0]


def test_a_part_that_may_not_be_read_is_told(tmp_path):
    written(tmp_path)
    path = the_newest(tmp_path)
    path.unlink()
    path.mkdir()
    path.rename(path.with_suffix(".away"))
    path.symlink_to(path)  # which cannot be opened, whoever asks
    (line,) = take_stock(tmp_path).damage
    assert line.startswith(f"cannot read {path}: ")


def test_what_is_no_part_is_left_out_and_hidden_files_are_passed_over(tmp_path):
    written(tmp_path)
    before = take_stock(tmp_path).runs
    part = the_newest(tmp_path)
    strange = [
        part.with_name("day.parquet"),
        tmp_path / "emotions" / "notes.txt",
        tmp_path / "emotions" / part.name,
    ]
    for path in strange:
        shutil.copy(part, path)
    shutil.copy(part, part.with_name(f".{part.name}"))
    (tmp_path / "redis.rdb").touch()
    found = take_stock(tmp_path)
    assert found.runs == before
    assert sorted(found.foreign) == sorted(strange)


def test_days_that_are_deleted_leave_a_run_with_what_is_left(tmp_path):
    late = START + 6_390_000_000  # a few seconds before midnight
    written(tmp_path, run=LIVE, start=late, complete=False)
    shutil.rmtree(tmp_path / "emotions" / "source=film" / "date=2023-11-14")
    shutil.rmtree(tmp_path / "tracks" / "source=film" / "date=2023-11-14")
    (run,) = take_stock(tmp_path).runs
    assert run.first == pd.read_parquet(tmp_path / "emotions")["time"].min() >= datetime(2023, 11, 15, tzinfo=UTC)
    assert run.last - run.first < timedelta(seconds=20)


def test_a_run_without_faces_is_there_without_a_time(tmp_path):
    writer = ParquetWriter(tmp_path, SMALL)
    writer.write(Results(ends=results(1, source="film", run=FILE)[-1].ends))
    writer.close()
    (run,) = take_stock(tmp_path).runs
    assert (run.state, run.rows, run.tracks, run.first, run.models, run.seconds) == (State.FINISHED, 0, 0, None, (), 0)


def test_times_are_told_of_parts_of_several_row_groups(tmp_path):
    written(tmp_path)
    before = take_stock(tmp_path).runs
    for path in tmp_path.glob("emotions/*/*/part-*"):
        with pq.ParquetFile(path) as file:
            rows = file.read()
        pq.write_table(rows, path, row_group_size=7, compression="zstd")
    (run,) = take_stock(tmp_path).runs
    assert (run.first, run.last, run.rows, run.models) == (
        before[0].first,
        before[0].last,
        before[0].rows,
        before[0].models,
    )
