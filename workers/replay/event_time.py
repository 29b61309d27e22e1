"""What a run that was interrupted goes on from besides its rows: when its file was taken to begin."""

from pathlib import Path

from msgspec.structs import replace

from pipeline.ingest.source import Source
from pipeline.sink.parts import parts, read_part


def as_begun(source: Source, run: str, out: Path) -> Source:
    """Return a file whose event times go on from those of the rows that a folder has of its run.

    Where a file does not say when it was recorded they go by when it was last written, which a copy, or a touch,
    may have changed since, while its content, and so its run, is the same.

    Raises:
        OutputError: a part is damaged.
    """
    for part in sorted(parts(out / "emotions" / f"source={source.id}")):  # the same one whatever the folder's order
        if part.run == run:
            rows = read_part(part.path, ["time", "pts"])
            if rows.num_rows:
                time, pts = rows["time"].cast("int64")[0].as_py(), rows["pts"][0].as_py()
                return replace(source, begun=time - round(pts * 1e6))
    return source
