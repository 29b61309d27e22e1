import shutil

import pandas as pd
import pytest

from tests import video


@pytest.fixture
def replay(affectstream, tmp_path):
    """Replay the archive; give what was printed."""

    def call(*words):
        ended = affectstream("replay", *words, "--out", tmp_path / "out", "--redis", "none")
        assert ended.code == 0, ended.err
        return ended

    return call


def test_an_archive_that_grows_keeps_the_ids_of_what_is_done(replay, scene, tmp_path):
    archive = tmp_path / "archive"
    (archive / "monday").mkdir(parents=True)
    shutil.copy(scene, archive / "monday" / "cam.mp4")
    replay(archive)
    before = pd.read_parquet(tmp_path / "out" / "emotions")
    assert before["source"].unique().tolist() == ["cam"]
    (archive / "tuesday").mkdir()
    video.clip(archive / "tuesday" / "cam.mp4")
    ended = replay(archive)
    assert "already done" in next(line for line in ended.out.splitlines() if line.startswith("cam "))
    assert "tuesday-cam-mp4" in ended.out
    assert "monday" not in ended.out
    assert len(pd.read_parquet(tmp_path / "out" / "emotions")) == len(before)


def test_a_file_that_was_renamed_is_not_read_again_and_its_copy_is(replay, scene, tmp_path):
    first, second, third = (tmp_path / f"{name}.mp4" for name in ("first", "second", "third"))
    shutil.copy(scene, first)
    replay(first)
    first.rename(second)
    assert "already done" in replay(second).out
    shutil.copy(second, third)
    ended = replay(second, third, "--jobs", "2")
    status = {line.split()[0]: line for line in ended.out.splitlines() if "done" in line}
    assert "already done" in status["first"]
    assert "already done" not in status["third"]
    sources = pd.read_parquet(tmp_path / "out" / "emotions").groupby("source", observed=True).size()
    assert sources["first"] == sources["third"]


def test_copies_that_are_named_together_stay_apart(replay, scene, tmp_path):
    for name in ("one", "two"):
        shutil.copy(scene, tmp_path / f"{name}.mp4")
    replay(tmp_path / "one.mp4")
    replay(tmp_path / "one.mp4", tmp_path / "two.mp4")
    assert set(pd.read_parquet(tmp_path / "out" / "emotions")["source"]) == {"one", "two"}
