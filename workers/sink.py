"""The sink worker: distributions in; Redis Streams and Parquet out."""

from collections.abc import Sequence

from pipeline.channel import Channel
from pipeline.messages import End, Results, Scores
from pipeline.sink.writer import Writer
from pipeline.tally import Tally
from workers.engine import Engine
from workers.worker import Worker


class WriterLink:
    """Reads from a channel, commits to every writer."""

    def __init__(self, inbox: Channel[Scores | End], writers: Sequence[Writer]) -> None:
        self._inbox = inbox
        self._writers = writers

    def read(self) -> Sequence[Scores | End]:
        """See ``Link.read``; takes all that has gathered, so that writers work in larger steps under load."""
        return self._inbox.take(lambda batch: len(batch) >= 64, 0.0)

    def commit(self, outputs: Sequence[Results]) -> None:
        """See ``Link.commit``."""
        for results in outputs:
            for writer in self._writers:
                writer.write(results)

    def close(self) -> None:
        """See ``Link.close``; the writers belong to whoever opened them."""
        self._inbox.abandon()


def sink_worker(
    engine: Engine, tally: Tally, inbox: Channel[Scores | End], writers: Sequence[Writer], *, live: bool
) -> Worker[Scores | End, Results]:
    """Wire the sink stage between a channel and the writers."""
    return Worker("sink", engine.sink(tally, live=live), WriterLink(inbox, writers))
