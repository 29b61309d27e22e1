import hashlib
from pathlib import Path
from typing import Any

import av
import pytest

from pipeline.ingest.file import FileReader
from pipeline.ingest.part import Part, PartReader, Undivided, divide
from pipeline.ingest.source import Source, parse_source
from pipeline.messages import Frame
from pipeline.settings import IngestSettings
from pipeline.tally import Count, Tally
from tests.video import clip, sound

GOP = 25
B_FRAMES = {"preset": "veryfast", "bf": "3"}
OPEN = {**B_FRAMES, "x264-params": "open-gop=1"}


def seen(frame: Frame) -> tuple[object, ...]:
    pixels = hashlib.blake2b(frame.luma.tobytes() + frame.image.tobytes()).digest()
    return frame.stamp.frame, frame.stamp.pts, frame.stamp.time, frame.stamp.clock, pixels


def in_one_go(source: Source) -> tuple[list[tuple[object, ...]], int]:
    tally = Tally()
    frames = [seen(message) for message in FileReader(source, "run", tally) if isinstance(message, Frame)]
    return frames, tally.of(source.id)[Count.FRAMES]


def in_parts(source: Source, parts: tuple[Part, ...]) -> tuple[list[tuple[object, ...]], int]:
    frames: list[tuple[object, ...]] = []
    count = 0
    before, share = None, 0.0
    for part in parts:
        assert part.before == before
        reader = PartReader(source, "run", part, count)
        frames += [seen(frame) for frame in reader]
        share += reader.share
        count += reader.frames
        before = reader.last
    assert 0.8 < share <= 1  # a part counts to its last frame, not to the next part's first
    return frames, count


def video(path: Path, **settings: object) -> Source:
    return parse_source(str(path), ingest=IngestSettings.model_validate(settings))


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("plain.mp4", {}),
        ("b.mp4", {"options": B_FRAMES}),
        ("b.mkv", {"options": B_FRAMES}),
        ("b.ts", {"options": B_FRAMES}),
        ("b.flv", {"options": B_FRAMES}),
        ("b.avi", {"codec": "mpeg4"}),
        ("open.mp4", {"options": OPEN}),
        ("open.ts", {"options": OPEN}),
        ("b.mpg", {"codec": "mpeg2video", "options": {"bf": "2"}}),
        ("hidden.webm", {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "16"}}),
        ("refresh.mkv", {"options": {"preset": "veryfast", "x264-params": "intra-refresh=1:bframes=0"}}),
        ("vary.mkv", {"options": B_FRAMES, "times": [n * 40 + n % 3 * 11 for n in range(150)]}),
    ],
)
@pytest.mark.parametrize("fps", [None, 7.0])
def test_parts_give_the_frames_of_reading_in_one_go_to_the_bit(tmp_path: Path, name: str, how: Any, fps: Any) -> None:
    source = video(clip(tmp_path / name, frames=150, gop=GOP, **how), fps=fps)
    parts = divide(source, 4, 1.0)
    assert len(parts) >= 3
    assert in_parts(source, parts) == in_one_go(source)


@pytest.mark.parametrize("name", ["late.mkv", "sound.mkv", "sound.flv", "sound.ts", "sound.nut"])
def test_whole_files_are_divided_however_long_their_container_says_they_are(tmp_path: Path, name: str) -> None:
    begin = 100_000 if name == "late.mkv" else 0
    path = clip(tmp_path / "pictures.mkv", frames=150, gop=GOP, times=[begin + 40 * n for n in range(150)])
    source = video(path if begin else sound(tmp_path / name, 20, path))
    assert in_parts(source, divide(source, 4, 1.0)) == in_one_go(source)


def test_a_picture_that_stands_for_long_at_the_end_is_no_reason_to_read_in_one_go(tmp_path: Path) -> None:
    plain = clip(tmp_path / "plain.mp4", frames=150, gop=GOP)
    path = tmp_path / "a.mp4"
    with av.open(str(plain)) as source, av.open(str(path), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        *packets, last = (packet for packet in source.demux(stream) if packet.size)
        last.duration = round(15 / last.time_base)
        for packet in (*packets, last):
            packet.stream = copy
            out.mux(packet)
    film = video(path)
    assert FileReader(film, "run", Tally()).duration == pytest.approx(20.96, abs=0.1)
    assert in_parts(film, divide(film, 4, 1.0)) == in_one_go(film)


def test_time_goes_on_over_more_than_an_hour(tmp_path: Path) -> None:
    """An uninterrupted reading never sees a gap of an hour, but from the file's first frame to a late part there is."""
    times = [n * 400_000 for n in range(40)]
    source = video(clip(tmp_path / "long.mkv", frames=40, gop=5, times=times))
    assert in_parts(source, divide(source, 3, 60.0)) == in_one_go(source)


def test_parts_can_be_read_alone(tmp_path: Path) -> None:
    source = video(clip(tmp_path / "a.mp4", frames=100, gop=GOP, options=B_FRAMES))
    parts = divide(source, 4, 1.0)
    assert [part.begin for part in parts] == [None, *(part.end for part in parts[:-1])]
    stamps = [frame.stamp for frame in PartReader(source, "run", parts[2], 50)]
    assert [stamp.frame for stamp in stamps] == list(range(50, 75))
    assert [stamp.pts for stamp in stamps] == pytest.approx([n / 25 for n in range(50, 75)])
    some = [frame.stamp.frame for frame in PartReader(source, "run", parts[2], 50, {53, 61})]
    assert some == [53, 61]


def test_key_frames_decide_where_parts_begin(tmp_path: Path) -> None:
    source = video(clip(tmp_path / "a.mp4", frames=150, gop=60))
    parts = divide(source, 10, 0.1)
    assert [round((part.begin - part.origin) * 149 / part.length) for part in parts if part.begin] == [60, 120]
    with pytest.raises(Undivided, match="too far apart"):
        divide(source, 2, 6.0)


def cut_start(path: Path) -> Path:
    """Copy a clip from its 10th frame on, as an editor does: an edit list hides what the key frame is needed for."""
    plain = clip(path.with_suffix(".mkv"), frames=100, gop=GOP)
    with av.open(str(plain)) as source, av.open(str(path), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.pts is not None and packet.dts is not None:
                packet.pts, packet.dts = packet.pts - 400, packet.dts - 400
                packet.stream = copy
                out.mux(packet)
    return path


def twice(path: Path) -> Path:
    """Join two recordings, whose time stamps each begin anew."""
    one = clip(path.with_name("one.ts"), frames=75, gop=GOP)
    path.write_bytes(one.read_bytes() * 2)
    return path


def gap(frames: int) -> list[int]:
    """Return time stamps, ms, with two hours of silence in the middle."""
    return [n * 40 + (7_200_000 if n >= frames // 2 else 0) for n in range(frames)]


def short(path: Path) -> Path:
    clip(path, frames=250, gop=GOP)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


@pytest.mark.parametrize(
    ("name", "made", "why"),
    [
        ("rare.mp4", lambda path: clip(path, frames=100, gop=1000), "key frames are too far apart"),
        ("raw.h264", lambda path: clip(path, frames=100, gop=GOP), "time stamps are incomplete"),
        ("edited.mp4", cut_start, "edit list hides frames"),
        ("joined.ts", twice, "content is damaged"),
        ("gap.mkv", lambda path: clip(path, frames=100, gop=GOP, times=gap(100)), "time stamps jump"),
        ("short.mkv", short, "end is missing"),
        ("one.mp4", lambda path: clip(path, frames=1), "time stamps repeat"),
    ],
)
def test_what_cannot_be_trusted_is_not_divided(tmp_path: Path, name: str, made: Any, why: str) -> None:
    source = video(made(tmp_path / name))
    with pytest.raises(Undivided, match=why):
        divide(source, 4, 1.0)


def test_a_frame_that_does_not_decode_by_itself_is_reached_from_before(tmp_path: Path) -> None:
    source = video(clip(tmp_path / "a.mp4", frames=100, gop=GOP, options=B_FRAMES))
    first, second, *_ = divide(source, 4, 1.0)
    assert first.end is not None
    step = (first.end - first.origin) // GOP
    inside = first.end + 10 * step
    late = Part(inside, None, inside - step, first.origin, first.length, first.base)
    assert [frame.stamp.frame for frame in PartReader(source, "run", late, 35)] == list(range(35, 100))
    # Where there is no such frame at all, reading from the very beginning settles it.
    nowhere = Part(inside + 1, None, inside, first.origin, first.length, first.base)
    assert [frame.stamp.frame for frame in PartReader(source, "run", nowhere, 36)] == list(range(36, 100))
    assert second.begin == first.end
