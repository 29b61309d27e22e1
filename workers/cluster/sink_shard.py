"""The sink's part of the work on one source in this process."""

import logging

from msgspec.structs import replace

from pipeline.messages import End, Results, Scores
from pipeline.sink.parquet import ParquetWriter
from pipeline.sink.streams import Streams
from workers.bus import keys
from workers.bus.codec import Message
from workers.bus.lease import Lost
from workers.bus.ledger import Ledger
from workers.bus.owned import Publisher
from workers.bus.pool import HUNG
from workers.bus.sink_link import SinkLink
from workers.chain import Chain
from workers.cluster.shard import Shard
from workers.outputs import origin
from workers.worker import Worker

log = logging.getLogger(__name__)


class SinkShard(Shard):
    """Smooths and writes one source."""

    def _work(self) -> None:
        context, lease = self._context, self.lease
        ledger = Ledger(context.broker, lease, inbox=keys.scores(lease.source), outbox=None, strict=True)
        position = ledger.load()
        # The link counts the ends that it takes.
        chain: Chain[Message, Results] = self._chain(("sink",), position, lambda _: [])
        config, origins = context.config, {lease.source: origin(context.config)}
        parquet = ParquetWriter(config.out, config.parquet, lease.verify, origins, stopped=lease.stopped.is_set)
        link = SinkLink(
            self._ordered(ledger, keys.scores(lease.source), Scores, End, held=HUNG),
            Publisher(ledger, replace(position, chain="sink"), chain, None),
            parquet,
            Streams(context.broker.client, config.redis),
            context.broker,
            lease,
            bus=config.bus,
            parts=config.parquet,
        )
        try:
            Worker(self.name, chain, link).run()
            link.leave()
        except Lost as lost:
            if str(lost) == "forgotten" and link.unsaved:
                log.warning(
                    "%s: rows of %d frames were in no table yet; a file is read again, a live source has lost them",
                    self.name,
                    link.unsaved,
                )
            raise
        finally:
            parquet.close(save=False)  # what was not saved is still in the inbox
