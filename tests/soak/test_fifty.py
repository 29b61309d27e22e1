"""Fifty cameras on one Redis: every one gets its share, and what each costs.

python -m pytest tests/soak/test_fifty.py -m soak -s
"""

import time
from pathlib import Path

import pytest

from tests.redis_server import Server, newest
from tests.rtsp import RtspServer, require
from tests.site import site
from workers.scene import render

CAMERAS = 50
SECONDS = 90


def resident(process):
    """MB that a process holds."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1000


@pytest.mark.soak
def test_fifty_cameras_share_alike(tmp_path):
    require()
    render(tmp_path / "scene.mp4", seconds=60)
    with (
        RtspServer(tmp_path / "scene.mp4") as camera,
        Server(tmp_path, newest(), "--appendonly", "yes") as server,
        site(server.url, tmp_path / "site", ["AFFECTSTREAM_BUS__LEASE=15"]) as running,
    ):
        front, inference, sink = running.start("ingest+tracker", "inference", "sink")
        cameras = [f"camera-{number:02}" for number in range(CAMERAS)]

        def watch(names):
            for name in names:
                running.client.hset("affect:sources", name, f'{{"url": "{camera.url}", "ingest": {{"fps": 1}}}}')
            running.wait(lambda: all(running.client.exists(f"affect:emotions:{name}") for name in names), 300)

        watch(cameras[:1])
        alone = resident(front), resident(sink), running.client.info("memory")["used_memory"] / 1e6
        watch(cameras[1:])
        before = [running.client.xlen(f"affect:emotions:{name}") for name in cameras]
        time.sleep(SECONDS)
        after = [running.client.xlen(f"affect:emotions:{name}") for name in cameras]
        seen = [now - then for now, then in zip(after, before, strict=True)]
        all_of_them = resident(front), resident(sink), running.client.info("memory")["used_memory"] / 1e6
        counts = [running.client.hgetall(f"affect:counts:{name}") for name in cameras]
        stale = sum(int(count.get("dropped: stale", 0)) for count in counts)
        each = [(now - then) / (CAMERAS - 1) for now, then in zip(all_of_them, alone, strict=True)]
        print(
            f"\n{CAMERAS} cameras for {SECONDS} s at 1 frame/s: {min(seen)} to {max(seen)} rows each, {stale} frames "
            f"dropped as stale; each camera costs {each[0]:.1f} MB in ingest+tracker, {each[1]:.1f} MB in the sink, "
            f"{each[2]:.2f} MB in Redis; inference {resident(inference):.0f} MB"
        )
        assert min(seen) > 0.5 * max(seen)
