"""Messages for tests, with sensible values for what a test does not care about."""

import numpy as np

from pipeline.messages import Clock, Faces, Stamp


def stamp(frame: int = 0, *, source: str = "door", run: str = "r1", fps: float = 25.0) -> Stamp:
    time = 1_700_000_000_000_000 + round(frame / fps * 1e6)
    return Stamp(source, run, frame, frame / fps, time, Clock.FILE, time)


def faces(count: int, frame: int = 0, *, size: int = 48, source: str = "door", seed: int = 0) -> Faces:
    rng = np.random.default_rng([seed, frame])
    return Faces(
        stamp(frame, source=source),
        tracks=tuple(f"r1-{number + 1}" for number in range(count)),
        boxes=rng.uniform(10, 100, (count, 4)).astype(np.float32),
        landmarks=rng.uniform(10, 100, (count, 5, 2)).astype(np.float32),
        scores=np.full(count, 0.9, np.float32),
        quality=np.full(count, 0.8, np.float32),
        pose=np.zeros((count, 3), np.float32),
        crops=rng.integers(0, 256, (count, size, size), np.uint8),
    )
