import logging
from pathlib import Path

import pytest

from pipeline.ingest.folder import videos_in
from pipeline.ingest.source import expand


def names(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in videos_in(folder)]


def touched(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_videos_are_found_to_the_bottom(tmp_path: Path) -> None:
    for name in ("b.MP4", "a/c.mov", "a/b/d.3g2", "e.divx", "f.M2P", "notes.txt", "._b.mp4", "mp4"):
        touched(tmp_path / name)
    assert names(tmp_path) == ["a/b/d.3g2", "a/c.mov", "b.MP4", "e.divx", "f.M2P"]


def test_linked_folders_are_followed_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store, archive = tmp_path / "store", tmp_path / "archive"
    touched(store / "deep" / "a.mp4")
    touched(archive / "own" / "b.mp4")
    (archive / "linked").symlink_to(store)
    (archive / "own" / "again").symlink_to(store)
    (store / "deep" / "up").symlink_to(archive)
    (archive / "c.mp4").symlink_to(store / "deep" / "a.mp4")
    assert names(archive) == ["c.mp4", "linked/deep/a.mp4", "own/b.mp4"]
    assert [source.id for source in expand([str(archive)])] == ["a", "b"]
    assert not caplog.records


def test_links_to_nothing_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touched(tmp_path / "a.mp4")
    for name in ("gone.mp4", "gone.txt", ".gone.mp4"):
        (tmp_path / name).symlink_to(tmp_path / "nowhere")
    (tmp_path / "round.mp4").symlink_to(tmp_path / "round.mp4")
    caplog.set_level(logging.WARNING)
    assert names(tmp_path) == ["a.mp4"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / name} is left out: it is a link to what is not there" for name in ("gone.mp4", "round.mp4")
    ]
