"""Outputs in Parquet of invented tracks, whose rows are as alike as those of a real track."""

from pathlib import Path

import numpy as np

from pipeline.labels import LABELS
from pipeline.messages import Clock, Emotion, End, Results, Stamp
from pipeline.settings import ParquetSettings
from pipeline.sink.parquet import ParquetWriter
from pipeline.sink.tables import NOWHERE, Origin

START = 1_700_000_000_000_000
"""2023-11-14 22:13:20 UTC, µs."""

SHARES = (0.4, 0.2, 0.1, 0.1, 0.08, 0.04, 0.05, 0.03)


def write_output(
    out: Path,
    tracks: int = 60,
    *,
    seed: int = 0,
    shares: tuple[float, ...] = SHARES,
    quality: float = 0.7,
    size: float = 60.0,
    length: float = 20.0,
    source: str = "door",
    run: str = "r1",
    model: str = "net@0123456789ab",
    biased: float = 0.0,
    start: int = START,
    pause: float = 0.0,
    fps: float = 25.0,
    settings: ParquetSettings | None = None,
    origin: Origin = NOWHERE,
    complete: bool = True,
) -> Path:
    """Write tracks of ``length`` rows on average, one after the other; give ``out``.

    Args:
        out: folder of both tables.
        tracks: how many.
        seed: of everything.
        shares: mean distribution; that of a track lies around it, that of a row around that of its track.
        quality: mean quality of tracks.
        size: mean side of boxes, px.
        length: mean rows of a track.
        source: id.
        run: id.
        model: name and hash of the network.
        biased: what the network adds to happiness before it makes distributions of what it sees.
        start: event time of the first row, µs.
        pause: s from the last row of a track to the first of the next, in which there are frames without faces.
        fps: rows per second.
        settings: when parts end.
        origin: what else parts tell of where they come from.
        complete: whether the run came to the end of its source.
    """
    rng = np.random.default_rng(seed)
    writer = ParquetWriter(out, settings or ParquetSettings(), origins={source: origin})
    frame = 0
    for track in range(tracks):
        mean = rng.dirichlet(5 * np.array(shares))
        side = size * np.exp(0.3 * rng.normal())
        fine, sure = np.clip(rng.normal((quality, 0.9), (0.1, 0.04)), 0.05, 0.95)
        for _ in range(2 + rng.poisson(length)):
            raw = rng.dirichlet(40 * mean + 0.05)
            raw[1] += biased
            raw /= raw.sum()
            stamp = Stamp(source, run, frame, frame / fps, start + round(frame / fps * 1e6), Clock.FILE, start)
            row = Emotion(
                stamp=stamp,
                track=f"{run}-{track}",
                box=(10.0, 20.0, side * rng.uniform(0.9, 1.1), side),
                score=float(np.clip(sure + 0.02 * rng.normal(), 0, 1)),
                quality=float(np.clip(fine + 0.05 * rng.normal(), 0, 1)),
                pose=(0.0, 0.0, 0.0),
                raw=tuple(raw.tolist()),
                smoothed=tuple(raw.tolist()),
                uncertainty=0.1,
                dominant=LABELS[int(raw.argmax())],
                intensity=float(raw.max()),
                entropy=0.5,
                model=model,
            )
            writer.write(Results(emotions=(row,)))
            frame += 1
        frame += round(pause * fps)
    writer.write(Results(ends=(End(source, run, complete=complete),)))
    writer.close()
    return out
