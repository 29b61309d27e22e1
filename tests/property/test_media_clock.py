import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.clock import LONGEST_GAP, ArrivalClock, LiveClock, MediaClock, Pacer, Sampler
from pipeline.messages import Clock

BASE = Fraction(1, 90_000)
SECOND = 90_000
ticks = st.none() | st.integers(-(2**40), 2**40)
steps = st.lists(st.integers(0, 10 * SECOND), min_size=1, max_size=50)
DAY = 1_790_000_000_000_000


def run(stamps: list[int | None], clock: MediaClock | None = None) -> list[float]:
    clock = clock or MediaClock(0.04)
    return [clock.media_time(stamp, BASE) for stamp in stamps]


@given(st.lists(ticks, max_size=50), st.floats(0, 100))
def test_never_decreases_whatever_comes(stamps: list[int | None], passed: float) -> None:
    media = MediaClock(0.04)
    for clock in (None, passed):
        times = [media.media_time(stamp, BASE, clock) for stamp in stamps]
        assert all(a <= b for a, b in itertools.pairwise(times))


@given(st.integers(-(2**33), 2**33), steps)
def test_follows_sane_time_stamps_wherever_they_begin(start: int, steps: list[int]) -> None:
    stamps = list(itertools.accumulate(steps, initial=start))
    assert run([*stamps]) == pytest.approx([(stamp - start) / SECOND for stamp in stamps], abs=2e-6)


@given(st.sampled_from([2**32, 2**33]), st.integers(0, 100 * SECOND), steps)
def test_unwraps(period: int, before: int, steps: list[int]) -> None:
    stamps = list(itertools.accumulate(steps, initial=period - before))
    expected = [(stamp - stamps[0]) / SECOND for stamp in stamps]
    # A step back of half a second or less is jitter; no wrap is that close.
    assert run([stamp % period for stamp in stamps]) == pytest.approx(expected, abs=2e-6)


@given(st.integers(1, 20), st.integers(0, 2**33), steps)
def test_first_frames_may_lack_time_stamps(missing: int, start: int, steps: list[int]) -> None:
    stamps = list(itertools.accumulate(steps, initial=start))
    times = run([None] * missing + [*stamps])
    assert times[: missing + 1] == pytest.approx([n * 0.04 for n in range(missing + 1)])
    assert times[-1] - times[missing] == pytest.approx((stamps[-1] - start) / SECOND, abs=2e-6)


@given(st.integers(int(LONGEST_GAP * SECOND) + 1, 2**40) | st.integers(-(2**31), -SECOND))
def test_a_jump_counts_one_step(jump: int) -> None:
    times = run([0, 3600, 7200, 7200 + jump, 7200 + jump + 3600])
    assert times == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])


def test_small_steps_back_are_held() -> None:
    assert run([0, 9000, 8000, 9000, 18000]) == pytest.approx([0, 0.1, 0.1, 0.1, 0.2])


def test_a_live_gap_is_what_passed_on_the_wall() -> None:
    clock = MediaClock(0.04)
    assert clock.media_time(0, BASE) == 0
    assert clock.media_time(600 * SECOND, BASE, passed=0.04) == pytest.approx(0.04)  # no camera sends 600 s in 0.04 s
    assert clock.media_time(630 * SECOND, BASE, passed=30.0) == pytest.approx(30.04)  # a true gap
    clock.resume()
    assert clock.media_time(5, BASE, passed=12.5) == pytest.approx(42.54)  # opened again
    clock.resume()
    assert clock.media_time(None, BASE, passed=2.0) == pytest.approx(44.54)


@given(st.floats(0, 1e5), st.none() | st.integers(0, 2**33), st.floats(0, 1e4))
def test_media_time_can_be_gone_on_from(pts: float, first: int | None, passed: float) -> None:
    clock = MediaClock(0.04, pts)
    assert clock.media_time(first, BASE, passed) == pytest.approx(pts + passed, abs=1e-6)
    later = None if first is None else first + 3600
    assert clock.media_time(later, BASE, 0.04) == pytest.approx(pts + passed + 0.04, abs=3e-6)


@given(st.floats(0.5, 60), st.floats(1, 240), st.integers(2, 400))
def test_sampler_takes_one_frame_per_slot(fps: float, rate: float, frames: int) -> None:
    sampler = Sampler(fps)
    taken = [n / rate for n in range(frames) if sampler.wants(n / rate)]
    assert taken[0] == 0
    slots = [int(pts * fps + 1e-4) for pts in taken]
    assert slots == sorted(set(slots))
    assert len(taken) <= frames / rate * fps + 2
    if rate <= fps:
        assert len(taken) == frames


@pytest.mark.parametrize(("fps", "rate"), [(10, 30), (5, 25), (25, 25), (1, 30), (30, 60), (12.5, 25)])
def test_sampler_keeps_the_rate(fps: float, rate: float) -> None:
    sampler = Sampler(fps)
    assert sum(sampler.wants(round(n / rate, 6)) for n in range(int(rate * 60))) == fps * 60


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 10)), min_size=1), st.floats(1, 1.1))
def test_pacer_never_plays_faster_than_its_speed(moves: list[tuple[float, float]], speed: float) -> None:
    pacer, pts, now = Pacer(speed), 0.0, 0.0
    played: list[tuple[float, float]] = []
    for media, wall in moves:
        now += pacer.wait(pts, now)
        played.append((pts, now))
        pts, now = pts + media, now + wall
    for (pts_a, at_a), (pts_b, at_b) in itertools.pairwise(played):
        assert (at_b - at_a) * speed >= pts_b - pts_a - 1e-9


@pytest.mark.parametrize("fast", [1.0, 1.001])
def test_pacer_stays_near_a_stream_in_segments(fast: float) -> None:
    pacer, now, lag = Pacer(1.01), 0.0, []
    for n in range(50_000):  # half an hour of segments of 4 s
        published = (n // 100 + 1) * 4 / fast
        now = max(now, published)
        now += pacer.wait(n * 0.04, now)
        lag.append(now - published)
    assert max(lag[-1000:]) < 4.1


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


def test_arrival_time_catches_up_after_a_silent_pause() -> None:
    clock = ArrivalClock()
    arrivals = [n * 0.04 + (5 if n > 250 else 0) for n in range(1000)]
    times = [clock.event_time(n * 0.04, arrived, DAY + round(arrived * 1e6)) for n, arrived in enumerate(arrivals)]
    assert times[-1] - DAY == pytest.approx((999 * 0.04 + 5) * 1e6, abs=1e4)


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
    assert abs(times[-1] - DAY - 999 * 40_000) <= ArrivalClock.SET * 1e6


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
    # A report that steps back by less than a second is waited out; a clock that was set is followed.
    assert clock.event_time(0.08, DAY - 400_000, 50.08, DAY + 80_000) == (DAY - 300_000, Clock.RTCP)
    assert clock.event_time(0.12, DAY - 9_000_000, 50.12, DAY + 120_000) == (DAY - 9_000_000, Clock.RTCP)
    # One that was never set is not believed.
    assert clock.event_time(0.16, 86_400_000_000, 50.16, DAY + 160_000)[1] is Clock.ARRIVAL


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
