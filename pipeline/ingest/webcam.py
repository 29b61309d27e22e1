"""Reads a webcam through OpenCV: FFmpeg as PyAV ships it has no capture devices."""

import itertools
import os
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from pipeline.errors import SourceLost
from pipeline.ingest.decode import Decoded
from pipeline.ingest.source import Source


class Webcam:
    """An open webcam; stands in for ``decode.Video``.

    Raises ``SourceLost`` where it does not open: it may be in use, be plugged in or be allowed later.
    """

    def __init__(self, source: Source) -> None:
        import cv2  # large, and of no use to the other sources

        self.source = source
        number = source.url.isdecimal()  # elsewhere than on Linux a webcam has no path
        if not number and (reason := _barred(Path(source.url))):
            raise SourceLost(f"{source.safe_url} {reason}")
        # Our own error says what is wrong; OpenCV would log it at every attempt.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        self._capture = cv2.VideoCapture(int(source.url) if number else source.url)
        if not self._capture.isOpened():
            raise SourceLost(f"{source.safe_url} does not open; another program may be using it")
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.step = 1 / rate if rate > 0 else None
        self.base = Fraction(1, 1_000_000)
        self.aspect = 1.0
        self.duration: float | None = None
        self.finite = self.paced = self.audio = False
        self.timeless, self.assumed = True, False
        self.format, self.codec = "webcam", "raw"

    def frames(self, corrupt: Callable[[int], None]) -> Iterator[Decoded]:
        """Give frames stamped with their arrival until the camera goes away; none is ever ``corrupt``."""
        for number in itertools.count():
            pixels: Any
            read, pixels = self._capture.read()
            if not read:
                raise SourceLost(f"{self.source.safe_url} gives no more pictures")
            picture = av.VideoFrame.from_ndarray(pixels, format="bgr24")
            yield Decoded(picture, time.monotonic_ns() // 1000, None, number)

    def close(self) -> None:
        """Let go of the camera."""
        self._capture.release()


def _barred(device: Path) -> str | None:
    """Say why this process cannot open a device; None if it may."""
    if not device.exists():
        return "is not there; `ls /dev/video*` lists the webcams that are connected"
    if os.access(device, os.R_OK | os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        return None
    try:
        group = device.group()
    except KeyError:  # it has no name here, as in containers
        group = str(device.stat().st_gid)
    return f"may not be opened by this user, who must be in group {group!r} (usermod -aG {group} USER) and log in anew"
