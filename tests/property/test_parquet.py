"""What must hold of the Parquet tables however parts are cut and runs are repeated."""

import re
import tempfile
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.messages import End, Results
from pipeline.settings import ParquetSettings
from pipeline.sink import tables
from pipeline.sink.parquet import ParquetWriter
from tests.pipeline.sink.runs import results

RESULTS = results(220, life=25)
MIDNIGHT = 1_700_006_400_000_000
CUTS = st.builds(ParquetSettings, part_seconds=st.floats(0.5, 20), part_rows=st.integers(10, 200))


def write(out, part, cuts, close=True):
    writer = ParquetWriter(out, cuts)
    for result in part:
        writer.write(result)
    if close:
        writer.close()


def rows(out, table):
    frame = pd.read_parquet(out / table)
    order = "frame" if table == "emotions" else "first_frame"
    text = frame.select_dtypes("category").columns
    frame = frame.astype(dict.fromkeys(text, "str"))
    return frame.sort_values([order, "track"], ignore_index=True)


def ranges(out, table):
    found = []
    for path in sorted((out / table).rglob("*.parquet"), key=lambda path: path.name):
        first, last = re.findall(r"-(\d+)-(\d+)\.parquet", path.name)[0]
        found.append((int(first), int(last)))
    return found


def whole(cuts):
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), RESULTS, cuts)
        return rows(Path(folder), "emotions"), rows(Path(folder), "tracks")


EMOTIONS, TRACKS = whole(ParquetSettings())


@settings(max_examples=8, deadline=None)
@given(CUTS, st.lists(st.integers(0, len(RESULTS)), max_size=3), st.booleans())
def test_interrupted_runs_add_up_to_the_whole(cuts, stops, crash):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        for stop in [*stops, len(RESULTS)]:
            write(out, RESULTS[:stop], cuts, close=not crash)

        pd.testing.assert_frame_equal(rows(out, "emotions"), EMOTIONS)
        pd.testing.assert_frame_equal(rows(out, "tracks"), TRACKS)
        assert ParquetWriter(out, cuts).frontier("door", "r1").complete
        for table in ("emotions", "tracks"):
            found = ranges(out, table)
            assert all(before[1] < after[0] for before, after in pairwise(found))


@settings(max_examples=6, deadline=None)
@given(CUTS)
def test_no_part_is_longer_than_set(cuts):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        write(out, RESULTS, cuts)
        for path in (out / "emotions").rglob("*.parquet"):
            pts = pq.read_table(path, columns=["pts"])["pts"].to_pylist()
            # A frame is never split; the last part may be empty.
            assert len(pts) < cuts.part_rows + 2
            assert not pts or pts[-1] - pts[0] < cuts.part_seconds


@settings(max_examples=6, deadline=None)
@given(st.floats(0.1, 8))
def test_each_row_lies_in_the_folder_of_its_day(seconds_before):
    begin = MIDNIGHT - round(seconds_before * 1e6)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        write(out, results(220, start=begin), ParquetSettings())
        frame = pd.read_parquet(out / "emotions")
        assert (frame["time"].dt.strftime("%Y-%m-%d") == frame["date"].astype(str)).all()
        assert frame["date"].nunique() == 2


@settings(max_examples=8, deadline=None)
@given(
    st.dictionaries(st.from_regex(r"[a-z][a-z0-9_-]{0,20}", fullmatch=True), st.integers(0, 40), min_size=1, max_size=4)
)
def test_sources_stay_apart_whatever_their_names(lengths):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        writer = ParquetWriter(out, ParquetSettings())
        expected = {}
        for source, frames in lengths.items():
            made = results(frames, source=source, run="r-1-2")
            expected[source] = sum(len(result.emotions) for result in made)
            for result in made:
                writer.write(result)
        writer.close()

        frame = pd.read_parquet(out / "emotions")
        counts = frame["source"].astype(str).value_counts()
        assert {source: int(counts.get(source, 0)) for source in lengths} == expected


def test_a_long_part_holds_every_row_once_and_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "BLOCK", 16)  # rows that become columns while the part grows
    write(tmp_path, RESULTS, ParquetSettings())

    (part,) = (tmp_path / "emotions").rglob("*.parquet")
    found = pq.read_table(part, columns=["frame", "track"]).to_pylist()

    expected = [row for result in RESULTS for row in result.emotions]
    assert found == [{"frame": row.stamp.frame, "track": row.track} for row in expected]


def test_an_end_that_finds_no_rows_left_marks_the_run_complete(tmp_path):
    every_row = ParquetSettings(part_rows=1)
    end = Results(ends=(End("door", "r1", complete=True),))
    write(tmp_path, [*RESULTS[:10], end], every_row)

    last = RESULTS[9].emotions[0].stamp.frame
    assert ParquetWriter(tmp_path, every_row).frontier("door", "r1") == (last + 1, True)
