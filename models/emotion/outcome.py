"""What a network that was trained here is worth on rows kept apart, measured on the exported file itself."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bootstrap import Estimate, Resamples
from models.emotion.evaluate import open_network
from models.emotion.faces import LabelledFaces
from models.emotion.metrics import divergence, truth
from models.written import write_file
from pipeline.errors import InputError
from pipeline.labels import LABELS


@dataclass(frozen=True)
class Outcome:
    """Figures of a network on one part of a data set.

    Attributes:
        part: which rows, in words.
        labels: of the network and of the rows and columns of `confusion`.
        hits: bool (n,), whether the most probable label is that of the majority.
        kl: float64 (n,), KL(votes || prediction) in nats.
        confusion: int64 (labels, labels): rows by majority, columns by prediction.
        people: (n,) who is seen; None where the data do not say.
    """

    part: str
    labels: tuple[str, ...]
    hits: NDArray[np.bool_]
    kl: NDArray[np.float64]
    confusion: NDArray[np.int64]
    people: NDArray[np.str_] | None

    @cached_property
    def accuracy(self) -> Estimate:
        """With its 95 % bootstrap interval: over people where they are known, else over faces."""
        return self._drawn.mean(self.hits)

    @cached_property
    def divergence(self) -> Estimate:
        """With its 95 % bootstrap interval as that of the accuracy, nats."""
        return self._drawn.mean(self.kl)

    @cached_property
    def size(self) -> dict[str, int]:
        """What the intervals are over: `n` faces and, where they are known, how many `people`."""
        known = {} if self.people is None else {"people": len(np.unique(self.people))}
        return {"n": len(self.hits)} | known

    @cached_property
    def _drawn(self) -> Resamples:
        return Resamples(len(self.hits), groups=self.people)

    def figures(self) -> dict[str, Any]:
        """As JSON holds it."""
        told: dict[str, Any] = {"part": self.part, **self.size, "labels": list(self.labels)}
        told |= {"accuracy": self.accuracy.told(), "kl": self.divergence.told()}
        return told | {"confusion": self.confusion.tolist()}

    def __str__(self) -> str:
        accuracy, kl = self.accuracy, self.divergence
        people = f" of {self.size['people']:,} people" if "people" in self.size else ""
        return (
            f"accuracy {accuracy.value:.4f} ({accuracy.low:.4f} to {accuracy.high:.4f}), "
            f"KL {kl.value:.3f} nats, n = {accuracy.n:,}{people}, on {self.part}"
        )


def judge(model: Path, faces: LabelledFaces, part: str) -> Outcome:
    """Measures the network file `model` on `faces`, with votes on its labels.

    Raises:
        InputError: no row has a majority.
    """
    votes = truth(faces.votes)
    if not votes.kept.any():
        raise InputError(f"{part}: no face has a majority, so none can be measured")
    network = open_network(model)
    columns = [LABELS.index(label) for label in faces.labels]
    said = network(faces.images[votes.kept])
    majority, chosen = votes.majority[votes.kept], said.argmax(1)
    confusion = np.zeros((len(LABELS), len(LABELS)), np.int64)
    np.add.at(confusion, (majority, chosen), 1)
    kl = divergence(votes.shares[votes.kept], said)
    people = None if faces.people is None else faces.people[votes.kept]
    return Outcome(part, faces.labels, majority == chosen, kl, confusion[np.ix_(columns, columns)], people)


def pooled(outcomes: Sequence[Outcome], part: str) -> Outcome:
    """Several folds of one data set as one: each face counts once, and a person in several folds is one person."""
    people = [outcome.people for outcome in outcomes if outcome.people is not None]
    return Outcome(
        part,
        outcomes[0].labels,
        np.concatenate([outcome.hits for outcome in outcomes]),
        np.concatenate([outcome.kl for outcome in outcomes]),
        np.asarray(sum(outcome.confusion for outcome in outcomes), np.int64),
        np.concatenate(people) if people else None,
    )


def write_outcome(folder: Path, outcome: Outcome, more: dict[str, Any]) -> None:
    """Writes `result.json`, with `more` in it, and `confusion.csv` into a run folder."""
    write_file(folder / "result.json", json.dumps(outcome.figures() | more, indent=2) + "\n")
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(["majority", *outcome.labels])
    table.writerows([label, *row] for label, row in zip(outcome.labels, outcome.confusion.tolist(), strict=True))
    write_file(folder / "confusion.csv", text.getvalue())
