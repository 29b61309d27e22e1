"""compose.yaml and the Dockerfile: as their schema says, and what they run works. No container engine is needed."""

import json
import os
import re
import urllib.error
import urllib.request
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import rtsp
from tests.containers import COMPOSE, ROOT, await_rows, host, image_environment, of_compose, stop_and_read
from tests.redis_server import Server, newest
from workers.bus import keys
from workers.cluster.layout import STAGES, parse_layout

SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "affectstream"}
LASTING = {name: service for name, service in SERVICES.items() if "profiles" not in service}
WORKERS = {name: service for name, service in LASTING.items() if service["command"][0] == "worker"}


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
    if name in LASTING:
        assert service["restart"] == "unless-stopped"
        assert service["stop_grace_period"] == "30s"
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
        assert service["healthcheck"]["test"]
    if name not in OURS:  # ours run as the user of the image
        assert service["user"] not in {"root", "0"}
        assert re.search(r":\d+\.\d+", service["image"])


def test_only_this_machine_reaches_what_asks_for_no_password():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"redis": ["127.0.0.1:6379:6379"], "page": ["127.0.0.1:8080:8080"]}
    # The test below has the page listen, and its health check ask, where these words say.
    assert "0.0.0.0:8080" in SERVICES["page"]["command"]


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


def ask(url, name):
    """Return status and text of the page's answer, asked for by that name."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Host": name}), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def told_of(source, url):
    """Return what the page tells Prometheus of a source, by the metric's name."""
    status, text = ask(f"{url}/metrics", "page:8080")
    assert status == 200, text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {sample.name: sample.value for sample in samples if sample.labels == {"source": source}}


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
    page = f"http://127.0.0.1:{(port := rtsp.free_port())}"
    containers = [*workers, of_compose("page")]
    with host(server.url, tmp_path, {url: camera.url, ":8080": f":{port}"}) as running:
        for container in containers:
            running.start(container)
        running.run(of_compose("clip"))
        with camera:
            await_rows(running, containers, of_compose("camera"), rows=50)
            frames = len({fields["frame"] for _, fields in running.client.xrange("affect:emotions:demo")})
            # Workers add up what they count now and then.
            running.wait(lambda: told_of("demo", page)["affectstream_frames_decoded_total"] >= frames)
            told = told_of("demo", page)
            for name in ("127.0.0.1:8080", "localhost:8080"):  # as a browser here has it
                assert ask(f"{page}/healthz", name) == (200, "well\n")
            assert ask(f"{page}/healthz", "rebound.example:8080")[0] == 400
            table = stop_and_read(running, containers)
        decoded = int(running.client.hget(keys.counts("demo"), "frames"))
    assert "affectstream_source_up" not in told  # somebody works on it; whether frames come, the counter tells
    assert told["affectstream_frames_decoded_total"] <= decoded
    assert set(table["source"]) == {"demo"}
    assert set(table["clock"]) <= {"rtcp", "arrival"}
