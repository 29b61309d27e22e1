import os
import re
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.ingest.source import MAX_ID, expand, name_id, parse_source, source_id
from pipeline.redaction import redact


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("0", "webcam-0"),
        ("/dev/video2", "webcam-2"),
        ("rtsp://user:pw@door.local/stream1", "door-local-stream1"),
        ("rtsp://user:p@ss@door.local:8554/a/b?token=abc", "door-local-8554-a-b"),
        ("rtsp://10.0.0.2/user=admin_password=hush_channel=1.sdp", "source-10-0-0-2-channel-1-sdp"),
    ],
)
def test_id(text: str, name: str) -> None:
    assert source_id(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Haupteingang Süd!", "haupteingang-sud"),
        ("__init__", "init"),
        ("2024-05-01 party", "source-2024-05-01-party"),
        ("7", "source-7"),
    ],
)
def test_id_of_a_name(text: str, name: str) -> None:
    assert name_id(text) == name


@pytest.mark.parametrize("text", ["入口", "???", "x" * 500, "http://h/" + "y" * 500])
def test_id_is_always_well_formed(text: str) -> None:
    name = source_id(text)
    assert re.fullmatch(r"[a-z][a-z0-9_-]*", name)
    assert len(name) <= MAX_ID
    assert source_id(text + "z") != name


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://me:hush@door.local/live",
        "rtsps://me:hu@sh@door.local/live",
        "http://door.local/video.mjpg?user=me&pwd=hush",
        "https://door.local/hls/live.m3u8#hush",
        "rtsp://door.local/user=me&password=hush&channel=1&stream=0.sdp",
        "rtsp://door.local/user=me_password=hush_channel=1_stream=0.sdp",
        "rtsp://me:hu'sh@door.local/live",
    ],
)
def test_secrets_stay_out_of_sight(text: str) -> None:
    source = parse_source(text)
    assert source.url == text
    assert source.live
    for shown in (source.id, source.safe_url, repr(source), str(source), redact(f"[rtsp @ 0x1] {text}: failed")):
        assert "hush" not in shown
        assert "sh@" not in shown
        assert "door" in shown


def test_errors_name_the_url_without_its_password() -> None:
    with pytest.raises(InputError, match=r"ftp://.*rtsp://, rtsps://, http://, https://") as caught:
        parse_source("ftp://me:hush@door.local/live")
    assert "hush" not in str(caught.value)
    with pytest.raises(InputError, match="names no host"):
        parse_source("rtsp:///live")
    with pytest.raises(InputError, match="not a URL") as caught:
        parse_source("rtsp://me:hush@door.local:port/live")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "password", ["hush/hush", "12/hush", "hush#hush", "1?hush", "hush@x/hush", "12/hush?hush", "a hush"]
)
def test_passwords_that_hold_what_they_may_not_are_refused_and_not_shown(password: str) -> None:
    url = f"rtsp://me:{password}@door.local/live"
    for read in (parse_source, source_id):
        with pytest.raises(InputError, match=r"rtsp://\*\*\*(@door.local/live)? is not a URL.*%2F for /") as caught:
            read(url)
        assert "hush" not in str(caught.value)
        assert "hush" not in str(caught.value.__cause__)
    with pytest.raises(InputError, match="is a URL") as caught:
        expand([url])
    assert "hush" not in str(caught.value)
    if " " not in password:
        assert "hush" not in redact(f"[rtsp @ 0x1] {url}: failed")


def test_a_webcam_may_be_plugged_in_later() -> None:
    assert parse_source("/dev/video987").live


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "A Day.mp4"
    path.touch()
    source = parse_source(str(path))
    assert (source.id, source.live, source.path) == ("a-day", False, path)
    assert parse_source(str(path), name="Door 1").id == "door-1"
    with pytest.raises(InputError, match=r"there is no file '.*other\.mp4'"):
        parse_source(str(tmp_path / "other.mp4"))
    with pytest.raises(InputError, match="is a folder"):
        parse_source(str(tmp_path))


def test_expand(tmp_path: Path) -> None:
    for name in ("b.mp4", "a/x.MOV", "a/x.mkv", "c/a/x.mkv", "notes.txt", "a/._x.mkv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    sources = expand([str(tmp_path), str(tmp_path / "b.mp4"), str(tmp_path / "*.txt")])
    assert [source.path.relative_to(tmp_path).as_posix() for source in sources] == [
        *("a/x.MOV", "a/x.mkv", "b.mp4", "c/a/x.mkv", "notes.txt"),
    ]
    ids = [source.id for source in sources]
    assert len(set(ids)) == 5
    assert ids[0] == "x-mov"
    assert ids[2] == "b"
    assert ids[4] == "notes"
    assert ids == [source.id for source in expand([str(tmp_path), str(tmp_path / "*.txt")])]


def test_a_file_called_by_a_number_is_no_webcam(tmp_path: Path) -> None:
    for name in ("007.mp4", "7.mp4"):
        (tmp_path / name).touch()
    assert parse_source(str(tmp_path / "007.mp4")).id == "source-007"
    assert [source.id for source in expand([str(tmp_path)])] == ["source-007", "source-7"]


def test_a_file_whose_name_begins_like_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "~clip.mp4").touch()
    monkeypatch.chdir(tmp_path)
    assert parse_source("~clip.mp4").path == tmp_path / "~clip.mp4"
    assert [source.path for source in expand(["~clip.mp4", "~cl*.mp4"])] == [tmp_path / "~clip.mp4"]
    with pytest.raises(InputError, match=r"there is no file '~no-such-user/a\.mp4'"):
        expand(["~no-such-user/a.mp4"])


def test_expand_tells_apart_what_an_id_cannot(tmp_path: Path) -> None:
    for name in ("ä.mp4", "a.mp4"):
        (tmp_path / name).touch()
    assert len({source.id for source in expand([str(tmp_path)])}) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("empty", "holds no videos"),
        ("missing.mp4", "there is no file"),
        ("", "the name of a file is empty"),
        ("*.avi", "no file matches"),
        ("rtsp://me:hush@door.local/live", r"\*\*\*@door.local/live is a URL"),
        ("/dev/video987", "/dev/video987 is a webcam; use run"),
    ],
)
def test_expand_refuses(text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        expand([text])


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    end, other = os.pipe()
    try:
        for text in (str(tmp_path / "a.mp4"), f"/dev/fd/{end}", "/dev/null"):
            with pytest.raises(InputError, match=f"^{text} is a pipe or a device; save"):
                parse_source(text)
            with pytest.raises(InputError, match=f"^{text} is a pipe or a device; save"):
                expand([text])
    finally:
        os.close(end)
        os.close(other)
