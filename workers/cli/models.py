"""``affectstream models``: the networks at hand and their cards."""

from pathlib import Path
from typing import Annotated

import typer


def models(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="ONNX files (default: those shipped).")
    ] = None,
) -> None:
    """List the networks with their cards: what they take, how well they do, where they fail.

    A card is a JSON file beside the network. For an expression network (--emotion) it must hold: card (1), kind
    ("emotion"), name, version, file, sha256, license, summary, input (name, size, dtype, layout, channels, range),
    output (name, kind: probabilities or logits), labels (names of the outputs in order) and alignment (template: the
    five mean landmarks; frame: the square they are given in). The card of the network shipped is an example.

    A detector (--detector) of the YuNet kind needs no card.
    """
    from rich.console import Console
    from rich.markup import escape

    from pipeline.card import read_card, shipped
    from pipeline.onnx import file_hash, open_session
    from pipeline.settings import RuntimeSettings

    console = Console(highlight=False)
    for path in files or [shipped("detector"), shipped("emotion")]:
        open_session(path, RuntimeSettings())
        card = read_card(path)
        digest = file_hash(path)
        fits = "matches the card" if digest == card.sha256 else "[red]differs from the card[/red]"
        console.print(f"[bold]{escape(card.name)}[/bold] {escape(card.version)} · {escape(card.license)}")
        console.print(f"  {escape(card.summary)}")
        console.print(f"  file   {escape(str(path))} ({path.stat().st_size / 1e6:.1f} MB)", soft_wrap=True)
        console.print(f"  hash   {digest[:16]}… {fits}")
        for figure in card.figures:
            console.print(f"  figure {escape(describe(figure))}")
        for limit in card.limits:
            console.print(f"  limit  {escape(limit)}")
        if card.prohibited_use:
            console.print(f"  [yellow]never[/yellow]  {escape(card.prohibited_use)}")
        console.print()


def describe(figure: dict[str, object]) -> str:
    """Say a card's figure in one line.

    >>> describe({"what": "accuracy", "value": 0.875, "ci95": [0.86, 0.89], "n": 3199, "data": "FER+ validation"})
    'accuracy: 0.875 [0.86, 0.89], n = 3199 (FER+ validation)'
    """
    text = f"{figure.get('what')}: {figure.get('value')}"
    interval = figure.get("ci95")
    if isinstance(interval, list) and len(interval) == 2:
        text += f" [{interval[0]}, {interval[1]}]"
    if figure.get("n"):
        text += f", n = {figure['n']}"
    return f"{text} ({figure['data']})" if figure.get("data") else text
