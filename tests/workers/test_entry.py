import signal
import subprocess
import sys

import pytest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["typer", "av"])
def test_a_command_may_be_stopped_while_it_is_loaded(module, number):
    child = f"""
import os, signal, sys
from workers.entry import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has what it runs in the background ignore it

class Impatient:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), {int(number)})

sys.meta_path.insert(0, Impatient())
main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", child, "replay", "gone.mp4"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")
