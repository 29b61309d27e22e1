"""Tasks on a Ray cluster: each in a worker process of some node, once more elsewhere if that node dies.

Nodes need this program installed and the files under the same paths, videos as well as results: shared storage. Ray
itself is an extra, and imported only when asked for.
"""

import logging
import os
import pickle
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from pipeline.card import names
from pipeline.errors import InputError
from workers.config import Config
from workers.outputs import OFF
from workers.replay import tasks
from workers.replay.executor import TaskLost, chained
from workers.replay.outcome import Progress

T = TypeVar("T")

RETRIES: Final = 3
"""How often a task is begun anew whose process or node died."""

ASKING: Final = 0.5
"""s between a task's questions whether to stop."""


def everywhere(config: Config) -> Config:
    """Return a configuration that means the same on every node.

    Raises:
        InputError: Redis is not named, or would not be reachable.
    """
    url = config.redis.url
    if url is None or url.startswith("unix://"):
        which = "an embedded Redis" if url is None else "a Redis on a socket"
        raise InputError(
            f"--engine ray cannot use {which}, which other nodes do not reach; name a server with "
            f"--redis redis://HOST:PORT, or publish nothing with --redis {OFF}"
        )
    changes: dict[str, Any] = {"out": config.out.resolve()}
    for name in ("detector", "emotion"):
        section = getattr(config, name)
        shipped = str(section.model) in names(name)
        if section.model is not None and not shipped:
            changes[name] = section.model_copy(update={"model": section.model.resolve()})
    return config.model_copy(update=changes)


class RayCluster:
    """Runs tasks on a Ray cluster, one for each CPU; see ``Executor``.

    Args:
        address: of the cluster; None: as ``RAY_ADDRESS`` says, else one is started on this machine.
        workers: tasks at the same time; None: as many as the cluster has CPUs.

    Raises:
        InputError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(self, address: str | None, workers: int | None) -> None:
        # No figures about its use leave the machine, whatever a cluster's own settings.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
        except ImportError:
            raise InputError("--engine ray needs Ray: pip install '.[ray]' in the folder of the sources") from None
        self._ray = ray
        self._joined = not ray.is_initialized()
        if self._joined:
            _join(ray, address, workers)
        self.workers: int = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._run = ray.remote(_run).options(num_cpus=1, max_retries=RETRIES)
        # On this node: it lives as long as this process, and no longer.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._reception = ray.remote(_Reception).options(num_cpus=0, scheduling_strategy=here).remote()
        self._awaited: Any = None
        """Reports that the reception was asked for and has not given yet."""
        self._lock = threading.Lock()
        self._running = 0
        self._queue: deque[tuple[Future[bytes], Callable[..., Any], tuple[Any, ...]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ray.kill(self._reception)
        if self._joined:
            self._ray.shutdown()

    def submit(self, task: Callable[..., T], *args: Any) -> Future[T]:
        """See ``Executor.submit``."""
        future: Future[bytes] = Future()
        with self._lock:
            self._queue.append((future, task, args))
        self._fill()
        return chained(future, self._result)

    def reports(self) -> Sequence[Progress]:
        """See ``Executor.reports``."""
        if self._awaited is None:
            self._awaited = self._reception.take.remote()
        ready, _ = self._ray.wait([self._awaited], timeout=0)
        if not ready:
            return ()
        reports: Sequence[Progress] = self._ray.get(self._awaited)
        self._awaited = None
        return reports

    def stop(self, *, insist: bool = False) -> None:
        """See ``Executor.stop``."""
        self._reception.stop.remote()

    def _fill(self) -> None:
        """Hand tasks to Ray while there is room: what waits here can still be cancelled."""
        while True:
            with self._lock:
                if not self._queue or self._running == self.workers:
                    return
                future, task, args = self._queue.popleft()
                if not future.set_running_or_notify_cancel():
                    continue
                self._running += 1
            ended = self._run.remote(self._reception, task, args).future()
            ended.add_done_callback(lambda ended, future=future: self._done(ended, future))

    def _done(self, ended: Future[bytes], future: Future[bytes]) -> None:
        with self._lock:
            self._running -= 1
        error = ended.exception()
        if error is None:
            future.set_result(ended.result())
        else:
            future.set_exception(error)
        self._fill()

    def _result(self, ended: Future[bytes]) -> Any:
        try:
            value, error = pickle.loads(ended.result())
        except self._ray.exceptions.RayError as lost:
            raise TaskLost(
                f"its task was lost on the cluster {RETRIES + 1} times ({type(lost).__name__}); run again"
            ) from None
        if error is not None:
            raise error
        return value


def _join(ray: Any, address: str | None, workers: int | None) -> None:
    where = address or os.environ.get("RAY_ADDRESS") or "local"
    if "://" in where:
        raise InputError(f"cannot join Ray at {where!r} from outside; run on one of its nodes, with --ray-address auto")
    own = {"num_cpus": workers, "include_dashboard": False} if where == "local" else {}
    try:
        ray.init(where, log_to_driver=False, logging_level=logging.ERROR, **own)
    except ConnectionError:
        raise InputError(f"there is no Ray cluster at {where!r}; `ray status` says where one is") from None


class _Reception:
    """The actor to which tasks report, wherever they run."""

    def __init__(self) -> None:
        self._reports: list[Progress] = []
        self._stopping = False

    def report(self, progress: Progress) -> None:
        self._reports.append(progress)

    def take(self) -> list[Progress]:
        reports, self._reports = self._reports, []
        return reports

    def stop(self) -> None:
        self._stopping = True

    def stopped(self) -> bool:
        return self._stopping


class _Context:
    """See ``TaskContext``; nothing here waits for an answer."""

    def __init__(self, reception: Any) -> None:
        self._reception = reception
        self._answer: Any = None
        self._asked = 0.0
        self._stopped = False
        self._lock = threading.Lock()

    def report(self, progress: Progress) -> None:
        self._reception.report.remote(progress)

    def stopped(self) -> bool:
        with self._lock:  # a writer that waits for Redis asks from a thread of its own
            return self._asked_or_told()

    def _asked_or_told(self) -> bool:
        import ray

        if self._answer is None and time.monotonic() - self._asked > ASKING:
            self._asked = time.monotonic()
            self._answer = self._reception.stopped.remote()
        if self._answer is not None and ray.wait([self._answer], timeout=0)[0]:
            try:
                self._stopped = self._stopped or ray.get(self._answer)
            except ray.exceptions.RayError:
                self._stopped = True  # whoever wanted the result is gone
            self._answer = None
        return self._stopped


def _run(reception: Any, task: Callable[..., Any], args: tuple[Any, ...]) -> bytes:
    """Run a task; return its result and error as bytes, which are one object to Ray rather than thousands."""
    tasks.set_context(_Context(reception))
    try:
        return pickle.dumps((task(*args), None), pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # it is raised where the result is asked for, and is no reason to try again
        return pickle.dumps((None, error))
