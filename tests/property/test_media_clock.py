import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.clock import LONGEST_GAP, MediaClock, Pacer, Sampler

BASE = Fraction(1, 90_000)
SECOND = 90_000
ticks = st.none() | st.integers(-(2**40), 2**40)
steps = st.lists(st.integers(0, 10 * SECOND), min_size=1, max_size=50)


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


@pytest.mark.parametrize("step", [None, 0.0, -1.0, 1.5])
def test_a_container_that_announces_no_sound_step_is_not_followed(step: float | None) -> None:
    assert run([None, None, None], MediaClock(step)) == pytest.approx([0, 0.04, 0.08])


def test_where_a_time_stamp_is_missing_the_latest_step_is_taken_again() -> None:
    stamps = [0, SECOND // 2, None, None, 2 * SECOND]  # two in a second, though 25 were announced
    assert run(stamps) == pytest.approx([0, 0.5, 1.0, 1.5, 2.0])
    assert run([0, 10 * SECOND, None]) == pytest.approx([0, 10, 10.04])  # a gap is no step


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
