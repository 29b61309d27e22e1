"""How long a video lasts by what its container states, and whether a file ends before that."""

import re
from typing import Any, Final

import av

EXACT: Final = ("avi", "flv", "ivf", "matroska", "mxf")
"""Formats that write the length down. Of others FFmpeg may take that of the sound, which goes on, or an estimate."""

SHORTFALL: Final = (1.0, 0.02)
"""s, and share of the stated length, by which a whole file may be shorter: the larger of the two."""

_DURATION = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")  # a tag of Matroska's streams


class Length:
    """What an open container states of the length of a stream.

    Attributes:
        video: of the stream, s; None where the container states none, or only that of the whole file.
        known: ``video``, else that of the whole file, s; None if unknown.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        self._container = container
        self._stream = stream
        self._format = str(container.format.name)
        self.video = self._video()
        self.known = self.video or self._total()

    def is_short(self, seconds: float, packets: int) -> bool:
        """Say whether a file ends before the end that it announces; ask while it is open, when it was read.

        Args:
            seconds: media time from its first frame to its last.
            packets: how many were read.
        """
        if "mp4" in self._format:  # its index lists every packet; its length is as long as the last picture is to stand
            return packets < len(self._stream.index_entries)
        if self.video is None or not self._format.startswith(EXACT):
            return False
        least, share = SHORTFALL
        return seconds < self.video - max(least, share * self.video)

    def _video(self) -> float | None:
        stream = self._stream
        # Matroska and FLV state no length of each stream; FFmpeg may put that of the whole file in its place.
        if stream.duration and stream.time_base and not self._format.startswith(("matroska", "flv")):
            return float(stream.duration * stream.time_base)
        tag = _DURATION.fullmatch(stream.metadata.get("DURATION", ""))
        if tag is not None:
            hours, minutes, seconds = (float(part) for part in tag.groups())
            return self._from_begin(3600 * hours + 60 * minutes + seconds)
        return self._total() if len(self._container.streams) == 1 else None

    def _total(self) -> float | None:
        return self._from_begin(self._container.duration / av.time_base) if self._container.duration else None

    def _from_begin(self, length: float) -> float | None:
        """Return the length from the first frame on: Matroska states the end, and segments do not begin at 0."""
        late = self._format.startswith("matroska") and self._stream.start_time and self._stream.time_base
        begin = float(self._stream.start_time * self._stream.time_base) if late else 0.0
        return length - begin if length > begin else None
