"""Runs of invented faces, as the sink receives and as its writers receive them."""

import numpy as np

from pipeline.messages import Clock, End, Faces, Results, Scores, Stamp
from pipeline.settings import SmootherSettings
from pipeline.sink.stage import SinkStage
from pipeline.tally import Tally

START = 1_700_000_000_000_000
"""2023-11-14 22:13:20 UTC, µs."""


def scores(
    frames: int,
    *,
    source: str = "door",
    run: str = "r1",
    faces: int = 2,
    life: int = 60,
    seed: int = 0,
    fps: float = 25.0,
    start: int = START,
    clock: Clock = Clock.FILE,
) -> list[Scores]:
    """Return frames with up to ``faces`` faces, each seen in most frames for ``life`` frames before another comes."""
    rng = np.random.default_rng(seed)
    messages = []
    for frame in range(frames):
        places = [place for place in range(faces) if rng.random() < 0.9]
        ids = tuple(f"{run}-{place}-{(frame + 7 * place) // life}" for place in places)
        ended = tuple(
            f"{run}-{place}-{(frame + 7 * place) // life - 1}"
            for place in range(faces)
            if frame and (frame + 7 * place) % life == 0
        )
        n = len(ids)
        stamp = Stamp(source, run, frame, frame / fps, start + round(frame / fps * 1e6), clock, start)
        seen = Faces(
            stamp=stamp,
            tracks=ids,
            boxes=rng.uniform(10, 100, (n, 4)).astype(np.float32),
            landmarks=rng.uniform(10, 100, (n, 5, 2)).astype(np.float32),
            scores=rng.uniform(0.6, 1, n).astype(np.float32),
            quality=rng.uniform(0.2, 1, n).astype(np.float32),
            pose=rng.uniform(-30, 30, (n, 3)).astype(np.float32),
            crops=np.zeros((0, 48, 48), np.uint8),
            ended=ended,
        )
        messages.append(Scores(seen, rng.dirichlet(np.full(8, 0.4), n).astype(np.float32), "net@0123456789ab"))
    return messages


def results(
    frames: int, *, complete: bool = True, lag: float = 0.4, source: str = "door", run: str = "r1", **more
) -> list[Results]:
    """Return what the sink makes of ``scores`` and the end of the run."""
    stage = SinkStage(SmootherSettings(), lag, Tally())
    return stage.process([*scores(frames, source=source, run=run, **more), End(source, run, complete=complete)])
