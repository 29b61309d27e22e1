"""``affectstream runs``: what a folder of results holds."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from workers.cli import terminal

if TYPE_CHECKING:
    from rich.table import Table

    from workers.inventory import Inventory, Stock
    from workers.repeats import Repeat

STYLES: Final = {"finished": "green", "unfinished": "yellow", "may be running": "cyan", "damaged": "red"}
"""Colours of states; the others have none."""

_COLUMNS: Final = (
    *("source", "run", "first (UTC)", "last", "length", "rows", "tracks", "state"),
    *("network", "settings", "parts", "size", "read from"),
)
_NUMBERS: Final = {"length", "rows", "tracks", "parts", "size"}
_LONG: Final = {"network", "settings", "read from"}
"""Columns that may be folded."""

FOLDED: Final = 24
"""Width that such a column has at least."""

PADDING: Final = 2
"""Blanks between columns."""

HASH: Final = 7
"""Digits of a network's hash that are shown."""

NAMED: Final = 10
"""Sources, files or damaged parts that are named at most."""


def runs(
    out: Annotated[
        Path | None,
        typer.Argument(metavar="OUT", help="The --out folder of a replay or run (default: affectstream-out)."),
    ] = None,
    sources: Annotated[
        list[str] | None,
        typer.Option("--source", metavar="NAME", help="Tell of this source alone; more than once for several."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all of it here too, with every setting.")
    ] = None,
) -> None:
    """Say what a folder holds, a row per source and run: when, how much, by which network and settings, and how whole.

    Times are event times of the first and the last row, UTC. Settings are told that shape rows and differ from the
    defaults. A replay is finished where the end of its video was reached, else unfinished; a run of a camera has no end
    of its own. While something writes to OUT, what has not ended may be running.

    Where runs tell of the same faces again, as of one video read by two networks, it says how to choose among them
    before averaging. Ends with 1 if a part is not whole or missing. It reads names and footers alone, and changes
    nothing.

    Example:

      affectstream runs results --source door
    """
    from rich.markup import escape
    from rich.progress import Progress

    from pipeline.errors import InputError
    from workers.cli.named import check_out, check_source
    from workers.config import load_config
    from workers.inventory import take_stock
    from workers.repeats import copies, repeats

    out = load_config(None, {} if out is None else {"out": out}).out
    check_out(out)
    for source in sources or ():
        check_source(source, out)
    console, errors = terminal.console(), terminal.console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bars:
        task = bars.add_task("reading", total=None)
        found = take_stock(out, sources or (), lambda seen, total: bars.update(task, completed=seen, total=total))
    if not found.runs:
        if found.busy:
            console.print(f"Something writes to {str(out)!r}, and nothing is there yet.", markup=False, soft_wrap=True)
            return
        others = f", only other files, such as {found.foreign[0]}" if found.foreign else ""
        raise InputError(f"no run in {str(out)!r}{others}; name the --out folder of a replay or run")
    again, copied = [*repeats(found.runs)], copies(found.runs)
    if table := overview(found.runs, console.width):
        console.print(table)
    else:
        for run in found.runs:
            console.print(*block(run), sep="\n", soft_wrap=True)
    console.print(f"\n{total(found.runs)}", soft_wrap=True)
    for line in (*hints(again, copied), *notes(found, out)):
        console.print(f"[yellow]{escape(line)}[/yellow]", soft_wrap=True)
    if json is not None:
        from models.written import write_json

        write_json(json, report(out, found, again, copied))
        console.print(f"figures: {json}", markup=False, soft_wrap=True)
    if found.damage:
        raise typer.Exit(1)


def overview(found: "Sequence[Stock]", width: int) -> "Table | None":
    """The runs side by side, a row each; None where a terminal of that many columns is too narrow for it."""
    from rich.markup import escape
    from rich.table import Table

    rows = [_cells(run) for run in found]
    table = Table(box=None, header_style="bold", pad_edge=False)
    needed = 0
    for name, cells in zip(_COLUMNS, zip(*rows, strict=True), strict=True):
        longest = max(len(name), *map(len, cells))
        needed += PADDING + (min(longest, FOLDED) if name in _LONG else longest)
        table.add_column(
            name, justify="right" if name in _NUMBERS else "left", no_wrap=name not in _LONG, overflow="fold"
        )
    if needed - PADDING > width:
        return None
    for run, cells in zip(found, rows, strict=True):
        table.add_row(
            *(_state(run) if name == "state" else escape(cell) for name, cell in zip(_COLUMNS, cells, strict=True))
        )
    return table


def _cells(run: "Stock") -> tuple[str, ...]:
    from rich.filesize import decimal

    return (
        run.source,
        run.run,
        *_when(run),
        _length(run) if run.first else "",
        f"{run.rows:,}",
        f"{run.tracks:,}",
        run.state,
        _networks(run),
        _settings(run),
        f"{run.parts:,}",
        decimal(run.bytes),
        run.read_from,
    )


def block(run: "Stock") -> Iterator[str]:
    """The same of one run in a few short lines, for a terminal that is too narrow for a table."""
    from rich.filesize import decimal
    from rich.markup import escape

    yield f"[bold]{escape(run.source)}[/bold]  {escape(run.run)}  {_state(run)}"
    first, last = _when(run)
    if run.first:
        yield f"  {first} to {last} UTC ({_length(run)})"
    counts = (run.rows, "row"), (run.tracks, "track"), (run.parts, "part")
    yield f"  {', '.join(_count(number, name) for number, name in counts)}, {decimal(run.bytes)}"
    for line in (_networks(run), _settings(run), run.read_from):
        if line:
            yield f"  {escape(line)}"


def total(found: "Sequence[Stock]") -> str:
    """How much there is in all, in one line."""
    from rich.filesize import decimal

    counts = (
        (len({run.source for run in found}), "source"),
        (len(found), "run"),
        (sum(run.rows for run in found), "row"),
        (sum(run.tracks for run in found), "track"),
        (sum(run.parts for run in found), "part"),
    )
    size = decimal(sum(run.bytes for run in found))
    return ", ".join(_count(number, name) for number, name in counts) + f", {size}"


def hints(again: "Sequence[Repeat]", copied: dict[str, list[str]]) -> Iterator[str]:
    """What must be chosen before anything is averaged."""
    alike: dict[tuple[tuple[str, ...], bool], list[str]] = {}
    for repeat in again:
        alike.setdefault((repeat.differ, repeat.by_model), []).append(repeat.source)
    for (differ, by_model), names in alike.items():
        by = "run or model" if by_model else "run"
        others = f", which differ in {' and '.join(differ)}" if differ else ""
        yield (
            f"The same faces are there more than once: {_named(names)} {'has' if len(names) == 1 else 'have'} several "
            f"runs of the same time{others}. Choose by {by} before averaging."
        )
    for each in sorted({tuple(names) for names in copied.values()}):
        yield f"{_named(each)} are copies of one file, with the same tracks. Choose by source before averaging."


def notes(found: "Inventory", out: Path) -> Iterator[str]:
    """What else is to be known of the folder."""
    from workers.inventory import State

    if found.busy:
        yield f"Something writes to {str(out)!r} just now, or erases there: more may come, or go."
    unfinished = [run for run in found.runs if run.state is State.UNFINISHED]
    if unfinished:
        yield (
            f"{_count(len(unfinished), 'replay')} {'was' if len(unfinished) == 1 else 'were'} stopped before the end: "
            "the same command as before completes the video."
        )
    yield from found.damage[:NAMED]
    if len(found.damage) > NAMED:
        yield f"… and {len(found.damage) - NAMED:,} more that are not whole."
    if found.foreign:
        names = _named([str(path.relative_to(out)) for path in found.foreign])
        yield f"No parts of a replay or run, and left out here, though what reads the folder may take them in: {names}."


def report(out: Path, found: "Inventory", again: "Sequence[Repeat]", copied: dict[str, list[str]]) -> dict[str, Any]:
    """All that is told, for programs."""
    return {
        "out": str(out),
        "busy": found.busy,
        "runs": [{**asdict(run), "seconds": run.seconds} for run in found.runs],
        "repeats": [
            {"source": repeat.source, "runs": [run.run for run in repeat.runs], "differ": repeat.differ}
            for repeat in again
        ],
        "copies": copied,
        "damage": found.damage,
        "foreign": [str(path) for path in found.foreign],
    }


def _when(run: "Stock") -> tuple[str, str]:
    """The first and the last time of a run; of the last only what differs in the day."""
    if run.first is None or run.last is None:
        return "", ""
    same = run.first.date() == run.last.date()
    return f"{run.first:%Y-%m-%d %H:%M:%S}", f"{run.last:%H:%M:%S}" if same else f"{run.last:%Y-%m-%d %H:%M:%S}"


def _length(run: "Stock") -> str:
    return str(timedelta(seconds=round(run.seconds)))


def _state(run: "Stock") -> str:
    style = STYLES.get(run.state)
    return f"[{style}]{run.state}[/]" if style else str(run.state)


def _networks(run: "Stock") -> str:
    """Name and short hash of each network.

    >>> from types import SimpleNamespace
    >>> _networks(SimpleNamespace(models=("affect-emotion-1@88c40cee5686",)))
    'affect-emotion-1@88c40ce'
    """
    split = (model.partition("@") for model in run.models)
    return ", ".join(f"{name}{at}{digest[:HASH]}" for name, at, digest in split)


def _settings(run: "Stock") -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in run.changes.items())


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _named(names: Sequence[str]) -> str:
    """Names, the first of many."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"
