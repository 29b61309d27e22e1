import itertools
import logging
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.errors import SourceError, SourceLost
from pipeline.ingest.connection_status import Phase
from pipeline.ingest.decode import Video
from pipeline.ingest.live import LiveReader
from pipeline.ingest.source import Source, parse_source
from pipeline.messages import Clock, End, Frame
from pipeline.settings import IngestSettings
from pipeline.tally import Count, Tally
from tests import rtsp
from tests.rtsp import RtspServer
from tests.video import clip


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rtsp.require()
    path = tmp_path_factory.mktemp("rtsp") / "clip.mp4"
    return clip(path, frames=25 * 60, options={"bf": "0"})


@pytest.fixture(scope="module")
def server(endless: Path) -> Iterator[RtspServer]:
    with RtspServer(endless) as server:
        yield server


def source(url: str, **settings: object) -> Source:
    quick = {"open_timeout": 2.0, "read_timeout": 1.5, "backoff": (0.1, 0.4), **settings}
    return parse_source(url, name="door", ingest=IngestSettings.model_validate(quick))


class Watch:
    """Reads a live source in a thread and keeps what it gave."""

    def __init__(self, url: str, **settings: object) -> None:
        self.tally = Tally()
        self.reader = LiveReader(source(url, **settings), "run", self.tally)
        self.frames: list[Frame] = []
        self.end: End | None = None
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for message in self.reader:
                if isinstance(message, Frame):
                    self.frames.append(message)
                else:
                    self.end = message
        except SourceError as error:
            self.error = error

    def wait(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (self.reader.state, self.error, len(self.frames))
            time.sleep(0.01)

    def stop(self) -> float:
        """Stop; return the seconds that it took."""
        begun = time.monotonic()
        self.reader.stop()
        self._thread.join(5)
        assert not self._thread.is_alive()
        return time.monotonic() - begun


def seen_after(watch: Watch, number: int) -> Callable[[], bool]:
    enough = len(watch.frames) + number
    return lambda: len(watch.frames) >= enough


def test_plays(server: RtspServer) -> None:
    watch = Watch(server.url)
    watch.wait(seen_after(watch, 75))
    watch.wait(lambda: watch.frames[-1].stamp.clock is Clock.RTCP)
    state = watch.reader.state
    assert state.phase is Phase.LIVE
    assert state.fps == pytest.approx(25, abs=10)
    assert watch.stop() < 1
    assert watch.end == End("door", "run", complete=False)
    frame = watch.frames[-1]
    assert (frame.width, frame.height, frame.luma.shape) == (160, 96, (96, 160))
    # The server's clock is this machine's, so capture lies just before arrival.
    assert frame.stamp.clock is Clock.RTCP
    assert 0 <= frame.stamp.arrived - frame.stamp.time < 500_000
    steps = [b.stamp.pts - a.stamp.pts for a, b in itertools.pairwise(watch.frames[10:])]
    assert steps == pytest.approx([0.04] * len(steps), abs=1e-3)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (7200, "[12]:[05]\\d:\\d\\d ahead of this machine's: times are by it; .* ingest.camera_clock: false"),
        (-(10**8), "1157 days, .* behind this machine's: that is not believed"),
    ],
)
def test_a_camera_whose_clock_is_off_is_told_once(
    server: RtspServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, seconds: int, told: str
) -> None:
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() - seconds * 10**9)
    watch = Watch(server.url)
    watch.wait(lambda: bool(caplog.records))
    watch.wait(seen_after(watch, 50))
    watch.stop()
    (record,) = caplog.records
    assert re.search(f"^door: the camera's clock is {told}", record.getMessage())
    assert watch.frames[-1].stamp.clock is (Clock.RTCP if seconds == 7200 else Clock.ARRIVAL)


def test_a_cameras_clock_need_not_be_believed(server: RtspServer) -> None:
    watch = Watch(server.url, camera_clock=False)
    watch.wait(seen_after(watch, 75))
    watch.stop()
    assert {frame.stamp.clock for frame in watch.frames} == {Clock.ARRIVAL}


def test_another_viewer_moves_no_time(server: RtspServer) -> None:
    """The server begins its time stamps anew for all when one comes, and dates them wrongly until its next report."""
    watch = Watch(server.url)
    watch.wait(seen_after(watch, 100))
    other = Video(source(server.url))
    assert next(other.frames(lambda n: None)).frame.width == 160
    watch.wait(seen_after(watch, 50))
    other.close()
    watch.stop()
    stamps = [frame.stamp for frame in watch.frames if frame.stamp.clock is Clock.RTCP]
    assert len(stamps) > 100
    assert all(abs(stamp.arrived - stamp.time) < 3_000_000 for stamp in stamps)  # 4 s had gone by when the other came
    assert all(a.time <= b.time for a, b in itertools.pairwise(stamps))


def test_comes_back_after_the_server_died(endless: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), RtspServer(endless) as server:
        watch = Watch(server.url)
        watch.wait(seen_after(watch, 25))
        server.kill()
        died, before = time.monotonic(), len(watch.frames)
        watch.wait(lambda: watch.reader.state.phase is Phase.WAITING)
        time.sleep(1)
        server.start()
        watch.wait(seen_after(watch, 25))
        away = time.monotonic() - died
        watch.stop()
    assert watch.tally.of("door")[Count.RECONNECTS] == 1
    stamps = [frame.stamp for frame in watch.frames]
    assert {(stamp.source, stamp.run) for stamp in stamps} == {("door", "run")}
    assert [stamp.frame for stamp in stamps] == sorted({stamp.frame for stamp in stamps})
    assert all(a.pts <= b.pts for a, b in itertools.pairwise(stamps))
    assert all(a.time <= b.time for a, b in itertools.pairwise(s for s in stamps if s.clock is Clock.ARRIVAL))
    assert 1 < stamps[before + 1].pts - stamps[before - 1].pts < away
    assert stamps[-1].time == pytest.approx(time.time() * 1e6, abs=2e6)
    assert 2 <= len(caplog.records) <= 4
    assert caplog.records[-1].getMessage().startswith("door: back after ")


def test_comes_back_after_the_server_hung(endless: Path, caplog: pytest.LogCaptureFixture) -> None:
    with RtspServer(endless) as server:
        watch = Watch(server.url, read_timeout=4.0)
        watch.wait(seen_after(watch, 50))
        server.freeze()
        frozen = time.monotonic()
        watch.wait(lambda: watch.reader.state.phase is Phase.WAITING)
        assert time.monotonic() - frozen < 4 + 4  # the read time-out, and what a busy machine adds
        assert "in time" in watch.reader.state.reason
        server.thaw()
        hung = time.monotonic() - frozen
        watch.wait(lambda: watch.reader.state.phase is Phase.LIVE)
        watch.wait(seen_after(watch, 10))
        watch.stop()
    assert watch.tally.of("door")[Count.RECONNECTS] >= 1
    away = re.search(r"back after ([\d.]+) s", caplog.text)
    assert away is not None
    assert hung - 0.2 < float(away[1])
    # The frame that the parser gave out in between, 2 s late, takes nothing from media time.
    first, last = watch.frames[0].stamp, watch.frames[-1].stamp
    assert last.pts - first.pts == pytest.approx((last.arrived - first.arrived) / 1e6, abs=1)


def test_drops_what_the_tracker_does_not_take(server: RtspServer) -> None:
    tally = Tally()
    reader = LiveReader(source(server.url, staleness=0.2), "run", tally)
    ages = []
    for message in reader:
        if isinstance(message, Frame):
            ages.append(time.time_ns() // 1000 - message.stamp.arrived)
            time.sleep(0.3)
            if len(ages) == 8:
                reader.stop()
    counts = tally.of("door")
    assert max(ages) < 1_000_000  # µs; 1,800,000 if all were kept
    assert counts[Count.STALE] > 20
    assert counts[Count.SAMPLED] == len(ages)
    assert 0 <= counts[Count.FRAMES] - counts[Count.STALE] - counts[Count.SAMPLED] <= 6


def test_wrong_password_is_lasting(endless: Path, caplog: pytest.LogCaptureFixture) -> None:
    with RtspServer(endless, user="me:s@c/r#t?") as server:
        wrong = server.url.replace("//", "//me:mistake@")
        with pytest.raises(SourceError, match=r"refuses that user name or password \(401\)") as caught:
            list(LiveReader(source(wrong), "run", Tally()))
        with pytest.raises(SourceError, match=r"asks for a user name and password \(401\)"):
            list(LiveReader(source(server.url), "run", Tally()))
        right = LiveReader(source(server.url.replace("//", "//me:s%40c%2Fr%23t%3F@")), "run", Tally())
        assert isinstance(next(iter(right)), Frame)
    assert not isinstance(caught.value, SourceLost)
    assert "mistake" not in str(caught.value) + caplog.text


def test_wrong_path_is_lasting(server: RtspServer) -> None:
    with pytest.raises(SourceError, match="404"):
        list(LiveReader(source(server.url.replace("live", "other")), "run", Tally()))


@pytest.fixture
def silent() -> Iterator[int]:
    """Port of a server that accepts connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_silence_ends_in_a_time_out(scheme: str, silent: int) -> None:
    begun = time.monotonic()
    with pytest.raises(SourceLost, match="in time"):
        Video(source(f"{scheme}://127.0.0.1:{silent}/live", open_timeout=1.0))
    assert time.monotonic() - begun < 2.5


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_camera_may_take_longer_to_answer_than_between_packets(scheme: str, silent: int) -> None:
    begun = time.monotonic()
    with pytest.raises(SourceLost, match="in time"):
        Video(source(f"{scheme}://127.0.0.1:{silent}/live", open_timeout=2.0, read_timeout=0.5))
    assert time.monotonic() - begun > 1.9


def test_a_camera_that_is_slow_to_answer_opens(server: RtspServer) -> None:
    server.freeze()
    threading.Timer(1.5, server.thaw).start()
    video = Video(source(server.url, open_timeout=15.0, read_timeout=1.0))
    assert next(video.frames(lambda n: None)).frame.width == 160
    video.close()


def test_nobody_listens() -> None:
    with pytest.raises(SourceLost, match="refuses the connection"):
        Video(source(f"rtsp://127.0.0.1:{rtsp.free_port()}/live"))


def test_no_such_host() -> None:
    with pytest.raises(SourceLost, match=r"there is no host 'camera\.invalid'"):
        Video(source("rtsp://me:secret@camera.invalid/live"))


def test_stops_at_once_while_the_camera_hangs(silent: int) -> None:
    watch = Watch(f"rtsp://127.0.0.1:{silent}/live", open_timeout=3.0)
    time.sleep(0.3)
    assert watch.stop() < 1
    assert watch.end == End("door", "run", complete=False)


def test_a_hanging_camera_does_not_keep_the_program_from_ending(silent: int) -> None:
    program = f"""
import threading, time
from pipeline.ingest.live import LiveReader
from pipeline.ingest.source import parse_source
from pipeline.tally import Tally
reader = LiveReader(parse_source("rtsp://127.0.0.1:{silent}/live"), "run", Tally())
threading.Timer(0.3, reader.stop).start()
print(list(reader))
"""
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=20)
    assert "complete=False" in done.stdout
    assert done.stderr == ""
    assert time.monotonic() - begun < 4  # ten would be the time-out
