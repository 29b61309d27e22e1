"""The tracker worker: frames in, the faces of each frame out."""

from pipeline.channel import Channel, MemoryLink
from pipeline.messages import End, Faces, Frame
from pipeline.tally import Tally
from workers.engine import Engine
from workers.worker import Worker


def tracker_worker(
    engine: Engine, tally: Tally, inbox: Channel[Frame | End], outbox: Channel[Faces | End]
) -> Worker[Frame | End, Faces | End]:
    """Wire the tracker stage between two channels, a frame at a time."""
    return Worker("tracker", engine.tracker(tally), MemoryLink(inbox, outbox))
