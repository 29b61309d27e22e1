import re
import threading
import time
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.errors import SourceError
from pipeline.ingest.probe import probe
from pipeline.ingest.source import parse_source
from tests import rtsp
from tests.video import clip, sound


def test_steady_file(tmp_path: Path) -> None:
    seen = probe(parse_source(str(clip(tmp_path / "a.mp4", frames=50))))
    assert (seen.size, seen.displayed, seen.turned, seen.pixels) == ((160, 96), (160, 96), False, "yuv420p")
    assert seen.measured_fps == pytest.approx(25)
    assert seen.duration == pytest.approx(2)
    assert "Time stamps: steady." in seen.sentences()
    assert "It lasts 2.0 s." in seen.sentences()
    assert not seen.audio


def test_awkward_file(tmp_path: Path) -> None:
    turned = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    times = [0, 10, 100, 110, 500]
    path = clip(tmp_path / "a.mp4", frames=5, times=times, aspect=Fraction(2), matrix=turned, full_range=True)
    seen = probe(parse_source(str(path)))
    told = "\n".join(seen.sentences())
    assert seen.displayed == (96, 320)
    assert "shown turned and stretched: 96 x 320 px" in told
    assert "full range" in told
    assert "the rate varies, with steps from 10 to 390 ms" in told


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"creation_time": "2024-05-01T12:00:00.000000Z"}, "as it says itself"),
        ({}, "event times end when the file was last written"),
    ],
)
def test_what_event_times_of_a_file_count_from(tmp_path: Path, metadata: dict[str, str], told: str) -> None:
    seen = probe(parse_source(str(clip(tmp_path / "a.mp4", metadata=metadata))))
    assert told in "\n".join(seen.sentences())


def test_looks_for_some_seconds_only(tmp_path: Path) -> None:
    assert probe(parse_source(str(clip(tmp_path / "a.mp4", frames=100))), seconds=1).frames == 26


def test_without_time_stamps(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.h264", frames=100, options={"bf": "0"})
    seen = probe(parse_source(str(path)), seconds=1)
    assert seen.frames == 26
    told = seen.sentences()
    assert "It announces 25 frames/s; 26 frames were seen, whose time stamps do not tell it." in told
    assert "Time stamps: there are none." in told


def test_one_frame(tmp_path: Path) -> None:
    told = probe(parse_source(str(clip(tmp_path / "a.mp4", frames=1)))).sentences()
    assert "It announces 25 frames/s; only 1 frame was seen." in told
    assert "Time stamps: only 1 was seen." in told


def test_a_camera_without_time_stamps_is_not_said_to_have_any(tmp_path: Path) -> None:
    """FFmpeg assumes 25 frames/s of them, and frames are stamped with their arrival."""
    path = clip(tmp_path / "a.mjpeg", frames=10, codec="mjpeg", pixels="yuvj420p", full_range=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        try:
            live = probe(parse_source(f"http://127.0.0.1:{server.server_port}/{path.name}"))
        finally:
            server.shutdown()
    for seen in (live, probe(parse_source(str(path)))):
        told = "\n".join(seen.sentences())
        assert "It announces no rate; " in told
        assert "Time stamps: there are none." in told


def test_no_video(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no video"):
        probe(parse_source(str(sound(tmp_path / "a.mp4"))))


def test_camera(tmp_path: Path) -> None:
    rtsp.require()
    with rtsp.RtspServer(clip(tmp_path / "a.mp4", frames=250, options={"bf": "0"}), user="me:hush") as server:
        seen = probe(parse_source(server.url.replace("//", "//me:hush@")), seconds=2)
    assert seen.measured_fps == pytest.approx(25, abs=3)
    assert abs(seen.clock_skew) < 1
    told = "\n".join(seen.sentences())
    assert "rtsp://***@127.0.0.1" in told
    assert "hush" not in told
    assert "Event times come from the camera's own clock (RTCP)." in told


def test_a_camera_whose_clock_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rtsp.require()
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 2 * 3600 * 10**9)
    with rtsp.RtspServer(clip(tmp_path / "a.mp4", frames=250, options={"bf": "0"})) as server:
        seen = probe(parse_source(server.url), seconds=2)
    assert seen.clock_skew == pytest.approx(-7200, abs=5)
    assert re.search(r"\(RTCP\), which is 2:00:0\d behind this machine's: set", "\n".join(seen.sentences()))
