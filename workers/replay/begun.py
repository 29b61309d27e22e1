"""What a run that was interrupted goes on from besides its rows: when its file was taken to begin."""

from pathlib import Path

import pyarrow.parquet as pq
from msgspec.structs import replace

from pipeline.ingest.source import Source
from pipeline.sink.parts import parts


def as_begun(source: Source, run: str, out: Path) -> Source:
    """Return a file whose event times go on from those of the rows that a folder has of its run.

    Where a file does not say when it was recorded they count from when it was last written, which a copy, or a touch,
    may have changed since, while its content, and so its run, is the same.
    """
    for part in parts(out / "emotions" / f"source={source.id}"):
        if part.run == run:
            with pq.ParquetFile(part.path) as file:
                for row in file.iter_batches(1, columns=["time", "pts"]):
                    time, pts = row["time"].cast("int64")[0].as_py(), row["pts"][0].as_py()
                    return replace(source, begun=time - round(pts * 1e6))
    return source
