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


def _begun(source: Source, video: Video) -> int:
    """Return when a file begins that does not say so: a recorder writes last to it at its end.

    A file of unknown length, or of one that cannot be, begins when it was last written.
    """
    written = source.path.stat().st_mtime_ns // 1000
    begun = written - round((video.duration or 0.0) * 1e6)
    return begun if 0 < begun <= written else written


class Framer:
    """Makes frames of one file, whose event time counts from when the container says that it was recorded."""

    def __init__(self, source: Source, run: str, video: Video) -> None:
        self._source = source
        self._run = run
        self._pictures = Pictures(source.detector, video.aspect, copies=video.leaves_holes)
        self._base = source.begun or video.created or _begun(source, video)
        """Event time of the first frame, UTC, µs since 1970."""

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
