"""Writers of Parquet are killed at any instant, and disks fill up."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.errors import OutputError
from pipeline.settings import ParquetSettings
from pipeline.sink import tables
from pipeline.sink.parquet import ParquetWriter
from tests.pipeline.sink.runs import results

CUTS = ParquetSettings(part_rows=60)
FRAMES = 600

CHILD = f"""
import sys
from pathlib import Path
from pipeline.settings import ParquetSettings
from pipeline.sink.parquet import ParquetWriter
from tests.pipeline.sink.runs import results
made = results({FRAMES}, life=50)
writer = ParquetWriter(Path(sys.argv[1]), ParquetSettings(part_rows=60))
print("ready", flush=True)
for result in made:
    writer.write(result)
writer.close()
"""


def rows(out, table):
    frame = pd.read_parquet(out / table)
    frame = frame.astype(dict.fromkeys(frame.select_dtypes("category").columns, "str"))
    return frame.sort_values(["frame" if table == "emotions" else "first_frame", "track"], ignore_index=True)


def write(out, made):
    writer = ParquetWriter(out, CUTS)
    for result in made:
        writer.write(result)
    writer.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    write(out, results(FRAMES, life=50))
    return {table: rows(out, table) for table in ("emotions", "tracks")}


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_writer_leaves_whole_parts_and_the_next_completes_them(tmp_path, whole, seed):
    chance = random.Random(seed)
    kills = 0
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
        ) as child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(chance.uniform(0.0, 0.12))
            kills += child.poll() is None
            child.kill()
        for table in ("emotions", "tracks"):
            for path in (tmp_path / table).rglob("*.parquet"):
                pq.read_table(path)
            if list((tmp_path / table).rglob("*.parquet")):
                found = rows(tmp_path, table)
                pd.testing.assert_frame_equal(found, whole[table].iloc[: len(found)])
    assert kills

    write(tmp_path, results(FRAMES, life=50))

    for table in ("emotions", "tracks"):
        pd.testing.assert_frame_equal(rows(tmp_path, table), whole[table])
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip("a small disk can be mounted by root alone")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_nothing_corrupt_and_is_recovered_from(small_disk, whole):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(150_000))

    with pytest.raises(OutputError, match=rf"no space left for {small_disk}.*run again"):
        write(small_disk, results(FRAMES, life=50))

    written = rows(small_disk, "emotions")
    pd.testing.assert_frame_equal(written, whole["emotions"].iloc[: len(written)])
    assert 0 < len(written) < len(whole["emotions"])
    assert not [path for path in small_disk.rglob(".*") if path.is_file()]

    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    write(small_disk, results(FRAMES, life=50))

    for table in ("emotions", "tracks"):
        pd.testing.assert_frame_equal(rows(small_disk, table), whole[table])


BY_TIME = ParquetSettings(part_seconds=1.0)


@pytest.mark.parametrize("cuts", [CUTS, BY_TIME], ids=["by rows", "by time"])
def test_a_writer_that_fails_keeps_every_row_until_there_is_room_again(small_disk, whole, cuts):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(200_000))
    writer = ParquetWriter(small_disk, cuts)
    failures = 0
    for result in results(FRAMES, life=50):
        try:
            writer.write(result)
        except OutputError:
            failures += 1
            subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    writer.close()

    assert failures == 1
    for table in ("emotions", "tracks"):
        pd.testing.assert_frame_equal(rows(small_disk, table), whole[table])


@pytest.mark.parametrize("cuts", [CUTS, BY_TIME], ids=["by rows", "by time"])
def test_a_patient_writer_warns_and_tries_again(small_disk, whole, cuts, monkeypatch, caplog):
    monkeypatch.setattr(tables, "RETRY", 0.0)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(200_000))
    writer = ParquetWriter(small_disk, cuts, patient=True)
    waited = 0
    for result in results(FRAMES, life=50):
        writer.write(result)
        waited += "no space left" in caplog.text
        if waited == 50:
            subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    writer.close()

    assert caplog.text.count("no space left") == caplog.text.count("can be written again") == 1
    for table in ("emotions", "tracks"):
        pd.testing.assert_frame_equal(rows(small_disk, table), whole[table])


def test_patience_has_its_limit_in_memory_and_at_the_end(small_disk, monkeypatch):
    (small_disk / "ballast").write_bytes(bytes(250_000))
    made = results(FRAMES, life=50)
    writer = ParquetWriter(small_disk, ParquetSettings(part_rows=40), patient=True)

    def write_all():
        for result in made:
            writer.write(result)

    with pytest.raises(OutputError, match="no space left"):
        write_all()
    with pytest.raises(OutputError, match="no space left"):
        writer.close()
