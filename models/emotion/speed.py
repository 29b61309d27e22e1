"""How long the network takes for a face on one core: `python -m models.emotion.speed`."""

import argparse
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

from pipeline.card import emotion_card, shipped
from pipeline.errors import AffectError
from pipeline.onnx import open_session
from pipeline.settings import RuntimeSettings


def milliseconds(session: ort.InferenceSession, batch: int, *, seconds: float = 2.0) -> tuple[float, float, int]:
    """Time per face of a network that takes uint8 (n, 1, 48, 48), over `seconds` of calls after a warm-up.

    Returns:
        The median and the fastest time in ms per face, and the number of calls timed.
    """
    name = session.get_inputs()[0].name
    faces = np.random.default_rng(0).integers(0, 256, (batch, 1, 48, 48), np.uint8)
    for _ in range(20):
        session.run(None, {name: faces})
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        session.run(None, {name: faces})
        times.append(time.perf_counter() - begin)
    return float(np.median(times)) * 1e3 / batch, min(times) * 1e3 / batch, len(times)


def main() -> None:
    """Prints ms per face for a few batch sizes."""
    parser = argparse.ArgumentParser(prog="python -m models.emotion.speed", description=__doc__)
    parser.add_argument("--model", type=Path, default=shipped("emotion"), help="ONNX file (default: the one shipped)")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=3.0, help="per batch size (default: %(default)s)")
    options = parser.parse_args()
    session = open_session(options.model, RuntimeSettings(threads=1, provider="cpu"))
    print(f"{emotion_card(options.model).id}, ONNX Runtime {ort.__version__}, one thread")
    for batch in options.batch:
        median, fastest, calls = milliseconds(session, batch, seconds=options.seconds)
        print(f"batch {batch}: median {median:.3f} ms, fastest {fastest:.3f} ms per face ({calls} calls)")


if __name__ == "__main__":
    try:
        main()
    except AffectError as error:
        raise SystemExit(f"error: {error}") from error
