"""Runs of the same faces are found by their times and by what they read."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from workers.inventory import State, Stock
from workers.repeats import copies, repeats

BEGUN = datetime(2026, 5, 1, 12, tzinfo=UTC)


def stock(run="r0123456789a", first=0.0, last=60.0, *, source="film", models=("one@0123456789ab",), **more):
    return Stock(
        source=source,
        run=run,
        first=BEGUN + timedelta(seconds=first),
        last=BEGUN + timedelta(seconds=last),
        rows=100,
        tracks=2,
        models=models,
        changes=more.get("changes", {}),
        settings={},
        version="",
        read_from=more.get("read_from", ""),
        state=State.FINISHED,
        parts=2,
        bytes=1000,
    )


A, B, C = "r0123456789a", "r0123456789b", "r0123456789c"


def test_two_networks_on_one_video_may_be_chosen_by_model():
    (found,) = repeats([stock(A), stock(B, models=("two@0123456789ab",)), stock(A, source="other")])
    assert (found.source, [run.run for run in found.runs]) == ("film", [A, B])
    assert (found.differ, found.by_model) == (("network",), True)


def test_other_settings_are_chosen_by_run():
    (found,) = repeats([stock(A), stock(B, changes={"ingest.fps": 5.0})])
    assert (found.differ, found.by_model) == (("settings",), False)
    (found,) = repeats([stock(A), stock(B)])  # as of two versions
    assert (found.differ, found.by_model) == ((), False)


def test_one_run_after_the_other_repeats_nothing():
    assert not [*repeats([stock(A, 0, 60), stock(B, 60.5, 90), stock(C, 89.5, 200)])]
    assert len([*repeats([stock(A, 0, 60), stock(B, 55, 90)])]) == 1
    assert len([*repeats([stock(A, 10, 10), stock(B, 10, 10)])]) == 1  # of a single row each


def test_a_path_that_is_read_in_another_way_is_the_same_video_whatever_its_date():
    path = "/videos/film.mp4"
    one, later = stock(A, read_from=path), stock(B, 9000, 9060, read_from=path)
    assert not [*repeats([one, later])]  # as of recordings that are rotated
    other = stock(C, 9000, 9060, read_from=path, models=("two@0123456789ab",))
    assert [len(found.runs) for found in repeats([one, other])] == [2]
    assert [len(found.runs) for found in repeats([one, other, later])] == [3]
    live = stock("20260501t120000-01234567", 9000, 9060, read_from=path, changes={"ingest.fps": 5.0})
    assert not [*repeats([one, live])]


def test_copies_of_a_file_share_their_run():
    assert copies([stock(A), stock(A, source="copy"), stock(B)]) == {A: ["film", "copy"]}
    assert not copies([stock("20260501t120000-01234567"), stock("20260501t120000-01234567", source="hall")])


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20), st.sampled_from("ab")), max_size=8).flatmap(
        lambda spans: st.tuples(st.just(spans), st.permutations(range(len(spans))))
    )
)
def test_it_does_not_matter_in_which_order_runs_are_told(drawn):
    spans, order = drawn
    runs = [
        stock(f"r{number:011x}", first, first + length, read_from=path, changes={"ingest.fps": float(length % 2)})
        for number, (first, length, path) in enumerate(spans)
    ]
    groups = [{run.run for run in found.runs} for found in repeats(runs)]
    again = [{run.run for run in found.runs} for found in repeats([runs[index] for index in order])]
    assert sorted(map(sorted, groups)) == sorted(map(sorted, again))
    assert all(len(group) > 1 for group in groups)
    assert sum(map(len, groups)) == len(set().union(*groups))
