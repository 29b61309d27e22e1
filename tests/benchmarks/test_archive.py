"""One long file in parts against the same file in one go: by the clock, and in time of processors.

    python -m pytest tests/benchmarks/test_archive.py --benchmark-only -s

In one go, the stages of one process share about two cores between them; parts pay off with the third. What dividing
costs is seen best in processor time, which neighbours on the machine disturb less.
"""

import os
import time
from concurrent.futures import Future
from dataclasses import replace

import av
import numpy as np
import pytest

from pipeline.ingest.source import expand
from workers.config import load_config
from workers.engine import Engine
from workers.replay import tasks
from workers.replay.archive import replay_side_by_side
from workers.replay.file import replay
from workers.replay.outcome import Status
from workers.replay.processes import Processes
from workers.scene import render

ROUNDS = 2

TURNS = 10
"""How often the demo's clip is played in the long file, every other time backwards."""


def lengthen(clip, path):
    with av.open(str(clip)) as container:
        pictures = [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "veryfast"})
        stream.height, stream.width = pictures[0].shape[0] * 2 // 3, pictures[0].shape[1]
        stream.pix_fmt, stream.gop_size = "yuv420p", 125
        for turn in range(TURNS):
            for picture in pictures[:: 1 if turn % 2 == 0 else -1]:
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        out.mux(stream.encode(None))


class Here:
    """Runs every task at once in this process, so that its processor time can be told."""

    workers, threads = 2, 1

    def __init__(self):
        tasks.set_context(self)

    def submit(self, task, *args):
        future = Future()
        try:
            future.set_result(task(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def reports(self):
        return ()

    def report(self, progress):
        pass

    def stop(self):
        pass

    def stopped(self):
        return False


@pytest.mark.benchmark(group="archive")
def test_parts_against_one_go(benchmark, tmp_path, capsys):
    render(tmp_path / "demo.mp4")
    lengthen(tmp_path / "demo.mp4", tmp_path / "long.mp4")
    sources = expand([str(tmp_path / "long.mp4")])
    workers = min(os.cpu_count() or 1, 8)
    loaded = Engine.load(load_config(None, {}))

    def took(name, executor):
        engine = replace(loaded, config=loaded.config.model_copy(update={"out": tmp_path / name}))
        how = (lambda _: None, lambda: False)
        begun = time.perf_counter(), time.process_time()
        if executor is None:
            (outcome,) = replay(sources, engine, None, *how)
        else:
            (outcome,) = replay_side_by_side(executor, engine, None, sources, *how)
        assert (outcome.status, outcome.note) == (Status.DONE, "")
        return np.array([time.perf_counter() - begun[0], time.process_time() - begun[1]]) / outcome.frames * 1000

    here = Here()
    took("load", here)
    with Processes(workers) as executor:
        took("warm", executor)  # processes open their networks with their first task
        ways = {"go": None, "parts": executor, "here": here}
        # In turns, so that a noisy neighbour disturbs all alike.
        rounds = [[took(f"{name}-{number}", how) for name, how in ways.items()] for number in range(ROUNDS)]
        go, parts, alone = np.median(rounds, axis=0)
        benchmark.extra_info |= {"clock ratio": go[0] / parts[0], "processor ratio": go[1] / alone[1]}
        with capsys.disabled():
            print(
                f"\n{workers} processes on {os.cpu_count()} cores: {go[0]:.1f} ms a frame in one go, {parts[0]:.1f} in "
                f"parts, ratio {go[0] / parts[0]:.2f}; processors {go[1]:.2f} ms a frame in one go, {alone[1]:.2f} in "
                f"parts, ratio {go[1] / alone[1]:.2f}"
            )
        benchmark.pedantic(took, ("last", executor), rounds=1)
