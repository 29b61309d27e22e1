"""One expression network in place of another: what is lost on the same faces, and the time that is saved."""

from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from models.emotion.evaluate import Report, open_network, report
from models.emotion.evaluation.comparison import Comparison, compare
from models.emotion.metrics import Faces, divergence
from models.emotion.speed import per_face
from models.timing import Timing
from pipeline.onnx import open_session
from pipeline.settings import RuntimeSettings

MOST_LOST = 0.003
"""Share of faces by which the new network may be right less often."""
BATCHES = (1, 8)


@dataclass(frozen=True)
class Exchange:
    """A new network in place of an old one."""

    new: Report
    paired: Comparison
    """The new one's figures less the old one's."""
    drift: float
    """Mean KL(old || new), nats."""
    changed: float
    """Share of faces that get another label."""
    times: list[tuple[Timing, Timing]]
    """For each of `BATCHES` the old and the new network's time per face."""

    @property
    def worth_it(self) -> bool:
        """Whether the new one is faster at every size of batch and right about as often."""
        return self.paired.accuracy.value >= -MOST_LOST and all(new.median < old.median for old, new in self.times)


def exchange(old: Path, new: Path, faces: Faces, seconds: float) -> Exchange:
    """Compare the two on the rows of `faces` that have a majority, and time them in turns.

    Raises:
        InputError: no row has one.
    """
    before, after = (report(faces, open_network(path)) for path in (old, new))
    sessions = [open_session(path, RuntimeSettings(threads=1, provider="cpu")) for path in (old, new)]
    timed = [per_face(sessions, batch, seconds=seconds) for batch in BATCHES]
    return Exchange(
        new=after,
        paired=compare(faces, after, before),
        drift=float(divergence(before.found, after.found).mean()),
        changed=float((before.found.argmax(1) != after.found.argmax(1)).mean()),
        times=[(first, second) for first, second in timed],
    )


def table(rows: dict[str, tuple[Exchange, int]]) -> Table:
    """Exchanges and sizes in bytes by name, for people: ms per face by faces per call, the old one's beside."""
    shown = Table(box=None, header_style="bold", pad_edge=False)
    shown.add_column("way", no_wrap=True)
    times = (f"ms, {n} (before)" for n in BATCHES)
    columns = ("points gained (95 %)", "KL gained", "KL(old||new)", "changed", *times)
    for column in (*columns, "MB"):
        shown.add_column(column, justify="right", no_wrap=True)
    for name, (row, size) in rows.items():
        points = row.paired.accuracy
        shown.add_row(
            name,
            f"{100 * points.value:+.2f} ({100 * points.low:+.2f} to {100 * points.high:+.2f})",
            f"{row.paired.divergence.value:+.4f}",
            f"{row.drift:.5f}",
            f"{row.changed:.2%}",
            *(f"{new.median:.2f} ({old.median:.2f})" for old, new in row.times),
            f"{size / 1e6:.2f}",
        )
    return shown
