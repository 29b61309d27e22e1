"""The loop that every worker is: read → compute → commit."""

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from pipeline.channel import Closed, Link

In = TypeVar("In")
Out = TypeVar("Out")
Taken = TypeVar("Taken", contravariant=True)
Made = TypeVar("Made", covariant=True)


class Stage(Protocol[Taken, Made]):
    """What a worker computes; it knows no process, thread or broker."""

    def process(self, inputs: Sequence[Taken]) -> Sequence[Made]:
        """Return the outputs that ``inputs`` give, in their order."""
        ...


class Worker(Generic[In, Out]):
    """Runs one stage between two neighbours until its inbox ends.

    Attributes:
        error: why it could not go on; set before the neighbours are told that it has ended.
    """

    def __init__(self, name: str, stage: Stage[In, Out], link: Link[In, Out]) -> None:
        self.name = name
        self.error: BaseException | None = None
        self._stage = stage
        self._link = link

    def run(self) -> None:
        """Work until the inbox ends or the outbox is abandoned; whatever happens, tell both neighbours."""
        try:
            while True:
                self._link.commit(self._stage.process(self._link.read()))
        except Closed:
            pass
        except BaseException as error:
            self.error = error
            raise
        finally:
            self._link.close()
