from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import models.drift.tracks as reading
from models.drift.pairs import paired
from pipeline.labels import LABELS
from pipeline.settings import ParquetSettings
from tests.outputs import write_output


@pytest.fixture(scope="module")
def outs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two networks on the same two videos, of which one has another beside them."""
    root = tmp_path_factory.mktemp("outs")
    for name, run, biased, rows in (("ref", "r1", 0.0, 100), ("new", "r2", 0.2, 130)):
        for source, seed in (("door", 1), ("hall", 2)):
            settings = ParquetSettings(part_rows=rows)
            write_output(root / name, 12, seed=seed, source=source, run=run, biased=biased, settings=settings)
        write_output(root / name, 12, seed=rows, source="gate", run=run)
    return root / "ref", root / "new"


def numbered(out: Path) -> pd.DataFrame:
    rows = pd.read_parquet(out / "emotions")
    return rows.assign(source=rows["source"].astype(str), number=rows["track"].astype(str).str.rpartition("-")[2])


@pytest.mark.parametrize("batch", [1 << 16, 17])
def test_the_same_faces_are_what_pandas_joins(
    outs: tuple[Path, Path], batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH", batch)
    found = paired(*outs, ["door", "gate", "hall"])
    ref, new = (rows[rows["source"] != "gate"] for rows in map(numbered, outs))
    both = ref.merge(new, on=["source", "frame", "number"])
    assert found is not None
    assert found.sources == ["door", "hall"]
    assert found.rows == (len(ref), len(new)) == (len(both), len(both))
    assert found.both == len(both)
    agree = both["dominant_x"].astype(str) == both["dominant_y"].astype(str)
    assert found.agreement == agree.mean()
    assert 0.1 < found.agreement < 0.9
    apart = [np.abs(both[f"p_{label}_x"].astype(float) - both[f"p_{label}_y"]).mean() for label in LABELS]
    assert found.differences == pytest.approx(apart)


def test_other_videos_and_several_runs_of_one_are_not_paired(outs: tuple[Path, Path], tmp_path: Path) -> None:
    assert paired(*outs, ["gate"]) is None
    several = write_output(tmp_path, 12, seed=1, run="r2")
    assert paired(outs[0], several, ["door"]) is not None
    write_output(several, 12, seed=1, run="r3", fps=5.0)
    assert paired(outs[0], several, ["door"]) is None
