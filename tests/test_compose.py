"""compose.yaml and the Dockerfile say what the program understands; no container engine is needed to see that."""

from pathlib import Path

import yaml

from workers.config import load_config
from workers.live import live_sources

ROOT = Path(__file__).parents[1]


def test_the_service_gets_what_it_understands(monkeypatch):
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert set(compose["services"]) == {"redis", "affectstream"}
    service = compose["services"]["affectstream"]
    for name, value in service["environment"].items():
        monkeypatch.setenv(name, value)
    command, source = service["command"]
    assert command == "run"
    assert source.startswith("${SOURCE:?")  # compose itself refuses to start without one
    config = load_config(None, {})
    assert config.redis.url == "redis://redis:6379"
    assert [found.id for found in live_sources(["rtsp://camera/stream"], config)] == ["camera-stream"]


def test_volumes_are_where_the_program_writes():
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert compose["services"]["affectstream"]["volumes"] == ["data:/data"]
    assert "ENV AFFECTSTREAM_OUT=/data" in dockerfile
    assert "USER affect" in dockerfile
    assert set(compose["volumes"]) == {"redis", "data"}
