from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.settings import DetectorSettings
from workers.config import load_config, override


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    monkeypatch.delenv("AFFECTSTREAM_REDIS__URL", raising=False)


def test_the_command_line_comes_before_the_environment_before_the_file(tmp_path, monkeypatch):
    file = write(tmp_path, "a.yaml", "ingest: {fps: 1, staleness: 0.1}\ndetector: {min_face: 50}\n")
    monkeypatch.setenv("AFFECTSTREAM_INGEST__FPS", "2")
    monkeypatch.setenv("AFFECTSTREAM_DETECTOR__MIN_FACE", "40")
    config = load_config(file, {"ingest": {"fps": 3.0}})
    assert (config.ingest.fps, config.detector.min_face, config.ingest.staleness) == (3.0, 40.0, 0.1)
    assert config.smoother.gap == 1.5


def test_toml_says_the_same_as_yaml(tmp_path):
    yaml = write(tmp_path, "a.yaml", "out: there\nsources:\n  - {url: 'rtsp://a/b', name: door, ingest: {fps: 5}}\n")
    toml = write(
        tmp_path, "a.toml", 'out = "there"\n[[sources]]\nurl = "rtsp://a/b"\nname = "door"\ningest = {fps = 5}\n'
    )
    assert load_config(yaml, {}).model_dump() == load_config(toml, {}).model_dump()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.yaml", "ingest: {fps: -1}", r"ingest.fps' = -1"),
        ("a.yaml", "ingest: {fsp: 1}", "unknown setting 'ingest.fsp'"),
        ("a.yaml", "[1, 2", "cannot be parsed"),
        ("a.yaml", "- 1", "must hold names and values"),
        ("a.toml", "x = ", "cannot be parsed"),
        ("a.ini", "x = 1", r"ends in '\.ini'"),
        ("a.yaml", "sources: [{name: door}]", "field required"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, text, words):
    with pytest.raises(InputError, match=words):
        load_config(write(tmp_path, name, text), {})


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.yaml"):
        load_config(tmp_path / "gone.yaml", {})


def test_a_password_is_never_shown(tmp_path):
    file = write(tmp_path, "a.yaml", "redis: {url: {password: hunter2}}\nsources: [{url: ['rtsp://u:hunter2@h']}]")
    with pytest.raises(InputError) as caught:
        load_config(file, {})
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(load_config(None, {"sources": [{"url": "rtsp://u:hunter2@h"}]}))


def test_a_source_changes_only_what_it_names():
    base = DetectorSettings(min_face=30, max_side=640)
    assert override(base, {"min_face": 50}, "source 'door'") == DetectorSettings(min_face=50, max_side=640)
    with pytest.raises(InputError, match=r"source 'door': setting 'min_face' = 1"):
        override(base, {"min_face": 1}, "source 'door'")
