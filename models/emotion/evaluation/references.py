"""A network's figures beside what frames them: a flawless predictor, a human rater, and who has not looked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bootstrap import Estimate, Resamples
from models.emotion.evaluate import Report
from models.emotion.evaluation import panels
from models.emotion.evaluation.measures import MEASURES
from models.emotion.evaluation.sample import Sample
from models.emotion.faces import LabelledFaces
from models.emotion.metrics import divergence


@dataclass(frozen=True)
class Reference:
    """The network in one measure, beside what frames it; all over the same faces.

    Attributes:
        measure: its name.
        unit: "nats" or none.
        rising: more is better.
        network: its mean.
        floor: what a flawless predictor would score (see `panels`); None where each face has but one label.
        prior: what saying the mean shares of these very faces of every face would score.
        uniform: what saying the same of every label would score.
    """

    measure: str
    unit: str
    rising: bool
    network: Estimate
    floor: Estimate | None
    prior: Estimate
    uniform: Estimate


@dataclass(frozen=True)
class Raters:
    """A rater held out, and the network, both asked for the majority of that face's other raters (see `panels`).

    A rater who answers "unknown" or "not a face" is wrong, and the network has no such answer: so both are also
    measured over those raters who name one of the network's labels.

    Attributes:
        rater: how often the rater says what the others do.
        network: how often the network does, each face counting as often as it has raters to hold out.
        naming: as `rater`, over those who name a label of the network.
        network_naming: as `network`, over these.
    """

    rater: Estimate
    network: Estimate
    naming: Estimate
    network_naming: Estimate


def references(
    sample: Sample, found: NDArray[Any], floors: dict[str, NDArray[np.float64]] | None, drawn: Resamples
) -> list[Reference]:
    """Every measure of predictions `found` (m, 8), beside what frames it; `floors` see `panels.floor`."""
    shape = found.shape
    prior = np.broadcast_to(sample.shares.mean(0), shape)
    even = np.broadcast_to(sample.labels / sample.labels.sum(), shape)
    told = []
    for measure in MEASURES:
        network, known, uniform = (drawn.mean(measure.rows(sample.shares, one)) for one in (found, prior, even))
        floor = drawn.mean(floors[measure.name]) if floors is not None else None
        told.append(Reference(measure.name, measure.unit, measure.rising, network, floor, known, uniform))
    if sample.rated:
        cast = sample.votes[:, :8] * sample.labels
        shares = cast / cast.sum(1, keepdims=True)
        rows = [divergence(shares, one) for one in (found, np.broadcast_to(shares.mean(0), shape), even)]
        network, known, uniform = (drawn.mean(one) for one in rows)
        floor = drawn.mean(panels.unseen(cast))
        told.insert(1, Reference("the same, single votes kept", "nats", False, network, floor, known, uniform))
    return told


def raters(report: Report, faces: LabelledFaces, *, draws: int = 2000) -> Raters | None:
    """A held-out rater and the network, on all faces; None where faces have but one label each."""
    if not report.sample.rated:
        return None
    asked = panels.questions(faces.votes, report.sample.labels)
    named = asked.naming(report.sample.labels)
    if not named.times.any():
        return None
    drawn = Resamples(len(faces.votes), groups=faces.people, draws=draws)
    answers = (np.arange(faces.votes.shape[1]), report.probabilities.argmax(1)[:, None])
    told = []
    for one in (asked, named):
        weights = one.times.sum(1)
        told += [drawn.ratio(one.answered(answer) / np.maximum(weights, 1), weights) for answer in answers]
    return Raters(*told)
