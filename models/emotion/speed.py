"""How long networks take for a face on one core: `python -m models.emotion.speed`."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.program import run
from pipeline.card import emotion_card, network_file
from pipeline.onnx import open_session
from pipeline.settings import RuntimeSettings


def beside(
    sessions: Sequence[ort.InferenceSession], batch: int, *, seconds: float = 2.0
) -> list[tuple[float, float, int]]:
    """Time per face of networks that take uint8 or float32 faces of any size, in turns so that all meet the same load.

    Args:
        sessions: the networks.
        batch: faces per call.
        seconds: for which each is timed, after a warm-up.

    Returns:
        For each the median and the fastest time in ms per face, and the number of calls timed. It is the time that
        the calling thread had a processor, which on one thread is all that a call takes on a core of its own.
    """
    feeds = [_faces(session.get_inputs()[0], batch) for session in sessions]
    for _ in range(20):
        for session, feed in zip(sessions, feeds, strict=True):
            session.run(None, feed)
    times: list[list[float]] = [[] for _ in sessions]
    end = time.perf_counter() + seconds * len(sessions)
    while time.perf_counter() < end:
        for spent, session, feed in zip(times, sessions, feeds, strict=True):
            begin = time.thread_time()
            session.run(None, feed)
            spent.append(time.thread_time() - begin)
    return [(float(np.median(spent)) * 1e3 / batch, min(spent) * 1e3 / batch, len(spent)) for spent in times]


def _faces(taken: ort.NodeArg, batch: int) -> dict[str, NDArray[Any]]:
    """Noise for an input of (n, ...) pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (batch, *taken.shape[1:]), np.uint8)
    return {taken.name: noise if taken.type == "tensor(uint8)" else noise.astype(np.float32)}


def milliseconds(session: ort.InferenceSession, batch: int, *, seconds: float = 2.0) -> tuple[float, float, int]:
    """`beside` of one network."""
    (told,) = beside([session], batch, seconds=seconds)
    return told


def main() -> None:
    """Prints ms per face for a few batch sizes."""
    parser = argparse.ArgumentParser(prog="python -m models.emotion.speed", description=__doc__)
    parser.add_argument(
        "--model",
        type=Path,
        nargs="+",
        default=[None],
        help="ONNX files or names of shipped networks, timed in turns (default: the standard one)",
    )
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=3.0, help="per network and batch size (default: %(default)s)")
    options = parser.parse_args()
    paths = [network_file("emotion", model) for model in options.model]
    ids = [emotion_card(path).id for path in paths]
    sessions = [open_session(path, RuntimeSettings(threads=1, provider="cpu")) for path in paths]
    print(f"ONNX Runtime {ort.__version__}, one thread")
    for batch in options.batch:
        for name, (median, fastest, calls) in zip(ids, beside(sessions, batch, seconds=options.seconds), strict=True):
            print(f"{name}, batch {batch}: median {median:.3f} ms, fastest {fastest:.3f} ms per face ({calls} calls)")


if __name__ == "__main__":
    run(main)
