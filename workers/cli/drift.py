"""``affectstream drift``: what moved between two outputs."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli import terminal

if TYPE_CHECKING:
    from models.drift.tracks import Sample


class By(StrEnum):
    """What is compared apart."""

    SOURCE = "source"


class Whole(StrEnum):
    """What is drawn and dealt out as a whole; see ``models.drift.units.Unit``."""

    DAY = "day"
    RUN = "run"
    TRACK = "track"


class Fail(StrEnum):
    """The least shift that ends with ``DRIFTED``."""

    MODERATE = "moderate"
    LARGE = "large"


DRIFTED, UNTOLD = 3, 4
"""Exit codes: something shifted; there are too few units to tell."""


def drift(
    ref: Annotated[Path, typer.Argument(metavar="REF", help="The --out folder to compare with.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The --out folder to compare.")],
    by: Annotated[
        By | None, typer.Option("--by", help="Compare each source that is in both apart (default: all together).")
    ] = None,
    sources: Annotated[
        list[str] | None,
        typer.Option("--source", metavar="NAME", help="Compare this source alone; more than once for several."),
    ] = None,
    unit: Annotated[
        Whole | None,
        typer.Option(
            "--unit",
            help="What chance deals out as a whole (default: days of a source if both sides have 10, else runs, else "
            "tracks).",
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures here too.")] = None,
    fail_on: Annotated[
        Fail | None,
        typer.Option(
            "--fail-on",
            help="End with 3 if anything shifted so much or more, with 4 if units are too few (default: never).",
        ),
    ] = None,
) -> None:
    """Say what moved between two outputs of replay or run: expressions, quality, detector scores, sizes, tracks.

    PSI: population stability index over the deciles of both together; below 0.1 a shift is small, from 0.1 on
    moderate, above 0.25 large. JSD: Jensen-Shannon divergence. Both are told less what drawing tracks by chance adds.
    The rows of a track are alike, and so are the tracks of one person. So it is called a shift only if days of sources,
    or else runs or tracks (--unit), that are dealt out anew by chance lie so far apart in fewer than 5 of 100 cases
    (p, Holm's adjustment); with fewer than 10 of them on a side nothing is. Where tracks are dealt out, those of one
    person count as different people, and p is too small. A person whom many days or runs show is not allowed for.

    Where both hold the same faces in the same frames, as of two networks on the same videos, it says how far they agree
    there: that is the difference of the networks, with nothing left to chance of who was seen.

    Ends with 0 whatever moved, unless --fail-on is given; with 2 if the folders cannot be compared.

    Example:

      affectstream drift results-may results-june --fail-on large
    """
    from json import dumps

    from rich.markup import escape

    from models.drift.pairs import paired
    from models.drift.shifts import Size, compare
    from models.drift.tracks import read_samples
    from models.drift.units import Unit
    from models.drift.words import notes, outline, report, sentences, tables, together
    from models.written import write_file
    from pipeline.errors import InputError

    console = terminal.console()
    with console.status("reading"):
        before, after = read_samples(ref, new, sources or ())
        both = sorted({*before.sources} & {*after.sources})
        same = paired(ref, new, both)
    pairs: list[tuple[str | None, Sample, Sample]] = [(None, before, after)]
    told = notes(before, after)
    if same is not None:
        told.append(together(same))
    if by is By.SOURCE:
        if not both:
            raise InputError(f"{str(ref)!r} and {str(new)!r} have no source in common; leave --by out")
        pairs = [(source, before.of(source), after.of(source)) for source in both]
    with console.status("comparing"):
        found = compare(pairs, unit=Unit(unit) if unit else None)
    console.print(f"REF  {escape(str(ref))}: {escape(outline(before))}", soft_wrap=True)
    console.print(f"NEW  {escape(str(new))}: {escape(outline(after))}", soft_wrap=True)
    for sentence in told:
        console.print(f"[yellow]{escape(sentence)}[/yellow]", soft_wrap=True)
    for each in found:
        verdict, *moved = sentences(each)
        console.print(f"\n[bold]{escape(verdict)}[/bold]", soft_wrap=True)
        for sentence in moved:
            console.print(f"  {escape(sentence)}", soft_wrap=True)
        console.print(*tables(each), sep="\n")
    if json is not None:
        write_file(json, dumps(report(before, after, found, same), indent=2) + "\n")
        console.print(f"figures: {json}", markup=False, soft_wrap=True)
    bad = {None: (), Fail.MODERATE: (Size.MODERATE, Size.LARGE), Fail.LARGE: (Size.LARGE,)}[fail_on]
    sizes = {shift.size for each in found for shift in each.shifts}
    if sizes & {*bad}:
        raise typer.Exit(DRIFTED)
    # Where nothing differs at all there is nothing that more units would tell.
    if fail_on is not None and any(s.size is Size.UNKNOWN and s.plain for each in found for s in each.shifts):
        raise typer.Exit(UNTOLD)
