import subprocess
import sys

import pytest

from models.program import run
from pipeline.errors import InputError, ModelError


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
