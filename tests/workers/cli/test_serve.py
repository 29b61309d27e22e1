"""``affectstream serve``, as a user meets it."""

import json
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from tests.redis_server import Server, newest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_a_redis_knows_is_served_until_it_is_stopped(tmp_path, number):
    with Server(tmp_path, newest()) as server:
        with server.client() as redis:
            redis.xadd("affect:emotions:door", {"frame": "1"})
        words = ["serve", "--redis", server.url, "--listen", "0"]
        with subprocess.Popen(
            [sys.executable, "-m", "workers.cli", *words], stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            page = next(match[1] for line in process.stderr if (match := re.match("live page: ([^,]+),", line)))
            with urllib.request.urlopen(f"{page}/api/sources", timeout=10) as answer:
                assert [source["source"] for source in json.load(answer)["sources"]] == ["door"]
            process.send_signal(number)
            told = process.communicate(timeout=30)[1]
    assert process.returncode == 0
    assert "Traceback" not in told


def test_no_redis_and_a_wrong_address_are_told(affectstream, monkeypatch):
    monkeypatch.delenv("AFFECTSTREAM_REDIS__URL", raising=False)
    ended = affectstream("serve")
    assert (ended.code, "name the Redis that the workers share" in ended.err) == (2, True)
    ended = affectstream("serve", "--redis", "redis://127.0.0.1:1", "--listen", "nowhere")
    assert (ended.code, "cannot listen on 'nowhere'; give HOST:PORT" in ended.err) == (2, True)
