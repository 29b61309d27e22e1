"""Consoles: folded to the width of a terminal; in a file or a pipe, where programs read, lines stay whole."""

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console
from rich.logging import RichHandler

from pipeline.errors import OutputError

WIDE = 10_000
"""Columns of what is no terminal, unless ``COLUMNS`` says otherwise; rich would take 80 and fold names and numbers."""

STAMP = "%Y-%m-%dT%H:%M:%S%z"
"""How logs tell the time: they may run for months, and be read elsewhere."""


class _Unfailing:
    """A stream that passes over what cannot be written: a full disk, or a reader that has left, must not end a run."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Telling(_Unfailing):
    """A stream that says in one line that results cannot be written; a reader that has left is the caller's affair."""

    def write(self, text: str) -> int:
        with _told():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with _told():
            self._stream.flush()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write to standard output: {(error.strerror or str(error)).lower()}") from error


def console(*, stderr: bool = False) -> Console:
    """Return a console on standard output, or on standard error, where what cannot be written is passed over.

    What cannot be written to standard output is raised as an ``OutputError``.
    """
    stream = sys.stderr if stderr else sys.stdout
    file: Any = None
    if stream is not None:
        # While a bar is shown, another stands in for it, which prints above the bar.
        file = (_Unfailing if stderr else _Telling)(getattr(stream, "rich_proxied_file", stream))
    # No emoji, or `affect:bus:poison` would not be shown as it is called.
    made = Console(file=file, stderr=stderr, highlight=False, emoji=False)
    if made.is_terminal or "COLUMNS" in os.environ:
        return made
    return Console(file=file, stderr=stderr, highlight=False, emoji=False, width=WIDE)


def echo(text: str, end: str = "\n") -> None:
    """Write what programs read to standard output, as it is; raises ``OutputError`` where it cannot be written."""
    stream = _Telling(sys.stdout)
    stream.write(text + end)
    stream.flush()


def log_handler() -> logging.Handler:
    """Return what writes the log to standard error: in colour on a terminal, a dated line each on anything else."""
    screen = console(stderr=True)
    if screen.is_terminal:
        return RichHandler(console=screen, show_path=False, log_time_format="%d %b %H:%M:%S")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", STAMP))
    return handler


def write_anything() -> None:
    """Have "?" stand for what the encoding of the terminal, or of a file, has no sign for, rather than end there."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def give_up(stream: Any) -> None:
    """Drop what a stream never took; Python would try once more and end with 120 whatever came of the run."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
