from models.timing import WARM, Timing, beside


def test_calls_take_turns_and_the_busier_one_takes_longer():
    seen = []

    def call(name, work):
        seen.append(name)
        return sum(range(work))

    idle, busy = beside([lambda: call("idle", 10), lambda: call("busy", 100_000)], rounds=30)
    assert seen == ["idle", "busy"] * (WARM + 30)
    assert idle.calls == busy.calls == 30
    assert 0 < busy.fastest <= busy.median
    assert idle.median < busy.median


def test_time_ends_it_too():
    (timing,) = beside([lambda: sum(range(1000))], seconds=0.05)
    assert timing.calls > 0


def test_a_call_on_many_things_is_shared_among_them():
    assert Timing(8.0, 4.0, 100).per(4) == Timing(2.0, 1.0, 100)
