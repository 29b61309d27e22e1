"""Processes of ``affectstream`` forked from one that has imported what they need, which spares each start 0.6 s of CPU.

That one opens no network and has no threads. They are killed, stopped and asked for their exit codes as any process.
"""

import multiprocessing
import multiprocessing.forkserver
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import TimeoutExpired
from unittest.mock import patch

IMPORTED = ["workers.cli", "workers.cluster.node", "workers.engine"]

ALONE = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Environment in which these start no threads."""


class Forked:
    """What ``subprocess.Popen`` is, as far as tests need it.

    Args:
        words: after ``affectstream``.
        log: takes what it prints.
        environment: all of its variables.
    """

    def __init__(self, words: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(IMPORTED)
        log.touch()
        with patch.dict(os.environ, ALONE):
            multiprocessing.forkserver.ensure_running()
        self._process = context.Process(target=_run, args=(words, log, dict(environment)))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            assert timeout is not None
            raise TimeoutExpired(self._process.name, timeout)
        return code


def _run(words: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
    from workers.cli import main

    os.environ.clear()
    os.environ.update(environment)
    with log.open("ab") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    sys.argv = ["affectstream", *words]
    main()
