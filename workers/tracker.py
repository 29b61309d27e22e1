"""The tracker worker: frames in, the faces of each frame out."""

from pipeline.channel import Channel, MemoryLink
from pipeline.messages import End, Faces, Frame
from workers.worker import Stage, Worker


def tracker_worker(
    stage: Stage[Frame | End, Faces | End], inbox: Channel[Frame | End], outbox: Channel[Faces | End]
) -> Worker[Frame | End, Faces | End]:
    """Wire the tracker stage between two channels, a frame at a time."""
    return Worker("tracker", stage, MemoryLink(inbox, outbox))
