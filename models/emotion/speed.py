"""How long networks take for a face on one core: `python -m models.emotion.speed`."""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.program import run
from models.timing import Timing, beside
from pipeline.card import emotion_card, network_file
from pipeline.onnx import open_session
from pipeline.settings import RuntimeSettings


def per_face(sessions: Sequence[ort.InferenceSession], batch: int, *, seconds: float = 2.0) -> list[Timing]:
    """For each network, which takes uint8 or float32 faces of any size, the time per face.

    Args:
        sessions: the networks.
        batch: faces per call.
        seconds: for which each is timed, after a warm-up.
    """
    runs = [partial(session.run, None, _faces(session.get_inputs()[0], batch)) for session in sessions]
    return [timing.per(batch) for timing in beside(runs, seconds=seconds)]


def _faces(taken: ort.NodeArg, batch: int) -> dict[str, NDArray[Any]]:
    """Noise for an input of (n, ...) pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (batch, *taken.shape[1:]), np.uint8)
    return {taken.name: noise if taken.type == "tensor(uint8)" else noise.astype(np.float32)}


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
        for name, (median, fastest, calls) in zip(ids, per_face(sessions, batch, seconds=options.seconds), strict=True):
            print(f"{name}, batch {batch}: median {median:.3f} ms, fastest {fastest:.3f} ms per face ({calls} calls)")


if __name__ == "__main__":
    run(main)
