"""What the README tells to run runs as it stands."""

import re
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipeline.settings import ParquetSettings, RedisSettings
from pipeline.sink.parquet import ParquetWriter
from pipeline.sink.streams import Streams
from tests.pipeline.sink.runs import results
from tests.redis_server import Server, oldest
from workers.latency import BOUNDS, Delay
from workers.status import SourceStatus
from workers.web.metrics import exposition

README = Path(__file__).parents[1] / "README.md"
QUIET = 6.0
"""s without a record; clients of redis give up after five unless told otherwise."""


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path, oldest()) as running:
        yield running


def test_the_program_that_reads_a_stream_outlasts_silence(server):
    (program,) = re.findall(r"```python\n(import redis\n.*?)```", README.read_text(), re.DOTALL)
    assert "redis://localhost:6379" in program
    program = program.replace("redis://localhost:6379", server.url)
    reader = subprocess.Popen([sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(QUIET)
        with server.client() as client:
            Streams(client, RedisSettings()).commit(results(30))
        assert reader.stdout is not None
        when, track, _, happiness = reader.stdout.readline().split()
    finally:
        reader.kill()
        reader.communicate()
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", when)
    assert track.startswith("r1-")
    assert 0 <= float(happiness) <= 1


def test_the_lines_that_read_parquet(tmp_path):
    writer = ParquetWriter(tmp_path / "results", ParquetSettings())
    for result in results(120):
        writer.write(result)
    writer.close()
    text = README.read_text()
    (program,) = re.findall(r"```python\n(import pandas\n.*?)```", text, re.DOTALL)
    (less,) = re.findall(r"`(pandas\.read_parquet\([^`]*)`", text)
    program += f"some = {less.replace('2026-05-01', '2023-11-14')}\nprint(len(rows), len(tracks), *some.columns)"
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True, text=True)
    found, tracks, *columns = ended.stdout.split()
    assert int(found) > 100
    assert int(tracks) >= 2
    assert columns == ["track", "pts", "s_happiness"]


def test_the_lines_that_merge_the_parts_of_a_day(tmp_path):
    out, whole = tmp_path / "results", tmp_path / "archive"
    writer = ParquetWriter(out, ParquetSettings(part_rows=40))
    for result in results(240):
        writer.write(result)
    writer.close()
    days = [*out.glob("emotions/source=door/date=*")]
    assert any(len([*day.iterdir()]) > 1 for day in days)
    (program,) = re.findall(r"```python\n(import pathlib\n.*?)```", README.read_text(), re.DOTALL)
    subprocess.run([sys.executable, "-c", program.replace("2026-04-", "")], cwd=tmp_path, check=True)
    assert len([*whole.glob("emotions/source=door/date=*/*")]) == len(days)
    for table in ("emotions", "tracks"):
        merged, parts = (pd.read_parquet(folder / table).astype({"track": str}) for folder in (whole, out))
        pd.testing.assert_frame_equal(merged, parts, check_categorical=False)


def test_systemd_takes_the_service(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze")
    (unit,) = re.findall(r"```ini\n(\[Unit\]\n.*?)```", README.read_text(), re.DOTALL)
    service = tmp_path / "affectstream.service"
    service.write_text(re.sub(r"(?<=ExecStart=)\S+", sys.executable, unit))
    told = subprocess.run([analyze, "verify", service], capture_output=True, text=True, check=False)
    assert "affectstream.service" not in told.stderr


def test_the_line_of_cron_goes_by_the_days_that_folders_are_named_after(tmp_path):
    (line,) = re.findall(r"`15 3 \* \* \* (find /var/lib/affectstream .*)`", README.read_text())
    today = datetime.now(UTC).date()
    for age in (0, 29, 32, 400):
        day = tmp_path / "out" / "emotions" / "source=door" / f"date={today - timedelta(days=age)}"
        day.mkdir(parents=True)
        (day / "part-r1-0000000000-0000000019.parquet").touch()  # as written anew today
    line = line.replace("\\%", "%").replace("/var/lib/affectstream", str(tmp_path / "out"))  # as cron reads it
    subprocess.run(["sh", "-c", line], check=True)
    left = {path.name for path in (tmp_path / "out" / "emotions" / "source=door").iterdir()}
    assert left == {f"date={today - timedelta(days=age)}" for age in (0, 29)}
    subprocess.run(["sh", "-c", line], check=True)  # with nothing to delete


def test_the_metrics_that_are_named_are_told():
    told = exposition([SourceStatus("door", "live", up=True, delay=Delay(0.1, 0.1, 0.1, (0,) * (len(BOUNDS) + 1)))])
    named = set(re.findall(r"\baffectstream_\w+", README.read_text()))
    assert named
    assert [name for name in named if f"# TYPE {name} ".encode() not in told] == []
