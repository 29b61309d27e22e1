"""Workers as processes of their own round a real Redis, as a site runs them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd
import redis

from tests.forked import Forked

LABELS = ["track", "source", "run", "clock", "dominant", "model"]


AFFECTSTREAM = (sys.executable, "-m", "workers.cli")

FORKED = ()
"""No program: workers are forked, see ``tests.forked``."""


class Process:
    """One ``affectstream worker``.

    ``program``: the words that start ``affectstream``, on another host for instance; forked if there are none.
    """

    def __init__(
        self, stages: str, url: str, folder: Path, number: int, options: Sequence[str], program: Sequence[str]
    ) -> None:
        self.stages = stages
        self.log = folder / f"{stages}-{number}.log"
        words = ["worker", stages, "--redis", url]
        if "sink" in stages:
            words += ["--out", str(folder / "out")]
        environment = os.environ | {"COLUMNS": "250"} | dict(option.split("=", 1) for option in options)
        self._process: subprocess.Popen[bytes] | Forked
        if not program:
            self._process = Forked(words, self.log, environment)
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*program, *words], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def ended(self) -> int | None:
        """Return the exit code, or None while it lives."""
        return self._process.poll()

    def stop(self) -> int:
        """End it as an orchestrator does; return its exit code."""
        self._process.terminate()
        return self._process.wait(30)


class Site:
    """Workers that share a Redis and a folder."""

    def __init__(self, url: str, folder: Path, options: Sequence[str], program: Sequence[str]) -> None:
        self.url = url
        self._program = program
        self.out = folder / "out"
        self.workers: list[Process] = []
        self._folder = folder
        self._options = options
        self.client = redis.Redis.from_url(url, decode_responses=True)

    def start(self, *layouts: str) -> list[Process]:
        started = []
        for stages in layouts:
            process = Process(stages, self.url, self._folder, len(self.workers), self._options, self._program)
            self.workers.append(process)
            started.append(process)
        return started

    def sources(self, *words: str) -> str:
        """Run ``affectstream sources``; return what it prints."""
        command = [*AFFECTSTREAM, "sources", *words, "--redis", self.url]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, env=os.environ | {"COLUMNS": "250"}
        ).stdout

    def add(self, name: str, path: Path) -> None:
        """Add a source as any program may: by the key."""
        self.client.hset("affect:sources", name, json.dumps({"url": str(path)}))

    def wait(self, condition: Callable[[], bool], timeout: float = 120.0) -> None:
        deadline = time.monotonic() + timeout
        while True:
            with contextlib.suppress(redis.ConnectionError, redis.BusyLoadingError):
                if condition():
                    return
            failed = [worker.stages for worker in self.workers if worker.ended() not in (None, 0, -signal.SIGKILL)]
            assert not failed, f"{failed} ended by themselves; the logs:\n{self.logs()}"
            assert time.monotonic() < deadline, f"it never happened; the logs:\n{self.logs()}"
            time.sleep(0.05)

    def over(self, source: str) -> bool:
        """Whether the source's run was written to its end."""
        progress = self.client.hvals(f"affect:progress:{source}")
        return any(value.split()[1] == "1" for value in progress) and not self.client.sismember(
            "affect:bus:sources", source
        )

    def logs(self) -> str:
        return "\n".join(f"--- {log.name}\n{log.read_text()}" for log in sorted(self._folder.glob("*.log")))

    def published(self, source: str) -> list[dict[str, str]]:
        """Return the rows on the stream, in its order."""
        return [fields for _, fields in self.client.xrange(f"affect:emotions:{source}")]

    def stop(self) -> None:
        for worker in self.workers:
            worker.send(signal.SIGCONT)
            if worker.ended() is None:
                worker.kill()
        self.client.close()


@contextlib.contextmanager
def site(url: str, folder: Path, options: Sequence[str] = (), program: Sequence[str] = AFFECTSTREAM) -> Iterator[Site]:
    """Give a site whose workers are gone afterwards; see ``Process``."""
    folder.mkdir(parents=True, exist_ok=True)
    running = Site(url, folder, options, program)
    try:
        yield running
    finally:
        running.stop()


def rows(out: Path, table: str = "emotions") -> pd.DataFrame:
    """Read a table in order of frame and track, whatever its parts; fails where rows are there twice."""
    found = pd.read_parquet(out / table)
    found = found.astype(dict.fromkeys([name for name in LABELS if name in found], str))
    found = found.sort_values(["run", "frame", "track"] if table == "emotions" else ["run", "track"])
    return found.drop(columns="date", errors="ignore").reset_index(drop=True)
