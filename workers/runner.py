"""All four workers in one process, a thread each, joined by bounded channels.

::

    reader ─▶ ingest ─┐
    reader ─▶ ingest ─┴▶ tracker ─▶ inference ─▶ sink ─▶ writers

Decoding, the networks and compression release the interpreter lock, so the threads do run side by side. The sources
are dealt out to as many trackers as there are cores to run them.
"""

import os
import threading
import time
from collections.abc import Sequence
from typing import Any

from pipeline.channel import Channel
from pipeline.errors import SourceError
from pipeline.ingest.source import Source
from pipeline.messages import End, Faces, Frame, Scores
from pipeline.sink.writer import Writer
from pipeline.tally import Tally
from workers.bulkhead import Bulkhead
from workers.engine import Engine
from workers.inference import inference_worker
from workers.ingest import Reader, ingest_worker
from workers.latency import Latency
from workers.sink import sink_worker
from workers.tracker import tracker_worker
from workers.worker import Worker

FRAMES = 4
"""Decoded frames that wait for one tracker at most; each holds a full picture."""

MESSAGES = 64
"""Messages without pictures that wait between the later stages."""

LEAVING = 5.0
"""s that workers have to end in when the user insists: one may be waiting for a disk or a camera."""


class Runner:
    """Runs readers through the pipeline into writers.

    Attributes:
        failures: why sources ended before their time, by source id.
        latency: from the decoded frame to the committed rows.
    """

    def __init__(
        self, engine: Engine, readers: Sequence[Reader], writers: Sequence[Writer], tally: Tally, *, live: bool
    ) -> None:
        self.failures: dict[str, SourceError] = {}
        self.latency = Latency()
        self._readers = readers
        self._channels: list[Channel[Any]] = []
        self._threads: list[threading.Thread] = []

        trackers = max(1, min(len(readers), (os.cpu_count() or 1) // 2))
        faces: Channel[Faces | End] = Channel(MESSAGES, writers=trackers)
        scores: Channel[Scores | End] = Channel(MESSAGES)
        self._channels += faces, scores
        self._workers: list[Worker[Any, Any]] = []
        # A file that was read without some of its frames would not be whole: its replay fails, with the reason.
        stages = Bulkhead(engine, [reader.source for reader in readers], tally) if live else engine
        for index in range(trackers):
            mine = readers[index::trackers]
            frames: Channel[Frame | End] = Channel(FRAMES, writers=len(mine))
            self._channels.append(frames)
            self._add(*(ingest_worker(reader, frames, self._failed) for reader in mine))
            self._add(tracker_worker(stages.tracker(tally), frames, faces))
        self._add(inference_worker(stages.inference(), engine.config.emotion, faces, scores, live=live))
        self._add(sink_worker(stages.sink(tally), self.latency, scores, writers))

    def start(self) -> None:
        """Start every worker."""
        for worker in self._workers:
            thread = threading.Thread(target=self._run, args=(worker,), name=worker.name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Make the readers end; what they have read so far still reaches the writers."""
        for reader in self._readers:
            reader.stop()

    def wait(self, timeout: float) -> bool:
        """Wait for the last worker, at most ``timeout`` s; return whether all have ended.

        Raises:
            AffectError: a worker could not go on (the first one in the order of the data, if several).
        """
        self._threads[-1].join(timeout)
        if self._threads[-1].is_alive():
            return False
        for worker in self._workers:
            if worker.error is not None:
                raise worker.error
        return True

    def end(self) -> None:
        """End every worker at its next message, once the writers are closed, and wait for ``LEAVING`` s at most.

        A thread that is inside a C library when the interpreter ends would abort the process.
        """
        for channel in self._channels:
            channel.abandon()
        deadline = time.monotonic() + LEAVING
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _add(self, *workers: Worker[Any, Any]) -> None:
        self._workers.extend(workers)

    def _failed(self, source: Source, error: SourceError) -> None:
        self.failures[source.id] = error

    def _run(self, worker: Worker[Any, Any]) -> None:
        try:
            worker.run()
        except BaseException:
            # The worker keeps its error, which ``wait`` raises, and has told its neighbours.
            self.stop()
