"""``affectstream erase``: rows taken out of what is kept, as of people who want to be gone."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import InputError
from workers.cli import terminal
from workers.cli.named import check_out, check_source, no_track

if TYPE_CHECKING:
    from pipeline.sink.erasure import Loss, Selection
    from workers.erasure import Server


def erase(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The --out folder of a replay or run.")],
    source: Annotated[str, typer.Option("--source", metavar="ID", help="The source whose rows are to go.")],
    tracks: Annotated[
        list[str] | None,
        typer.Option(
            "--track",
            metavar="TRACK",
            help="Only this track: its id, or the number after its last - where one track alone has that; more than "
            "once for several (default: all).",
        ),
    ] = None,
    before: Annotated[
        datetime | None,
        typer.Option(
            "--before",
            formats=["%Y-%m-%d"],
            metavar="DATE",
            help="Only what is from before this day, UTC: rows by their time, tracks by their last_time (default: "
            "all).",
        ),
    ] = None,
    redis: Annotated[
        str | None,
        typer.Option(
            "--redis",
            metavar="URL",
            help="Erase it from this server too; 'none': from no Redis, OUT/redis.rdb included (default: "
            "$AFFECTSTREAM_REDIS__URL). OUT/redis.rdb is looked through where it is.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete the rows of a source, of some of its tracks or from before a day: from Parquet and from Redis.

    It lists what it would delete, and asks. It refuses while anything writes to OUT; what begins to then waits until it
    has ended. Let nothing else publish the source meanwhile; where it sees that it refuses too.

    A replay of the same file finds it done already and brings nothing back, unless the whole source was erased. With
    other networks or settings, or to a Redis that has not had it, it is analysed and published anew.

    Examples:

      affectstream erase results --source door --before 2026-05-01

      affectstream erase results --source interview --track r0123456789a-2
    """
    from datetime import UTC

    from pipeline.durable import remove
    from pipeline.sink import erasure
    from pipeline.sink.occupancy import alone
    from workers.cluster.registry import check_id
    from workers.config import load_config
    from workers.erasure import servers_of
    from workers.replay import stopped

    check_id(source)
    check_out(out)
    settings = load_config(None, {"redis": {"url": redis}} if redis is not None else {}).redis
    console = terminal.console()
    waiting = terminal.console(stderr=True)
    with alone(out), servers_of(out, settings.url, source) as servers:
        leftovers = erasure.being_written(out, source, abandoned=True)
        if writing := {*erasure.being_written(out, source, abandoned=False)} - {*leftovers}:
            raise InputError(f"{min(writing)} is being written; end the run or replay that does first")
        known = erasure.known_tracks(out, source) if tracks else set()
        selection = erasure.Selection(
            source,
            frozenset(_meant(tracks or [], known)),
            before.replace(tzinfo=UTC) if before else None,
        )
        # What following and smoothing remember of the faces of a replay that was stopped.
        files = [*leftovers, *stopped.of_source(out, source)]
        with waiting.status("looking for it"):
            losses = erasure.losses(out, selection)
            for server in servers:
                server.look(selection)
        if missing := selection.tracks - known.union(*(server.tracks for server in servers)):
            raise no_track(min(missing), sorted(known))
        if not (losses or files or any(server.found for server in servers)):
            check_source(source, out)
            console.print("There is nothing of that; nothing was deleted.")
            return
        _tell(losses, files, servers)
        if not yes and not typer.confirm("Delete this for good?"):
            raise typer.Exit(1)
        for server in servers:  # the answer may have taken any time
            server.check_idle(source)
        with waiting.status("erasing"):
            for server in servers:
                server.erase(selection)
            for path in files:
                remove(path)
            for loss in losses:
                erasure.erase(loss, selection)
        console.print("Deleted.")
        for note in _notes(out, selection, servers):
            console.print(note, markup=False, soft_wrap=True)


def _meant(given: Sequence[str], known: set[str]) -> Iterator[str]:
    """Give the ids of the tracks that are meant; an id that Parquet does not know may be one of Redis.

    Raises:
        InputError: there is no track of that number, or there are several.
    """
    from pipeline.run import split_track

    for name in given:
        those = [name] if "-" in name else sorted(track for track in known if split_track(track)[1] == name)
        if len(those) > 1:
            raise InputError(f"--track {name}: that is the number of {', '.join(those)}; give the whole id of one")
        if not those:
            raise no_track(name, sorted(known))
        yield those[0]


def _tell(losses: "Sequence[Loss]", files: Sequence[Path], servers: "Sequence[Server]") -> None:
    """Print what is to be deleted."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("to be deleted", "how much", "from"):
        table.add_column(name, overflow="fold")
    for name in ("emotions", "tracks"):
        of_table = [loss for loss in losses if loss.table == name]
        if of_table:
            rows = sum(loss.gone for loss in of_table)
            table.add_row(
                name, f"{rows:,} row{'s' * (rows != 1)}", f"{len(of_table):,} Parquet file{'s' * (len(of_table) != 1)}"
            )
    for path in files:
        table.add_row(escape(path.name), "whole", "what was stopped")
    for server in servers:
        for key in server.found:
            count = "whole" if key.entries is None else f"{key.entries:,} entr{'y' if key.entries == 1 else 'ies'}"
            table.add_row(escape(key.key), count, escape(server.name))
    terminal.console().print(table)


def _notes(out: Path, selection: "Selection", servers: "Sequence[Server]") -> Iterator[str]:
    """Give what is still to be said: what may come back, and what is out of reach."""
    from pipeline.run import split_track
    from pipeline.sink.erasure import incomplete_runs, known_tracks

    if selection.tracks:
        left = {split_track(track)[0] for track in known_tracks(out, selection.source)}
        if others := left - {split_track(track)[0] for track in selection.tracks}:
            yield f"Other runs may have the same faces under other ids: {', '.join(sorted(others))}."
    for run in incomplete_runs(out, selection.source):
        yield f"Run {run} was stopped before its end: completed, it may add later rows of the same faces."
    for server in servers:
        yield from server.notes()
    yield (
        "Out of reach: the video itself, what readers of the streams or the files have copied, backups, and snapshots "
        "of disks."
    )
