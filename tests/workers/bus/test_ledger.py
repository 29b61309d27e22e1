"""The atomic step of an owner, and the script behind it."""

import threading

import pytest

from pipeline.channel import Closed
from pipeline.errors import BrokerError, StateError
from workers.bus import keys
from workers.bus.lease import Lost
from workers.bus.ledger import Outbox, Position
from workers.cluster.registry import forget

INBOX = keys.frames("door")


def arrived(client, number=3):
    """Put messages into the inbox; return the ids of their entries."""
    return [client.xadd(INBOX, {"s": "door", "n": n, "m": f"frame {n}"}) for n in range(1, number + 1)]


def faces(client):
    return [(fields["s"], int(fields["n"]), fields["m"]) for _, fields in client.xrange(keys.FACES)]


def test_a_step_takes_publishes_and_remembers(client, own, outbox):
    ids = arrived(client)
    lease, ledger = own(inbox=INBOX, outbox=outbox)
    assert ledger.load() == Position()

    ledger.commit(Position(taken=2, given=2, stages=(b"s",)), ids[:2], [(1, b"a"), (2, b"b")], runs=1)

    assert [name for name, _ in client.xrange(INBOX)] == ids[2:]
    assert faces(client) == [("door", 1, "a"), ("door", 2, "b")]
    assert client.hget(keys.PENDING, "door") == "2"
    assert client.smembers(keys.UNDER_WAY) == {"door"}
    assert client.get(lease.key) == lease.token
    assert own(inbox=INBOX, outbox=outbox, succeeds=True)[1].load() == Position(taken=2, given=2, stages=(b"s",))


def test_a_step_whose_answer_was_lost_is_done_once(broker, client, own, outbox):
    ids = arrived(client)
    _, ledger = own(inbox=INBOX, outbox=outbox)
    ledger.load()
    done = broker.commit
    answers = iter([TimeoutError(), None])

    def lossy(keys, args):
        answer = done(keys=keys, args=args)
        lost = next(answers)
        if lost is not None:
            raise lost
        return answer

    broker.commit = lossy
    ledger.commit(Position(taken=1), ids[:1], [(1, b"a")])
    broker.commit = done
    ledger.commit(Position(taken=2), ids[1:2], [(2, b"b")])

    assert faces(client) == [("door", 1, "a"), ("door", 2, "b")]
    assert client.hget(keys.state("tracker", "door"), "step") == "2"


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_one_that_comes_back_late_is_refused(client, own, outbox, steps):
    """Its successor holds the lease and has done nothing yet, just the step that was in hand, or more."""
    ids = arrived(client)
    late, ledger = own(inbox=INBOX, outbox=outbox)
    ledger.load()
    client.delete(late.key)  # expires
    _, successor = own(inbox=INBOX, outbox=outbox)
    successor.load()
    for step in range(steps):
        successor.commit(Position(taken=step + 1), ids[step : step + 1], [(step + 1, b"his")])
    before = faces(client), client.xrange(INBOX)

    with pytest.raises(Lost, match="taken"):
        ledger.commit(Position(taken=1), ids[:1], [(1, b"mine")])

    assert (faces(client), client.xrange(INBOX)) == before
    assert late.stopped.is_set()


def test_a_successor_that_has_gone_again_is_noticed_by_its_step(client, own, outbox):
    ids = arrived(client)
    late, ledger = own(inbox=INBOX, outbox=outbox)
    ledger.load()
    client.delete(late.key)
    gone, successor = own(inbox=INBOX, outbox=outbox)
    successor.load()
    successor.commit(Position(taken=1), ids[:1], [(1, b"his")])
    gone.release()

    with pytest.raises(Lost, match="taken"):
        ledger.commit(Position(taken=1), ids[:1], [(1, b"mine")])
    assert faces(client) == [("door", 1, "his")]


def test_a_step_renews_the_lease(client, own, outbox):
    lease, ledger = own(inbox=INBOX, outbox=outbox)
    ledger.load()
    client.pexpire(lease.key, 9_000)
    ledger.commit(Position(taken=1), [], [(1, b"a")])
    assert 9_000 < client.pttl(lease.key) <= 30_000


def test_what_redis_has_forgotten_is_not_gone_on_with(client, own, outbox):
    _, ledger = own(inbox=INBOX, outbox=outbox)
    ledger.load()
    ledger.commit(Position(taken=1), [], [(1, b"a")])
    assert ledger.is_current()
    client.flushall()

    assert not ledger.is_current()
    with pytest.raises(Lost, match="forgotten"):
        ledger.commit(Position(taken=2), [], [(2, b"b")])
    assert faces(client) == []


@pytest.mark.parametrize("strict", [True, False])
def test_only_a_strict_owner_ends_because_its_lease_expired(client, own, strict):
    lease, ledger = own("sink", inbox=keys.scores("door"), strict=strict)
    ledger.load()
    client.delete(lease.key)

    if strict:
        with pytest.raises(Lost, match="taken"):
            ledger.commit(Position(taken=1), [], [])
    else:
        ledger.commit(Position(taken=1), [], [])
        assert client.get(lease.key) == lease.token


@pytest.mark.parametrize("full", ["outbox", "downstream"])
def test_an_owner_waits_for_room(client, own, outbox, full):
    _, ledger = own(inbox=INBOX, outbox=outbox)
    ledger.load()
    if full == "outbox":
        client.hset(keys.PENDING, "door", 3)
    else:
        for n in range(10):
            client.xadd(keys.scores("door"), {"s": "door", "n": n + 1, "m": "scores"})
    thread = threading.Thread(target=ledger.commit, args=(Position(given=1), [], [(1, b"a")]))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    assert faces(client) == []

    client.delete(keys.PENDING, keys.scores("door"))

    thread.join(10)
    assert not thread.is_alive()
    assert faces(client) == [("door", 1, "a")]


@pytest.mark.parametrize("last", ["outbox", "downstream"])
def test_the_last_room_is_used(client, own, outbox, last):
    lease, ledger = own(inbox=INBOX, outbox=outbox)
    ledger.load()
    if last == "outbox":
        client.hset(keys.PENDING, "door", 2)
    else:
        for n in range(9):
            client.xadd(keys.scores("door"), {"s": "door", "n": n + 1, "m": "scores"})
    giving_up = threading.Timer(10, lease.stopped.set)
    giving_up.start()
    ledger.commit(Position(given=1), [], [(1, b"a")])
    giving_up.cancel()
    assert faces(client) == [("door", 1, "a")]


def test_a_step_larger_than_the_room_goes_through_alone(client, own, outbox):
    _, ledger = own(inbox=INBOX, outbox=outbox)
    ledger.load()
    ledger.commit(Position(given=5), [], [(n, b"a") for n in range(1, 6)])
    assert len(faces(client)) == 5


def test_one_that_dies_while_it_waits_changes_nothing_and_nothing_is_to_blame(client, own, outbox):
    ids = arrived(client)
    client.hset(keys.PENDING, "door", 3)
    lease, ledger = own(inbox=INBOX, outbox=outbox)
    ledger.load()
    assert ledger.attempt(1, first=True) == 1
    threading.Timer(0.2, lease.stopped.set).start()

    with pytest.raises(Closed):
        ledger.commit(Position(taken=1, given=1), ids[:1], [(1, b"a")])

    assert len(client.xrange(INBOX)) == 3
    _, successor = own(inbox=INBOX, outbox=outbox, succeeds=True)
    successor.load()
    assert successor.attempt(1, first=True) == 1
    assert not successor.one_at_a_time


def test_attempts_count_owners_that_got_no_further(client, own, outbox):
    def begin():
        _, ledger = own(inbox=INBOX, outbox=outbox, succeeds=True)
        ledger.load()
        return ledger

    dead = begin()
    assert (dead.attempt(1, first=True), dead.one_at_a_time) == (1, False)
    careful = begin()
    assert (careful.attempt(1, first=True), careful.one_at_a_time) == (2, True)
    assert [careful.attempt(number, first=False) for number in (2, 3)] == [1, 1]
    again = begin()
    # Those that somebody got past are innocent; the third is not yet.
    assert [again.attempt(number, first=number == 1) for number in (1, 2, 3)] == [0, 0, 2]
    again.commit(Position(taken=3), [], [])
    assert not again.one_at_a_time
    fresh = begin()
    assert (fresh.attempt(4, first=True), fresh.one_at_a_time) == (1, False)


def test_owners_that_end_on_purpose_are_not_counted(client, own):
    def begin():
        lease, ledger = own(inbox=INBOX)
        ledger.load()
        return lease, ledger

    for _ in range(9):
        lease, ledger = begin()
        assert (ledger.attempt(1, first=True), ledger.one_at_a_time) == (1, False)
        ledger.withdraw()
        lease.release()
    dead, ledger = begin()
    ledger.attempt(1, first=True)
    client.delete(dead.key)  # expires
    lease, careful = begin()
    assert [careful.attempt(number, first=number == 1) for number in (1, 2)] == [2, 1]
    ledger.withdraw()  # wakes up, and takes nothing back: it is another's turn
    careful.withdraw()
    lease.release()
    lease, last = begin()
    assert [last.attempt(number, first=number == 1) for number in (1, 2)] == [0, 1]
    last.commit(Position(taken=2), [], [])
    last.withdraw()  # of nothing
    assert client.hmget(keys.state("tracker", "door"), "begun", "tried") == ["0", "1"]


def test_what_others_died_of_is_not_taken_back(client, own):
    dead, ledger = own(inbox=INBOX)
    ledger.load()
    for number in (1, 2):
        ledger.attempt(number, first=number == 1)
    client.delete(dead.key)  # expires
    _, ledger = own(inbox=INBOX)
    ledger.load()
    assert ledger.attempt(1, first=True) == 0
    ledger.withdraw()
    assert client.hmget(keys.state("tracker", "door"), "begun", "at", "tried") == ["1", "2", "1"]


def test_who_died_of_what_the_source_was_configured_as_before_is_not_counted(client, own):
    def begin(origin):
        _, ledger = own("ingest", origin=origin, succeeds=True)
        ledger.load()
        return ledger

    for deaths in range(3):
        ledger = begin("as it was")
        assert ledger.deaths == deaths
        ledger.attempt(1, first=True)
    for deaths in range(2):
        ledger = begin("put right")
        assert ledger.deaths == deaths
        ledger.attempt(1, first=True)
    assert client.hget(keys.state("ingest", "door"), "begun") == "2"


def test_deaths_of_which_it_was_not_noted_how_the_source_was_configured_are_counted(client, own):
    client.hset(keys.state("ingest", "door"), "begun", 3)
    _, ledger = own("ingest", origin="as it was")
    ledger.load()
    assert ledger.deaths == 3
    ledger.attempt(1, first=True)
    assert ledger.begun == 4


def test_one_that_wakes_after_its_lease_begins_nothing(client, own):
    late, ledger = own(inbox=INBOX)
    ledger.load()
    _, successor = own(inbox=INBOX, succeeds=True)
    successor.load()
    successor.attempt(1, first=True)
    before = client.hgetall(keys.state("tracker", "door"))
    with pytest.raises(Lost):
        ledger.attempt(1, first=True)
    assert client.hgetall(keys.state("tracker", "door")) == before
    assert late.stopped.is_set()
    ledger.withdraw()
    assert client.hgetall(keys.state("tracker", "door")) == before


def test_one_that_wakes_after_its_source_was_forgotten_leaves_nothing_of_it(client, own):
    _, ledger = own(inbox=INBOX)
    ledger.load()
    forget(client, "door")
    with pytest.raises(Lost):
        ledger.attempt(1, first=True)
    assert client.keys() == []


def test_no_more_is_taken_back_than_was_noted(broker, client, own):
    lease, ledger = own(inbox=INBOX)
    ledger.load()
    ledger.attempt(1, first=True)
    state = keys.state("tracker", "door")
    for _ in range(2):  # the first answer was lost
        broker.withdraw(keys=[lease.key, state], args=[lease.token, 1])
    assert client.hmget(state, "begun", "tried") == ["0", "0"]


def test_work_begins_though_memory_is_full(client, own):
    lease, ledger = own(inbox=INBOX)
    ledger.load()
    giving_up = threading.Timer(10, lease.stopped.set)
    giving_up.start()
    client.config_set("maxmemory", 1)
    try:
        assert ledger.attempt(1, first=True) == 1
    finally:
        client.config_set("maxmemory", 0)
        giving_up.cancel()


def test_what_began_is_taken_back_though_memory_is_full(client, own):
    _, ledger = own(inbox=INBOX)
    ledger.load()
    ledger.attempt(1, first=True)
    client.config_set("maxmemory", 1)
    try:
        ledger.withdraw()
    finally:
        client.config_set("maxmemory", 0)
    assert client.hget(keys.state("tracker", "door"), "begun") == "0"


def test_numbers_of_ids_by_the_thousand(client, own):
    ids = arrived(client, 2500)
    _, ledger = own("sink", inbox=INBOX)
    ledger.load()
    ledger.commit(Position(taken=2500), ids, [])
    assert client.xlen(INBOX) == 0


class Run:
    """A source's way from its reader to its sink, as far as ledgers are concerned."""

    def __init__(self, client, own):
        self.client = client
        self.reader = own("ingest", outbox=Outbox(INBOX, False, 100, keys.scores("door"), 100))[1]
        self.sink = own("sink", inbox=keys.scores("door"))[1]
        self.reader.load()
        self.sink.load()
        self.under_way = lambda: client.sismember(keys.UNDER_WAY, "door")


def test_a_source_is_over_when_its_last_end_was_written(client, own):
    run = Run(client, own)
    client.hset(keys.SOURCES, "door", "{}")
    run.reader.commit(Position(given=1), [], [(1, b"frame")], runs=1)
    assert run.under_way()
    run.sink.commit(Position(taken=1), [], [], runs=-1)
    assert not run.under_way()
    assert client.hget(keys.state("ingest", "door"), "step") == "1"


def test_only_what_the_reader_failed_of_is_still_told_when_a_source_is_over(client, own):
    run = Run(client, own)
    client.hset(keys.SOURCES, "door", "{}")
    client.hset(keys.failures("door"), mapping={"ingest": "cut off", "tracker": "no room", "sink": "a full disk"})
    run.reader.commit(Position(given=1), [], [(1, b"frame")], runs=1)
    run.sink.commit(Position(taken=1), [], [], runs=-1)
    assert client.hgetall(keys.failures("door")) == {"ingest": "cut off"}


@pytest.mark.parametrize("key", [keys.state("ingest", "door"), keys.failures("door")])
def test_a_key_of_another_kind_holds_up_the_end_of_a_run(client, own, key):
    run = Run(client, own)
    client.xadd(keys.scores("door"), {"end": 1}, id="1-1")
    client.set(key, "mine")
    with pytest.raises(BrokerError, match=f"WRONGTYPE.*{key}.*holds a string"):
        run.sink.commit(Position(taken=1), ["1-1"], [], runs=-1)
    assert client.xlen(keys.scores("door")) == 1
    assert not client.exists(keys.state("sink", "door"))


def test_what_was_taken_out_is_forgotten_when_it_is_over(client, own):
    run = Run(client, own)
    run.reader.commit(Position(given=1), [], [(1, b"frame")], runs=1)
    client.hset(keys.counts("door"), "frames", 1)
    client.xadd("affect:emotions:door", {"row": 1})
    run.sink.commit(Position(taken=1), [], [], runs=-1)
    left = {key for key in client.keys("affect:*door") if ":lease:" not in key}
    assert left == {"affect:emotions:door"}


def test_a_run_that_began_meanwhile_keeps_its_source(client, own):
    """Taken out, put in again and taken out: the sink is still at the end of the first run."""
    run = Run(client, own)
    run.reader.commit(Position(given=2), [], [(1, b"frame"), (2, b"end")], runs=1)
    run.reader.commit(Position(given=3), [], [(3, b"frame of the next run")], runs=1)
    run.sink.commit(Position(taken=2), [], [], runs=-1)
    assert run.under_way()
    assert client.xlen(INBOX) == 3
    run.reader.commit(Position(given=4), [], [(4, b"end")])
    run.sink.commit(Position(taken=4), [], [], runs=-1)
    assert not run.under_way()
    assert not client.exists(INBOX)


@pytest.mark.parametrize(
    "key",
    [keys.FACES, keys.PENDING, keys.scores("door"), keys.UNDER_WAY, keys.SOURCES, keys.state("tracker", "door"), INBOX],
)
def test_a_key_of_another_kind_is_named_and_nothing_is_taken(client, own, outbox, key):
    ids = [] if key == INBOX else arrived(client)
    _, ledger = own(inbox=INBOX, outbox=outbox)
    client.set(key, "mine")
    with pytest.raises(BrokerError, match=f"WRONGTYPE.*{key}.*holds a string") as error:
        ledger.commit(Position(taken=1), ids[:1] or ["1-1"], [(1, b"a")])
    assert "\n" not in str(error.value)
    assert client.get(key) == "mine"
    assert client.xlen(INBOX) == len(ids) if key != INBOX else True


@pytest.mark.parametrize("stored", [b"", b"\xc1", b"\x91\xa5later", b"\x92\x63\x00", b"\x95\1\1\1\x90\xa2\xff\xfe"])
def test_a_state_of_another_making_is_refused(client, own, stored):
    client.hset(keys.state("tracker", "door"), "state", stored)
    _, ledger = own()
    with pytest.raises(StateError, match=r"affect:bus:state:tracker:door (cannot be read|was written by another)"):
        ledger.load()
