import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.errors import StateError
from pipeline.messages import Change, Clock, End, Scores, Stamp
from pipeline.settings import SmootherSettings
from pipeline.sink.stage import VERSION, SinkStage
from pipeline.sink.writer import position
from pipeline.state import pack, unpack
from pipeline.tally import Count, Tally
from tests.messages import faces
from tests.pipeline.sink.runs import START, scores

COMPLETE = End("door", "r1", complete=True)
STOPPED = End("door", "r1", complete=False)


def stage(lag=0.0, tally=None):
    return SinkStage(SmootherSettings(), lag, tally or Tally())


def emotions(results):
    return [row for result in results for row in result.emotions]


@pytest.mark.parametrize("lag", [0.0, 0.4, 2.0])
def test_each_face_gives_one_row_in_order_of_frame(lag):
    inputs = scores(200, faces=3)

    rows = emotions(stage(lag).process([*inputs, COMPLETE]))

    assert [(row.stamp.frame, row.track) for row in rows] == [
        (message.faces.stamp.frame, track) for message in inputs for track in message.faces.tracks
    ]
    raw = [tuple(p) for message in inputs for p in message.probabilities.tolist()]
    assert [row.raw for row in rows] == raw


@pytest.mark.parametrize("lag", [0.0, 0.4, 2.0])
def test_how_inputs_are_handed_over_changes_nothing(lag):
    inputs = [*scores(150), COMPLETE]
    chunked, chance = stage(lag), random.Random(0)
    results, rest = [], inputs
    while rest:
        count = chance.randint(1, 20)
        results += chunked.process(rest[:count])
        rest = rest[count:]

    assert results == stage(lag).process(inputs)


def stored(outputs):
    return pack("outputs", 0, outputs)


def restored(before, lag):
    state = before.state()
    after = stage(lag)
    after.restore(state)
    assert after.state() == state
    return after


PLACES = 3
FRAMES = st.lists(
    st.tuples(
        st.sampled_from(["r1", "r2"]),
        st.sampled_from([0.04, 0.1, 0.2, 0.4, 1.6]),
        st.lists(st.sampled_from([*["here"] * 8, "away", "gone"]), min_size=PLACES, max_size=PLACES),
        st.sampled_from([*[None] * 30, True, False]),
    ),
    min_size=20,
    max_size=60,
)
"""Run, s since the last message, of each place whether its face is seen, and, instead, a (complete?) end of the run."""


def messages(frames, seed, clock):
    rng = np.random.default_rng(seed)
    sequence, seen, pts = [], set(), 0.0
    generations = Counter()
    for number, (run, gap, places, complete) in enumerate(frames):
        pts += gap
        if complete is not None:
            sequence.append(End("door", run, complete=complete))
            continue
        tracks, ended = [], []
        for place, what in enumerate(places):
            name = f"{run}-{place}-{generations[run, place]}"
            if what == "here":
                tracks.append(name)
            elif what == "gone":
                generations[run, place] += 1
                ended += [name] if name in seen else []
        seen.update(tracks)
        n = len(tracks)
        shown = replace(
            faces(n, number, seed=seed),
            stamp=Stamp("door", run, number, pts, START + number, clock, START),
            tracks=tuple(tracks),
            quality=rng.uniform(0, 1, n).astype(np.float32),
            ended=tuple(ended),
        )
        sequence.append(Scores(shown, rng.dirichlet(np.full(8, 0.4), n).astype(np.float32), "net@0123456789ab"))
    return sequence


@settings(deadline=None)
@pytest.mark.parametrize("lag", [0.0, 2.0])
@given(FRAMES, st.integers(0, 9), st.sampled_from([Clock.FILE, Clock.ARRIVAL]), st.data())
def test_a_stage_goes_on_from_a_state_to_the_bit(lag, frames, seed, clock, data):
    inputs = messages(frames, seed, clock)
    restarts = data.draw(st.sets(st.integers(0, len(inputs))))
    current, outputs = stage(lag), []
    for number, message in enumerate(inputs):
        if number in restarts:
            current = restored(current, lag)
        outputs += current.process([message])
    assert stored(outputs) == stored(stage(lag).process(inputs))


@pytest.mark.parametrize("lag", [0.0, 0.4, 2.0])
def test_a_stage_that_is_restarted_at_every_frame_goes_on_to_the_bit(lag):
    inputs = [*scores(200, faces=3, life=110), COMPLETE]
    current, outputs = stage(lag), []
    for message in inputs:
        current = restored(current, lag)
        outputs += current.process([message])
    assert stored(outputs) == stored(stage(lag).process(inputs))


@pytest.mark.parametrize(("lag", "most"), [(0.0, 15_000), (2.0, 200_000)])
def test_a_state_is_small_and_does_not_grow_with_past_tracks(lag, most):
    inputs = scores(1200, faces=10, life=20)
    current, sizes = stage(lag), []
    for message in inputs:
        current.process([message])
        sizes.append(len(current.state()))
    assert max(sizes) < most
    assert max(sizes[600:]) < 1.1 * max(sizes[:600])
    current.process([COMPLETE])
    assert len(current.state()) < 30


def test_another_state_is_refused_and_changes_nothing():
    current = stage(2.0)
    current.process(scores(50))
    before = current.state()
    other = stage(0.4)
    other.process(scores(20))
    later = pack("sink", VERSION + 1, unpack(before, "sink", VERSION, list))
    for state, message in (
        (other.state(), r"smoother\.lag = 0\.4, not 2\.0"),
        (later, f"version {VERSION + 1} of the sink's, not version {VERSION}"),
        (before[:-1], "damaged"),
        (pack("tracker", VERSION, []), "of the tracker's"),
    ):
        with pytest.raises(StateError, match=message):
            current.restore(state)
    assert current.state() == before


def test_sources_do_not_disturb_each_other():
    door, gate = scores(80), scores(80, source="gate", seed=1)
    mixed = [message for pair in zip(door, gate, strict=True) for message in pair]

    results = stage(0.4).process([*mixed, COMPLETE])

    alone = stage(0.4).process([*door, COMPLETE])
    assert [result for result in results if "gate" not in repr(result)] == alone


def test_without_lag_rows_come_with_their_frame():
    for message, result in zip(scores(50, faces=1), stage().process(scores(50, faces=1)), strict=False):
        assert result.emotions or not message.faces.tracks
    live = stage()
    assert all(live.process([message]) for message in scores(50, faces=1) if message.faces.tracks)


def test_a_live_source_shows_all_it_has_when_it_ends():
    inputs = scores(50, clock=Clock.ARRIVAL)

    results = stage(0.4).process([*inputs, STOPPED])

    assert len(emotions(results)) == sum(len(message.faces.tracks) for message in inputs)
    assert results[-1].ends == (STOPPED,)
    assert results[-1].tracks


@pytest.mark.parametrize("lag", [0.0, 0.4])
def test_a_file_that_was_stopped_gives_what_a_whole_one_begins_with(lag):
    inputs = scores(150)
    whole = stage(lag).process([*inputs, COMPLETE])

    *part, end = stage(lag).process([*inputs[:100], STOPPED])

    assert end.ends == (STOPPED,)
    assert not end.tracks
    assert part == whole[: len(part)]
    assert len(emotions(part)) > 100


def test_tracks_end_when_the_tracker_says_so():
    tally = Tally()
    results = stage(0.4, tally).process([*scores(150, faces=1, life=60), COMPLETE])

    tracks = [track for result in results for track in result.tracks]
    assert [(track.track, track.settled) for track in tracks] == [("r1-0-0", 60), ("r1-0-1", 120), ("r1-0-2", 150)]
    assert sum(track.frames for track in tracks) == len(emotions(results))
    assert tally.of("door")[Count.TRACKS] == 3
    changes = [event.change for result in results for event in result.events]
    assert changes.count(Change.BEGIN) == changes.count(Change.END) == 3


def test_a_step_that_fails_counts_nothing_because_it_is_repeated():
    tally = Tally()
    *good, last = scores(150, faces=1, life=60)
    with pytest.raises(IndexError):
        stage(0.4, tally).process([*good, replace(last, probabilities=last.probabilities[:0])])
    assert tally.of("door") == Counter()


def test_results_are_one_frame_each_and_in_order():
    results = stage(0.4).process([*scores(300, faces=3, life=25), COMPLETE])

    numbers = [position(result) for result in results]
    assert numbers == sorted(set(numbers))
    for result in results:
        assert {row.stamp.frame for row in result.emotions} <= {position(result)}
        assert {track.settled for track in result.tracks} <= {position(result)}
        assert {event.track for event in result.events if event.change is Change.END} == {
            track.track for track in result.tracks
        }


def test_a_face_out_of_sight_does_not_hold_up_the_others_for_ever():
    inputs = scores(500, faces=2, life=10_000)
    lone = scores(500, faces=1, life=10_000)
    # The second face is never seen again after frame 20, and the tracker never gives it up.
    results = stage(0.4).process([*inputs[:20], *lone[20:]])

    assert emotions(results)[-1].stamp.frame > 470


def test_a_run_without_faces_still_ends():
    assert stage(2.0).process([*scores(5, faces=0), COMPLETE])[-1].ends == (COMPLETE,)
    assert stage(2.0).process([COMPLETE])[-1].ends == (COMPLETE,)


@pytest.mark.parametrize("lag", [0.0, 0.4, 2.0])
def test_live_and_replay_agree_where_they_smooth_alike(lag):
    recorded = [*scores(150, faces=3), COMPLETE]
    live = [*scores(150, faces=3, clock=Clock.ARRIVAL), STOPPED]
    at_once = stage(lag).process(recorded)
    watching = stage(lag)
    one_by_one = [result for message in live for result in watching.process([message])]

    def values(results):
        return [(row.stamp.frame, row.track, row.smoothed, row.uncertainty, row.dominant) for row in emotions(results)]

    assert values(one_by_one) == values(at_once)
    assert [track.transitions for result in one_by_one for track in result.tracks] == [
        track.transitions for result in at_once for track in result.tracks
    ]
