import os
import subprocess
from pathlib import Path

import pytest
import redis
from rich.console import Console

from tests.redis_server import Server, newest
from workers.cli.reading import how_to_read


def lines(capsys: pytest.CaptureFixture[str], out: Path, url: str | None, *, embedded: bool) -> list[str]:
    how_to_read(Console(width=250), out, "door", url, embedded=embedded)
    return [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]


def test_a_socket_of_ones_own_is_read_while_its_server_runs(tmp_path, capsys, monkeypatch):
    server = newest()
    monkeypatch.setenv("PATH", f"{Path(server).parent}{os.pathsep}{os.environ['PATH']}")
    socket = tmp_path / "r.sock"
    *_, line = lines(capsys, tmp_path, f"unix://{socket}?db=2", embedded=False)
    with Server(tmp_path, server, "--unixsocket", str(socket)):
        with redis.Redis(unix_socket_path=str(socket), db=2) as client:
            client.xadd("affect:emotions:door", {"dominant": "happiness"})
        read = subprocess.run(line, shell=True, check=True, capture_output=True, text=True).stdout
    assert "happiness" in read


def test_what_the_embedded_server_has_left_is_read_from_its_file(tmp_path, capsys):
    assert any("redis.rdb" in line for line in lines(capsys, tmp_path, "unix:///tmp/r.sock", embedded=True))
    assert len(lines(capsys, tmp_path, None, embedded=False)) == 2
