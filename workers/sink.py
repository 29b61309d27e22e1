"""The sink worker: distributions in; Redis Streams and Parquet out."""

from collections.abc import Sequence

from pipeline.channel import Channel
from pipeline.messages import End, Results, Scores
from pipeline.sink.writer import Writer
from workers.latency import Latency
from workers.worker import Stage, Worker

MOST = 64
"""Messages of one step: under load writers work in larger steps, which cost less each."""


class WriterLink:
    """Reads from a channel, commits to every writer, and notes how long each frame took to get there."""

    def __init__(self, inbox: Channel[Scores | End], writers: Sequence[Writer], latency: Latency) -> None:
        self._inbox = inbox
        self._writers = writers
        self._latency = latency
        self._read: Sequence[Scores | End] = ()

    def read(self) -> Sequence[Scores | End]:
        """See ``Link.read``."""
        self._read = self._inbox.take(lambda batch: len(batch) >= MOST, 0.0)
        return self._read

    def commit(self, outputs: Sequence[Results]) -> None:
        """See ``Link.commit``."""
        for results in outputs:
            for writer in self._writers:
                writer.write(results)
        for message in self._read:
            if isinstance(message, Scores):
                self._latency.note(message.faces.stamp)

    def close(self) -> None:
        """See ``Link.close``; the writers belong to whoever opened them."""
        self._inbox.abandon()


def sink_worker(
    stage: Stage[Scores | End, Results],
    latency: Latency,
    inbox: Channel[Scores | End],
    writers: Sequence[Writer],
) -> Worker[Scores | End, Results]:
    """Wire the sink stage between a channel and the writers."""
    return Worker("sink", stage, WriterLink(inbox, writers, latency))
