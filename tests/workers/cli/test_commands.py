"""The smaller commands, as a user meets them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer

from pipeline.ingest.source import source_id
from tests import networks, video
from tests.redis_server import Server, newest
from tests.rtsp import free_port
from tests.web import sends, web
from workers.cli import app


@pytest.fixture
def votes(tmp_path):
    """An npz of faces with votes, the last of them without a majority."""
    rng = np.random.default_rng(0)
    path = tmp_path / "votes.npz"
    counts = np.zeros((12, 10), np.uint8)
    counts[np.arange(11), rng.integers(0, 8, 11)] = 10
    counts[11, [0, 1]] = 5
    np.savez(path, images=rng.integers(0, 256, (12, 48, 48), np.uint8), votes=counts)
    return path


def commands(command, words=()):
    """Give every command that does something, with the words that call it."""
    below = getattr(command, "commands", {})
    for name, one in below.items():
        yield from commands(one, (*words, name))
    if not below:
        yield words, command


@pytest.mark.parametrize(
    ("words", "command"),
    [pytest.param(*found, id=" ".join(found[0])) for found in commands(typer.main.get_command(app))],
)
def test_help_teaches_by_an_example(affectstream, words, command):
    ended = affectstream(*words, "--help")
    assert ended.code == 0
    _, _, examples = ended.out.partition("Example")
    assert f" affectstream {words[0]} " in examples


def test_help_fills_its_lines_and_loses_no_brackets(affectstream):
    told = affectstream("worker", "--help").out
    assert "as many of each as you like: inference shares the work" in told  # a line break in the source
    assert "[{box: [x1, y1, x2, y2]}]" in affectstream("evaluate", "detector", "--help").out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["replay", ""], "an argument is empty"),
        (["replay", "a.mp4", "--out", ""], "what follows --out is empty"),
        (["replay", "a.mp4", "-o", ""], "what follows -o is empty"),
        (["replay", "--out=", "a.mp4"], "what follows --out= is empty"),
        (["drift", "", "b"], "an argument is empty"),
        (["run", "rtsp://me:hunter2@door", ""], "an argument is empty"),
    ],
)
def test_an_unset_variable_does_not_mean_the_current_folder(affectstream, tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    video.clip(tmp_path / "a.mp4")
    ended = affectstream(*words)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"error: {says}; is a variable not set?\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("re", ["replay"]), ("replay --emo", ["--emotion"]), ("models ve", ["verify"]), ("evaluate j", ["jitter"])],
)
def test_the_shell_completes_commands_and_options(typed, offered):
    words = {"COMP_WORDS": f"affectstream {typed}", "COMP_CWORD": f"{len(typed.split())}"}
    told = subprocess.run(
        Path(sys.executable).with_name("affectstream"),
        env=os.environ | words | {"_AFFECTSTREAM_COMPLETE": "complete_bash"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.split() == offered


def test_the_demo_runs_to_the_end_and_the_lines_that_read_its_results_run_as_they_stand(
    affectstream, tmp_path, monkeypatch
):
    newest()  # without a server, it needs --redis none
    monkeypatch.chdir(tmp_path)
    ended = affectstream("demo")
    assert ended.code == 0, ended.err
    assert "done" in ended.out
    assert "affect:emotions:demo" in ended.out
    (emotions,) = tmp_path.glob("*/emotions")
    assert pd.read_parquet(emotions)["track"].nunique() == 2

    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # as where no environment is activated
    lines = [line.strip() for line in ended.out.splitlines() if " -c " in line]
    assert len(lines) >= 2
    shown = [subprocess.run(line, shell=True, check=True, capture_output=True, text=True).stdout for line in lines]
    assert "450 rows" in shown[0]
    assert "first_time" in shown[1]
    assert all("happiness" in text for text in shown[2:])


def test_a_demo_that_fails_says_so_by_its_code(affectstream, tmp_path):
    (tmp_path / "demo.mp4").touch()
    ended = affectstream("demo", "--out", tmp_path, "--redis", "none")
    assert ended.code == 1
    assert "demo.mp4 is empty" in ended.out
    assert "read_parquet" not in ended.out


def test_doctor_knows_machine_and_source(affectstream, tmp_path):
    newest()  # without a server, that is what it tells
    clip = video.clip(tmp_path / "a.mp4")
    ended = affectstream("doctor", clip)
    assert ended.code == 0, ended.out
    for word in ("FFmpeg", "CPUExecutionProvider", "SHA-256", "Redis", "h264", "160 x 96"):
        assert word in ended.out


def test_doctor_of_a_redis_that_does_not_tell_its_version(affectstream, tmp_path):
    user = ("--user", "door", "on", ">hunter2", "~affect:*", "+client", "+set")
    with Server(tmp_path, newest(), *user) as server:
        ended = affectstream("doctor", "--redis", f"redis://door:hunter2@127.0.0.1:{server.port}")
    assert ended.code == 0, ended.out
    assert f"Redis answers at 127.0.0.1:{server.port}" in ended.out


def test_doctor_says_without_colour_too_what_is_broken(affectstream):
    ended = affectstream("doctor", "--redis", f"redis://127.0.0.1:{free_port()}")
    assert ended.code == 1
    (broken,) = (line for line in ended.out.splitlines() if "broken" in line)
    assert broken.startswith("  broken: Redis at 127.0.0.1")


def test_doctor_of_something_that_is_no_video(affectstream, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    ended = affectstream("doctor", tmp_path / "text.mp4", "--redis", "none")
    assert ended.code == 1
    assert "broken: " in ended.out
    assert "text.mp4" in ended.out.rpartition("broken: ")[2]


def test_doctor_looks_at_every_source_of_a_configuration(affectstream, tmp_path):
    film = video.clip(tmp_path / "film.mp4", frames=25, container_options={"movflags": "faststart"}).read_bytes()
    config = tmp_path / "site.yaml"
    with web(sends(film)) as url:
        config.write_text(f"""
            out: {tmp_path / "a" / "b"}
            redis: {{url: none}}
            sources:
              - {{name: gate, url: "http://me:hunter2@127.0.0.1:{free_port()}/video"}}
              - {{name: door, url: "{url}/film.mp4"}}
        """)
        ended = affectstream("doctor", "--config", config)
    assert ended.code == 1
    machine, gate, door = ended.out.split("\n\n")
    assert re.search(rf"written to {tmp_path}/a/b, where [\d.,]+ GB are free", machine)
    assert not (tmp_path / "a").exists()
    assert gate.startswith("gate: http://***@127.0.0.1")
    assert "broken: " in gate
    assert door.startswith("door: ")
    assert "160 x 96" in door


def test_doctor_tells_all_the_rest_where_sources_cannot_be_used(affectstream, tmp_path, monkeypatch):
    monkeypatch.delenv("DOOR_USER", raising=False)
    film = video.clip(tmp_path / "film.mp4", frames=25, container_options={"movflags": "faststart"})
    config = tmp_path / "site.yaml"
    with web(sends(film.read_bytes())) as url:
        config.write_text(f"""
            redis: {{url: none}}
            sources:
              - {{name: gate, url: "rtsp://${{DOOR_USER}}:hunter2@10.0.0.8/h264"}}
              - "http://me:hunter2@${{DOOR_USER}}/a"
              - hall=gopher://10.0.0.8
              - {film}
              - door={url}/film.mp4
              - Door={url}/film.mp4
        """)
        ended = affectstream("doctor", "--config", config, "--out", tmp_path / "there")
    assert ended.code == 1
    assert "hunter2" not in ended.out + ended.err
    machine, gate, host, hall, file, door, again = ended.out.split("\n\n")
    assert f"written to {tmp_path}/there, where" in machine
    assert "broken: two sources have the id 'door'" in machine
    assert gate.splitlines()[0] == "gate: rtsp://***@10.0.0.8/h264"
    assert "broken: source 'gate': the environment of this process holds no DOOR_USER" in gate
    assert host.splitlines()[0] == "http://***@${DOOR_USER}/a"
    assert "hall: gopher://10.0.0.8\n  broken: cannot read gopher://" in hall
    assert f"{film}\n  broken: '{film}' is a file" in file
    assert all("160 x 96" in each and "broken" not in each for each in (door, again))


def test_doctor_of_a_folder_that_cannot_be_written(affectstream, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AFFECTSTREAM_OUT", str(tmp_path / "file" / "out"))
    ended = affectstream("doctor", "--redis", "none")
    assert ended.code == 1
    assert f"broken: cannot write to {tmp_path}/file/out" in ended.out


def test_evaluate_measures_and_writes_every_row(affectstream, votes, tmp_path):
    model = networks.classifier(tmp_path)
    ended = affectstream("evaluate", "emotion", votes, "--model", model, "--predictions", tmp_path / "p.npy")
    assert ended.code == 0, ended.err
    assert "n = 11" in ended.out
    probabilities = np.load(tmp_path / "p.npy")
    assert probabilities.shape == (12, 8)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["run"], 2, "no source given"),
        (["run", "gopher://a/b"], 2, "gopher"),
        (["doctor", "gone.mp4"], 2, "gone.mp4"),
        (["evaluate", "emotion", "gone.npz"], 2, "gone.npz"),
        (["evaluate", "emotion", "gone.npz", "--predictions", "p.txt"], 2, "p.txt"),
        (["dance"], 2, "dance"),
        (["replay", "a.mp4", "--fps", "abc"], 2, "'--fps': 'abc': input should be a valid number"),
        (["replay", "a.mp4", "--jobs", "0"], 2, "'-j': '0': input should be greater than"),
        (["replay", "a.mp4", "--engine", "x"], 2, "'--engine': 'x' is not one of"),
        (["run", "0", "--fps", "0"], 2, "error: --fps 0: input should be greater than 0"),
        (["run", "0", "--min-face", "3.5"], 2, "error: --min-face 3.5: input should be greater"),
        (["run", "0", "--redis", "localhost:6379"], 2, "did you mean redis://localhost:6379?"),
    ],
)
def test_bad_input_is_named(affectstream, words, code, says):
    ended = affectstream(*words)
    assert ended.code == code
    assert says in ended.err


def test_what_is_no_terminal_gets_whole_lines_and_a_dated_log(tmp_path):
    port = free_port()
    source = f"rtsp://127.0.0.1:{port}/{'a-long-path/' * 5}"
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    words = ["run", source, "--duration", "1", "--redis", "none", "--out", tmp_path / "out"]
    ended = subprocess.run(
        [sys.executable, "-m", "workers.cli", *words], env=environment, capture_output=True, text=True, check=False
    )
    name = source_id(source)
    assert f"{name}  ended" in ended.stdout
    dated = rf"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{{4}} WARNING {name}: {source} refuses .* until it works$"
    assert re.search(dated, ended.stderr, re.MULTILINE)
