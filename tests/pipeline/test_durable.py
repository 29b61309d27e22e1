import errno
import logging

import pytest

from pipeline.durable import make_folder, remove, sync, write_whole
from tests.disk import FolderSync


def write(path, content, fence=None):
    return write_whole(lambda file: file.write(content), path, path.with_name(".hidden"), fence)


def test_a_name_is_safe_when_the_folders_that_list_it_are_synced(tmp_path, monkeypatch):
    disk = FolderSync(monkeypatch, 0)
    folder = tmp_path / "a" / "b"
    assert make_folder(folder)
    assert [disk.has(one) for one in (tmp_path, tmp_path / "a", folder)] == [True, True, False]
    assert write(folder / "file", b"whole")
    assert disk.has(folder)


def test_what_cannot_be_synced_was_done_all_the_same_and_is_warned_of_once(tmp_path, monkeypatch, caplog):
    FolderSync(monkeypatch)
    with caplog.at_level(logging.WARNING):
        assert not make_folder(tmp_path / "a" / "b")
        assert (tmp_path / "a" / "b").is_dir()
        for content in (b"one", b"two"):
            assert not write(tmp_path / "file", content)
            assert (tmp_path / "file").read_bytes() == content
        remove(tmp_path / "file")
        assert not (tmp_path / "file").exists()
    told = [line for line in caplog.messages if "power cut" in line]
    assert [line.split(" (")[0] for line in told] == [f"cannot sync {one}" for one in (tmp_path / "a", tmp_path)]
    with pytest.raises(OSError, match="Input/output"):
        sync(tmp_path)
    sync(tmp_path / "gone")  # no name can be lost there


def test_a_file_system_that_syncs_no_folders_is_none_to_warn_of(tmp_path, monkeypatch, caplog):
    FolderSync(monkeypatch, errno.EINVAL)
    assert write(tmp_path / "file", b"whole")
    assert not caplog.messages


def test_what_fails_before_the_name_leaves_all_as_it_was(tmp_path):
    write(tmp_path / "file", b"before")

    def refuse():
        raise PermissionError

    with pytest.raises(PermissionError):
        write(tmp_path / "file", b"after", refuse)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"before")]
