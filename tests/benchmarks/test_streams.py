"""How much of Redis a source takes when its streams have grown to their length.

python -m pytest tests/benchmarks/test_streams.py --benchmark-only -s
"""

import pytest

from pipeline.run import live_run
from pipeline.settings import BusSettings, RedisSettings
from pipeline.sink.streams import Streams
from tests.pipeline.sink.runs import results, scores
from tests.redis_server import Server, newest
from workers.bus import keys
from workers.bus.codec import encode

FOREVER = 10**9
PIECE = 500
"""Frames of one commit."""


@pytest.mark.benchmark(group="streams")
def test_one_face_all_the_time(benchmark, tmp_path, capsys):
    length, unsaved, run = RedisSettings().length, BusSettings().unsaved, live_run()
    made = results(int(1.15 * length), faces=1, life=FOREVER, run=run)  # the face is away in one frame of ten
    with Server(tmp_path, newest()) as server, server.client() as client:
        streams = Streams(client, RedisSettings())
        for first in range(0, len(made), PIECE):
            streams.commit(made[first : first + PIECE])
        for number, message in enumerate(scores(unsaved, faces=1, life=FOREVER, run=run), 1):
            client.xadd(keys.scores("door"), {"s": "door", "n": number, "m": encode(message, quality=None)})
        face = f"affect:face:door:{run}-0-0"
        taken = {
            key: client.memory_usage(key, samples=0) for key in ("affect:emotions:door", face, keys.scores("door"))
        }
        held = {key: client.xlen(key) for key in taken}
    benchmark.extra_info |= taken
    with capsys.disabled():
        for key, size in taken.items():
            print(f"\n{key}: {held[key]:,} entries, {size / 1e6:.1f} MB, {size / held[key]:.0f} bytes each", end="")
        print()
    assert min(held["affect:emotions:door"], held[face]) >= length
    benchmark.pedantic(lambda: None, rounds=1)
