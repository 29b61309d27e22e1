import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.event_clock import ArrivalClock, CameraClock, LiveClock, WallClock
from pipeline.messages import Clock

DAY = 1_790_000_000_000_000


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2)), min_size=1, max_size=100))
def test_arrival_time_never_decreases_and_never_lies_in_the_future(moves: list[tuple[float, float]]) -> None:
    clock = ArrivalClock()
    pts, arrived, last = 0.0, 100.0, 0
    for media, wall in moves:
        time = clock.event_time(pts, arrived, DAY + round((arrived - 100) * 1e6))
        assert time >= last
        assert time <= max(last, DAY + round((arrived - 100) * 1e6) + 2)
        last, pts, arrived = time, pts + media, arrived + wall


@pytest.mark.parametrize("drift", [-3e-4, 0.0, 3e-4])
def test_arrival_time_follows_a_drifting_camera(drift: float) -> None:
    clock, last = ArrivalClock(), 0
    for n in range(30_000):  # 20 minutes
        true = n * 0.04
        jitter = 0.03 * ((n * 7919) % 101) / 101
        time = clock.event_time(true * (1 + drift), true + jitter, DAY + round((true + jitter) * 1e6))
        assert time >= last
        last = time
        if n > 1000:
            assert abs(time - DAY - true * 1e6) < 40_000


def test_arrival_time_gains_on_media_time_little_by_little() -> None:
    """The way to the machine takes 0.4 s longer from 5 s on: too little for a pause."""
    clock, late = ArrivalClock(), 0.4
    arrivals = [n * 0.04 + (late if n >= 125 else 0) for n in range(3000)]
    times = [clock.event_time(n * 0.04, arrived, DAY + round(arrived * 1e6)) for n, arrived in enumerate(arrivals)]
    gains = [b - a - 40_000 for a, b in itertools.pairwise(times)]
    assert all(-2 <= gain <= ArrivalClock.SLEW * 40_000 + 2 for gain in gains)
    assert times[-1] - DAY == pytest.approx((2999 * 0.04 + late) * 1e6, abs=10)


def test_a_new_connection_looks_at_the_wall_clock_again() -> None:
    """That clock was set right by too little to be followed at once."""
    clock, ahead = ArrivalClock(), 600_000
    times = [clock.event_time(n, 50 + n, DAY + n * 1_000_000 + ahead * (n >= 5)) for n in range(10)]
    assert times == [DAY + n * 1_000_000 for n in range(10)]
    clock.resume()
    assert clock.event_time(10, 60, DAY + 10_000_000 + ahead) == DAY + 10_000_000 + ahead


def test_arrival_time_catches_up_after_a_silent_pause() -> None:
    clock = ArrivalClock()
    arrivals = [n * 0.04 + (5 if n > 250 else 0) for n in range(1000)]
    times = [clock.event_time(n * 0.04, arrived, DAY + round(arrived * 1e6)) for n, arrived in enumerate(arrivals)]
    assert times[-1] - DAY == pytest.approx((999 * 0.04 + 5) * 1e6, abs=1e4)


@given(st.floats(0.01, 60), st.integers(1, 200))
def test_how_late_a_frame_is_shows_in_those_before_it(late: float, before: int) -> None:
    """As the one that comes out only when a camera that hangs has been waited for."""
    clock = ArrivalClock()
    for n in range(before):
        clock.event_time(n * 0.04, 50 + n * 0.04, DAY + n * 40_000)
        assert clock.late == pytest.approx(0, abs=1e-9)
    pts = before * 0.04
    clock.event_time(pts, 50 + pts + late, DAY + round((pts + late) * 1e6))
    assert clock.late == pytest.approx(late)


def test_arrival_time_follows_a_machine_that_learns_the_time_of_day_late() -> None:
    clock, step = ArrivalClock(), 86_400_000_000
    times = [
        clock.event_time(n * 0.04, 50 + n * 0.04, DAY + n * 40_000 + (step if n >= 100 else 0)) for n in range(200)
    ]
    assert times[99] == DAY + 99 * 40_000
    assert times[-1] == DAY + 199 * 40_000 + step
    assert times == sorted(times)


@given(st.floats(1.1, 1e6), st.floats(0.04, 1), st.booleans(), st.booleans())
def test_arrival_time_follows_a_clock_that_is_set_back_for_good(
    ahead: float, step: float, reconnect: bool, resumed: bool
) -> None:
    """The machine starts with a clock that is ``ahead`` by so many s, and learns the time of day after 10 s."""
    clock = ArrivalClock(DAY + round(ahead * 1e6) - 40_000 if resumed else 0)
    wrong = 0 if resumed else 10
    times, true = [], []
    for n in range(int(70 / step)):
        arrived = n * step
        if reconnect and 15 <= arrived < 15 + step:
            clock.resume()
        true.append(DAY + round(arrived * 1e6))
        times.append(clock.event_time(arrived, 50 + arrived, true[-1] + round(ahead * 1e6) * (arrived < wrong)))
    assert sum(b < a for a, b in itertools.pairwise(times)) == 1
    late = [abs(time - due) for n, (time, due) in enumerate(zip(times, true, strict=True)) if n * step > 42 + 2 * step]
    assert max(late) <= 2
    # Until then, and from then on, it goes on steadily.
    assert all(abs(b - a - step * 1e6) <= 2 for a, b in itertools.pairwise(times) if a <= b)


@given(st.floats(0, 1e6), st.floats(0, 29), st.booleans())
def test_arrival_time_waits_out_a_clock_that_is_soon_set_right(behind: float, after: float, resumed: bool) -> None:
    """As on a machine that starts with the clock at which it was switched off, and goes on with a run."""
    clock = ArrivalClock(DAY - 40_000)
    begun = 0.0 if resumed else 5.0
    times = []
    for n in range(1000):
        arrived = n * 0.04
        wrong = begun <= arrived < begun + after
        times.append(clock.event_time(arrived, 50 + arrived, DAY + round((arrived - behind * wrong) * 1e6)))
    assert times == sorted(times)
    assert abs(times[-1] - DAY - 999 * 40_000) <= WallClock.SET * 1e6


def test_two_short_visits_to_a_wrong_time_are_not_one_long_stay() -> None:
    clock = ArrivalClock()
    times = [clock.event_time(n, 50 + n, DAY + round((n - 9 * (5 <= n < 8 or 40 <= n < 43)) * 1e6)) for n in range(60)]
    assert times == [DAY + n * 1_000_000 for n in range(60)]


@given(st.floats(0, 0.99))
def test_little_steps_back_are_waited_out(step: float) -> None:
    clock = ArrivalClock()
    times = [clock.event_time(n, 50 + n, DAY + round((n - step * (n > 5)) * 1e6)) for n in range(100)]
    assert times == sorted(times)


def test_one_late_look_at_the_wall_moves_no_time() -> None:
    clock = ArrivalClock()  # the process slept between its looks at both clocks
    times = [
        clock.event_time(n * 0.04, 50 + n * 0.04, DAY + n * 40_000 + (9_000_000 if n == 100 else 0)) for n in range(200)
    ]
    assert times == [DAY + n * 40_000 for n in range(200)]


def test_the_cameras_own_clock_comes_first() -> None:
    clock = LiveClock()
    assert clock.event_time(0.0, None, 50.0, DAY) == (DAY, Clock.ARRIVAL)
    assert clock.event_time(0.04, DAY - 300_000, 50.04, DAY + 40_000) == (DAY - 300_000, Clock.RTCP)
    # A report that steps back by less than a second is waited out.
    assert clock.event_time(0.08, DAY - 400_000, 50.08, DAY + 80_000) == (DAY - 300_000, Clock.RTCP)
    # One that was never set is not believed.
    assert clock.event_time(0.16, 86_400_000_000, 50.16, DAY + 160_000)[1] is Clock.ARRIVAL


def test_both_clocks_begin_anew_with_a_new_connection() -> None:
    clock = LiveClock()
    assert clock.event_time(0.0, DAY, 50.0, DAY + 300_000) == (DAY, Clock.RTCP)
    clock.resume()
    assert clock.event_time(9.0, DAY + 30_000_000, 59.0, DAY + 9_300_000) == (DAY + 30_000_000, Clock.RTCP)


beyond = st.floats(1.1, 3600).flatmap(lambda step: st.sampled_from([step, -step]))


def camera_times(clock: CameraClock, seconds: int, wrong: Callable[[int], float]) -> tuple[list[int], list[int]]:
    """Return event times, and what the camera's clock says, which is ``wrong`` by so many s at each second."""
    told = [DAY + round((second + wrong(second)) * 1e6) for second in range(seconds)]
    return [clock.event_time(second, each, 50 + second) for second, each in enumerate(told)], told


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 9), beyond), max_size=4))
def test_reports_that_are_out_of_date_are_not_believed(late: list[tuple[int, int, float]]) -> None:
    """As when another viewer comes, and the server begins its time stamps anew."""
    wrong: list[float] = []
    for right, length, step in late:
        wrong += [0.0] * right + [step] * length  # then comes a report
    wrong.append(0.0)
    times, _ = camera_times(CameraClock(), len(wrong), lambda second: wrong[second])
    assert times == [DAY + second * 1_000_000 for second in range(len(wrong))]


@given(st.integers(1, 40), beyond)
def test_a_cameras_clock_that_was_set_is_followed_in_one_step(begin: int, step: float) -> None:
    times, told = camera_times(CameraClock(), 60, lambda second: step if second >= begin else 0.0)
    follows = begin + round(CameraClock.STOOD)
    assert times[:follows] == [DAY + second * 1_000_000 for second in range(follows)]
    # Where it was set back by little, event time waits for it.
    assert times[follows + 1 :] == told[follows + 1 :]


def test_a_camera_that_was_opened_again_is_believed_at_once() -> None:
    clock = CameraClock()
    assert clock.event_time(0.0, DAY, 50.0) == DAY
    clock.resume()
    assert clock.event_time(9.0, DAY - 3_000_000, 59.0) == DAY - 3_000_000


@pytest.mark.parametrize("drift", [-3e-4, 3e-4])
def test_a_cameras_clock_that_drifts_is_followed(drift: float) -> None:
    times, told = camera_times(CameraClock(), 20_000, lambda second: second * drift)
    assert times == told


@pytest.mark.parametrize("rate", [0.5, 0.75, 1.5])
def test_a_camera_whose_time_stamps_run_at_another_speed_is_followed(rate: float) -> None:
    """As of one that slows down at night and goes on to stamp its frames as by day; reports come every 6 s."""
    clock = CameraClock()
    for second in range(3000):
        pts, report = rate * second, second // 6 * 6
        captured = DAY + round((report + pts - rate * report) * 1e6)
        time = clock.event_time(pts, captured, 50.0 + second)
        assert abs(time - DAY - second * 1_000_000) < 10e6 * abs(1 - rate) + 6e6


def test_event_time_can_be_gone_on_from() -> None:
    assert LiveClock(DAY, Clock.ARRIVAL).event_time(8.0, None, 50.0, DAY + 70) == (DAY + 70, Clock.ARRIVAL)
    # The wall clock was set back meanwhile: event time goes on from where it was, rather than stand still.
    clock = LiveClock(DAY, Clock.ARRIVAL)
    assert clock.event_time(8.0, None, 50.0, DAY - 9_000_000) == (DAY, Clock.ARRIVAL)
    assert clock.event_time(8.5, None, 50.5, DAY - 8_500_000) == (DAY + 500_000, Clock.ARRIVAL)
    # A camera's clock that ran ahead says nothing about arrival, and its own little steps back are waited out.
    clock = LiveClock(DAY + 9_000_000, Clock.RTCP)
    assert clock.event_time(8.0, None, 50.0, DAY) == (DAY, Clock.ARRIVAL)
    assert clock.event_time(8.04, DAY + 8_500_000, 50.04, DAY + 40_000) == (DAY + 9_000_000, Clock.RTCP)
