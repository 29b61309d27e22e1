"""Makes frames from what decoders give."""

import time

from pipeline.ingest.decode import Decoded, Video
from pipeline.ingest.picture import Picture, Pictures
from pipeline.ingest.source import Source
from pipeline.messages import Clock, Frame, Stamp
from pipeline.settings import DetectorSettings


def framed(stamp: Stamp, picture: Picture, detector: DetectorSettings) -> Frame:
    """Return the frame that shows a picture."""
    return Frame(
        stamp,
        picture.width,
        picture.height,
        picture.luma,
        picture.full_range,
        picture.image,
        detector.min_face,
    )


class Framer:
    """Makes frames of one file, whose event time counts from when the container says that it was recorded."""

    def __init__(self, source: Source, run: str, video: Video) -> None:
        self._source = source
        self._run = run
        self._pictures = Pictures(source.detector, video.aspect, copies=video.leaves_holes)
        self._base = source.begun or video.created or source.path.stat().st_mtime_ns // 1000
        """Event time of the first frame, UTC, µs since 1970; when the file was last written, where it does not say."""

    def __call__(self, decoded: Decoded, number: int, pts: float) -> Frame:
        """Return the frame of that number at media time ``pts``, s."""
        stamp = Stamp(
            source=self._source.id,
            run=self._run,
            frame=number,
            pts=pts,
            time=self._base + round(pts * 1e6),
            clock=Clock.FILE,
            arrived=time.time_ns() // 1000,
        )
        return framed(stamp, self._pictures.picture(decoded.frame), self._source.detector)
