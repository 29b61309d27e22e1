"""Consoles: folded to the width of a terminal; in a file or a pipe, where programs read, lines stay whole."""

import logging
import os

from rich.console import Console
from rich.logging import RichHandler

WIDE = 250
"""Columns of what is no terminal, unless ``COLUMNS`` says otherwise; rich would take 80 and fold names and numbers."""

STAMP = "%Y-%m-%dT%H:%M:%S%z"
"""How logs tell the time: they may run for months, and be read elsewhere."""


def console(*, stderr: bool = False) -> Console:
    """Return a console on standard output or standard error."""
    made = Console(stderr=stderr, highlight=False)
    return made if made.is_terminal or "COLUMNS" in os.environ else Console(stderr=stderr, highlight=False, width=WIDE)


def log_handler() -> logging.Handler:
    """Return what writes the log to standard error: in colour on a terminal, a dated line each on anything else."""
    screen = console(stderr=True)
    if screen.is_terminal:
        return RichHandler(console=screen, show_path=False, log_time_format="%d %b %H:%M:%S")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", STAMP))
    return handler
