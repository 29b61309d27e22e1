import json
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.bootstrap import Estimate
from models.written import writable, write_file, write_json
from pipeline.errors import OutputError


def test_a_file_is_replaced_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_file(path, "old")
    write_file(path, "néw")
    assert path.read_text(encoding="utf-8") == "néw"
    assert [each.name for each in tmp_path.iterdir()] == ["figures.json"]


def test_a_disk_that_takes_no_more_leaves_the_old_file(tmp_path: Path, file_size_limit: int) -> None:
    path = tmp_path / "figures.json"
    path.write_text("old")
    with pytest.raises(OutputError, match=r"figures\.json.*choose another path"):
        write_file(path, b"x" * (2 * file_size_limit))
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["figures.json"]


@pytest.fixture
def file_size_limit() -> Iterator[int]:
    """Bytes that a file may have, as if the disk were full beyond."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limits[1]))
    yield 1 << 16
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_figures_become_json_and_what_is_no_number_null(tmp_path: Path) -> None:
    row = Estimate(np.float64(0.5), float("nan"), 1.0, n=3)
    write_json(tmp_path / "a.json", {"rows": [row], "count": np.int64(2)})
    told = json.loads((tmp_path / "a.json").read_text())
    assert told == {"rows": [{"value": 0.5, "low": None, "high": 1.0, "n": 3}], "count": 2}


def test_a_link_and_a_pipe_are_written_to_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_file(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"
    read, write = os.pipe()
    write_file(Path(f"/proc/self/fd/{write}"), "through")
    os.close(write)
    assert os.read(read, 100) == b"through"
    os.close(read)


@pytest.mark.parametrize("name", ["", "nowhere/a.json"])
def test_what_cannot_be_written_is_known_before(tmp_path: Path, name: str) -> None:
    writable(tmp_path / "a.json")
    assert not (tmp_path / "a.json").exists()
    with pytest.raises(OutputError, match="cannot write"):
        writable(tmp_path / name)
