import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from workers.cli import main
from workers.scene import render


@pytest.fixture(scope="session")
def scene(tmp_path_factory) -> Path:
    """Six seconds of the demo's clip: one face throughout, a second one from 3 s on."""
    path = tmp_path_factory.mktemp("scene") / "scene.mp4"
    render(path, seconds=6)
    return path


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def affectstream(monkeypatch, capsys) -> Callable[..., Ended]:
    """Run a command line in this process; give its exit code and what it printed."""
    monkeypatch.setenv("COLUMNS", "250")

    def call(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["affectstream", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Ended(int(ended.value.code or 0), printed.out, printed.err)

    return call
