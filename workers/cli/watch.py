"""What ``run`` shows: a line per source that is kept up to date, or now and then a line on a plain log."""

import logging
import time
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.markup import escape
from rich.table import Table

from pipeline.ingest.connection_status import Phase
from pipeline.ingest.live import LiveReader
from pipeline.tally import Count
from workers.cli import terminal
from workers.live import Session

log = logging.getLogger(__name__)

LOG_EVERY = 30.0
"""s between the lines of a log that is not a terminal."""

STYLES = {Phase.LIVE: "green", Phase.CONNECTING: "yellow", Phase.WAITING: "yellow", Phase.ENDED: "dim"}

TROUBLES = (Count.STALE, Count.CORRUPT, Count.RECONNECTS, Count.UNPUBLISHED)
"""Counts that are shown only when there is something to count."""


class Watch:
    """Shows how each source is doing."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._console = terminal.console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._logged = time.monotonic()
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def refresh(self) -> None:
        """Show the state of this moment, and say once of each source that failed why it did."""
        failures = {**self._session.runner.failures} if self._session.hopeful else {}
        for source, error in failures.items():
            if source not in self._told:
                self._told.add(source)
                log.error("%s: %s; the others go on", source, error)
        if self._console.is_terminal:
            self._live.update(self._table(), refresh=True)
        elif time.monotonic() - self._logged >= LOG_EVERY:
            self._logged = time.monotonic()
            for reader in self._session.readers:
                line = " · ".join(cell for cell in (reader.source.id, *self._cells(reader)) if cell)
                self._console.print(f"{time.strftime(terminal.STAMP)} {line}", soft_wrap=True)

    def summary(self) -> None:
        """Print what each source came to, and why those that failed did."""
        console = terminal.console()
        console.print(self._table())
        for source, error in self._session.runner.failures.items():
            console.print(f"[red]{escape(source)}[/red]: {escape(str(error))}", soft_wrap=True)

    def _table(self) -> Table:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for name in ("source", "state", "seen", "latency", "trouble"):
            table.add_column(name, overflow="fold")
        for reader in self._session.readers:
            table.add_row(f"[bold]{escape(reader.source.id)}[/bold]", *self._cells(reader))
        return table

    def _cells(self, reader: LiveReader) -> tuple[str, str, str, str]:
        source, state = reader.source.id, reader.state
        counts = self._session.tally.of(source)
        why = state.reason.removeprefix(f"{reader.source.safe_url} ")  # the line is the source's
        reason = f" ({escape(why)})" if why else f", {state.fps:.0f} fps decoded"
        troubles = [f"{count} {counts[count]:,}" for count in TROUBLES if counts[count]]
        if state.phase is Phase.ENDED and source not in self._session.runner.failures:  # those are told below the table
            nothing = "" if counts[Count.FRAMES] else "no frame came"
            troubles += [escape(why or nothing)] if why or nothing else []
        delay = self._session.runner.latency.of(source)
        return (
            f"[{STYLES[state.phase]}]{state.phase}[/]{'' if state.phase is Phase.ENDED else reason}",
            f"{counts[Count.FRAMES]:,} frames decoded, {counts[Count.SAMPLED]:,} analysed, "
            f"{counts[Count.FACES]:,} faces",
            f"median {delay.median:.2f} s, worst {delay.worst:.2f} s" if delay else "",
            ", ".join(troubles),
        )
