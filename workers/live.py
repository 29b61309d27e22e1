"""Live sources through the pipeline, until stopped."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self

from pipeline.errors import InputError
from pipeline.ingest.connection_status import Phase
from pipeline.ingest.live import LiveReader
from pipeline.ingest.source import Source
from pipeline.run import live_run
from pipeline.tally import Count, Tally
from workers.config import Config, SourceConfig, configured
from workers.engine import Engine
from workers.outputs import open_writers
from workers.runner import Runner
from workers.status import SourceStatus

SILENT: Final = 60.0
"""s for which writing may take; a session that is silent for longer hangs."""


def live_sources(texts: Sequence[str], config: Config) -> list[Source]:
    """Return the sources that the command line names, or else those of the configuration.

    Raises:
        InputError: there are none, one is not a live source, or two have the same id.
    """
    sources = [live_source(source, config) for source in texts or config.sources]
    if not sources:
        raise InputError("no source given; name a camera (rtsp://…, http://…, 0) or put sources into a --config file")
    check_ids(sources)
    return sources


def live_source(source: SourceConfig | str, config: Config) -> Source:
    """Return what ``configured`` does, which must not be a file. Raises ``InputError``."""
    found = configured(source, config)
    if not found.live:
        raise InputError(f"{found.safe_url!r} is a file; `affectstream replay` reads files")
    return found


def check_ids(sources: Sequence[Source]) -> None:
    """Raise ``InputError`` where two sources have the same id."""
    ids = [source.id for source in sources]
    for name in ids:
        if ids.count(name) > 1:
            raise InputError(
                f"two sources have the id {name!r}; give them names of their own: NAME=URL, or in a --config file"
            )


class Session:
    """Live sources, the pipeline and its writers, from opening to closing.

    Args:
        sources: what to watch.
        engine: the networks, and everything that is set.
        redis: URL of the server, or None.
        stopped: asked while somebody erases in the folder of the results, which is waited for, whether to wait no
            longer.

    Raises:
        OutputError: the folder cannot be written, or it was told to stop while it waited.
        BrokerError: Redis cannot be used.

    Attributes:
        readers: one per source.
        tally: what was counted so far.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        engine: Engine,
        redis: str | None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.tally = Tally()
        patient = len(sources) > 1
        # A run for each: ids of tracks are unique within a run, and must be among all sources.
        self.readers = [LiveReader(source, live_run(), self.tally, patient=patient) for source in sources]
        self._hopeless = math.inf
        """Monotonic time since when no source has been hopeful, s; infinity while one is."""
        self._waited = time.monotonic()
        """When ``wait`` was last called, s."""
        with ExitStack() as stack:
            self._writers = stack.enter_context(
                open_writers(engine.config, redis, self.tally, sources, live=True, stopped=stopped)
            )
            self.runner = Runner(engine, self.readers, self._writers, self.tally, live=True)
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        self.runner.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stack.__exit__(kind, error, trace)
        finally:
            if kind is not None:
                self.runner.stop()
            self.runner.end()

    @property
    def seen(self) -> bool:
        """Whether any source gave a frame."""
        return any(self.tally.of(reader.source.id)[Count.FRAMES] for reader in self.readers)

    def statuses(self) -> list[SourceStatus]:
        """Return how each source is doing; may be called from any thread."""
        return [self._status(reader) for reader in self.readers]

    def ailment(self) -> str:
        """Say whether nobody has called ``wait`` for longer than ``SILENT``; empty where all is well."""
        silent = time.monotonic() - self._waited
        return f"nothing was done for {silent:.0f} s" if silent > SILENT else ""

    @property
    def hopeful(self) -> bool:
        """Whether any source may still give frames."""
        return any(reader.hopeful for reader in self.readers)

    def wait(self, timeout: float) -> bool:
        """Wait at most ``timeout`` s; return whether every source has ended and all is written.

        To be called again and again until then: this is also where writers do what is due, and where a session ends
        whose sources are all hopeless. An attempt that was under way when the last of them was refused is waited for,
        at most ``open_timeout`` s: a camera that starts up may be back with it. Later ones are not, for among many
        sources one may always be just being tried again.

        Raises:
            AffectError: the pipeline could not go on.
        """
        self._waited = time.monotonic()
        tried = min(reader.tried for reader in self.readers)  # first: what ends now has an outcome then
        if self.hopeful:
            self._hopeless = math.inf
        else:
            self._hopeless = min(self._hopeless, time.monotonic())
            if tried >= self._hopeless:
                self.runner.stop()
        ended = self.runner.wait(timeout)
        for writer in self._writers:
            writer.tick()
        return ended

    def _status(self, reader: LiveReader) -> SourceStatus:
        source, state = reader.source, reader.state
        return SourceStatus(
            source=source.id,
            state=state.phase.value,
            up=state.phase is Phase.LIVE,
            reason=state.reason.removeprefix(f"{source.safe_url} "),  # which is told beside it
            read_from=source.safe_url,
            fps=state.fps,
            counts=self.tally.of(source.id),
            delay=self.runner.latency.of(source.id),
        )
