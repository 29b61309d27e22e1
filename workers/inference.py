"""The inference worker: faces of many frames and sources in, their distributions out."""

from pipeline.channel import Channel, MemoryLink
from pipeline.inference.stage import FullBatch
from pipeline.messages import End, Faces, Scores
from pipeline.settings import EmotionSettings
from workers.worker import Stage, Worker


def inference_worker(
    stage: Stage[Faces | End, Scores | End],
    settings: EmotionSettings,
    inbox: Channel[Faces | End],
    outbox: Channel[Scores | End],
    *,
    live: bool,
) -> Worker[Faces | End, Scores | End]:
    """Wire the inference stage between two channels.

    Live, a face waits for others no longer than the latency bound. In replay batches depend on the faces alone, so
    that two replays give the same numbers to the last bit.
    """
    link: MemoryLink[Faces | End, Scores | End] = MemoryLink(
        inbox, outbox, enough=FullBatch(settings.batch), within=settings.latency if live else None
    )
    return Worker("inference", stage, link)
