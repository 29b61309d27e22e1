"""The command line: a module per command; what a command needs is imported when it runs, so --help answers at once."""

import logging
import re
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from pipeline.errors import AffectError, InputError
from workers.cli import (
    demo,
    doctor,
    drift,
    erase,
    evaluate,
    models,
    replay,
    run,
    runs,
    serve,
    show,
    sources,
    terminal,
    train,
    worker,
)

app = typer.Typer(
    name="affectstream",
    help=(
        "Video in, per-face distributions over eight expressions out: on Redis Streams as it happens, "
        "in Parquet for analysis.\n\n"
        "Start with [bold]affectstream demo[/bold]. What it reports is the expression that human raters would see, "
        "not what a person feels."
    ),
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("replay")(replay.replay)
app.command("run")(run.run)
app.command("worker")(worker.worker)
app.add_typer(sources.app, name="sources")
app.command("serve")(serve.serve)
app.command("doctor")(doctor.doctor)
app.add_typer(models.app, name="models")
app.add_typer(evaluate.app, name="evaluate")
app.command("runs")(runs.runs)
app.command("show")(show.show)
app.command("drift")(drift.drift)
app.command("erase")(erase.erase)
app.command("train")(train.train)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        terminal.echo(version("affectstream"))
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more about what happens.")] = False,
) -> None:
    """Set up logging: warnings and worse on standard error, more with --verbose."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(message)s", handlers=[terminal.log_handler()]
    )


def main() -> None:
    """Run the command line; errors made on purpose become one line and an exit code."""
    terminal.write_anything()
    try:
        _refuse_empty(sys.argv[1:])
        _command()()
    except AffectError as error:
        terminal.console(stderr=True).print(f"[red]error:[/red] {_plain(str(error))}", soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        terminal.give_up(sys.stdout)
        terminal.give_up(sys.stderr)


def _command() -> Any:
    """The commands as typer makes them, save two things.

    Lines of help are without the breaks that they have in the source only, and a wrong value is shown.
    """
    whole: Any = typer.main.get_command(app)
    commands = [whole]
    for command in commands:
        command.make_context = _showing(command.make_context)
        command.help = re.sub(r"(?<=\S)\n(?=\S)", " ", command.help or "")
        commands += getattr(command, "commands", {}).values()
    return whole


def _showing(make_context: Callable[..., Any]) -> Callable[..., Any]:
    """Have what reads the words of a command show the value that it could not take."""

    def showing(*args: Any, **kwargs: Any) -> Any:
        try:
            return make_context(*args, **kwargs)
        except typer.BadParameter as error:
            why: list[Any] = getattr(error.__cause__, "errors", list)()  # what pydantic found
            if why and (given := repr(why[0]["input"])) not in error.message:
                error.message = f"{given}: {error.message[:1].lower() + error.message[1:]}"
            error.message = error.message.removeprefix("Value error, ")
            raise

    return showing


def _refuse_empty(words: list[str]) -> None:
    """Refuse words that are empty, as unset variables leave them: as a path they would mean the current folder."""
    for before, word in zip(["", *words], words, strict=False):
        if not word:
            what = f"what follows {before}" if before.startswith("-") else "an argument"
        elif re.fullmatch("--[a-z-]+=", word):
            what = f"what follows {word}"
        else:
            continue
        raise InputError(f"{what} is empty; is a variable not set?")


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(" ".join(text.split()))
