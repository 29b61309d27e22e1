"""What joins two stages: a bounded queue in memory when they share a process.

A worker sees only a ``Link``: its inbox and its outbox together, because delivery is exactly once only if one commit
both publishes the outputs and acknowledges the inputs. In memory there is nothing to acknowledge: what was read is
gone from the queue, and a process that dies takes both of its stages along.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
In = TypeVar("In", covariant=True)
Out = TypeVar("Out", contravariant=True)


class Closed(Exception):  # noqa: N818 (an end, not an error)
    """Nothing more will come from a channel, or nothing more may be put into it."""


class Link(Protocol[In, Out]):
    """A worker's two ends."""

    def read(self) -> Sequence[In]:
        """Wait for the next batch of inputs; raise ``Closed`` after the last."""
        ...

    def commit(self, outputs: Sequence[Out]) -> None:
        """Publish the outputs and acknowledge what the last ``read`` returned, as one step."""
        ...

    def close(self) -> None:
        """Tell both neighbours that this worker will neither read nor publish again."""
        ...


class Channel(Generic[T]):
    """Bounded first-in first-out queue between threads, with several writers and one reader.

    ``capacity`` bounds the items held: a writer waits for room, which is what makes replay slow down instead of
    dropping. The channel ends once every one of its ``writers`` has finished and the last item was taken.
    """

    def __init__(self, capacity: int, *, writers: int = 1) -> None:
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._writers = writers
        self._abandoned = False
        self._changed = threading.Condition()

    def put(self, item: T) -> None:
        """Append one item, waiting for room; raise ``Closed`` if the reader has gone."""
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or len(self._items) < self._capacity)
            if self._abandoned:
                raise Closed
            self._items.append(item)
            self._changed.notify_all()

    def take(self, enough: Callable[[Sequence[T]], bool], within: float | None) -> list[T]:
        """Wait for one item, then gather until ``enough`` is true of what was gathered.

        ``within`` bounds the wait for more after the first item, s; None waits until there is enough, which makes the
        batches of a replay independent of timing. Raises ``Closed`` when the channel has ended.
        """
        with self._changed:
            batch = [self._pop(None)]
            deadline = None if within is None else time.monotonic() + within
            while not enough(batch):
                try:
                    batch.append(self._pop(deadline))
                except (Closed, TimeoutError):
                    break
            return batch

    def _pop(self, deadline: float | None) -> T:
        left = None if deadline is None else deadline - time.monotonic()
        if not self._changed.wait_for(lambda: self._items or self._writers == 0 or self._abandoned, left):
            raise TimeoutError
        if not self._items:
            raise Closed
        item = self._items.popleft()
        self._changed.notify_all()
        return item

    def finish(self) -> None:
        """One writer will put no more."""
        with self._changed:
            self._writers -= 1
            self._changed.notify_all()

    def abandon(self) -> None:
        """The reader will take no more: let waiting writers go, and forget what was not taken."""
        with self._changed:
            self._abandoned = True
            self._items.clear()
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._items)


def one(_: Sequence[object]) -> bool:
    """Say that any single item is enough."""
    return True


class MemoryLink(Generic[T, Out]):
    """A link between neighbours in the same process."""

    def __init__(
        self,
        inbox: Channel[T],
        outbox: Channel[Out],
        *,
        enough: Callable[[Sequence[T]], bool] = one,
        within: float | None = 0.0,
    ) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._enough = enough
        self._within = within

    def read(self) -> list[T]:
        """See ``Link.read``."""
        return self._inbox.take(self._enough, self._within)

    def commit(self, outputs: Sequence[Out]) -> None:
        """See ``Link.commit``."""
        for output in outputs:
            self._outbox.put(output)

    def close(self) -> None:
        """See ``Link.close``."""
        self._inbox.abandon()
        self._outbox.finish()
