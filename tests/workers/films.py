"""Films the demo's scene in other ways than the demo does."""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av

from pipeline.messages import Bytes
from workers.scene import HEIGHT, WIDTH, frame, portrait


@lru_cache(maxsize=128)
def _picture(time: float) -> Bytes:
    return frame(portrait(), time)


def film(path: Path, times: Sequence[float], *, gop: int, options: dict[str, str] | None = None) -> Path:
    """Film the scene at the given times, s, with a key frame every ``gop`` frames; return the path."""
    with av.open(str(path), "w") as out:
        out.metadata["creation_time"] = "2024-01-01T12:00:00.000000Z"
        stream = out.add_stream("libx264", rate=25, options={"preset": "veryfast", **(options or {})})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = WIDTH, HEIGHT, "yuv420p", gop
        stream.thread_count = 1  # lest the packets depend on how many cores there are
        stream.codec_context.time_base = Fraction(1, 1000)
        for time in times:
            picture = av.VideoFrame.from_ndarray(_picture(time), format="bgr24")
            picture.pts, picture.time_base = round((time - times[0]) * 1000), Fraction(1, 1000)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path
