import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.messages import Clock, Resume
from workers.bus.ledger import Position
from workers.cluster.keeper import PAUSE
from workers.cluster.plan import EndOnly, GiveUp, Nothing, Read, plan, rest

TRIES = 2
FIRST = Position()
AT = Resume(7, 0.28, 1_700_000_000_000_000, Clock.FILE, 1_700_000_000_100_000)
READING = Position(given=8, run="run", resume=AT, origin="as it was")
OVER = Position(given=9, run="run", resume=AT, origin="as it was", ended=True, complete=True)
BROKEN_OFF = Position(given=9, run="run", resume=AT, origin="as it was", ended=True)


@pytest.mark.parametrize(
    ("position", "origin", "live", "of_a_file"),
    [
        (FIRST, "as it was", Read(), Read()),
        (READING, "as it was", Read(resume=AT), Read(resume=AT)),
        (READING, "changed", Read(ended="run"), Read(ended="run")),
        (READING, None, EndOnly("run"), EndOnly("run")),
        (BROKEN_OFF, "as it was", Read(), Read()),
        (BROKEN_OFF, "changed", Read(), Read()),
        (BROKEN_OFF, None, Nothing(), Nothing()),
        (OVER, "as it was", Nothing(), Nothing()),
        (OVER, "changed", Read(), Read()),
        (OVER, None, Nothing(), Nothing()),
        (FIRST, None, Nothing(), Nothing()),
    ],
)
def test_by_how_far_earlier_owners_came(position, origin, live, of_a_file):
    assert plan(position, origin, None, 0, TRIES) == live
    run = "another" if origin == "changed" else "run"
    assert plan(position, origin, run, 0, TRIES) == of_a_file


def test_a_file_is_known_by_its_run_however_it_is_configured():
    assert plan(OVER, "changed", "run", 0, TRIES) == Nothing()
    assert plan(READING, "changed", "run", 0, TRIES) == Read(resume=AT)
    assert plan(READING, "as it was", "another", 0, TRIES) == Read(ended="run")


@pytest.mark.parametrize(
    ("position", "deaths", "done"),
    [
        (FIRST, 1, Read(deaths=1)),
        (FIRST, 3, Read(deaths=3)),
        (FIRST, 4, GiveUp(after=-1)),
        (READING, 3, Read(resume=AT, deaths=3)),
        (READING, 4, GiveUp(after=7)),
        (READING, 9, GiveUp(after=7)),
        (BROKEN_OFF, 4, GiveUp(after=-1)),
        (OVER, 4, Nothing()),
    ],
)
def test_by_how_many_died_of_a_file(position, deaths, done):
    assert plan(position, "as it was", "run", deaths, TRIES) == done


def test_what_others_died_of_before_is_no_fault_of_what_it_is_now():
    assert plan(READING, "changed", "another", 9, TRIES) == Read(ended="run")


def test_a_camera_is_never_given_up_whoever_died_of_it():
    assert plan(READING, "as it was", None, 99, TRIES) == Read(resume=AT, deaths=99)
    assert plan(FIRST, "as it was", None, 99, TRIES) == Read(deaths=99)
    assert plan(READING, "changed", None, 99, TRIES) == Read(ended="run")


@given(
    st.sampled_from([FIRST, READING, BROKEN_OFF, OVER]),
    st.sampled_from([None, "as it was", "changed"]),
    st.sampled_from([None, "run", "another"]),
    st.integers(0, 9),
)
def test_a_run_that_is_under_way_is_gone_on_with_or_ended(position, origin, run, deaths):
    todo = plan(position, origin, run, deaths, TRIES)
    match todo:
        case Nothing():
            assert position is not READING
        case EndOnly(left):
            assert (position, left) == (READING, "run")
        case GiveUp():
            assert position is not READING or run == "run"  # that is the run whose end is told
        case Read(resume, ended):
            assert ((resume, ended) != (None, None)) == (position is READING)
            assert resume is None or ended is None


def test_a_camera_is_left_alone_for_longer_by_each_death_until_it_is_long_enough():
    for deaths, shortest in ((1, 0), (2, 60), (3, 90), (20, 600), (99, 600)):
        assert shortest <= rest("door", deaths, TRIES, 30.0) <= 2 * shortest
    assert rest("door", 7, TRIES, 30.0) == rest("door", 7, TRIES, 30.0)


@given(st.sets(st.text(min_size=1), min_size=2, max_size=2))
def test_cameras_that_are_left_alone_by_the_same_deaths_come_back_apart(pair):
    """Far enough for one to give a frame before the other is opened: a keeper looks each ``PAUSE[1]`` s."""
    one, other = pair
    apart = [abs(rest(one, deaths, 5, 30.0) - rest(other, deaths, 5, 30.0)) for deaths in range(20, 60)]
    assert sum(seconds > 2 * PAUSE[1] for seconds in apart) > 10
