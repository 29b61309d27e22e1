"""Starts the real RTSP server of ``rtsp_server.py``, and kills it."""

import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

PYTHON = Path("/usr/bin/python3")
_BINDINGS = """
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst
Gst.init(None)
assert all(Gst.ElementFactory.find(name) for name in ("qtdemux", "h264parse", "rtph264pay"))
"""


def free_port() -> int:
    """Return a TCP port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require() -> None:
    """Skip the test where GStreamer's RTSP server is not installed."""
    if not PYTHON.exists() or subprocess.run([PYTHON, "-c", _BINDINGS], capture_output=True, check=False).returncode:
        pytest.skip("no GStreamer RTSP server: apt-get install gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-bad")


class RtspServer:
    """Serves ``clip`` at ``url`` while the context is open; may be killed, frozen and started again.

    ``prefix``: words before its command, as of a program that runs it on another host.
    """

    def __init__(self, clip: Path, *, user: str | None = None, prefix: Sequence[str] = ()) -> None:
        self._prefix = prefix
        self._clip = clip
        self._user = user
        self.port = free_port()
        self.url = f"rtsp://127.0.0.1:{self.port}/live"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        script = Path(__file__).with_name("rtsp_server.py")
        command = [*self._prefix, str(PYTHON), str(script), str(self.port), str(self._clip)]
        self._process = subprocess.Popen(
            [*command, *([self._user] if self._user else [])], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        """Kill it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def freeze(self) -> None:
        """Let it hold its connections and send nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
