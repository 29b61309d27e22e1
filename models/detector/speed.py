"""How long networks of the YuNet kind take for a picture on one core."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from models.timing import Timing, beside
from pipeline.onnx import open_session
from pipeline.settings import RuntimeSettings


def per_picture(networks: Sequence[Path], *, width: int = 640, height: int = 384, calls: int = 300) -> list[Timing]:
    """For each network the time of a picture of this size, over so many calls."""
    sessions = [open_session(path, RuntimeSettings(threads=1, provider="cpu")) for path in networks]
    picture = np.random.default_rng(0).uniform(0, 255, (1, 3, height, width)).astype(np.float32)
    runs = [partial(session.run, None, {session.get_inputs()[0].name: picture}) for session in sessions]
    return beside(runs, rounds=calls)
