import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import InputError, MessageError, OutputError
from pipeline.labels import LABELS
from pipeline.messages import End, Results
from pipeline.settings import ParquetSettings
from pipeline.sink.occupancy import NAME
from pipeline.sink.parquet import ParquetWriter
from tests.disk import FolderSync
from tests.pipeline.sink.runs import results

TEXT = pa.dictionary(pa.int32(), pa.string())
COLUMNS = {
    "run": TEXT,
    "frame": pa.int64(),
    "pts": pa.float64(),
    "time": pa.timestamp("us", tz="UTC"),
    "clock": TEXT,
    "track": TEXT,
    **dict.fromkeys(("x", "y", "w", "h", "score", "quality", "yaw", "pitch", "roll"), pa.float32()),
    **{f"p_{label}": pa.float32() for label in LABELS},
    **{f"s_{label}": pa.float32() for label in LABELS},
    "s_std": pa.float32(),
    "dominant": TEXT,
    "intensity": pa.float32(),
    "entropy": pa.float32(),
    "model": TEXT,
}


def write(out, made, settings=None):
    writer = ParquetWriter(out, settings or ParquetSettings())
    for result in made:
        writer.write(result)
    writer.close()


def files(out):
    there = (path for path in out.rglob("*") if path.is_file() and path.name != NAME)
    return sorted(str(path.relative_to(out)) for path in there)


def test_pandas_reads_back_what_was_written(tmp_path):
    made = results(120, faces=3)
    write(tmp_path, made, ParquetSettings(part_rows=50))
    expected = [row for result in made for row in result.emotions]

    frame = pd.read_parquet(tmp_path / "emotions").sort_values("frame", kind="stable", ignore_index=True)

    assert set(frame.columns) == {*COLUMNS, "source", "date"}
    assert frame["frame"].tolist() == [row.stamp.frame for row in expected]
    assert frame["pts"].tolist() == [row.stamp.pts for row in expected]
    assert frame["track"].tolist() == [row.track for row in expected]
    assert (frame["time"].astype("int64") == [row.stamp.time for row in expected]).all()
    for prefix, field in (("p", "raw"), ("s", "smoothed")):
        block = frame[[f"{prefix}_{label}" for label in LABELS]].to_numpy()
        assert (block == np.array([getattr(row, field) for row in expected], np.float32)).all()
        assert block.sum(axis=1) == pytest.approx(1.0, abs=1e-6)
    assert frame["s_std"].tolist() == np.array([row.uncertainty for row in expected], np.float32).tolist()
    assert (frame[["x", "y", "w", "h"]].to_numpy() == np.array([row.box for row in expected], np.float32)).all()
    assert frame["dominant"].tolist() == [row.dominant for row in expected]
    assert set(frame["source"]) == {"door"}
    assert set(frame["clock"]) == {"file"}
    assert set(frame["model"]) == {"net@0123456789ab"}


def test_columns_and_types_are_those_of_the_contract(tmp_path):
    write(tmp_path, results(20))
    path = next((tmp_path / "emotions").rglob("*.parquet"))

    schema = pq.read_schema(path)

    assert dict(zip(schema.names, schema.types, strict=True)) == COLUMNS
    assert list(schema.names) == list(COLUMNS)
    assert {
        key.decode(): value.decode() for key, value in schema.metadata.items() if key.startswith(b"affectstream")
    } == {
        "affectstream.schema": "1",
        "affectstream.source": "door",
        "affectstream.run": "r1",
        "affectstream.first": "0",
        "affectstream.last": "19",
        "affectstream.complete": "1",
        "affectstream.labels": ",".join(LABELS),
    }
    metadata = pq.read_metadata(path)
    assert {metadata.row_group(0).column(i).compression for i in range(metadata.num_columns)} == {"ZSTD"}
    assert path.relative_to(tmp_path).as_posix() == (
        "emotions/source=door/date=2023-11-14/part-r1-0000000000-0000000019.parquet"
    )


def test_the_track_table_sums_up(tmp_path):
    made = results(200, faces=1, life=60)
    write(tmp_path, made)

    tracks = pd.read_parquet(tmp_path / "tracks")
    emotions = pd.read_parquet(tmp_path / "emotions")

    assert tracks["track"].tolist() == ["r1-0-0", "r1-0-1", "r1-0-2", "r1-0-3"]
    assert tracks["frames"].sum() == len(emotions)
    assert (tracks["seconds"] == tracks["last_pts"] - tracks["first_pts"]).all()
    assert tracks[[f"p_{label}" for label in LABELS]].sum(axis=1).to_numpy() == pytest.approx(1.0)
    assert tracks["share"].between(0, 1).all()


def test_a_run_without_faces_gives_a_valid_empty_table(tmp_path):
    write(tmp_path, results(10, faces=0))

    for table in ("emotions", "tracks"):
        frame = pd.read_parquet(tmp_path / table)
        assert len(frame) == 0
        assert {"source", "run", "track", "dominant", "p_neutral"} <= set(frame.columns)
    assert ParquetWriter(tmp_path, ParquetSettings()).frontier("door", "r1").complete


def test_writing_a_run_again_changes_no_file(tmp_path):
    write(tmp_path, results(100))
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in files(tmp_path)}

    write(tmp_path, results(100))

    assert {name: (tmp_path / name).stat().st_mtime_ns for name in files(tmp_path)} == before


def test_a_stopped_run_is_not_complete(tmp_path):
    write(tmp_path, results(100, complete=False))
    writer = ParquetWriter(tmp_path, ParquetSettings())

    frontier = writer.frontier("door", "r1")

    assert frontier.frame > 50
    assert not frontier.complete
    assert writer.frontier("door", "r2") == (-1, False)


def test_what_is_old_may_be_deleted_while_more_is_written(tmp_path):
    made = results(100)
    writer = ParquetWriter(tmp_path, ParquetSettings())
    for result in made[:60]:
        writer.write(result)
    writer.flush()
    for day in tmp_path.glob("*/source=*/date=*"):
        shutil.rmtree(day)
    for result in made[60:]:
        writer.write(result)
    writer.close()
    assert pd.read_parquet(tmp_path / "emotions")["frame"].min() >= 60


def test_a_tick_makes_a_quiet_stream_durable(tmp_path):
    writer = ParquetWriter(tmp_path, ParquetSettings(part_seconds=0.05))
    writer.write(results(1)[0])
    assert files(tmp_path) == []

    time.sleep(0.1)
    writer.tick()

    assert len(files(tmp_path)) == 1
    assert writer.frontier("door", "r1").frame == 0


def test_what_a_dead_writer_left_is_cleared_away_but_not_what_a_living_one_writes(tmp_path):
    folder = tmp_path / "emotions" / "source=door" / "date=2023-11-14"
    folder.mkdir(parents=True)
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    dead = folder / f".part-r1-{int(done.stdout)}-0123abcd.tmp"
    others = {
        folder / f".part-r1-{os.getppid()}-0123abcd.tmp",
        folder / f".part-r1-x-{int(done.stdout)}-0123abcd.tmp",
    }
    for path in (dead, *others):
        path.write_bytes(b"half")

    write(tmp_path, results(20))

    assert not dead.exists()
    assert set(folder.glob(".*")) == others
    assert len(pd.read_parquet(tmp_path / "emotions")) > 20


def test_a_part_that_is_damaged_is_named(tmp_path):
    write(tmp_path, results(20))
    (part,) = (tmp_path / "emotions").rglob("*.parquet")
    part.write_bytes(part.read_bytes()[:-100])  # as a copy that was cut short
    with pytest.raises(OutputError, match=rf"{part.name}.*not whole.*delete it"):
        write(tmp_path, results(20))
    part.unlink()
    write(tmp_path, results(20))
    assert pd.read_parquet(tmp_path / "emotions")["frame"].nunique() == 20


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    taken = tmp_path / "taken"
    taken.touch()

    for out in (taken, taken / "below"):
        with pytest.raises(InputError, match=r"taken.*--out"):
            ParquetWriter(out, ParquetSettings())


def test_a_folder_that_cannot_be_written_is_refused():
    if not Path("/proc/self").exists():
        pytest.skip("needs /proc, where nobody may make a file")

    with pytest.raises(OutputError, match=r"/proc.*--out"):
        ParquetWriter(Path("/proc"), ParquetSettings())


def test_ends_of_unknown_runs_are_harmless(tmp_path):
    write(tmp_path, [Results(ends=(End("door", "r9", complete=False),))])

    assert files(tmp_path) == []


@pytest.mark.parametrize("name", ["x/../../../elsewhere", "..", "/elsewhere", "a/b", "a\0", "a\n", "A", "", "-a", ".a"])
def test_what_is_no_id_becomes_no_path(tmp_path, name):
    writer = ParquetWriter(tmp_path / "below" / "results", ParquetSettings(part_rows=1))
    before = sorted(tmp_path.rglob("*"))
    end = [Results(ends=(End(*ids, complete=True),)) for ids in ((name, "r1"), ("door", name))]
    for made in (*results(20, source=name)[:1], *results(20, run=name)[:1], *end):
        with pytest.raises(MessageError, match="cannot be part of a path"):
            writer.write(made)
    assert sorted(tmp_path.rglob("*")) == before
    writer.close()


def test_any_reader_of_hive_folders_finds_the_source(tmp_path):
    import pyarrow.dataset as ds

    for source in ("cam1", "cam2", "e5"):
        write(tmp_path, results(10, source=source))

    table = ds.dataset(tmp_path / "emotions", partitioning="hive").to_table(filter=ds.field("source") == "cam2")

    assert set(table["source"].to_pylist()) == {"cam2"}
    assert sorted(pd.read_parquet(tmp_path / "emotions")["source"].unique()) == [
        "cam1",
        "cam2",
        "e5",
    ]


def frames(out):
    return sorted(pd.read_parquet(out / "emotions")["frame"])


@pytest.mark.parametrize("patient", [True, False])
def test_a_part_whose_folder_cannot_be_synced_was_written_and_is_not_written_again(tmp_path, monkeypatch, patient):
    made = results(120, faces=1)
    FolderSync(monkeypatch)
    writer = ParquetWriter(tmp_path, ParquetSettings(part_rows=50), patient=patient)
    for result in made:
        writer.write(result)
    writer.close()
    assert frames(tmp_path) == [row.stamp.frame for result in made for row in result.emotions]


def test_flushing_is_done_only_when_folders_are_synced_those_of_runs_that_have_ended_too(tmp_path, monkeypatch):
    """Whoever flushes gives away what the rows were made of."""
    out, made = tmp_path / "new" / "out", results(120, faces=1)
    disk = FolderSync(monkeypatch)
    writer = ParquetWriter(out, ParquetSettings(part_rows=50), lambda: None)
    for result in made:
        writer.write(result)
    for _ in range(2):
        with pytest.raises(OutputError, match="input/output error"):
            writer.flush()
    disk.error = 0
    writer.flush()
    writer.close()
    folders = [folder for path in out.rglob("part-*") for folder in (path.parent, *path.parent.parents[:5])]
    assert tmp_path in folders
    assert all(disk.has(folder) for folder in folders)
    assert frames(out) == [row.stamp.frame for result in made for row in result.emotions]


def test_whoever_takes_over_syncs_what_it_finds_before_it_says_that_all_is_durable(tmp_path, monkeypatch):
    made = results(120, faces=1, complete=False)
    disk = FolderSync(monkeypatch)

    def write_all():
        writer = ParquetWriter(tmp_path, ParquetSettings(part_rows=50), lambda: None)
        for result in made:
            writer.write(result)
        writer.flush()

    for _ in range(2):  # the second finds all rows there
        with pytest.raises(OutputError, match="input/output error"):
            write_all()
    disk.error = 0
    write_all()
    assert all(disk.has(path.parent) for path in tmp_path.rglob("part-*"))
    assert disk.has(tmp_path)
    assert frames(tmp_path) == [row.stamp.frame for result in made for row in result.emotions]
