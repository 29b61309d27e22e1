"""``affectstream models``: the networks at hand, their cards, and whether the two fit each other."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from workers.cli import terminal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from pipeline.card import DetectorCard, EmotionCard

_FIRST = {"card", "kind", "name", "version", "file", "sha256", "license", "summary"}
"""Keys of a card that are shown on top."""

_WORDS = {"intended_use": "use", "prohibited_use": "never"}
_SHORT = 160
"""Characters that a part of a card may have in one line."""

Check = tuple[str, Callable[[], str]]
"""What is looked at, and what says in a few words what it saw or raises ``AffectError``."""


class _Listing(TyperGroup):
    """A group whose words are files to list, unless they begin with a command of it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = bool(args) and (args[0] in self.commands or args[0] == "--help")
        if not named and not ctx.resilient_parsing:  # which a shell does that completes words
            args = ["list", *args]
        rest: list[str] = super().parse_args(ctx, args)
        return rest


app = typer.Typer(
    cls=_Listing,
    rich_markup_mode="rich",
    subcommand_metavar="[FILE...] | COMMAND [ARGS]...",
    help=(
        "List the networks that ship; of networks that are named, all that their cards say: how well they do, where "
        "they fail, what they must not be used for.\n\n"
        "A card is a JSON file beside the network. For an expression network (--emotion) it must hold: card (1), kind "
        '("emotion"), name, version, file, sha256, license, summary, input (name, size, dtype, layout, channels, '
        "range), output (name, kind: probabilities or logits), labels (names of the outputs in order) and alignment "
        "(template: the five mean landmarks; frame: the square they are given in). The card of the network shipped is "
        "an example; `affectstream models verify FILE` says what a card lacks.\n\n"
        "A detector (--detector) of the YuNet kind needs no card."
    ),
)

Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="FILE", help="ONNX files, or names of those shipped, such as int8 (default: all shipped)."),
]


@app.command("list")
def show(
    files: Files = None,
    json: Annotated[bool, typer.Option("--json", help="Print the cards as they are, one JSON after another.")] = False,
) -> None:
    """List the networks that ship, or show the cards of those named (what `affectstream models` does by itself).

    Example:

      affectstream models int8
    """
    from pipeline.card import read_card
    from pipeline.onnx import open_session
    from pipeline.settings import RuntimeSettings

    console = terminal.console()
    paths = _chosen(files)
    for path in paths:
        open_session(path, RuntimeSettings())
    if json:
        for path in paths:
            read_card(path)  # which says what is wrong with it
            terminal.echo(path.with_suffix(".json").read_text(encoding="utf-8"), end="")
    elif files:
        for path in paths:
            _print_card(console, path)
    else:
        console.print(overview(paths))
        console.print(
            "\nA card in full: affectstream models NAME, with a name of the first column, or what follows --detector "
            "or --emotion",
            style="dim",
        )


@app.command()
def verify(files: Files = None) -> None:
    """Check networks against their cards, on the file, on the graph and in a run: a line for each check.

    Looks at the hash; the names, types and axes of inputs and outputs; that any number of faces can go into one batch
    and that a face gets the same answer alone and among others; that probabilities sum to 1 or logits are finite; that
    there is a label for each output; and that the template of the landmarks is an upright face's. Of a detector, at its
    outputs at each stride, for pictures of several sizes. Ends with 1 if anything is wrong, and says what to do.

    Example:

      affectstream models verify mine.onnx
    """
    from rich.markup import escape

    from pipeline.errors import AffectError

    console = terminal.console()
    failed = False
    for path in _chosen(files):
        console.print(f"[bold]{escape(str(path))}[/bold]", soft_wrap=True)
        for name, check in checks(path):
            try:
                console.print(f"  [green]ok[/green]   {name}: {escape(check())}", soft_wrap=True)
            except AffectError as error:
                failed = True
                console.print(f"  [red]fail[/red] {name}: {escape(str(error))}", soft_wrap=True)
                break  # what comes after rests on it
    if failed:
        raise typer.Exit(1)


def _print_card(console: "Console", path: Path) -> None:
    import json

    from rich.markup import escape

    from pipeline.card import read_card
    from pipeline.onnx import file_hash

    card = read_card(path)
    digest = file_hash(path)
    fits = "matches the card" if digest == card.sha256 else "[red]differs from the card[/red]"
    console.print(f"[bold]{escape(card.name)}[/bold] {escape(card.version)} · {escape(card.license)}")
    console.print(f"  {escape(card.summary)}")
    console.print(f"  [bold]file:[/bold] {escape(str(path))} ({path.stat().st_size / 1e6:.1f} MB)", soft_wrap=True)
    console.print(f"  [bold]hash:[/bold] {digest[:16]}… {fits}")
    for name, words in told(json.loads(path.with_suffix(".json").read_bytes())):
        style = "bold yellow" if name == "never" else "bold"
        line = f"  [{style}]{escape(name)}:[/{style}] {escape(words)}"
        console.print(line, soft_wrap=not console.is_terminal)
    console.print()


def told(card: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and words of all that a card says beside its first lines, in its order: long lists and parts item by item.

    >>> [*told({"name": "x", "labels": ["a", "b"], "limits": ["none"], "input": {"size": 48, "range": [0, 1]}})]
    [('labels', 'a, b'), ('limit', 'none'), ('input', 'size 48, range (0, 1)')]
    """
    for key, value in card.items():
        if key == "figures":
            yield from (("figure", describe(figure)) for figure in value)
        elif key == "limits":
            yield from (("limit", limit) for limit in value)
        elif key not in _FIRST:
            yield from _parts(_WORDS.get(key, key), value)


def _parts(name: str, value: Any) -> Iterator[tuple[str, str]]:
    words = _in_words(value)
    if len(words) <= _SHORT or not isinstance(value, dict | list):
        yield name, words
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _parts(f"{name}, {key}", part)
    else:
        yield from ((f"{name}, {number}", _in_words(part)) for number, part in enumerate(value, 1))


def _in_words(value: Any, *, within: bool = False) -> str:
    if isinstance(value, dict):
        text = ", ".join(f"{key} {_in_words(part, within=True)}" for key, part in value.items())
    elif isinstance(value, list):
        text = ", ".join(_in_words(part, within=True) for part in value)
    else:
        return str(value)
    return f"({text})" if within else text


def checks(path: Path) -> Iterator[Check]:
    """The checks of one network; each is to be called before the next is taken."""
    from functools import partial

    from pipeline.card import DetectorCard, EmotionCard, read_card
    from pipeline.errors import InputError
    from pipeline.inference.contract import CHECKS as EXPRESSIONS
    from pipeline.onnx import checked_hash, open_session
    from pipeline.settings import RuntimeSettings
    from pipeline.tracker.contract import CHECKS as FACES

    session: Any = None
    card: EmotionCard | DetectorCard | None = None

    def opened() -> str:
        nonlocal session
        session = open_session(path, RuntimeSettings())
        return f"ONNX Runtime runs it, {path.stat().st_size / 1e6:.1f} MB"

    def described() -> str:
        nonlocal card
        try:
            card = read_card(path)
        except InputError:
            if any(node.name == "cls_8" for node in session.get_outputs()):
                return "none; a detector needs none"
            raise
        return f"{card.name} {card.version}, {'expressions' if isinstance(card, EmotionCard) else 'face detector'}"

    yield "network", opened
    yield "card", described
    if card is not None:
        yield "hash", lambda: f"SHA-256 {checked_hash(path, card.sha256)[:16]}… is the card's"
    if isinstance(card, EmotionCard):
        for name, expression in EXPRESSIONS.items():
            yield name, partial(expression, card, session)
    else:
        for name, face in FACES.items():
            yield name, partial(face, card, session)


def overview(paths: list[Path]) -> "Table":
    """The networks side by side: how they are asked for, and how large, quick and right they are by their cards."""
    from rich.table import Table

    from pipeline.card import NOUNS, read_card, variants

    names = {path: f"--{kind} {name}" for kind in NOUNS for name, path in variants(kind).items()}
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("network", "taken", "MB", "ms, one core", "figure"):
        table.add_column(column, justify="right" if column[:2] in ("MB", "ms") else "left", overflow="fold")
    for path in paths:
        card = read_card(path)
        first = {key: value for key, value in next(iter(card.figures), {}).items() if key not in ("n", "data")}
        asked = names.get(path, f"--{_kind(card)} {path}")
        size = f"{path.stat().st_size / 1e6:.1f}"
        table.add_row(card.name, asked, size, _time(card.figures), describe(first) if first else "")
    return table


def _time(figures: list[dict[str, Any]]) -> str:
    """The median of a face in batches of eight, which are what comes when there is much to do, or of a picture."""
    values = {str(figure.get("what")): figure.get("value") for figure in figures}
    for what, words in (
        ("ms per face, batch 8", "a face, batch 8"),
        ("ms per picture, this network", "a picture, 640x384"),
    ):
        if what in values:
            return f"{values[what]} {words}"
    return ""


def describe(figure: dict[str, object]) -> str:
    """Say a card's figure in one line.

    >>> describe({"what": "accuracy", "value": 0.875, "ci95": [0.86, 0.89], "n": 3199, "data": "FER+ validation"})
    'accuracy: 0.875 [0.86, 0.89], n = 3199 (FER+ validation)'
    >>> describe({"what": "accuracy", "value": 0.97, "n": 135, "people": 18})
    'accuracy: 0.97, n = 135 of 18 people'
    """
    text = f"{figure.get('what')}: {figure.get('value')}"
    interval = figure.get("ci95")
    if isinstance(interval, list) and len(interval) == 2:
        text += f" [{interval[0]}, {interval[1]}]"
    if figure.get("n"):
        text += f", n = {figure['n']}"
        text += f" of {figure['people']} people" if "people" in figure else ""
    return f"{text} ({figure['data']})" if figure.get("data") else text


def _chosen(files: list[Path] | None) -> list[Path]:
    """Return the networks that words name: a name may be a detector's and an expression network's."""
    from pipeline.card import NOUNS, all_shipped, is_name, names
    from pipeline.errors import InputError

    if not files:
        return all_shipped()
    known: dict[str, list[Path]] = {}
    for kind in NOUNS:
        for name, path in names(kind).items():
            known.setdefault(name, []).append(path)
    for path in all_shipped():
        known.setdefault(path.stem, [path])
    for file in files:
        if str(file) not in known and is_name(file):
            raise InputError(f"no network {str(file)!r}; those shipped go by {', '.join(known)}; or name an ONNX file")
    return [path for file in files for path in known.get(str(file), [file])]


def _kind(card: "EmotionCard | DetectorCard") -> str:
    from pipeline.card import EmotionCard

    return "emotion" if isinstance(card, EmotionCard) else "detector"
