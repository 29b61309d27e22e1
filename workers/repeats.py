"""Runs that tell of the same faces again, so that an average over all of them counts faces more than once."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, NamedTuple

from pipeline.run import is_of_file
from workers.inventory import Stock

SLACK: Final = 1.0
"""s of event time that runs may have in common without telling of the same: a camera's clock is moved now and then."""


class Repeat(NamedTuple):
    """Runs of one source that tell of the same faces."""

    source: str
    runs: tuple[Stock, ...]

    @property
    def differ(self) -> tuple[str, ...]:
        """In what the runs differ, as far as their parts tell."""
        parts: dict[str, list[Any]] = {
            "network": [run.models for run in self.runs],
            "settings": [sorted(map(repr, run.changes.items())) for run in self.runs],
        }
        return tuple(name for name, values in parts.items() if any(value != values[0] for value in values))

    @property
    def by_model(self) -> bool:
        """Whether each network has one run alone, so that it may be chosen by instead."""
        models = [model for run in self.runs for model in run.models]
        return len({*models}) == len(models)


def repeats(stocks: Iterable[Stock]) -> Iterator[Repeat]:
    """Give the runs of each source whose times overlap, or that read the same path in other ways.

    The same video may have other times in another run: they go by the date of its file, which a copy may have changed.
    """
    dated = sorted((stock for stock in stocks if stock.first is not None), key=attrgetter("source"))
    for source, of_source in groupby(dated, attrgetter("source")):
        for group in _joined([*_overlapping(those := [*of_source]), *_read_again(those)]):
            yield Repeat(source, tuple(group))


def copies(stocks: Iterable[Stock]) -> dict[str, list[str]]:
    """Return the sources that share each run of a file that several have: copies of one file."""
    sources = defaultdict(list)
    for stock in stocks:
        if stock.first is not None and is_of_file(stock.run):
            sources[stock.run].append(stock.source)
    return {run: names for run, names in sources.items() if len(names) > 1}


def _overlapping(runs: Sequence[Stock]) -> Iterator[list[Stock]]:
    dated = [(run.first, run.last, run) for run in runs if run.first is not None and run.last is not None]
    dated.sort(key=lambda each: (each[0], each[1], each[2].run))
    if not dated:
        return
    begun, end, first_run = dated[0]
    group = [first_run]
    for first, last, run in dated[1:]:
        shared = (min(end, last) - first).total_seconds()
        if shared >= min(SLACK, run.seconds / 2, (end - begun).total_seconds() / 2):
            group.append(run)
            end = max(end, last)
        else:
            yield group
            begun, end, group = first, last, [run]
    yield group


def _read_again(runs: Sequence[Stock]) -> Iterator[list[Stock]]:
    paths = defaultdict(list)
    for run in runs:
        if run.read_from and is_of_file(run.run):
            paths[run.read_from].append(run)
    # Another file may have come to that path; that it is read in another way than all before it as well is rare.
    return (group for group in paths.values() if Repeat("", tuple(group)).differ)


def _joined(groups: Sequence[list[Stock]]) -> list[list[Stock]]:
    """Return groups of two or more, those that share a run as one."""
    found: list[list[Stock]] = []
    for group in groups:
        if len(group) > 1:
            ids = {run.run for run in group}
            shared = [other for other in found if any(run.run in ids for run in other)]
            found = [other for other in found if other not in shared]
            found.append([*{run.run: run for each in (*shared, group) for run in each}.values()])
    return found
