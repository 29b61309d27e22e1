import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.spatial import distance
from scipy.special import rel_entr
from sklearn.metrics import balanced_accuracy_score, precision_recall_fscore_support, roc_auc_score, roc_curve

from models.bootstrap import Estimate, Resamples, estimate, wilson
from models.emotion.evaluation import roc
from models.emotion.evaluation.confusion import confusion
from models.emotion.evaluation.measures import MEASURES, chebyshev, cosine, jensen_shannon
from models.emotion.evaluation.sample import sample

RNG = np.random.default_rng(4)
Doubles = NDArray[np.float64]
BEST = {"cosine": 1.0, "intersection": 1.0}
WORST = {
    "Jensen-Shannon": np.log(2),
    "cosine": 0.0,
    "intersection": 0.0,
    "Chebyshev": 1.0,
    "Clark": np.sqrt(8),
    "Canberra": 8.0,
}

# Some labels without any share, as in votes.
weights = arrays(np.float64, (3, 8), elements=st.floats(0, 1).map(lambda x: 0.0 if x < 0.3 else x))
distributions = weights.filter(lambda x: bool((x.sum(1) > 0).all())).map(lambda x: x / x.sum(1, keepdims=True))


@given(distributions, distributions)
def test_equals_score_the_best_and_strangers_within_bounds(p: Doubles, q: Doubles) -> None:
    for measure in MEASURES:
        sign, best = 1 if measure.rising else -1, BEST.get(measure.name, 0.0)
        assert measure.rows(p, p) == pytest.approx(np.full(3, best), abs=1e-9)
        found = measure.rows(p, q)
        assert (sign * found <= sign * best + 1e-9).all()
        assert (sign * found >= sign * WORST.get(measure.name, np.inf) - 1e-9).all()


@given(distributions, distributions)
def test_all_but_kl_take_both_sides_alike(p: Doubles, q: Doubles) -> None:
    for measure in MEASURES[1:]:
        assert measure.rows(p, q) == pytest.approx(measure.rows(q, p), abs=1e-9)


@given(distributions, distributions)
def test_measures_agree_with_scipy(p: Doubles, q: Doubles) -> None:
    pairs = [*zip(p, q, strict=True)]
    assert np.sqrt(np.maximum(jensen_shannon(p, q), 0)) == pytest.approx(
        [distance.jensenshannon(*pair) for pair in pairs], abs=1e-6
    )
    assert 1 - cosine(p, q) == pytest.approx([distance.cosine(*pair) for pair in pairs], abs=1e-9)
    assert chebyshev(p, q) == pytest.approx([distance.chebyshev(*pair) for pair in pairs])
    canberra = next(measure for measure in MEASURES if measure.name == "Canberra")
    assert canberra.rows(p, q) == pytest.approx([distance.canberra(*pair) for pair in pairs])
    blurred = 0.9 * q + 0.1 / 8
    assert MEASURES[0].rows(p, blurred) == pytest.approx(rel_entr(p, blurred).sum(1))


def test_clark_by_hand() -> None:
    clark = next(measure for measure in MEASURES if measure.name == "Clark")
    p, q = np.array([[0.5, 0.5, 0.0]]), np.array([[0.25, 0.5, 0.25]])
    assert clark.rows(p, q) == pytest.approx([np.sqrt((0.25 / 0.75) ** 2 + 1)])


LABELLED, GIVEN = RNG.integers(0, 5, 300), RNG.integers(0, 5, 300)
GIVEN[:200] = LABELLED[:200]


def test_classes_agree_with_scikit_learn() -> None:
    found = confusion(LABELLED, GIVEN, Resamples(300, draws=100))
    several = precision_recall_fscore_support(LABELLED, GIVEN, labels=range(5), zero_division=np.nan)
    for row, (precision, recall, f1, n) in zip(found.classes[:5], zip(*several, strict=True), strict=True):
        assert row.n == n
        assert (row.precision.value, row.recall.value, row.f1.value) == pytest.approx((precision, recall, f1))
        assert row.precision.low <= row.precision.value <= row.precision.high
    assert found.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(LABELLED, GIVEN))
    assert found.macro_f1.value == pytest.approx(np.mean(several[2]))
    assert np.sum(found.counts) == 300


def test_a_label_without_a_face_has_no_recall_and_lowers_no_mean() -> None:
    found = confusion(np.zeros(4, np.int64), np.array([0, 0, 0, 1]), Resamples(4, draws=20))
    assert np.isnan(found.classes[1].recall.value)
    assert np.isnan(found.classes[2].precision.value)
    assert found.balanced_accuracy.value == 0.75


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2).filter(lambda x: len({y for y, _ in x}) == 2))
def test_areas_agree_with_scikit_learn_in_ties_too(rows: list[tuple[bool, int]]) -> None:
    positive, scores = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], np.float64)
    count = np.random.default_rng(0).integers(1, 4, len(rows))
    plain, weighted = roc.areas(positive, scores, np.stack([np.ones(len(rows)), count]))
    assert plain == pytest.approx(roc_auc_score(positive, scores))
    assert weighted == pytest.approx(roc_auc_score(positive, scores, sample_weight=count))
    false, true = roc.curve(positive, scores)
    expected = roc_curve(positive, scores, drop_intermediate=False)
    assert false == pytest.approx(expected[0])
    assert true == pytest.approx(expected[1])


def test_curves_are_of_the_labels_that_some_have_and_some_have_not() -> None:
    votes = np.zeros((40, 10), np.int64)
    votes[np.arange(40), np.arange(40) % 3] = 10
    chosen = sample(votes, ("neutral", "happiness", "surprise", "fear"))
    perfect = np.eye(8)[chosen.majority]
    found = roc.curves(chosen, perfect, Resamples(40, draws=50))
    assert [(one.label, one.n, one.auc.value) for one in found] == [
        ("neutral", 14, 1.0),
        ("happiness", 13, 1.0),
        ("surprise", 13, 1.0),
    ]
    assert found[0].rates[-1] == 1
    # All are told apart in every draw, which does not make it certain.
    assert np.isnan(found[0].auc.low)


@pytest.mark.parametrize(("few", "told"), [(4, False), (5, True)])
def test_an_area_over_a_handful_of_faces_has_no_interval(few: int, told: bool) -> None:
    votes = np.zeros((40, 10), np.int64)
    votes[np.arange(40), (np.arange(40) < few).astype(int)] = 10
    scores = np.random.default_rng(1).uniform(size=(40, 8))
    for one in roc.curves(sample(votes), scores, Resamples(40, draws=200)):
        assert (one.auc.low < one.auc.value < one.auc.high) is told


def test_shares_of_few_have_wilsons_interval() -> None:
    # Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for hits, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)):
        assert wilson(hits / n, n) == pytest.approx((low, high), abs=5e-5)
    assert wilson(1 / 29, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    rows = np.arange(40) < 8
    drawn = Resamples(40, draws=100)
    assert drawn.ratio(rows, rows) == Estimate(1.0, *wilson(1, 8), 8)
    assert drawn.mean(rows) == Estimate(0.2, *wilson(0.2, 40), 40)
    assert drawn.mean(rows.astype(float)).low > 0


def test_a_share_near_the_middle_of_many_keeps_the_interval_of_the_draws() -> None:
    rows = np.arange(3000) % 8 > 0
    drawn = Resamples(3000)
    assert drawn.mean(rows) == drawn.mean(rows.astype(float))


def test_rows_of_a_few_people_count_as_few() -> None:
    people = np.repeat(np.arange(5), 8)
    drawn = Resamples(40, groups=people)
    assert drawn.mean(np.ones(40, bool)) == Estimate(1.0, *wilson(1, 5), 40)
    # All of a person alike: five people; as unlike as strangers: more.
    alike, unlike = drawn.mean(people < 2), drawn.mean(np.random.default_rng(3).random(40) < 0.4)
    assert (alike.low, alike.high) == pytest.approx(wilson(0.4, 5), abs=0.02)
    assert unlike.high - unlike.low < 0.6 * (alike.high - alike.low)


def test_differences_in_few_rows_have_an_interval_that_is_not_empty() -> None:
    one, other = np.arange(40) < 30, np.arange(40) < 28
    found = Resamples(40, draws=50).gain(one, other)
    # Agresti and Min 2005: (b - c) / (n + 2) give or take z sqrt(b + c + 1 - (b - c)^2 / (n + 2)) / (n + 2).
    reach = 1.959964 * np.sqrt(3 - 4 / 42) / 42
    assert (found.value, found.n) == (pytest.approx(0.05), 40)
    assert (found.low, found.high) == pytest.approx((2 / 42 - reach, 2 / 42 + reach))
    drawn = Resamples(400, draws=50)
    many = np.arange(400) % 8 > 0
    assert drawn.gain(many, ~many) == drawn.mean(many.astype(float) - ~many)
    people = Resamples(40, groups=np.repeat(np.arange(5), 8), draws=50).gain(one, other)
    assert people.high - people.low > 2 * (found.high - found.low)


@given(st.integers(1, 500), st.floats(0, 1))
def test_wilsons_interval_is_never_empty_and_holds_the_share(n: int, share: float) -> None:
    low, high = wilson(share, n)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1
    assert high - low > 1e-3


def test_f1_of_few_has_an_interval_that_is_not_empty() -> None:
    at = np.array([0] * 6 + [1] * 30)
    found = confusion(at, at, Resamples(36, draws=100)).classes
    for one, n in zip(found[:2], (6, 30), strict=True):
        assert one.f1.value == one.recall.value == one.precision.value == 1
        low, _ = wilson(1, n)
        assert (one.recall.low, one.recall.high) == pytest.approx((low, 1))
        assert one.f1.low == pytest.approx(2 * low / (1 + low))
    assert (found[2].n, found[2].recall.n) == (0, 0)
    assert np.isnan(found[2].f1.value)


def test_intervals_are_seeded_and_as_wide_as_theory_says() -> None:
    rows = np.arange(400) % 4 == 0
    found = estimate(rows)
    assert found == estimate(rows)
    assert (found.value, found.n) == (0.25, 400)
    # The normal interval of a share of 1/4 over 400 rows is 0.25 +- 0.0424.
    assert found.low == pytest.approx(0.2076, abs=0.01)
    assert found.high == pytest.approx(0.2924, abs=0.01)


def test_rows_of_one_group_are_drawn_together() -> None:
    rows, people = np.repeat(np.arange(20) % 2, 20), np.repeat(np.arange(20), 20)
    alone, together = estimate(rows), Resamples(400, groups=people).mean(rows)
    assert alone.value == together.value == 0.5
    # Twenty people of ten halves: 0.5 +- 0.22, against 0.5 +- 0.05 for four hundred strangers.
    assert together.high - together.low == pytest.approx(0.44, abs=0.06)
    assert alone.high - alone.low == pytest.approx(0.1, abs=0.02)


def test_a_weighted_mean_counts_the_rows_with_a_weight() -> None:
    found = Resamples(4, draws=200).ratio(np.array([1.0, 0.0, 5.0, 9.0]), np.array([3.0, 1.0, 0.0, 0.0]))
    assert (found.value, found.n) == (0.75, 2)
    assert (found.low, found.high) == (0, 1)
