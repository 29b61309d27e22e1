import shutil

import pandas as pd
import pytest

from pipeline.ingest.source import expand
from tests import video
from workers.replay.source_ids import as_known


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


def test_files_of_one_name_that_are_named_one_by_one_stay_apart(replay, scene, tmp_path):
    """A loop of the shell over the folders of participants."""
    for name in ("p01", "p02"):
        (tmp_path / name).mkdir()
    shutil.copy(scene, tmp_path / "p01" / "video.mp4")
    video.clip(tmp_path / "p02" / "video.mp4")
    replay(tmp_path / "p01" / "video.mp4")
    assert "p02-video-mp4" in replay(tmp_path / "p02" / "video.mp4").out
    for name, source in (("p01", "video"), ("p02", "p02-video-mp4")):
        ended = replay(tmp_path / name / "video.mp4")
        assert "already done" in next(line for line in ended.out.splitlines() if line.startswith(source + " "))
        # Another run of the same file is its own.
        ended = replay(tmp_path / name / "video.mp4", "--fps", "5")
        assert any(line.startswith(source + " ") for line in ended.out.splitlines())
    out = tmp_path / "out" / "emotions"
    assert {path.name for path in out.iterdir()} == {"source=video", "source=p02-video-mp4"}


def test_a_file_that_was_moved_under_its_name_is_not_read_again(replay, scene, tmp_path):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    shutil.copy(scene, tmp_path / "here" / "video.mp4")
    replay(tmp_path / "here")
    (tmp_path / "here" / "video.mp4").rename(tmp_path / "there" / "video.mp4")
    ended = replay(tmp_path / "there")
    assert "already done" in next(line for line in ended.out.splitlines() if line.startswith("video "))


def test_recordings_that_are_rotated_are_read_once_each(replay, scene, tmp_path):
    folder, out = tmp_path / "cam", tmp_path / "out" / "emotions"
    folder.mkdir()
    shutil.copy(scene, folder / "video.mp4")
    replay(folder)
    (folder / "video.mp4").rename(folder / "video-1.mp4")
    video.clip(folder / "video.mp4", frames=5)
    for status in ("done", "already done"):
        lines = {line.split()[0]: line for line in replay(folder).out.splitlines()}
        assert "already done" in lines["video"]
        assert status in lines["cam-video-mp4"]
    (folder / "video-1.mp4").rename(folder / "video-2.mp4")
    (folder / "video.mp4").rename(folder / "video-1.mp4")
    video.clip(folder / "video.mp4", frames=7)
    replay(folder)
    replay(folder / "video.mp4")  # which is one of three of this path
    runs = [{part.name.rsplit("-", 2)[0] for part in source.glob("*/part-*")} for source in out.iterdir()]
    assert [len(run) for run in runs] == [1, 1, 1]
    assert len(set.union(*runs)) == 3


def test_content_is_looked_at_only_where_there_is_a_doubt(replay, scene, tmp_path):
    folder = tmp_path / "cam"
    folder.mkdir()
    shutil.copy(scene, folder / "video.mp4")
    replay(folder)
    asked = []

    def run_of(source):
        asked.append(source.id)
        return "r1"

    def known():
        return [source.id for source in as_known(expand([str(folder)]), tmp_path / "out", run_of)]

    assert (known(), asked) == (["video"], [])
    video.clip(folder / "other.mp4", frames=5)
    assert (known(), asked) == (["other", "video"], [])
    (folder / "video.mp4").touch()
    assert (known(), asked) == (["other", "video"], ["other"])
