import numpy as np
import pytest
from numpy.typing import NDArray

from models.bootstrap import Resamples
from models.emotion.evaluation import clarity
from models.emotion.evaluation.measures import KL
from models.emotion.evaluation.panels import concentrations, floor, questions, unseen
from models.emotion.evaluation.references import references
from models.emotion.evaluation.sample import Sample, among, sample
from models.emotion.metrics import divergence

ALL = np.ones(8, bool)
CONCENTRATIONS = np.array([0.5, 0.3, 0.2, 0.2, 0.1, 0.05, 0.1, 0.05, 0.1, 0.0])


def world(true: NDArray[np.float64], seed: int) -> tuple[NDArray[np.int64], Sample]:
    """Ten votes for each of some faces of known shares (n, 10)."""
    votes = np.random.default_rng(seed).multinomial(10, true)
    return votes, sample(votes)


def sharp(count: int) -> NDArray[np.float64]:
    """Shares of 0.95 and 0.05, or 0.65 and 0.35: nothing like a Dirichlet distribution."""
    rng = np.random.default_rng(1)
    first = rng.integers(0, 8, count)
    true = np.zeros((count, 10))
    most = np.where(rng.random(count) < 0.5, 0.95, 0.65)
    true[np.arange(count), first] = most
    true[np.arange(count), (first + rng.integers(1, 8, count)) % 8] = 1 - most
    return true


def dirichlet(count: int) -> NDArray[np.float64]:
    true = np.zeros((count, 10))
    true[:, :9] = np.random.default_rng(2).dirichlet(CONCENTRATIONS[:9], count)
    return true


def test_the_distribution_that_votes_came_from_is_found_again() -> None:
    votes, _ = world(dirichlet(4000), 3)
    found = concentrations(votes)
    assert found[:9] == pytest.approx(CONCENTRATIONS[:9], rel=0.15)
    assert found[9] == 0


@pytest.mark.parametrize("true", [dirichlet(1500), sharp(1500)], ids=["as assumed", "otherwise"])
def test_the_floor_is_about_what_who_knows_the_truth_scores(true: NDArray[np.float64]) -> None:
    votes, chosen = world(true, 4)
    guessed = floor(chosen, votes)[KL].mean()
    rng = np.random.default_rng(5)
    known, times = np.zeros((len(true), 8)), np.zeros(len(true))
    for _ in range(500):
        shares, kept = among(rng.multinomial(10, true), ALL)
        known += shares * kept[:, None]
        times += kept
    mean, plain = known / np.maximum(times, 1)[:, None] + 1e-4, true[:, :8] / true[:, :8].sum(1, keepdims=True)
    panels = [among(rng.multinomial(10, true), ALL) for _ in range(20)]
    flawless, naive = (
        np.mean([divergence(shares[kept], said[kept]).mean() for shares, kept in panels]) for said in (mean, plain)
    )
    assert guessed == pytest.approx(flawless, rel=0.2)
    # Who says the true shares themselves does worse: the protocol drops single votes, they do not.
    assert flawless < naive


@pytest.mark.parametrize("true", [dirichlet(3000), sharp(3000)], ids=["many labels", "two labels"])
def test_the_jackknife_is_near_the_divergence_of_votes_from_the_truth(true: NDArray[np.float64]) -> None:
    votes, _ = world(true[:, :8] / true[:, :8].sum(1, keepdims=True), 6)
    actual = divergence(votes / 10, true[:, :8] / true[:, :8].sum(1, keepdims=True))
    assert unseen(votes).mean() == pytest.approx(actual.mean(), rel=0.15)


def test_who_all_agree_leave_nothing_unseen() -> None:
    assert unseen(np.array([[10, 0, 0], [0, 1, 0], [0, 0, 0]])) == pytest.approx([0, 0, 0])


def test_each_rater_in_turn_is_held_out() -> None:
    votes = np.zeros((4, 10), np.int64)
    votes[0, :2] = 6, 4  # the rest: 5 to 4 or 6 to 3, neutral each time
    votes[1, :2] = 9, 1  # the rest: 8 (a single vote dropped) or 9
    votes[2, :2] = 5, 5  # the rest: 4 to 5 or 5 to 4, always the others'
    votes[3, [0, 8]] = 8, 2  # who votes unknown is held out too
    found = questions(votes, ALL)
    assert found.times.sum(1).tolist() == [10, 10, 10, 10]
    assert found.answered(np.arange(10)).tolist() == [6, 9, 0, 8]
    assert found.answered(np.zeros((4, 1), int)).tolist() == [10, 10, 5, 10]
    named = found.naming(ALL)
    assert named.times.sum(1).tolist() == [10, 10, 10, 8]
    assert named.answered(np.arange(10)).tolist() == [6, 9, 0, 8]
    assert found.naming(np.arange(8) == 0).times.sum(1).tolist() == [6, 9, 5, 8]


def test_rows_that_are_no_majority_without_the_rater_do_not_count() -> None:
    votes = np.zeros((1, 10), np.int64)
    votes[0, :3] = 5, 2, 2  # without a vote for neutral: 4 of 8, no majority
    assert questions(votes, ALL).times[0, :3].tolist() == [0, 2, 2]


def test_single_labels_have_no_floor() -> None:
    votes = np.zeros((20, 10), np.int64)
    votes[np.arange(20), np.arange(20) % 8] = 10
    chosen = sample(votes)
    assert not chosen.rated
    (first, *_) = references(chosen, np.full((20, 8), 0.125), None, Resamples(20, draws=10))
    assert first.floor is None
    assert first.network.value == first.uniform.value == pytest.approx(np.log(8))


def test_votes_are_referred_to_by_every_measure_and_without_the_protocol() -> None:
    votes, chosen = world(dirichlet(300), 7)
    found = references(chosen, chosen.shares, floor(chosen, votes), Resamples(len(chosen.rows), draws=20))
    assert [one.measure for one in found[:2]] == [KL, "the same, single votes kept"]
    assert len(found) == 8
    for one in found[2:]:
        assert one.floor is not None
        ordered = (one.network.value, one.floor.value, one.prior.value, one.uniform.value)
        assert [*ordered] == sorted(ordered, reverse=one.rising)


def test_faces_are_clear_mixed_or_subtle_by_their_votes() -> None:
    votes = np.zeros((7, 10), np.int64)
    unknown = (6, 0, 0, 0, 0, 0, 0, 0, 4)  # all who name an expression name this one
    for row, cast in enumerate([(10,), (9, 1), (8, 2), (7, 3), (7, 1, 1, 1), (6, 2, 2), unknown]):
        votes[row, : len(cast)] = cast
    chosen = sample(votes)
    predicted = np.zeros((7, 8))
    predicted[:, 0] = 1
    predicted[5, :2] = 0, 1
    stays = np.array([1, 0, 1, 1, 1, 1, 0.5])
    found = clarity.bands(chosen, predicted, np.zeros(7), stays, Resamples(7, draws=20))
    assert [(one.name, one.accuracy.n, one.accuracy.value) for one in found] == [
        ("clear", 3, 1.0),
        ("mixed", 2, 1.0),
        ("subtle", 2, 0.5),
    ]
    assert [one.consistency.value for one in found] == [0.5, 1, 1]


def test_consistency_is_of_the_mirror_image_and_four_shifts() -> None:
    images = np.zeros((2, 48, 48), np.uint8)
    images[:, 10:30, 5:20] = 200

    def left(shown: NDArray[np.uint8]) -> NDArray[np.float32]:
        brighter = shown[:, :, :24].mean((1, 2)) > shown[:, :, 24:].mean((1, 2))
        return np.asarray(np.eye(8)[brighter.astype(int)], np.float32)

    assert clarity.consistency(images, left(images).argmax(1), left).tolist() == [0.8, 0.8]
