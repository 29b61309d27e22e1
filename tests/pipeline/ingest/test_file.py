import gc
import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from msgspec.structs import replace

from pipeline.errors import SourceError, SourceLost
from pipeline.ingest.failures import explain
from pipeline.ingest.file import FileReader
from pipeline.ingest.source import Source, expand, parse_source
from pipeline.messages import Clock, End, Frame, Stamp
from pipeline.settings import IngestSettings
from pipeline.tally import Count, Tally
from tests.video import clip, sound
from tests.workers.films import film


@pytest.fixture(scope="module")
def variable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 60 frames, 5 to 200 ms apart."""
    times = np.cumsum(np.random.default_rng(0).integers(5, 200, 60)).tolist()
    return clip(tmp_path_factory.mktemp("variable") / "a.mkv", frames=60, times=times, options={"bf": "2"})


class Reading:
    """All that a reader gives for one file."""

    def __init__(self, path: Path, after: int = -1, **settings: object) -> None:
        self.tally = Tally()
        self.source = parse_source(str(path), ingest=IngestSettings.model_validate(settings))
        self.reader = FileReader(self.source, "run", self.tally, after)
        messages = list(self.reader)
        end = messages.pop()
        assert isinstance(end, End)
        self.end = end
        self.frames = [message for message in messages if isinstance(message, Frame)]
        assert len(self.frames) == len(messages)
        self.stamps = [frame.stamp for frame in self.frames]
        self.pts = [stamp.pts for stamp in self.stamps]

    def count(self, what: Count) -> int:
        return self.tally.of(self.source.id)[what]


def test_reads_every_frame(tmp_path: Path) -> None:
    read = Reading(clip(tmp_path / "a.mp4", frames=50))
    assert [stamp.frame for stamp in read.stamps] == list(range(50))
    assert read.pts == pytest.approx([n / 25 for n in range(50)])
    assert read.end == End("a", "run", complete=True)
    assert (read.reader.duration, read.reader.frames, read.reader.note) == (2.0, 50, "")
    assert read.reader.share == pytest.approx(1.96 / 2)
    assert read.count(Count.FRAMES) == read.count(Count.SAMPLED) == 50
    assert read.count(Count.CORRUPT) == 0


def test_event_time_counts_from_creation(tmp_path: Path) -> None:
    dated = clip(tmp_path / "a.mp4", frames=2, metadata={"creation_time": "2024-05-01T12:00:00.000000Z"})
    stamps = Reading(dated).stamps
    assert [stamp.time for stamp in stamps] == [1_714_564_800_000_000, 1_714_564_800_040_000]
    assert {stamp.clock for stamp in stamps} == {Clock.FILE}
    # Without a date, or with the epoch of a recorder without a clock, the file's own date serves: that of its end.
    for name, metadata in (("b.mp4", {}), ("c.mp4", {"creation_time": "1970-01-01T00:00:00.000000Z"})):
        path = clip(tmp_path / name, frames=50, metadata=metadata)
        os.utime(path, (1_600_000_000, 1_600_000_000))
        assert Reading(path).stamps[0].time == 1_599_999_998_000_000
    # Of this one the length is not known, and of the last one it cannot be.
    raw = clip(tmp_path / "d.h264", frames=2)
    old = clip(tmp_path / "e.mp4", frames=50)
    for path, at in ((raw, 1_600_000_000), (old, 1)):
        os.utime(path, (at, at))
        assert Reading(path).stamps[0].time == at * 1_000_000


def test_variable_frame_rate(tmp_path: Path) -> None:
    times = [0, 10, 100, 110, 500, 540]
    assert Reading(clip(tmp_path / "a.mkv", frames=6, times=times)).pts == pytest.approx([t / 1000 for t in times])


def test_sampling_is_a_matter_of_media_time(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", frames=50)
    read = Reading(path, fps=5)
    assert [stamp.frame for stamp in read.stamps] == list(range(0, 50, 5))
    assert (read.count(Count.FRAMES), read.count(Count.SAMPLED)) == (50, 10)


def shown(frames: list[Frame]) -> list[tuple[Stamp, bytes, bytes]]:
    return [(replace(f.stamp, arrived=0), f.luma.tobytes(), f.image.tobytes()) for f in frames]


def test_says_when_what_was_given_before_is_passed(variable: Path) -> None:
    given: list[Frame | End] = []
    told: list[int] = []
    reader = FileReader(parse_source(str(variable)), "run", Tally(), 17, lambda: told.append(len(given)))
    for message in reader:
        given.append(message)  # noqa: PERF402 (one by one: the callback counts them)
    assert (told, len(given)) == ([0], 43)


@pytest.mark.parametrize("fps", [None, 7.5])
@pytest.mark.parametrize("after", [-1, 0, 1, 17, 18, 58, 59, 1000])
def test_goes_on_after_any_frame(fps: float | None, after: int, variable: Path) -> None:
    whole, rest = Reading(variable, fps=fps), Reading(variable, after, fps=fps)
    assert len(whole.frames) == 60 if fps is None else 5 < len(whole.frames) < 50
    assert shown(rest.frames) == [each for each in shown(whole.frames) if each[0].frame > after]
    assert (rest.end, rest.reader.note, rest.reader.share) == (whole.end, whole.reader.note, whole.reader.share)
    assert rest.count(Count.FRAMES) == max(0, 59 - after)
    assert rest.count(Count.SAMPLED) == len(rest.frames)


def test_damage_is_not_counted_twice(tmp_path: Path) -> None:
    path = damaged(clip(tmp_path / "a.ts", frames=250))
    whole = Reading(path)
    early, late = whole.stamps[10].frame, whole.stamps[-10].frame
    assert Reading(path, early).count(Count.CORRUPT) == whole.count(Count.CORRUPT) > 0
    assert Reading(path, late).count(Count.CORRUPT) == 0


def test_one_frame(tmp_path: Path) -> None:
    read = Reading(clip(tmp_path / "a.mp4", frames=1))
    assert (read.pts, read.end.complete, read.reader.note) == ([0.0], True, "")


def test_stops_when_told(tmp_path: Path) -> None:
    reader = FileReader(parse_source(str(clip(tmp_path / "a.mp4"))), "run", Tally())
    messages = iter(reader)
    next(messages)
    reader.stop()
    assert list(messages) == [End("a", "run", complete=False)]
    assert reader.stopped


@pytest.mark.parametrize("name", ["co:lon.mp4", "per %d cent.mp4", "ünï.mp4", "-dash.mp4"])
def test_odd_file_names(name: str, tmp_path: Path) -> None:
    clip(tmp_path / "plain.mp4", frames=2).rename(tmp_path / name)
    assert len(Reading(tmp_path / name).stamps) == 2


def test_truncated_mp4_keeps_what_decodes_and_says_so(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", frames=250, container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    read = Reading(path)
    assert 50 < len(read.stamps) < 200
    assert read.end.complete
    assert f"of 10.0 s ({len(read.stamps)} frames)" in read.reader.note


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("mkv", "libx264"), ("flv", "libx264"), ("mxf", "mpeg2video"), ("ivf", "libvpx")],
)
def test_other_truncated_files_say_so(suffix: str, codec: str, tmp_path: Path) -> None:
    path = clip(tmp_path / f"a.{suffix}", frames=250, codec=codec)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    read = Reading(path)
    assert len(read.stamps) < 200
    assert read.reader.note.startswith("cut off: only ")


def test_a_segment_of_a_recording_is_whole_though_it_begins_late(tmp_path: Path) -> None:
    times = [100_000 + 40 * n for n in range(100)]
    read = Reading(clip(tmp_path / "a.mkv", frames=100, times=times))
    assert read.reader.note == ""
    assert read.reader.duration == pytest.approx(4)
    assert read.reader.share == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("suffix", ["mkv", "flv", "mp4"])
def test_sound_that_goes_on_behind_the_last_picture_is_none_of_ours(suffix: str, tmp_path: Path) -> None:
    read = Reading(sound(tmp_path / f"a.{suffix}", 10, clip(tmp_path / "pictures.mkv", frames=50)))
    assert (len(read.frames), read.reader.note) == (50, "")


def test_a_cut_file_with_sound_says_so(tmp_path: Path) -> None:
    path = sound(tmp_path / "a.mkv", 10, clip(tmp_path / "pictures.mkv", frames=250))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert Reading(path).reader.note.startswith("cut off: only ")


def damaged(path: Path) -> Path:
    """Change some bytes in the middle third of a file; return its path."""
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    rng = np.random.default_rng(0)
    middle = rng.integers(len(content) // 3, len(content) * 2 // 3, 60)
    content[middle] = rng.integers(0, 256, 60)
    path.write_bytes(content.tobytes())
    return path


@pytest.mark.parametrize("suffix", ["mp4", "ts", "avi"])
def test_reads_on_behind_damage(suffix: str, tmp_path: Path) -> None:
    options = {"movflags": "faststart"} if suffix == "mp4" else {}
    path = clip(tmp_path / f"a.{suffix}", frames=250, container_options=options)
    read = Reading(damaged(path))
    assert read.count(Count.CORRUPT) > 0
    assert len(read.stamps) > 150
    assert read.pts[-1] > 9.5
    assert all(a <= b for a, b in itertools.pairwise(read.pts))
    assert read.end.complete


@pytest.mark.parametrize("suffix", ["ts", "mkv"])
def test_damage_gives_the_same_frames_every_time(suffix: str, tmp_path: Path) -> None:
    path = damaged(film(tmp_path / f"a.{suffix}", [n / 25 for n in range(75)], gop=25, options={"bf": "2"}))
    reads = [Reading(path) for _ in range(4)]
    first = shown(reads[0].frames)
    assert len(first) < 75
    assert [shown(read.frames) == first for read in reads] == [True] * 4
    assert len({read.count(Count.CORRUPT) for read in reads}) == 1


@pytest.mark.parametrize(
    ("suffix", "how"),
    [
        ("avi", {"codec": "mjpeg", "pixels": "yuvj420p", "full_range": True}),
        ("mkv", {"codec": "libx265", "options": {"preset": "ultrafast", "x265-params": "log-level=none"}}),
        ("webm", {"codec": "libvpx", "options": {"deadline": "realtime", "cpu-used": "8"}}),
        ("mp4", {}),
    ],
)
def test_damage_looks_the_same_whatever_pictures_are_still_in_use(suffix: str, how: Any, tmp_path: Path) -> None:
    path = damaged(clip(tmp_path / f"a.{suffix}", frames=100, size=(480, 272), **how))
    kept = shown(Reading(path).frames)
    reader = FileReader(parse_source(str(path)), "run", Tally())
    assert [each for message in reader if isinstance(message, Frame) for each in shown([message])] == kept


def test_frames_that_are_damaged_are_numbered(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.ts", frames=150, size=(480, 272))
    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    spoilt = (24, 72)  # key frames, of several packets of the transport stream, which have 188 bytes each
    for number in reversed(spoilt):
        del content[places[number] + 188 : places[number] + 2 * 188]
    path.write_bytes(content)
    read = Reading(path)
    assert [stamp.frame for stamp in read.stamps] == [number for number in range(150) if number not in spoilt]
    assert read.count(Count.CORRUPT) == len(spoilt)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        given = list(container.decode(stream))
    assert [number for number, frame in enumerate(given) if frame.is_corrupt] == [*spoilt]
    for frame in read.frames:
        plane = given[frame.stamp.frame].planes[0]
        assert frame.luma.tobytes() == np.frombuffer(plane, np.uint8).reshape(272, -1)[:, :480].tobytes()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.mp4", b"", r"empty \(0 bytes\)"),
        ("text.mp4", b"no video here\n" * 100, "is not a video"),
        ("notes.txt", b"no video here\n" * 100, "is text"),
        ("noise.mkv", bytes(range(256)) * 40, "is not a video"),
    ],
)
def test_what_is_no_video(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        Reading(tmp_path / name)
    assert name in str(caught.value)
    assert not isinstance(caught.value, SourceLost)


def test_sound_only(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"holds no video \(audio only\)"):
        Reading(sound(tmp_path / "a.mp4"))


def test_mp4_that_lost_its_index(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(SourceError, match="cut off before its index"):
        Reading(path)


def test_file_that_goes_away(tmp_path: Path) -> None:
    source = parse_source(str(clip(tmp_path / "a.mp4")))
    source.path.unlink()
    with pytest.raises(SourceError, match="is not there"):
        FileReader(source, "run", Tally())


def test_no_permission() -> None:
    source = Source("a", "/videos/a.mp4", "/videos/a.mp4", live=False)
    assert "no permission" in str(explain(PermissionError(13, "Permission denied"), source))


def test_ffmpeg_writes_nothing_to_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video here\n" * 100)
    program = f"""
from pipeline.errors import AffectError
from pipeline.ingest.decode import Video
from pipeline.ingest.source import parse_source
for text in ({str(tmp_path / "a.mp4")!r}, "rtsp://me:hush@127.0.0.1:1/live", "http://me:hush@127.0.0.1:1/?k=hush"):
    try:
        Video(parse_source(text))
    except AffectError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 3
    assert "hush" not in done.stdout


def resident() -> int:
    """Memory that this process holds, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", frames=400, size=(640, 480), options={"crf": "40"})
    reader = FileReader(parse_source(str(path)), "run", Tally())
    gc.collect()
    gc.disable()  # what only the cycle collector would free counts as leaked
    try:
        sizes = [resident() for _ in reader]
    finally:
        gc.enable()
    assert max(sizes[300:]) - max(sizes[50:100]) < 20e6  # 300 frames of luma alone are 92 MB


def test_recorded_videos(data: Path) -> None:
    names = ("chaplin.mp4", "face_noface_hevc.mov", "webcam_man2.webm", "grid_speaker_0.mpg")
    for source in expand([str(data / "videos" / name) for name in names]):
        tally = Tally()
        reader = FileReader(source, "run", tally)
        frames = [message.stamp.pts for message in reader if isinstance(message, Frame)]
        assert all(a < b for a, b in itertools.pairwise(frames)), source.id
        assert reader.duration is not None
        assert frames[-1] == pytest.approx(reader.duration, abs=0.1), source.id
        assert reader.note == ""
        assert tally.of(source.id)[Count.CORRUPT] == 0
