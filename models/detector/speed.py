"""How long networks of the YuNet kind take for a picture on one core, in turns so that all meet the same load."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.onnx import open_session
from pipeline.settings import RuntimeSettings


def beside(
    networks: Sequence[Path], *, width: int = 640, height: int = 384, calls: int = 300
) -> list[tuple[float, float, int]]:
    """For each network the median and the fastest time in ms of a picture of this size, and the number of calls.

    It is the time that the thread had a processor, which is all that a picture takes on a core of its own.
    """
    sessions = [open_session(path, RuntimeSettings(threads=1, provider="cpu")) for path in networks]
    picture = np.random.default_rng(0).uniform(0, 255, (1, 3, height, width)).astype(np.float32)
    times: list[list[float]] = [[] for _ in sessions]
    for _ in range(calls + 20):
        for spent, session in zip(times, sessions, strict=True):
            name = session.get_inputs()[0].name
            begin = time.thread_time()
            session.run(None, {name: picture})
            spent.append((time.thread_time() - begin) * 1e3)
    return [(float(np.median(spent[20:])), min(spent[20:]), calls) for spent in times]
