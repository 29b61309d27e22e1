import json
import subprocess
import sys
from pathlib import Path

import pytest

from models.program import model_words, run
from pipeline.card import STANDARD, network_file, variants
from pipeline.errors import InputError, ModelError

SHIPPED = [(kind, name) for kind in ("emotion", "detector") for name in variants(kind)]
MEASURING = tuple(f"python -m models.{name}" for name in ("emotion.figures", "emotion.speed", "detector.measure"))
"""Programs that measure one network, the standard one unless they are told of another."""


@pytest.mark.parametrize(
    ("raised", "line", "code"),
    [
        (InputError("no such\n  recipe"), "error: no such recipe\n", 2),
        (ModelError("not a network"), "error: not a network\n", 1),
        (FileNotFoundError(2, "No such file or directory", "a/b"), "error: 'a/b' cannot be used: no such file", 2),
        (OSError("disk is gone"), "error: disk is gone\n", 1),
        (KeyboardInterrupt(), "", 130),
    ],
)
def test_what_goes_wrong_outside_is_one_line_and_a_code(capsys, raised, line, code):
    def main():
        raise raised

    with pytest.raises(SystemExit) as left:
        run(main)
    told = capsys.readouterr()
    assert left.value.code == code
    assert told.out == ""
    assert told.err.startswith(line)
    assert told.err.count("\n") == bool(line)


def test_a_mistake_of_the_program_keeps_its_trace():
    with pytest.raises(ZeroDivisionError):
        run(lambda: print(1 / 0))


@pytest.mark.parametrize(
    ("program", "options"),
    [
        ("detector.label", ["--teacher", "{}/none.onnx", "--folders", "{}"]),
        ("detector.measure", ["--teacher", "{}/none.onnx", "--data", "{}"]),
        ("emotion.mirror", ["--model", "{}/none.onnx", "--out", "{}/out.onnx"]),
        ("smoothing.fit", ["{}/none"]),
        ("tracking.likeness", ["--data", "{}"]),
    ],
)
def test_a_wrong_path_is_one_line(tmp_path, program, options):
    command = [sys.executable, "-m", f"models.{program}", *(option.format(tmp_path) for option in options)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr.count("\n")) == (2, 1), told.stderr
    assert told.stderr.startswith("error: ")
    assert str(tmp_path) in told.stderr


@pytest.mark.parametrize(("kind", "name"), SHIPPED)
def test_the_commands_of_a_card_that_ships_measure_its_own_network(kind, name):
    path = variants(kind)[name]
    commands = {figure["command"] for figure in json.loads(path.with_suffix(".json").read_text())["figures"]}
    told = [command for command in commands if command.startswith(MEASURING)]
    assert told
    for command in told:
        _, _, model = command.partition(" --model ")
        assert network_file(kind, Path(model) if model else None) == path


@pytest.mark.parametrize(("kind", "name"), SHIPPED)
def test_a_network_that_ships_is_told_by_its_name(kind, name):
    assert model_words(kind, network_file(kind, Path(name))) == ("" if name == STANDARD else f" --model {name}")


def test_a_network_of_ones_own_is_told_by_its_file_without_the_folder(tmp_path):
    assert model_words("emotion", tmp_path / "mine.onnx") == " --model mine.onnx"
