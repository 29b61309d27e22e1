"""Workers in processes of their own against one process: frames/s, and what crosses Redis for each frame.

    python -m pytest tests/benchmarks/test_workers.py --benchmark-only -s

Redis counts the bytes itself: all that its clients send and are sent, state and heartbeats included.
"""

import time

import pytest

from tests.redis_server import Server, newest
from tests.site import rows, site
from workers.scene import SECONDS, render

LAYOUTS = {
    "one process": ("ingest+tracker+inference+sink",),
    "ingest+tracker | inference | sink": ("ingest+tracker", "inference", "sink"),
    "ingest+tracker | 2 x inference | sink": ("ingest+tracker", "inference", "inference", "sink"),
    "ingest+tracker | 4 x inference | sink": ("ingest+tracker", *["inference"] * 4, "sink"),
    "four processes, frames as JPEG": ("ingest", "tracker", "inference", "sink"),
    "four processes, frames raw": ("ingest", "tracker", "inference", "sink"),
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "scene.mp4"
    render(path)
    return path


def carried(client):
    stats = client.info("stats")
    return stats["total_net_input_bytes"], stats["total_net_output_bytes"]


@pytest.mark.benchmark(group="workers")
@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(name, benchmark, clip, tmp_path, capsys):
    options = ["AFFECTSTREAM_BUS__FRAMES=raw"] if name.endswith("raw") else []
    with Server(tmp_path, newest()) as server, site(server.url, tmp_path / "site", options) as running:
        workers = running.start(*LAYOUTS[name])
        for worker in workers:  # a warm start: what is compared is work, not the loading of libraries
            running.wait(lambda one=worker: "joined to the others" in one.log.read_text())
        before = carried(running.client)
        begun = time.perf_counter()
        running.sources("add", str(clip))
        running.wait(lambda: running.over("scene"), 600)
        seconds = time.perf_counter() - begun
        received, sent = (now - then for now, then in zip(carried(running.client), before, strict=True))
        # Work may begin up to a third of the lease after a source was added: taken from its own clock.
        first, last = (running.client.xrange if up else running.client.xrevrange for up in (True, False))
        span = [int(end("affect:emotions:scene", count=1)[0][0].split("-")[0]) for end in (first, last)]
        frames = rows(running.out)["frame"].nunique()
    rate = frames / ((span[1] - span[0]) / 1000)
    benchmark.extra_info |= {"frames/s": rate, "bytes in": received / frames, "bytes out": sent / frames}
    with capsys.disabled():
        print(
            f"\n{name}: {rate:.0f} frames/s ({frames} frames, {seconds:.1f} s in all); for each frame Redis takes "
            f"{received / frames / 1000:.1f} kB and gives {sent / frames / 1000:.1f} kB"
        )
    assert frames == SECONDS * 25
    benchmark.pedantic(lambda: None, rounds=1)
