"""What runs tasks: processes of this machine, or a cluster. A replay does not know which."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from pipeline.errors import AffectError
from workers.replay.outcome import Progress

T = TypeVar("T")
S = TypeVar("S")


class TaskLost(AffectError):  # noqa: N818 (what happened, like ``SourceLost``)
    """A task ended without a result, through no fault of what it worked on."""


class Executor(Protocol):
    """Runs tasks side by side; see ``workers.replay.tasks`` for those that there are."""

    workers: int
    """Tasks that can run at the same time."""

    def submit(self, task: Callable[..., T], *args: Any) -> Future[T]:
        """Have a task run somewhere; its future raises what the task raises, or ``TaskLost``."""
        ...

    def reports(self) -> Sequence[Progress]:
        """Return what running tasks have told since this was last asked."""
        ...

    def stop(self, *, insist: bool = False) -> None:
        """Tell running tasks to end soon, and those still to come to end at once.

        Args:
            insist: end those that run here without asking them.
        """
        ...


class TaskContext(Protocol):
    """What a task sees of the executor that runs it."""

    def report(self, progress: Progress) -> None:
        """Tell how far it has come."""
        ...

    def stopped(self) -> bool:
        """Say whether it should end soon."""
        ...


def chained(inner: "Future[S]", finish: Callable[["Future[S]"], T]) -> Future[T]:
    """Return a future of ``finish(inner)``; to cancel it cancels ``inner``."""
    outer: Future[T] = _Outer(inner)

    def done(ended: "Future[S]") -> None:
        if ended.cancelled():
            Future.cancel(outer)
            outer.set_running_or_notify_cancel()
            return
        if not outer.set_running_or_notify_cancel():
            return
        try:
            outer.set_result(finish(ended))
        except BaseException as error:
            outer.set_exception(error)

    inner.add_done_callback(done)
    return outer


class _Outer(Future[T]):
    def __init__(self, inner: "Future[Any]") -> None:
        super().__init__()
        self._inner = inner

    def cancel(self) -> bool:
        return self._inner.cancel()
