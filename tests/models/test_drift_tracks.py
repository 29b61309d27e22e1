from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import models.drift.tracks as reading
from models.drift.tracks import BINS, DOMINANT, LENGTH, QUANTITIES, SHIFT, Sample, read_samples
from pipeline.errors import InputError
from pipeline.labels import LABELS
from pipeline.messages import End, Results
from pipeline.settings import ParquetSettings
from pipeline.sink.parquet import ParquetWriter
from tests.outputs import write_output


@pytest.fixture(scope="module")
def outs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("outs")
    ref = write_output(root / "ref", 70, seed=1, settings=ParquetSettings(part_rows=100))
    write_output(ref, 30, seed=2, source="hall", model="other@0")
    return ref, write_output(root / "new", 40, seed=3, run="r2", fps=10)


@pytest.fixture(scope="module")
def samples(outs: tuple[Path, Path]) -> tuple[Sample, Sample]:
    return read_samples(*outs)


def test_tracks_are_what_pandas_finds(outs: tuple[Path, Path], samples: tuple[Sample, Sample]) -> None:
    for out, sample in zip(outs, samples, strict=True):
        rows = pd.read_parquet(out / "emotions")
        assert (len(sample), sample.rows) == (rows.groupby(["source", "track"], observed=True).ngroups, len(rows))
        assert sample.sources == sorted(rows["source"].unique())
        assert sample.models == sorted(rows["model"].unique())
        assert (sample.clocks, sample.dates, sample.skipped) == (["file"], ["2023-11-14"], 0)
        rows["size"] = np.sqrt(rows["w"] * rows["h"])
        for number, (source, track) in enumerate(sample.keys):
            part = rows[(rows["source"] == source) & (rows["track"] == track)]
            for name in ("p_happiness", "quality", "score", "size"):
                index = QUANTITIES.index(name.removeprefix("p_"))
                assert sample.sums[number, index] == pytest.approx(part[name].astype(float).sum(), rel=1e-5)
                assert sample.counts[number, index].sum() == len(part)
            labels = [(part["dominant"] == label).sum() for label in LABELS]
            assert sample.counts[number, DOMINANT].tolist() == [*labels, 0, 0]
            assert sample.spans[number].tolist() == [part["pts"].min(), part["pts"].max()]
            assert sample.sums[number, LENGTH] == part["pts"].max() - part["pts"].min()
            assert sample.counts[number, LENGTH].sum() == 1


def test_bins_hold_a_tenth_of_both_together(samples: tuple[Sample, Sample]) -> None:
    counts = np.concatenate([sample.counts for sample in samples]).sum(0)
    for name in ("neutral", "contempt", "quality", "score", "size"):
        line = counts[QUANTITIES.index(name)]
        assert line / line.sum() == pytest.approx(np.full(BINS, 0.1), abs=0.01), name


def test_tracks_belong_to_sources_runs_and_days(tmp_path: Path, samples: tuple[Sample, Sample]) -> None:
    ref, _ = samples
    assert (len(ref.of("door")), len(ref.of("hall")), len(ref)) == (70, 30, 100)
    assert ref.of("hall").runs.tolist() == [1] * 30
    assert ref.days.tolist() == [0] * 70 + [1] * 30
    # Two hours before midnight, with half an hour from face to face.
    several = write_output(tmp_path, 10, start=1_700_000_000_000_000 - 2000 * 10**6, pause=1800)
    found, _ = read_samples(several, several)
    assert found.runs.tolist() == [0] * 10
    times = pd.read_parquet(several / "emotions").groupby("track", observed=True)["time"].min()
    dates = [times[track].date() for _, track in found.keys]
    assert len({*dates}) == 2
    assert found.days.tolist() == [int(date != dates[0]) for date in dates]


def test_only_some_sources_may_be_read(outs: tuple[Path, Path], samples: tuple[Sample, Sample]) -> None:
    found, _ = read_samples(outs[0], outs[1], ["door"])
    assert (found.sources, len(found), found.models) == (["door"], 70, ["net@0123456789ab"])
    # Its bins are those of what was read.
    assert (found.counts != samples[0].of("door").counts).any()
    with pytest.raises(InputError, match="no rows of hall"):
        read_samples(*outs, ["hall"])
    with pytest.raises(InputError, match=r"no source 'dor' in .*there are: door, hall"):
        read_samples(*outs, ["door", "dor"])


def test_rows_of_a_second_are_told(samples: tuple[Sample, Sample]) -> None:
    ref, new = samples
    assert (ref.rate, new.rate) == (pytest.approx(25), pytest.approx(10))


def test_rows_may_come_in_any_number_of_batches(
    outs: tuple[Path, Path], samples: tuple[Sample, Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH", 17)
    for whole, pieces in zip(samples, read_samples(*outs), strict=True):
        assert (whole.counts == pieces.counts).all()
        assert whole.sums == pytest.approx(pieces.sums)
        assert whole.keys == pieces.keys
        assert (whole.spans == pieces.spans).all()
        assert (whole.runs == pieces.runs).all()
        assert (whole.days == pieces.days).all()


def test_the_folder_of_rows_will_do(outs: tuple[Path, Path], samples: tuple[Sample, Sample]) -> None:
    found, _ = read_samples(outs[0] / "emotions", outs[1])
    assert (found.counts == samples[0].counts).all()


def test_text_may_be_plain_and_rows_that_are_not_whole_are_left_out(outs: tuple[Path, Path], tmp_path: Path) -> None:
    """As a table looks that another program has rewritten."""
    rows = pd.read_parquet(outs[1] / "emotions")
    for name in rows.columns[rows.dtypes == "category"]:
        rows[name] = rows[name].astype(str)
    rows.loc[3, "p_fear"] = np.nan
    rows.loc[5, "dominant"] = "bored"
    table = pa.Table.from_pandas(rows.drop(columns=["source", "date"]))
    folder = tmp_path / "emotions" / "source=door" / "date=2023-11-14"
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "all.parquet")
    plain, dictionary = read_samples(tmp_path, outs[1])
    assert (plain.skipped, dictionary.skipped) == (2, 0)
    assert plain.rows == dictionary.rows - 2
    assert plain.keys == dictionary.keys
    rows["p_fear"] = np.nan
    pq.write_table(pa.Table.from_pandas(rows.drop(columns=["source", "date"])), folder / "all.parquet")
    with pytest.raises(InputError, match="no rows that are whole"):
        read_samples(tmp_path, outs[1])


@given(st.lists(st.floats(0, 1e4, width=32), min_size=1, max_size=300))
def test_deciles_are_those_of_the_values(values: list[float]) -> None:
    line = np.array(values, np.float32) + np.float32(0)
    found = reading._deciles(np.bincount(line.view(np.uint32) >> SHIFT, minlength=1 << (31 - SHIFT)))
    assert len(found) < BINS
    assert (np.diff(found) > 0).all()
    for share in np.arange(1, BINS) / BINS:
        # The least value with that share at or below it lies just below an edge.
        value = np.sort(line)[int(np.ceil(share * len(line) - 1e-9)) - 1]
        edge = found[found > value].min()
        assert edge <= value * 1.004 or edge < 1e-37


def test_what_cannot_be_read_is_named(outs: tuple[Path, Path], tmp_path: Path) -> None:
    def fails(message: str, out: Path) -> None:
        for pair in ((out, outs[1]), (outs[1], out)):
            with pytest.raises(InputError, match=message) as caught:
                read_samples(*pair)
            assert str(out) in str(caught.value)
            assert "\n" not in str(caught.value)

    fails("no Parquet", tmp_path / "none")
    (tmp_path / "a").mkdir()
    fails("no Parquet", tmp_path / "a")
    (tmp_path / "a" / "part.parquet").write_text("text")
    fails("cannot be read", tmp_path / "a")
    (tmp_path / "b").mkdir()
    pq.write_table(pa.table({"frame": [1], "p_neutral": [0.5]}), tmp_path / "b" / "part.parquet")
    fails("no column run, track, .*p_happiness.*name the --out folder", tmp_path / "b")
    writer = ParquetWriter(tmp_path / "c", ParquetSettings())
    writer.write(Results(ends=(End("door", "r1", complete=True),)))
    writer.close()
    fails("no rows", tmp_path / "c")
    damaged = write_output(tmp_path / "d", 3)
    path = next((damaged / "emotions").rglob("*.parquet"))
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes(len(whole) - 400) + whole[-300:])
    fails("cannot be read", damaged)
