"""``affectstream show``: the faces that rows tell of, in a copy of their video or in one of its frames."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli import terminal
from workers.cli.named import no_track

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.shown import Run, Shown


def show(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="A file that was replayed.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of its Parquet.")],
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="What to write: an .mp4; with --at a .png.")],
    track: Annotated[
        str | None,
        typer.Option(
            "--track", metavar="TRACK", help="Only this track: its id, or the number after its last - (default: all)."
        ),
    ] = None,
    at: Annotated[
        float | None,
        typer.Option(
            "--at", metavar="SECONDS", min=0, help="Only the frame shown at this `pts` (default: all frames)."
        ),
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="The run whose rows are shown (default: the latest).")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source", metavar="ID", help="The source whose rows they are, of a video that was moved or renamed."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write FILE anew where it exists.")] = False,
) -> None:
    """Draw what the tables say onto a copy of a video: boxes, tracks, the dominant expression, quality.

    Beside each box stand the number of the track, the label with the highest smoothed probability, that probability
    (how sure, not how strong), and the quality of the crop. The copy has all frames and no sound. It shows people: it
    is for you to keep it safe, and to delete it.

    Examples:

      affectstream show interview.mp4 --out results --to shown.mp4

      affectstream show interview.mp4 --out results --track 2 --at 63.4 --to moment.png
    """
    from rich.progress import Progress

    from pipeline.errors import InputError
    from pipeline.ingest.source import parse_source
    from workers.overlay import draw, write_png, write_video
    from workers.shown import find_run, shown

    file = parse_source(video)
    if file.live:
        raise InputError(f"{file.safe_url} is no file; show takes a video that was replayed")
    _check(file.path, to, single=at is not None, force=force)
    found = find_run(out, file, source, run)
    console = terminal.console()
    errors = terminal.console(stderr=True)
    if found.others and run is None:
        errors.print(
            f"of several runs, the latest is shown, {found.id}; the others are {', '.join(found.others)} (--run)",
            markup=False,
            soft_wrap=True,
        )
    chosen = _meant(found, track)
    with Progress(console=errors, transient=True) as bars:
        task = bars.add_task("drawing", total=None)

        def report(share: float | None) -> None:
            if share is not None:
                bars.update(task, total=1.0, completed=share)

        frames = shown(file, found, chosen, report)
        if at is None:
            count = write_video(frames, to)
            told = f"{to}: {count:,} frames"
        else:
            frame = _frame_at(frames, at)
            write_png(draw(frame), to)
            faces = len(frame.rows)
            told = f"{to}: the frame at {frame.pts:.3f} s, {faces} face{'s' * (faces != 1)}"
    console.print(told, markup=False, soft_wrap=True)
    console.print(
        "It shows people: keep it, pass it on and delete it as you would the video itself. affectstream erase does not "
        "reach it.",
        soft_wrap=True,
    )


def _check(video: Path, to: Path, *, single: bool, force: bool) -> None:
    """Raise ``InputError`` where what is asked for cannot, or must not, be written."""
    from pipeline.errors import InputError

    suffix = ".png" if single else ".mp4"
    if to.suffix.lower() != suffix:
        raise InputError(f"--to {to}: {'one frame is' if single else 'a video is'} written as {suffix}")
    if not to.parent.is_dir():
        raise InputError(f"--to {to}: there is no folder {str(to.parent)!r}")
    if to.exists():
        if to.samefile(video):
            raise InputError(f"--to {to} is the video itself; name another file")
        if not force or not to.is_file():
            raise InputError(f"--to {to} exists; name another file{', or add --force' if to.is_file() else ''}")


def _meant(run: "Run", track: str | None) -> str | None:
    """Return the id of the track that is meant; raises ``InputError`` if there is none."""
    from pipeline.run import split_track

    if track is None:
        return None
    known = run.tracks()
    found = next((one for one in known if track in {one, split_track(one)[1]}), None)
    if found is None:
        raise no_track(track, known, f" in run {run.id} of {run.source}")
    return found


def _frame_at(frames: "Iterator[Shown]", at: float) -> "Shown":
    """Return the frame that is shown at a media time, s; raises ``InputError`` if the video has ended then."""
    from pipeline.errors import InputError

    before = None
    for frame in frames:
        if frame.pts > at and before is not None:
            return before
        before = frame
    assert before is not None  # or the video would have raised
    if at > before.pts + 1:
        raise InputError(f"--at {at:g}: the last frame is at {before.pts:.3f} s")
    return before
