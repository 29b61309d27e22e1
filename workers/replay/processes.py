"""Tasks in processes of this machine."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event
from types import TracebackType
from typing import Any, Self, TypeVar

from workers.replay import tasks
from workers.replay.executor import TaskLost, chained
from workers.replay.outcome import Progress

T = TypeVar("T")


class Processes:
    """Runs tasks in ``workers`` processes; see ``Executor``."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        context = multiprocessing.get_context("spawn")
        self._reports: multiprocessing.Queue[Progress] = context.Queue()
        self._stop = context.Event()
        self._pool = ProcessPoolExecutor(workers, context, _begin, (self._reports, self._stop))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(insist=kind is KeyboardInterrupt)
        try:
            self._pool.shutdown(cancel_futures=True)
        except KeyboardInterrupt:
            self.stop(insist=True)
            raise
        finally:
            self._reports.close()

    def submit(self, task: Callable[..., T], *args: Any) -> Future[T]:
        """See ``Executor.submit``."""
        try:
            return chained(self._pool.submit(task, *args), _result)
        except BrokenProcessPool:
            failed: Future[T] = Future()
            failed.set_exception(_lost())
            return failed

    def reports(self) -> Sequence[Progress]:
        """See ``Executor.reports``."""
        reports = []
        while not self._reports.empty():
            reports.append(self._reports.get())
        return reports

    def stop(self, *, insist: bool = False) -> None:
        """See ``Executor.stop``."""
        self._stop.set()
        if insist:
            # What the pool offers waits for what runs; that it can be ended comes with Python 3.14.
            for process in [*(self._pool._processes or {}).values()]:
                process.terminate()


class _Context:
    """See ``TaskContext``."""

    def __init__(self, reports: "multiprocessing.Queue[Progress]", stop: Event) -> None:
        self.report = reports.put
        self.stopped = stop.is_set


def _begin(reports: "multiprocessing.Queue[Progress]", stop: Event) -> None:
    # Ctrl-C and a closed terminal reach the whole process group; the parent alone decides, and tells through the event.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Whoever would read the last reports may have gone: the process need not live until they are read.
    reports.cancel_join_thread()
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    tasks.set_context(_Context(reports, stop))


def _end_with_parent() -> None:
    """End this process once its parent was killed, lest it go on writing beside the next attempt."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _result(ended: Future[T]) -> T:
    try:
        return ended.result()
    except BrokenProcessPool:
        raise _lost() from None


def _lost() -> TaskLost:
    return TaskLost("the process that read it died; run again, with fewer --jobs")
