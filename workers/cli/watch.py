"""What ``run`` shows: a line per source that is kept up to date, or now and then a line on a plain log."""

import logging
import time
from collections import Counter
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.markup import escape
from rich.table import Table

from pipeline.ingest.connection_status import Phase
from pipeline.tally import Count
from workers.cli import terminal
from workers.live import Session
from workers.status import SourceStatus

log = logging.getLogger(__name__)

LOG_EVERY = 30.0
"""s between the lines of a log that is not a terminal."""

STYLES = {Phase.LIVE: "green", Phase.CONNECTING: "yellow", Phase.WAITING: "yellow", Phase.ENDED: "dim"}

TROUBLES = (Count.STALE, Count.CORRUPT, Count.POISON, Count.RECONNECTS, Count.UNPUBLISHED)
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
            for status in self._session.statuses():
                line = " · ".join(cell for cell in (status.source, *self._cells(status)) if cell)
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
        for status in self._session.statuses():
            table.add_row(f"[bold]{escape(status.source)}[/bold]", *self._cells(status))
        return table

    def _cells(self, status: SourceStatus) -> tuple[str, str, str, str]:
        counts, delay, why = Counter(status.counts), status.delay, escape(status.reason)
        ended = status.state == Phase.ENDED
        troubles = [f"{count} {counts[count]:,}" for count in TROUBLES if counts[count]]
        if ended and status.source not in self._session.runner.failures:  # those are told below the table
            nothing = "" if counts[Count.FRAMES] else "no frame came"
            troubles += [why or nothing] if why or nothing else []
        reason = f" ({why})" if why else f", {status.fps:.0f} fps decoded"
        return (
            f"[{STYLES[Phase(status.state)]}]{status.state}[/]{'' if ended else reason}",
            f"{counts[Count.FRAMES]:,} frames decoded, {counts[Count.SAMPLED]:,} analysed, "
            f"{counts[Count.FACES]:,} faces",
            f"median {delay.median:.2f} s, worst {delay.worst:.2f} s" if delay else "",
            ", ".join(troubles),
        )
