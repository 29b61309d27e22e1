import itertools
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.errors import SourceError, SourceLost
from pipeline.ingest.connection_status import Phase
from pipeline.ingest.decode import Decoded, Video
from pipeline.ingest.live import LiveReader
from pipeline.ingest.picture import Picture, Pictures
from pipeline.ingest.source import Source, parse_source
from pipeline.ingest.webcam import Webcam
from pipeline.messages import Clock, End, Frame, Resume, Stamp
from pipeline.settings import IngestSettings
from pipeline.tally import Count, Tally
from tests.video import clip, picture
from tests.web import Answer, sends, web


def in_parts(content: bytes) -> Answer:
    """Answer as web servers do that send a file from any place on."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        start = int(request.headers["Range"].removeprefix("bytes=").split("-")[0])
        request.send_response(206)
        request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        request.wfile.write(content[start:])

    return answer


def in_turn(*answers: Answer) -> Answer:
    """Answer each request in another way."""
    waiting = iter(answers)

    def answer(request: BaseHTTPRequestHandler) -> None:
        next(waiting)(request)

    return answer


def status(code: int) -> Answer:
    return lambda request: request.send_error(code)


def jpeg(number: int) -> bytes:
    target = BytesIO()
    with av.open(target, "w", format="mjpeg") as out:
        stream = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuvj420p"
        frame = av.VideoFrame.from_ndarray(picture(160, 96, number), "gray").reformat(format="yuvj420p")
        out.mux([*stream.encode(frame), *stream.encode()])
    return target.getvalue()


def multipart(pictures: int, step: float) -> Answer:
    """Answer as webcams do: ``pictures`` JPEGs, ``step`` s apart, and then the connection closes."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        for number in range(pictures):
            body = jpeg(number)
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
            request.wfile.write(head.encode() + body + b"\r\n")
            time.sleep(step)

    return answer


QUICK = IngestSettings(open_timeout=2.0, read_timeout=2.0, backoff=(0.05, 0.1))


def read(
    url: str,
    tally: Tally | None = None,
    frames: int | None = None,
    resume: Resume | None = None,
    *,
    patient: bool = False,
    **settings: object,
) -> list[Frame | End]:
    ingest = IngestSettings.model_validate(QUICK.model_dump() | settings)
    source = parse_source(url, name="door", ingest=ingest)
    reader = LiveReader(source, "run", tally or Tally(), resume, patient=patient)
    messages = []
    for message in reader:
        messages.append(message)
        if len(messages) == frames:
            reader.stop()
    assert reader.state.phase is Phase.ENDED
    return messages


def test_a_recording_on_a_web_server_plays_once_in_real_time(tmp_path: Path) -> None:
    content = clip(tmp_path / "a.mp4", frames=30, container_options={"movflags": "faststart"}).read_bytes()
    tally, begun = Tally(), time.monotonic()
    with web(sends(content)) as url:
        *frames, end = read(f"{url}/a.mp4", tally)
    assert 29 / 25 <= time.monotonic() - begun < 4
    assert end == End("door", "run", complete=True)
    stamps = [frame.stamp for frame in frames if isinstance(frame, Frame)]
    assert [stamp.frame for stamp in stamps] == list(range(30))
    assert [stamp.pts for stamp in stamps] == pytest.approx([n / 25 for n in range(30)])
    assert {stamp.clock for stamp in stamps} == {Clock.ARRIVAL}
    assert all(abs(stamp.time - stamp.arrived) < 200_000 for stamp in stamps)
    assert tally.of("door")[Count.RECONNECTS] == tally.of("door")[Count.STALE] == 0


def test_hls_plays_at_its_own_pace(tmp_path: Path) -> None:
    clip(tmp_path / "a.m3u8", frames=40, gop=10, container_options={"hls_time": "0.4"})
    assert len(list(tmp_path.glob("*.ts"))) == 4

    def answer(request: BaseHTTPRequestHandler) -> None:
        sends((tmp_path / request.path[1:]).read_bytes())(request)

    tally, begun = Tally(), time.monotonic()
    with web(answer) as url:
        *frames, end = read(f"{url}/a.m3u8", tally)
    assert end == End("door", "run", complete=True)
    assert len(frames) == 40
    assert tally.of("door")[Count.STALE] == 0
    assert time.monotonic() - begun >= 39 / 25


def test_a_recording_that_breaks_off_is_an_error(tmp_path: Path) -> None:
    path = clip(
        tmp_path / "a.mp4",
        frames=100,
        size=(640, 480),
        codec="mjpeg",
        pixels="yuvj420p",
        full_range=True,
        container_options={"movflags": "faststart"},
    )
    content = path.read_bytes()
    tally = Tally()
    with (
        web(sends(content[: len(content) // 4], announced=len(content))) as url,
        pytest.raises(SourceError, match=r"broke off at [01]\.\d s"),
    ):
        read(f"{url}/a.mp4", tally)
    assert 10 < tally.of("door")[Count.FRAMES] < 30


@pytest.fixture(scope="module")
def index_last(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An mp4 whose index is at its end, larger than what FFmpeg keeps of a connection."""
    path = tmp_path_factory.mktemp("clips") / "a.mp4"
    kind = {"codec": "mjpeg", "pixels": "yuvj420p", "full_range": True}
    content = clip(path, frames=40, size=(1280, 960), **kind).read_bytes()  # type: ignore[arg-type]
    assert content.find(b"moov") - content.find(b"mdat") > 200_000
    return content


def announces_parts(content: bytes) -> Answer:
    """Answer as a server that says it sends files in parts, and does not."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Accept-Ranges", "bytes")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    return answer


@pytest.mark.parametrize("server", [sends, announces_parts])
def test_an_index_that_cannot_be_reached_is_a_lasting_error(
    server: Callable[[bytes], Answer], index_last: bytes
) -> None:
    with web(server(index_last)) as url, pytest.raises(SourceError, match=r"index at its end.*faststart") as caught:
        read(url.replace("//", "//me:hush@") + "/a.mp4")
    assert "hush" not in str(caught.value)


def test_an_index_at_the_end_is_read_from_a_server_that_sends_parts(index_last: bytes) -> None:
    with web(in_parts(index_last)) as url:
        assert len(read(f"{url}/a.mp4")) == 41


def test_a_broken_connection_is_not_taken_for_an_index_out_of_reach(index_last: bytes) -> None:
    """The first time round, the pictures that the index speaks of never come."""
    parts = in_parts(index_last)

    def breaks_off(request: BaseHTTPRequestHandler) -> None:
        request.send_response(206)
        request.send_header("Content-Range", f"bytes 44-{len(index_last) - 1}/{len(index_last)}")
        request.send_header("Content-Length", str(len(index_last) - 44))
        request.end_headers()

    with web(in_turn(parts, parts, breaks_off, *[parts] * 10)) as url:
        assert len(read(f"{url}/a.mp4")) == 41


def test_multipart_jpeg_is_timed_by_arrival_and_opened_again() -> None:
    tally = Tally()
    with web(multipart(12, 0.1)) as url:
        *frames, end = read(f"{url}/video", tally, frames=20)
    assert end == End("door", "run", complete=False)
    stamps = [frame.stamp for frame in frames if isinstance(frame, Frame)]
    assert tally.of("door")[Count.RECONNECTS] == 1
    assert [stamp.frame for stamp in stamps] == list(range(20))
    steps = np.diff([stamp.pts for stamp in stamps])
    assert np.median(steps) == pytest.approx(0.1, abs=0.02)  # ten a second, though FFmpeg would say 25
    assert all(a.time <= b.time for a, b in itertools.pairwise(stamps))
    assert abs(stamps[-1].time - stamps[-1].arrived) < 300_000


def test_sampling_live() -> None:
    tally = Tally()
    with web(multipart(100, 0.02)) as url:
        read(f"{url}/video", tally, frames=6, fps=5)
    counts = tally.of("door")
    assert counts[Count.FRAMES] > 4 * counts[Count.SAMPLED]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (status(401), "refuses that user name or password"),
        (status(403), "403"),
        (status(404), "404"),
        (sends(b"<html>hello</html>" * 50), "not a video stream"),
    ],
    ids=["401", "403", "404", "a web page"],
)
def test_what_will_never_work_raises(answer: Answer, message: str) -> None:
    with web(answer) as url, pytest.raises(SourceError, match=message) as caught:
        read(url.replace("//", "//me:hush@") + "/video?token=hush")
    assert "hush" not in str(caught.value)


def test_a_patient_reader_tries_again_even_what_will_never_work(caplog: pytest.LogCaptureFixture) -> None:
    with web(in_turn(status(404), status(404), multipart(100, 0.02))) as url:
        assert len(read(f"{url}/video", frames=3, patient=True)) == 4
    first, back = caplog.records
    assert first.levelname == "ERROR"
    assert first.getMessage().endswith("(404); check the path; tried every 0.1 s while others go on")
    assert "back after" in back.getMessage()


def test_what_did_not_work_until_it_was_stopped_is_told() -> None:
    with web(status(404)) as url:
        source = parse_source(f"{url}/video", ingest=QUICK)
        reader = LiveReader(source, "run", Tally(), patient=True)
        threading.Timer(0.5, reader.stop).start()
        with pytest.raises(SourceError, match="404"):
            list(reader)


def traces(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "Traceback" in record.getMessage()]


def test_an_unforeseen_error_is_a_loss_like_any_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = Video.frames

    def breaks(video: Video, corrupt: Callable[[int], None]) -> Iterator[Decoded]:
        yield from itertools.islice(whole(video, corrupt), 3)
        raise ZeroDivisionError("a mistake about rtsp://me:hush@door/live")

    monkeypatch.setattr(Video, "frames", breaks)
    tally = Tally()
    with web(multipart(100, 0.02)) as url:
        *frames, end = read(f"{url}/video", tally, frames=8)
    assert end == End("door", "run", complete=False)
    assert [frame.stamp.frame for frame in frames if isinstance(frame, Frame)] == list(range(8))
    assert tally.of("door")[Count.RECONNECTS] >= 2
    (trace,) = traces(caplog)
    assert "in breaks" in trace
    assert "not foreseen (ZeroDivisionError: a mistake about rtsp://***@door/live)" in caplog.text
    assert "hush" not in caplog.text


def test_a_frame_that_cannot_be_looked_at_is_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole, seen = Pictures.picture, itertools.count()

    def odd(pictures: Pictures, frame: av.VideoFrame) -> Picture:
        if next(seen) in {2, 4}:
            raise ZeroDivisionError("a mistake")
        return whole(pictures, frame)

    monkeypatch.setattr(Pictures, "picture", odd)
    tally = Tally()
    with web(multipart(100, 0.02)) as url:
        *frames, _ = read(f"{url}/video", tally, frames=6)
    assert [frame.stamp.frame for frame in frames if isinstance(frame, Frame)] == [0, 1, 3, 5, 6, 7]
    assert tally.of("door")[Count.CORRUPT] == 2
    assert tally.of("door")[Count.RECONNECTS] == 0
    assert len(traces(caplog)) == 1


def test_a_camera_of_which_no_frame_can_be_looked_at_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def never(pictures: Pictures, frame: av.VideoFrame) -> Picture:
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(Pictures, "picture", never)
    with web(multipart(1000, 0.005)) as url:
        reader = LiveReader(parse_source(f"{url}/video", name="door", ingest=QUICK), "run", Tally())
        thread = threading.Thread(target=lambda: list(reader))
        thread.start()
        deadline = time.monotonic() + 20
        while "back after" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        reader.stop()
        thread.join()
    assert "(ZeroDivisionError: a mistake); please report it; trying again" in caplog.text
    assert len(traces(caplog)) == 1


def test_after_a_first_success_even_404_is_waited_out() -> None:
    tally = Tally()
    with web(in_turn(multipart(5, 0.02), status(404), status(404), multipart(100, 0.02))) as url:
        messages = read(f"{url}/video", tally, frames=10)
    assert len(messages) == 11
    assert tally.of("door")[Count.RECONNECTS] == 1


def last(messages: list[Frame | End]) -> Stamp:
    """Return the stamp of the last frame."""
    return next(message.stamp for message in reversed(messages) if isinstance(message, Frame))


def resume(stamp: Stamp) -> Resume:
    return Resume(stamp.frame, stamp.pts, stamp.time, stamp.clock, stamp.arrived)


def test_another_reader_goes_on_where_the_first_was_left() -> None:
    tally = Tally()
    with web(in_turn(multipart(100, 0.02), status(404), multipart(100, 0.02))) as url:
        before = last(read(f"{url}/video", frames=10))
        time.sleep(0.5)
        *frames, end = read(f"{url}/video", tally, frames=10, resume=resume(before))
    assert end == End("door", "run", complete=False)
    stamps = [frame.stamp for frame in frames if isinstance(frame, Frame)]
    assert [stamp.frame for stamp in stamps] == list(range(10, 20))
    assert {stamp.run for stamp in stamps} == {"run"}
    away = (stamps[0].arrived - before.arrived) / 1e6
    assert away > 0.5
    assert stamps[0].pts - before.pts == pytest.approx(away, abs=0.3)
    assert all(a.pts <= b.pts and a.time <= b.time for a, b in itertools.pairwise([before, *stamps]))
    assert abs(stamps[0].time - stamps[0].arrived) < 1_000_000
    assert tally.of("door")[Count.RECONNECTS] == 0


def test_media_time_goes_on_by_this_machines_clock_whatever_the_cameras_says() -> None:
    hour = 3_600_000_000
    with web(multipart(100, 0.02)) as url:
        for skew in (-hour, hour):
            now = time.time_ns() // 1000
            (frame, _) = read(f"{url}/video", frames=1, resume=Resume(4, 8.0, now + skew, Clock.RTCP, now))
            assert isinstance(frame, Frame)
            assert 8.0 < frame.stamp.pts < 60
            assert abs(frame.stamp.time - frame.stamp.arrived) < 1_000_000


def test_media_time_never_goes_back_where_the_clock_was_set_back() -> None:
    ahead = time.time_ns() // 1000 + 600_000_000
    with web(multipart(100, 0.02)) as url:
        *frames, _ = read(f"{url}/video", frames=5, resume=Resume(4, 8.0, ahead, Clock.ARRIVAL, ahead))
    stamps = [frame.stamp for frame in frames if isinstance(frame, Frame)]
    assert 8.0 < stamps[0].pts < 60
    assert stamps[0].time >= ahead
    assert all(a.pts <= b.pts and a.time <= b.time for a, b in itertools.pairwise(stamps))
    assert stamps[0].time < stamps[-1].time


def test_sampling_goes_on_too() -> None:
    with web(multipart(100, 0.02)) as url:
        now = time.time_ns() // 1000
        (frame, _) = read(f"{url}/video", frames=1, fps=0.5, resume=Resume(4, 8.0, now, Clock.ARRIVAL, now))
    assert isinstance(frame, Frame)
    assert frame.stamp.pts >= 10  # the one of 8 s to 10 s had been there


def test_a_recording_on_a_web_server_cannot_be_gone_on_with(tmp_path: Path) -> None:
    content = clip(tmp_path / "a.mp4", frames=30, container_options={"movflags": "faststart"}).read_bytes()
    now = time.time_ns() // 1000
    with web(sends(content)) as url, pytest.raises(SourceError, match="an earlier worker left it"):
        read(f"{url}/a.mp4", resume=Resume(10, 0.4, now, Clock.ARRIVAL, now))


def test_a_busy_server_is_waited_out() -> None:
    with web(in_turn(status(503), multipart(100, 0.02))) as url:
        assert len(read(f"{url}/video", frames=3)) == 4


def test_webcam_reader_gives_what_opencv_captures(tmp_path: Path) -> None:
    # A file stands in for the device: OpenCV reads both through the same object.
    path = clip(tmp_path / "a.avi", codec="mjpeg", pixels="yuvj420p", full_range=True, frames=5)
    webcam = Webcam(Source("webcam-0", str(path), "0", live=True))
    decoded = list(itertools.islice(webcam.frames(lambda n: None), 5))
    webcam.close()
    assert (decoded[0].frame.width, decoded[0].frame.height) == (160, 96)
    arrivals = [item.ticks for item in decoded if item.ticks is not None]
    assert arrivals == sorted(arrivals)
    assert webcam.step == pytest.approx(0.04)


def test_a_webcam_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = clip(tmp_path / "a.avi", codec="mjpeg", pixels="yuvj420p", full_range=True, frames=5)
    source = Source("webcam-0", str(tmp_path / "video0"), "/dev/video0", live=True, settings=QUICK)
    reader = LiveReader(source, "run", Tally())
    threading.Timer(0.5, shutil.copy, (path, source.url)).start()
    assert isinstance(next(iter(reader)), Frame)
    reader.stop()
    told = [record.getMessage() for record in caplog.records]
    assert told[0].startswith("webcam-0: /dev/video0 is not there; `ls /dev/video*` lists")
    assert "back after" in told[1]


@contextmanager
def nobody() -> Iterator[None]:
    """Have the rights of a user who owns nothing, where there are more to give up."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_webcam_that_may_not_be_opened() -> None:
    with tempfile.TemporaryDirectory() as folder:  # others may look into this one
        Path(folder).chmod(0o755)
        device = Path(folder, "video0")
        device.touch(mode=0)
        group = device.group()
        with nobody(), pytest.raises(SourceLost, match=f"/dev/video0 may not be opened .* '{group}'"):
            Webcam(Source("webcam-0", str(device), "/dev/video0", live=True))


def test_opencv_says_nothing_of_its_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    device = str(tmp_path / "video0")
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(device)  # it is there, and its permissions are in order; still nobody can open it
        with pytest.raises(SourceLost, match="/dev/video0 does not open; another program"):
            Webcam(Source("webcam-0", device, "/dev/video0", live=True))
    assert capfd.readouterr().err == ""
