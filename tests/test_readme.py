"""What the README tells to run runs as it stands."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.settings import RedisSettings
from pipeline.sink.streams import Streams
from tests.pipeline.sink.runs import results
from tests.redis_server import Server, executables

README = Path(__file__).parents[1] / "README.md"
QUIET = 6.0
"""s without a record; clients of redis give up after five unless told otherwise."""


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path, executables()[-1]) as running:
        yield running


def test_the_program_that_reads_a_stream_outlasts_silence(server):
    (program,) = re.findall(r"```python\n(import redis\n.*?)```", README.read_text(), re.DOTALL)
    assert "redis://localhost:6379" in program
    program = program.replace("redis://localhost:6379", server.url)
    reader = subprocess.Popen([sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(QUIET)
        with server.client() as client:
            Streams(client, RedisSettings()).commit(results(30))
        assert reader.stdout is not None
        when, track, _, happiness = reader.stdout.readline().split()
    finally:
        reader.kill()
        reader.communicate()
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", when)
    assert track.startswith("r1-")
    assert 0 <= float(happiness) <= 1
