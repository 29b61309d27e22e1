"""What chance does to votes: new panels of raters for the same faces, and one rater against the others.

Ten votes are a small sample of what people would say, so not even a flawless predictor matches them. How well one
would do is found by empirical Bayes. The true shares of a face over the eight expressions, unknown and not-a-face are
taken to come from one Dirichlet distribution, fitted to all votes by maximum likelihood (Minka, "Estimating a
Dirichlet distribution", 2000). Given a face's votes, its true shares then have a Dirichlet distribution too: shares
are drawn from it, and from each of them panels of as many raters. The flawless predictor says what such panels say on
average under the FER+ protocol, single votes dropped, which is the least KL that any can reach; it is measured on
other panels of the same true shares. In worlds whose truth is known, and is not as assumed, what is found lies within
a fifth of what who knows the truth scores.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

from models.emotion.evaluation.measures import MEASURES
from models.emotion.evaluation.sample import Sample, among, entropy

REPEATS = (8, 200)
"""True shares drawn for each pattern of votes: as many as faces have it, but no fewer and no more than these."""

PANELS = 100
"""Panels whose mean the flawless predictor knows, for each."""

TRIALS = 16
"""Panels that it is measured on, for each."""


def concentrations(votes: NDArray[np.int64]) -> NDArray[np.float64]:
    """The Dirichlet distribution (k,) under which `votes` (n, k) are most likely; 0 for columns without a vote."""
    seen = votes.any(0)
    patterns, times = np.unique(votes[:, seen], axis=0, return_counts=True)
    counts, weights = patterns.astype(np.float64), times / times.sum()
    sizes = counts.sum(1)

    def cost(logs: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        found = np.exp(logs)
        whole = found.sum()
        likelihood = gammaln(whole) - gammaln(whole + sizes) + (gammaln(found + counts) - gammaln(found)).sum(1)
        slope = (digamma(whole) - digamma(whole + sizes))[:, None] + digamma(found + counts) - digamma(found)
        return -float(weights @ likelihood), -(weights @ slope) * found

    # A column that hardly ever has a vote would run towards zero for ever.
    best = minimize(
        cost, np.full(counts.shape[1], -2.0), jac=True, method="L-BFGS-B", bounds=[(-12, 12)] * len(counts.T)
    )
    found = np.zeros(votes.shape[1])
    found[seen] = np.exp(best.x)
    return found


def floor(
    sample: Sample, votes: NDArray[np.int64], *, panels: int = PANELS, seed: int = 0
) -> dict[str, NDArray[np.float64]]:
    """What the flawless predictor would score on each face of `sample`, in every measure.

    Args:
        sample: the faces.
        votes: (n, 10), all that there are, to fit the distribution to.
        panels: that are averaged for each of the true shares that are drawn.
        seed: of the draws.

    Returns:
        For each of `MEASURES` by name, float64 (m,).
    """
    rng = np.random.default_rng(seed)
    patterns, which, times = np.unique(sample.votes, axis=0, return_inverse=True, return_counts=True)
    rows = np.repeat(np.arange(len(patterns)), np.clip(times, *REPEATS))
    drawn = rng.standard_gamma(patterns[rows] + concentrations(votes))
    true, sizes = drawn / drawn.sum(1, keepdims=True), patterns[rows].sum(1)
    mean, kept = _panels(true, sizes, sample.labels, panels, rng)
    counted = np.zeros(len(patterns))
    sums = {measure.name: np.zeros(len(patterns)) for measure in MEASURES}
    for _ in range(TRIALS):
        shares, seen = among(rng.multinomial(sizes, true), sample.labels)
        # Panels without a majority are not among those that are measured on.
        seen &= kept
        counted += np.bincount(rows[seen], minlength=len(patterns))
        for measure in MEASURES:
            sums[measure.name] += np.bincount(rows[seen], measure.rows(shares[seen], mean[seen]), len(patterns))
    # Patterns so near to having no majority that none of their panels has one are taken to be like the rest.
    rest = {name: values.sum() / max(counted.sum(), 1) for name, values in sums.items()}
    return {
        name: np.where(counted, values / np.maximum(counted, 1), rest[name])[which] for name, values in sums.items()
    }


def _panels(
    true: NDArray[np.float64],
    sizes: NDArray[np.int64],
    labels: NDArray[np.bool_],
    panels: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Mean shares (n, 8) over panels of `sizes` raters that have a majority, and which faces (n,) have such panels."""
    total = true[:, :8] * labels
    # The true shares stand in as one panel more, so that no label that could be voted for has a mean of zero.
    total = total / np.maximum(total.sum(1, keepdims=True), 1e-300)
    count = np.zeros(len(true))
    for _ in range(panels):
        shares, kept = among(rng.multinomial(sizes, true), labels)
        total += shares * kept[:, None]
        count += kept
    return total / (count + 1)[:, None], count > 0


def unseen(votes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Estimate (n,) of what KL(votes || true shares) is because `votes` (n, k) are few, nats, with no model of them.

    The expected KL is the entropy of the truth less the expected entropy of the votes, that is, the bias of the
    entropy, for which the jackknife is an estimate (Zahl 1977). Faces with fewer than two votes have 0.
    """
    sizes = votes.sum(1)
    whole = entropy(votes / np.maximum(sizes, 1)[:, None])
    less = np.zeros(len(votes))
    for column in range(votes.shape[1]):
        others = votes.copy()
        others[:, column] = np.maximum(others[:, column] - 1, 0)
        rest = others / np.maximum(others.sum(1), 1)[:, None]
        less += votes[:, column] / np.maximum(sizes, 1) * entropy(rest)
    return np.asarray(np.maximum(sizes - 1, 0) * (whole - less))


@dataclass(frozen=True)
class Questions:
    """Each rater in turn held out: what the rest say, where they have a majority.

    Attributes:
        times: float64 (n, 10), how many raters of each face have cast each vote and leave a majority behind.
        majority: int64 (n, 10), of the rest.
    """

    times: NDArray[np.float64]
    majority: NDArray[np.int64]

    def answered(self, chosen: NDArray[Any]) -> NDArray[np.float64]:
        """How many of `times` (n,) an answer `chosen`, (10,) or (n, 10), is the majority of the rest."""
        return np.asarray((self.times * (self.majority == chosen)).sum(1))

    def naming(self, labels: NDArray[np.bool_]) -> "Questions":
        """Those where the rater held out names one of `labels` (8,), rather than say "unknown" or "not a face"."""
        named = np.zeros(self.times.shape[1])
        named[: len(labels)] = labels
        return replace(self, times=self.times * named)


def questions(votes: NDArray[np.int64], labels: NDArray[np.bool_]) -> Questions:
    """Hold out each rater of `votes` (n, 10); the rest count by the protocol, with a majority among `labels` (8,)."""
    times, majority = np.zeros(votes.shape), np.zeros(votes.shape, np.int64)
    for column in range(votes.shape[1]):
        rest = votes.copy()
        rest[:, column] = np.maximum(rest[:, column] - 1, 0)
        shares, kept = among(rest, labels)
        times[:, column] = votes[:, column] * kept
        majority[:, column] = shares.argmax(1)
    return Questions(times, majority)
