"""Live sources side by side: what a stage cannot work on harms no source but its own."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

import numpy as np
from msgspec.structs import replace

from pipeline.ingest.failures import Unforeseen
from pipeline.ingest.source import Source
from pipeline.labels import LABELS
from pipeline.messages import End, Faces, Frame, Results, Scores, source_of
from pipeline.tally import Count, Tally
from workers.chain import Chain
from workers.engine import Engine
from workers.worker import Stage

TRIES: Final = 1
"""Attempts at a message by itself, after the first one with all others of its step: frames wait behind it."""

HOPELESS: Final = 100
"""Messages in a row, of all sources, that a stage fails at before it is given up,"""
PATIENCE: Final = 60.0
"""and s that it takes at least."""

In = TypeVar("In", bound=Frame | Faces | Scores | End)
Out = TypeVar("Out")


class Bulkhead:
    """Makes the stages of an engine, such that they outlive frames which they cannot work on.

    Such a frame is left out of the rows and counted (``Count.POISON``); why is told once for each source and each place
    in the program that the error comes from. All else goes on as if the frame had not been there. That a network gives
    what cannot be used is no other case: nobody else could work on the frame. A stage that can work on nothing at all
    any more, of no source, as when a GPU is lost, raises its error after a while: whoever starts it anew may help.

    Args:
        engine: makes the stages.
        sources: all that there are.
        tally: counts what is left out.
    """

    def __init__(self, engine: Engine, sources: Sequence[Source], tally: Tally) -> None:
        self._engine = engine
        self._tally = tally
        self._unforeseen = {source.id: Unforeseen(source) for source in sources}
        # Of all sources together: one that nobody can work on says nothing of the stage.
        self._tracking, self._inferring, self._sinking = _Health(), _Health(), _Health()

    def tracker(self, tally: Tally) -> Stage[Frame | End, Faces | End]:
        """See ``Engine.tracker``."""
        return self._each(lambda: self._chain(self._engine.tracker(tally), _end, self._tracking))

    def inference(self) -> Stage[Faces | End, Scores | End]:
        """See ``Engine.inference``; what shares a batch with faces that fail is tried again without them."""
        return self._chain(self._engine.inference(), self._unscored, self._inferring)

    def sink(self, tally: Tally) -> Stage[Scores | End, Results]:
        """See ``Engine.sink``."""
        return self._each(
            lambda: self._chain(
                self._engine.sink(tally), lambda message: [Results(ends=(end,)) for end in _end(message)], self._sinking
            )
        )

    def _each(self, make: Callable[[], Stage[In, Out]]) -> "_Each[In, Out]":
        return _Each({source: make() for source in self._unforeseen})

    def _chain(
        self, stage: Stage[In, Out], instead: Callable[[In], Sequence[Out]], health: "_Health"
    ) -> Chain[In, Out]:
        def give_up(message: In, error: Exception) -> Sequence[Out]:
            health.failed(error)
            source = source_of(message)
            self._tally.add(source, Count.POISON)
            self._unforeseen[source].tell(error)
            return instead(message)

        # Behind the stage: what comes through, it could work on.
        return Chain([stage, health], TRIES, give_up, fatal=(), told=lambda *_: None)

    def _unscored(self, message: Faces | End) -> Sequence[Scores | End]:
        """Return a frame without its faces: which tracks have ended is known from it alone."""
        if isinstance(message, End):
            return [message]
        faces = replace(
            message,
            tracks=(),
            **{
                name: getattr(message, name)[:0]
                for name in ("boxes", "landmarks", "scores", "quality", "pose", "crops")
            },
        )
        nothing = np.zeros((0, len(LABELS)), np.float32)
        return [Scores(faces, nothing, self._engine.classifier.id)]


class _Health:
    """Whether anything comes through the stages of a kind."""

    def __init__(self) -> None:
        self._failures = 0
        """Messages since the last one that came through."""
        self._since = 0.0
        """When the first of these failed, by the monotonic clock, s."""

    def process(self, messages: Sequence[Any]) -> Sequence[Any]:
        """Pass on what came through."""
        # Scores of a frame without faces prove nothing: no network was asked.
        if any(not isinstance(message, Scores) or message.faces.tracks for message in messages):
            self._failures = 0
        return messages

    def failed(self, error: Exception) -> None:
        """Note a message that did not; raises ``error`` where none has for long enough."""
        if not self._failures:
            self._since = time.monotonic()
        self._failures += 1
        if self._failures >= HOPELESS and time.monotonic() - self._since >= PATIENCE:
            raise error


class _Each(Generic[In, Out]):
    """A stage for each source: to put one back to where it was takes no longer the more others there are."""

    def __init__(self, stages: Mapping[str, Stage[In, Out]]) -> None:
        self._stages = stages

    def process(self, inputs: Sequence[In]) -> list[Out]:
        """Return the outputs of each source in their order."""
        shares: dict[str, list[In]] = {}
        for message in inputs:
            shares.setdefault(source_of(message), []).append(message)
        outputs: list[Out] = []
        for source, messages in shares.items():
            outputs += self._stages[source].process(messages)
        return outputs


def _end(message: Any) -> list[End]:
    """Return what must not be left out: without its end a source would be under way for ever."""
    return [message] if isinstance(message, End) else []
