"""What the parts of a process that works for many sources share."""

from collections.abc import Callable
from typing import Any

from pipeline.tally import Tally
from workers.bus.broker import Broker
from workers.engine import Engine
from workers.worker import Stage


class Context:
    """What the shards of a process share: its networks among it, each opened once."""

    def __init__(self, broker: Broker, engine: Engine, tally: Tally) -> None:
        self.broker = broker
        self.engine = engine
        self.config = config = engine.config
        self.tally = tally
        self.quality = config.bus.quality if config.bus.frames == "jpeg" else None

    def stages(self, names: tuple[str, ...]) -> list[Stage[Any, Any]]:
        """Make the stages of a chain; ingest has none, because its reader's frames are ready to go."""
        make: dict[str, Callable[[], Stage[Any, Any]]] = {
            "tracker": lambda: self.engine.tracker(self.tally),
            "inference": self.engine.inference,
            "sink": lambda: self.engine.sink(self.tally),
        }
        return [make[name]() for name in names if name in make]
