"""Two hosts, Redis on one, workers and camera on the other, and the line between them cut.

The hosts are network namespaces: this needs root and iproute2. The long form, cut for 20 s:
python -m pytest tests/faults -m soak
"""

import os
import shutil
import subprocess
import time

import pandas as pd
import pytest

from tests.redis_server import Server, newest
from tests.rtsp import RtspServer, require
from tests.site import AFFECTSTREAM, rows, site
from workers.scene import render

HERE, THERE = "10.213.77.1", "10.213.77.2"
OPEN = ("--bind", "0.0.0.0", "--protected-mode", "no", "--appendonly", "yes")
OUTAGES = [pytest.param(6, id="6 s"), pytest.param(20, id="20 s", marks=pytest.mark.soak)]


def ip(*words):
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=False)


class Host:
    """Another host, on a line of its own to this one."""

    def __init__(self):
        self._name = f"affect{os.getpid()}"
        self._line = f"af{os.getpid()}"
        self.prefix = ("ip", "netns", "exec", self._name)

    def __enter__(self):
        commands = (
            f"netns add {self._name}",
            f"link add {self._line} type veth peer name line netns {self._name}",
            f"addr add {HERE}/30 dev {self._line}",
            f"link set {self._line} up",
            f"-n {self._name} addr add {THERE}/30 dev line",
            f"-n {self._name} link set line up",
            f"-n {self._name} link set lo up",
        )
        for command in commands:
            done = ip(*command.split())
            if done.returncode:
                self.__exit__()
                pytest.skip(f"no network namespaces here: {done.stderr.strip()}")
        return self

    def __exit__(self, *_):
        ip("link", "del", self._line)
        ip("netns", "del", self._name)

    def cut(self, seconds):
        ip("link", "set", self._line, "down")
        time.sleep(seconds)
        ip("link", "set", self._line, "up")


@pytest.fixture
def host():
    if os.geteuid() or not shutil.which("ip"):
        pytest.skip("two hosts need root and iproute2")
    with Host() as other:
        yield other


@pytest.fixture
def there(host, tmp_path):
    """A site whose workers are on the other host, its Redis on this one."""
    with Server(tmp_path, newest(), *OPEN) as server:
        url = f"redis://{HERE}:{server.port}"
        with site(url, tmp_path / "site", ["AFFECTSTREAM_BUS__LEASE=2"], (*host.prefix, *AFFECTSTREAM)) as running:
            yield running


@pytest.mark.parametrize("seconds", OUTAGES)
def test_replay_loses_nothing_with_the_line(host, there, tmp_path, seconds):
    render(tmp_path / "scene.mp4", seconds=8)
    there.start("ingest+tracker", "inference", "sink")
    there.sources("add", str(tmp_path / "scene.mp4"))
    there.wait(lambda: there.client.xlen("affect:emotions:scene") > 20)
    host.cut(seconds)
    published = there.client.xlen("affect:emotions:scene")
    there.wait(lambda: there.over("scene"))
    found = rows(there.out)
    assert published < len(found)
    assert found.groupby("track")["frame"].apply(list).tolist() == [list(range(200)), list(range(75, 200))]
    assert [(int(row["frame"]), row["track"]) for row in there.published("scene")] == [
        (row.frame, row.track) for row in found.itertuples()
    ]


@pytest.mark.soak
@pytest.mark.parametrize("seconds", [6, 20])
def test_live_counts_what_it_drops_while_the_line_is_cut(host, there, tmp_path, seconds):
    require()
    render(tmp_path / "scene.mp4", seconds=60)
    with RtspServer(tmp_path / "scene.mp4", prefix=host.prefix) as camera:
        there.start("ingest+tracker", "inference", "sink")
        there.client.hset("affect:sources", "door", f'{{"url": "{camera.url}"}}')
        there.wait(lambda: there.client.xlen("affect:emotions:door") > 50)
        host.cut(seconds)
        published = there.client.xlen("affect:emotions:door")
        there.wait(lambda: there.client.xlen("affect:emotions:door") > published + 50)
        there.wait(lambda: dropped(there) >= (seconds - 2) * 20)
        stale = dropped(there)
        there.sources("remove", "door")
        there.wait(lambda: not there.client.sismember("affect:bus:sources", "door"))
    found = rows(there.out)
    assert found["run"].nunique() == 1
    assert not found.duplicated(["frame", "track"]).any()
    assert len(there.published("door")) == len(found)
    frames = pd.Series(found["frame"].unique())
    missing = int(frames.max() + 1 - len(frames))
    # Every frame in between is a row or a counted drop; some were dropped between the last count and the end.
    assert 0 <= missing - stale <= 25


def dropped(running):
    return int(running.client.hget("affect:counts:door", "dropped: stale") or 0)
