"""Stages that follow each other in one process, as one stage, which survives messages that nobody can work on."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from pipeline.errors import AffectError
from pipeline.state import Stateful
from workers.worker import Stage

log = logging.getLogger(__name__)

In = TypeVar("In")
Out = TypeVar("Out")


def warn(messages: int, error: Exception) -> None:
    """Say that a step of some messages failed, and how."""
    log.warning("a step failed; going through its %d messages one by one", messages, exc_info=error)


class Chain(Generic[In, Out]):
    """Neighbouring stages without anything between them; a step that fails leaves them as they were before it.

    Args:
        stages: from the first to the last, each taking what the one before makes; ingest needs none, its reader's
            frames are ready to go.
        tries: attempts at a message.
        give_up: told of a message that every attempt failed at, and why; what it returns takes the place of the
            outputs.
        fatal: errors that are not of a message but of who works on it; they end the work.
        told: told of a step that failed, by its number of messages and why, before they are gone through one by one.
    """

    def __init__(
        self,
        stages: Sequence[Stage[Any, Any]],
        tries: int,
        give_up: Callable[[In, Exception], Sequence[Out]],
        *,
        fatal: tuple[type[Exception], ...] = (AffectError,),
        told: Callable[[int, Exception], None] = warn,
    ) -> None:
        self._stages = stages
        self._stateful = [stage for stage in stages if isinstance(stage, Stateful)]
        self._tries = tries
        self._give_up = give_up
        self._fatal = fatal
        self._told = told
        self._states: tuple[bytes, ...] | None = None
        """What the stages remember, where that was asked since the last step."""

    def states(self) -> tuple[bytes, ...]:
        """Return what each stage remembers."""
        if self._states is None:
            self._states = tuple(stage.state() for stage in self._stateful)
        return self._states

    def restore(self, states: Sequence[bytes]) -> None:
        """Go on from ``states`` of a chain made alike; raises ``StateError``."""
        for stage, state in zip(self._stateful, states, strict=True):
            stage.restore(state)
        self._states = tuple(states)

    def process(self, inputs: Sequence[In]) -> Sequence[Out]:
        """Return the outputs of ``inputs``; where that fails, of each of them by itself."""
        if not inputs:
            return ()
        before = self.states()
        try:
            return self._through(inputs)
        except self._fatal:
            raise
        except Exception as error:
            self._told(len(inputs), error)
            self.restore(before)
            return [output for message in inputs for output in self._alone(message)]

    def _alone(self, message: In) -> Sequence[Out]:
        before = self.states()
        failure: Exception | None = None
        for _ in range(self._tries):
            try:
                return self._through((message,))
            except self._fatal:
                raise
            except Exception as error:
                failure = error
                self.restore(before)
        assert failure is not None
        return self._give_up(message, failure)

    def _through(self, inputs: Sequence[In]) -> Sequence[Out]:
        self._states = None
        messages: Sequence[Any] = inputs
        for stage in self._stages:
            messages = stage.process(messages)
        return messages
