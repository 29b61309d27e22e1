"""What a replay shows: a progress bar per file at work, and a table at the end."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pandas as pd
import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from pipeline.errors import OutputError
from pipeline.ingest.source import Source
from pipeline.labels import LABELS
from pipeline.redaction import shown
from pipeline.sink.parts import footer, parts, read_part
from workers.cli import terminal
from workers.engine import Engine
from workers.replay.outcome import Outcome, Progress, Status

STYLES = {Status.DONE: "green", Status.ALREADY: "green", Status.STOPPED: "yellow", Status.FAILED: "red"}


def banner(engine: Engine, redis: str | None) -> None:
    """Say what is being inferred, by what, and where it goes."""
    console = terminal.console(stderr=True)
    console.print(
        "[bold]Apparent facial expressions[/bold], as human raters would label them, are inferred for every face in "
        "view. Those filmed must be told; inferring emotions at work or in education is prohibited in the EU."
    )
    console.print(
        f"[dim]network {engine.classifier.id} · Parquet in {escape(str(engine.config.out))} · "
        f"Redis {escape(shown(redis)) if redis else 'off'}[/dim]"
    )


class Screen:
    """Progress of a replay on a terminal; on anything else only the table at the end.

    Attributes:
        outcomes: what became of each file so far.
    """

    def __init__(self, sources: Sequence[Source], out: Path) -> None:
        self.outcomes: list[Outcome] = []
        self._out = out
        self._console = terminal.console()
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[speed]}"),
            TextColumn("{task.fields[faces]}"),
            TimeRemainingColumn(compact=True),
            console=terminal.console(stderr=True),
            transient=True,
        )
        many = len(sources) > 1
        self._all = self._bars.add_task(f"{len(sources)} files", total=len(sources), speed="", faces="", visible=many)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def report(self, progress: Progress) -> None:
        """Move a file's bar."""
        task = self._tasks.get(progress.source)
        if task is None:
            task = self._bars.add_task(escape(progress.source), total=None, speed="", faces="")
            self._tasks[progress.source] = task
        elapsed = self._bars.tasks[self._bars.task_ids.index(task)].elapsed
        self._bars.update(
            task,
            total=None if progress.share is None else 1.0,
            completed=progress.share or 0.0,
            speed=f"{progress.frames / elapsed:.0f} frames/s" if elapsed else "",
            faces=f"{progress.faces:,} faces",
        )

    def finish(self, outcome: Outcome) -> None:
        """Take a file off the screen and keep its outcome."""
        self.outcomes.append(outcome)
        if outcome.source in self._tasks:
            self._bars.remove_task(self._tasks.pop(outcome.source))
        self._bars.advance(self._all)

    def code(self, *, stopped: bool) -> int:
        """Return what the command ends with: 130 if it was stopped, 1 if a file failed, else 0."""
        failed = any(outcome.status is Status.FAILED for outcome in self.outcomes)
        return 130 if stopped else int(failed)

    def summary(self) -> None:
        """Print the table of outcomes, if there are any."""
        if not self.outcomes:
            return
        notes = [(outcome.source, outcome.note) for outcome in self.outcomes if outcome.note]
        table = Table(box=None, header_style="bold", pad_edge=False)
        for name in ("source", "status", "decoded", "analysed", "frames/s", "tracks", "rows", "expressions"):
            right = name in ("decoded", "analysed", "frames/s", "tracks", "rows")
            table.add_column(name, justify="right" if right else "left", overflow="fold")
        for outcome in sorted(self.outcomes, key=lambda outcome: outcome.source):
            try:
                tracks, rows = read_tracks(self._out, outcome), f"{count_rows(self._out, outcome):,}"
            except OutputError as error:
                tracks, rows = None, ""
                notes.append((outcome.source, str(error)))
            speed = f"{outcome.frames / outcome.elapsed:.0f}" if outcome.elapsed else ""
            table.add_row(
                escape(outcome.source),
                f"[{STYLES[outcome.status]}]{outcome.status}[/]",
                f"{outcome.frames:,}" if outcome.frames else "",
                f"{outcome.analysed:,}" if outcome.frames else "",
                speed,
                "" if tracks is None else f"{len(tracks):,}",
                rows,
                "" if tracks is None else expressions(tracks),
            )
        self._console.print(table)
        for source, note in notes:
            self._console.print(f"{escape(source)}: {escape(note)}", soft_wrap=True)


def read_tracks(out: Path, outcome: Outcome) -> pd.DataFrame:
    """Read the numbers of the track table of one run; raises ``OutputError`` where a part is damaged."""
    return read(out, "tracks", outcome, ["frames", *(f"p_{label}" for label in LABELS)])


def count_rows(out: Path, outcome: Outcome) -> int:
    """Count the rows that one run has written, those of tracks that have not ended included; raises ``OutputError``."""
    return sum(footer(part).num_rows for part in run_parts(out, "emotions", outcome))


def read(out: Path, table: str, outcome: Outcome, columns: list[str]) -> pd.DataFrame:
    """Read columns of what one run has in a table; empty if that is nothing. Raises as ``read_part``."""
    found = [read_part(part, columns) for part in run_parts(out, table, outcome)]
    if not found:
        return pd.DataFrame({name: [] for name in columns})
    rows: pd.DataFrame = pa.concat_tables(found).unify_dictionaries().to_pandas()
    return rows


def run_parts(out: Path, table: str, outcome: Outcome) -> list[Path]:
    """Return the parts that one run has in a table."""
    return sorted(part.path for part in parts(out / table / f"source={outcome.source}") if part.run == outcome.run)


def expressions(tracks: pd.DataFrame, most: int = 2) -> str:
    """Say which expressions were most probable, on average over all frames of the tracks."""
    means = tracks.filter(regex="^p_")
    weights = tracks["frames"]
    if means.empty or not weights.sum():
        return ""
    mean = means.mul(weights, axis=0).sum() / weights.sum()
    top = mean.sort_values(ascending=False).head(most)
    return ", ".join(f"{str(name).split('_', 1)[1]} {share:.0%}" for name, share in top.items() if share >= 0.01)


COLOURS = dict(
    zip(LABELS, ("grey50", "yellow3", "cyan", "blue", "red", "green4", "magenta", "dark_orange3"), strict=True)
)


def strips(console: Console, out: Path, outcome: Outcome, width: int = 60) -> None:
    """Draw each track of a run as a strip of its dominant expressions over time."""
    rows = read(out, "emotions", outcome, ["track", "pts", "dominant"])
    if rows.empty:
        return
    seen: set[str] = set()
    step = max(float(rows["pts"].max()), 1e-3) / (width - 1)
    console.print("\n[bold]Dominant expression over time[/bold]")
    for track, group in rows.groupby("track", observed=True):
        strip = [" "] * width
        for pts, dominant in zip(group["pts"], group["dominant"], strict=True):
            strip[int(pts / step)] = f"[{COLOURS[dominant]}]█[/]"
            seen.add(dominant)
        console.print(f"  {escape(str(track)):<18}{''.join(strip)}", soft_wrap=True)
    legend = "  ".join(f"[{colour}]█[/] {label}" for label, colour in COLOURS.items() if label in seen)
    console.print(f"  {'':<18}0 s{'':<{width - 9}}{step * (width - 1):.1f} s\n  {'':<18}{legend}")
