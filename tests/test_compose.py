"""compose.yaml and the Dockerfile: as their schema says, and what they run works. No container engine is needed."""

import json
import os
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from tests import rtsp
from tests.containers import COMPOSE, ROOT, host, image_environment, of_compose, show_that_they_work
from tests.redis_server import Server, newest
from workers.cluster.layout import STAGES, parse_layout

SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "affectstream"}
WORKERS = {name: service for name, service in OURS.items() if "profiles" not in service}


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The server that the file describes, started by the same command."""
    executable = newest()
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("redis-server", "redis-check-aof"):  # one program: its name says which
        (programs / name).symlink_to(executable)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    (tmp_path / "redis").mkdir()
    with Server(tmp_path / "redis", "redis-server", through=SERVICES["redis"]["command"]) as server:
        yield server


def test_half_a_transaction_in_the_log_is_taken_off_before_the_start(server, tmp_path):
    logs = list((tmp_path / "redis").glob("appendonlydir/*.incr.aof"))
    if not logs:
        pytest.skip("the command is for Redis 7, which keeps its log in a folder")
    script = "for i = 1, 3 do redis.call('RPUSH', 'rows', ARGV[1] .. i) end"
    for batch in "ab":
        with server.client() as client:
            client.eval(script, 0, batch)
        server.kill()
        server.start()
    server.kill()
    logs[0].write_bytes(logs[0].read_bytes().partition(b"b2")[0])
    for _ in range(2):
        server.start()
        with server.client() as client:
            rows = client.lrange("rows", 0, -1)
            client.eval(script, 0, "c")
        server.kill()
    assert rows == ["a1", "a2", "a3", "c1", "c2", "c3"]


def test_is_what_the_specification_says():
    schema = json.loads((files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text())
    jsonschema.validate(COMPOSE, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"services": {"redis": {"imagé": "redis"}}}, schema)


def test_the_workers_do_every_stage_once_and_no_frame_crosses_the_network():
    layouts = [parse_layout(service["command"][1]) for service in WORKERS.values()]
    assert sorted(stage for layout in layouts for stage in layout.stages) == sorted(STAGES)
    assert ("ingest", "tracker") in [layout.chain for layout in layouts]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined(name):
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["logging"]["options"]["max-size"]
    if name in WORKERS or name == "redis":
        assert service["restart"] == "unless-stopped"
        assert service["stop_grace_period"] == "30s"
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
        assert service["healthcheck"]["test"]
    if name not in OURS:  # ours run as the user of the image
        assert service["user"] not in {"root", "0"}
        assert re.search(r":\d+\.\d+", service["image"])


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_can_be_scaled(name):
    assert not {"container_name", "ports"} & set(WORKERS[name])


def test_the_image_runs_as_a_user_and_keeps_no_tools():
    dockerfile = (ROOT / "Dockerfile").read_text()
    stage = dockerfile[dockerfile.rindex("\nFROM ") :]
    assert re.search(r"^USER (?!0|root)", stage, re.M)
    assert 'ENTRYPOINT ["affectstream"]' in stage
    assert "HEALTHCHECK" not in dockerfile
    copied = {
        Path(word).name for line in re.findall(r"^COPY (?!--)(.*) \S+$", dockerfile, re.M) for word in line.split()
    }
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)


def test_only_volumes_that_are_declared_are_mounted():
    mounted = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}
    assert mounted == set(COMPOSE["volumes"])
    assert image_environment()["AFFECTSTREAM_OUT"] == "/data"
    assert "data:/data" in WORKERS["sink"]["volumes"]


def test_the_simulated_camera_and_the_workers_do_what_they_are_told(server, tmp_path):
    rtsp.require()
    (url,) = [word for word in SERVICES["camera"]["command"] if word.startswith("rtsp://")]
    run = SERVICES["simulator"]["environment"]["MTX_PATHS_DEMO_RUNONINIT"].split()
    assert url == run[-1].replace("localhost", "simulator")
    clip = SERVICES["clip"]["command"][-1]
    # Both mount the same volume, each at a place of its own.
    assert run[run.index("-i") + 1] == clip.replace("/data", "/clip")

    camera = rtsp.RtspServer(tmp_path / "data" / Path(clip).name)
    workers = [of_compose(name) for name in WORKERS]
    workers.append(replace(of_compose("inference"), name="inference-2"))  # as `--scale inference=2` makes it
    with host(server.url, tmp_path, {url: camera.url}) as running:
        for worker in workers:
            running.start(worker)
        running.run(of_compose("clip"))
        with camera:
            table = show_that_they_work(running, workers, of_compose("camera"), rows=50)
    assert set(table["source"]) == {"demo"}
    assert set(table["clock"]) <= {"rtcp", "arrival"}
