"""What containers are told to run, run as plain processes: the same words, no container engine."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import redis
import yaml

ROOT = Path(__file__).parents[1]
BROKER = "redis://redis:6379"
"""The server's URL inside of the containers' network."""
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text().replace("$$", "$"))
"""As containers see it: Compose takes ``$$`` for a plain ``$``."""


def image_environment() -> dict[str, str]:
    """Return what the Dockerfile sets for every container, less the search path."""
    text = (ROOT / "Dockerfile").read_text()
    stage = text[text.rindex("\nFROM ") :]
    pairs = [pair for line in re.findall(r"^ENV (.*)$", stage, re.M) for pair in line.split()]
    return {name: value for name, value in (pair.split("=", 1) for pair in pairs) if name != "PATH"}


@dataclass
class Container:
    """One container: its command line with the entry point, what it finds in its environment, its health check."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    check: Sequence[str] = ()
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)


def of_compose(name: str) -> Container:
    """Return the container that a service of compose.yaml describes."""
    service = COMPOSE["services"][name]
    check = service.get("healthcheck", {}).get("test", ["CMD"])
    assert check[0] == "CMD"
    command = [*service.get("entrypoint", ["affectstream"]), *service["command"]]
    return Container(name, command, image_environment() | service["environment"], check[1:])


class Host:
    """Runs containers' commands here.

    Args:
        url: of the Redis in the place of the containers'.
        data: folder in the place of the volume ``/data``.
        folder: for logs and temporary files, which no two containers share.
        replace: other words that mean something else here.
    """

    def __init__(self, url: str, data: Path, folder: Path, replace: Mapping[str, str] | None = None) -> None:
        self.client = redis.Redis.from_url(url, decode_responses=True)
        self.data = data
        self._folder = folder
        self._replace = {BROKER: url, "/data": str(data), **(replace or {})}
        self._running: list[Container] = []

    def start(self, container: Container) -> None:
        with (self._folder / f"{container.name}.log").open("ab") as log:
            container.process = subprocess.Popen(
                self._here(container.command), stdout=log, stderr=log, env=self._environment(container)
            )
        self._running.append(container)

    def run(self, container: Container) -> None:
        """Run it to its end, which must be a success."""
        self.start(container)
        assert container.process is not None
        assert container.process.wait(180) == 0, self.logs()

    def is_well(self, container: Container) -> bool:
        """Ask the container's health check."""
        command = self._here(container.check)
        return subprocess.run(command, check=False, env=self._environment(container)).returncode == 0

    def stop(self, containers: Sequence[Container]) -> dict[str, int]:
        """End them as an orchestrator does; return their exit codes."""
        processes = {one.name: one.process for one in containers if one.process is not None}
        for process in processes.values():
            process.terminate()
        return {name: process.wait(30) for name, process in processes.items()}

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 240
        while not condition():
            died = [one.name for one in self._running if one.process is not None and one.process.poll()]
            assert not died, f"{died} died; the logs:\n{self.logs()}"
            assert time.monotonic() < deadline, f"it never happened; the logs:\n{self.logs()}"
            time.sleep(0.1)

    def logs(self) -> str:
        return "\n".join(f"--- {log.name}\n{log.read_text()}" for log in sorted(self._folder.glob("*.log")))

    def close(self) -> None:
        for container in self._running:
            if container.process is not None and container.process.poll() is None:
                container.process.kill()
                container.process.wait()
        self.client.close()

    def _here(self, words: Sequence[str]) -> list[str]:
        entry = {"affectstream": [sys.executable, "-m", "workers.cli"], "python": [sys.executable]}
        return [*entry[words[0]], *(self._translate(word) for word in words[1:])]

    def _environment(self, container: Container) -> dict[str, str]:
        own = self._folder / f"tmp-{container.name}"
        own.mkdir(exist_ok=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AFFECTSTREAM_")}
        told = {name: self._translate(value) for name, value in container.environment.items()}
        return {**inherited, **told, "TMPDIR": str(own), "COLUMNS": "250"}

    def _translate(self, text: str) -> str:
        for there, here in self._replace.items():
            text = text.replace(there, here)
        return text


@contextlib.contextmanager
def host(url: str, folder: Path, replace: Mapping[str, str] | None = None) -> Iterator[Host]:
    """Give a host whose processes are gone afterwards."""
    data = folder / "data"
    data.mkdir()
    running = Host(url, data, folder, replace)
    try:
        yield running
    finally:
        running.close()


def await_rows(running: Host, containers: Sequence[Container], add: Container, rows: int) -> None:
    """Start what is not started yet, add a source, await ``rows`` records of it and that all containers are well."""
    for container in containers:
        if container.process is None:
            running.start(container)
    running.run(add)
    (name,) = running.client.hkeys("affect:sources")
    running.wait(lambda: running.client.xlen(f"affect:emotions:{name}") >= rows)
    for container in containers:
        running.wait(lambda container=container: running.is_well(container))


def stop_and_read(running: Host, containers: Sequence[Container]) -> pd.DataFrame:
    """Stop the containers, which end without an error and are then not well; return the table of their one source."""
    assert running.stop(containers) == {container.name: 0 for container in containers}, running.logs()
    assert not [container.name for container in containers if running.is_well(container)]
    (name,) = running.client.hkeys("affect:sources")
    table = pd.read_parquet(running.data / "emotions")
    assert len(table) == running.client.xlen(f"affect:emotions:{name}")
    return table
