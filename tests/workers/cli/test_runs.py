"""``affectstream runs`` as a user meets it."""

import json
import os
import shutil

import pandas as pd
import pytest

from pipeline.sink.occupancy import writing
from tests.outputs import write_output

FILE, OTHER = "r0123456789a", "r0123456789b"


@pytest.fixture
def out(tmp_path):
    """A video, and what a camera saw on two days."""
    out = tmp_path / "results"
    write_output(out, 3, source="film", run=FILE, model="small@0123456789abcdef")
    write_output(out, 4, source="hall", run="20231114t221320-01234567", complete=False)
    write_output(out, 4, source="hall", run="20231116t221320-01234567", start=1_700_172_800_000_000, complete=False)
    return out


def words(line):
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_a_row_tells_of_each_run_and_a_line_of_all(affectstream, out):
    rows = pd.read_parquet(out / "emotions")
    ended = affectstream("runs", out)
    assert (ended.code, ended.err) == (0, "")
    title, film, first, second, blank, total = ended.out.splitlines()
    assert words(title)[:4] == ["source", "run", "first (UTC)", "last"]
    mine = rows[rows["source"] == "film"]
    last = f"{mine['time'].max():%H:%M:%S}"
    assert words(film)[:4] == ["film", FILE, "2023-11-14 22:13:20", last]
    assert words(film)[5:9] == [str(len(mine)), "0", "finished", "small@0123456"]
    assert words(first)[7] == words(second)[7] == "ended"
    assert not blank
    assert total.startswith(f"2 sources, 3 runs, {len(rows)} rows, 0 tracks, 4 parts, ")


@pytest.mark.parametrize("width", [60, 80, 120, 170, 250, 10_000])
def test_nothing_is_cut_off_however_narrow_the_terminal(affectstream, out, monkeypatch, width):
    shutil.copytree(out / "emotions" / "source=film", out / "emotions" / "source=a-longer-name-of-a-source")
    monkeypatch.setenv("COLUMNS", str(width))
    told = affectstream("runs", out).out
    assert "…" not in told
    for word in ("a-longer-name-of-a-source", FILE, "20231116t221320-01234567", "2023-11-16 22:13:20", "small@0123456"):
        assert word in told
    if width < 10_000:
        assert all(len(line) <= width for line in told.splitlines()[:-2])


def test_the_same_faces_by_two_networks_are_not_to_be_averaged(affectstream, out):
    write_output(out, 3, source="film", run=OTHER, model="other@0123456789ab")
    told = affectstream("runs", out).out
    assert "film has several runs of the same time, which differ in network. Choose by run or model before" in told
    assert "hall has" not in told
    assert "more than once" not in affectstream("runs", out, "--source", "hall").out
    for name in ("one", "two"):
        for table in ("emotions", "tracks"):
            shutil.copytree(out / table / "source=film", out / table / f"source={name}")
    told = affectstream("runs", out).out
    assert "film, one, two have several runs of the same time" in told
    assert "film, one, two are copies of one file" in told


def test_it_says_the_same_to_programs(affectstream, out, tmp_path):
    write_output(out, 3, source="film", run=OTHER, model="other@0123456789ab")
    ended = affectstream("runs", out, "--source", "film", "--json", tmp_path / "runs.json")
    assert ended.code == 0, ended.err
    told = json.loads((tmp_path / "runs.json").read_text())
    assert [run["run"] for run in told["runs"]] == [FILE, OTHER]
    rows = pd.read_parquet(out / "emotions")
    first = rows[rows["run"] == FILE]
    assert told["runs"][0]["rows"] == len(first)
    assert pd.Timestamp(told["runs"][0]["last"]) == first["time"].max()
    assert told["runs"][0]["models"] == ["small@0123456789abcdef"]
    assert told["repeats"] == [{"source": "film", "runs": [FILE, OTHER], "differ": ["network"]}]


def test_what_is_wrong_is_told_and_ends_with_one(affectstream, out):
    write_output(out, 3, source="film", run=OTHER, start=1_800_000_000_000_000, complete=False)
    broken = next(out.glob(f"emotions/source=film/*/part-{FILE}*"))
    os.truncate(broken, 500)
    (out / "emotions" / "source=film" / "notes.txt").touch()
    ended = affectstream("runs", out)
    assert ended.code == 1
    assert f"{broken} is not whole" in ended.out
    assert "damaged" in ended.out
    assert "1 replay was stopped before the end" in ended.out
    assert "left out here" in ended.out
    assert "emotions/source=film/notes.txt" in ended.out
    assert "2 sources, 4 runs" in ended.out


def test_a_folder_that_is_written_to_is_told_as_that(affectstream, out, tmp_path):
    (tmp_path / "new").mkdir()
    for folder in (out, tmp_path / "new"):
        with writing(folder):
            ended = affectstream("runs", folder)
        assert ended.code == 0
        assert f"Something writes to '{folder}'" in ended.out
    assert "Something writes" not in affectstream("runs", out).out


def test_without_a_name_it_looks_at_the_folder_that_is_set(affectstream, out, monkeypatch):
    monkeypatch.setenv("AFFECTSTREAM_OUT", str(out))
    assert "2 sources, 3 runs" in affectstream("runs").out


def test_folders_without_results_are_refused_and_left_as_they_are(affectstream, out, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "holiday.mp4").touch()
    for given, says in (
        (["gone"], "there is no folder 'gone'; name the --out folder of a replay or run"),
        ([tmp_path / "empty"], f"no run in '{tmp_path}/empty'; name the --out folder of a replay or run"),
        ([out, "--source", "haal"], f"there is no source 'haal' in '{out}'; there are: film, hall"),
    ):
        ended = affectstream("runs", *given)
        assert (ended.code, ended.out) == (2, "")
        assert says in ended.err
    assert [path.name for path in (tmp_path / "empty").iterdir()] == ["holiday.mp4"]
    merged = tmp_path / "merged" / "emotions" / "source=door" / "date=2026-04-01"
    merged.mkdir(parents=True)
    shutil.copy(next(out.glob("emotions/*/*/part-*")), merged / "day.parquet")
    assert f"only other files, such as {merged}/day.parquet" in affectstream("runs", tmp_path / "merged").err
