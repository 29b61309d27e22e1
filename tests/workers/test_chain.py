import pytest

from pipeline.errors import OutputError, StateError
from workers.chain import Chain


class Sum:
    """Remembers the sum of what it saw, and fails at chosen numbers, after it has remembered them."""

    def __init__(self, fails=None, error=ValueError):
        self.sum = 0
        self.seen = []
        self.fails = dict(fails or {})
        self.error = error

    def process(self, inputs):
        outputs = []
        for number in inputs:
            self.sum += number
            self.seen.append(number)
            if self.fails.get(number, 0) > 0:
                self.fails[number] -= 1
                raise self.error(f"cannot take {number}")
            outputs.append(self.sum)
        return outputs

    def state(self):
        return str(self.sum).encode()

    def restore(self, state):
        if not state.isdigit():
            raise StateError("not a sum")
        self.sum = int(state)


class Double:
    def process(self, inputs):
        return [2 * one for one in inputs]


@pytest.fixture
def given_up():
    return []


@pytest.fixture
def chain(given_up):
    def make(*stages, tries=3):
        return Chain(stages, tries, lambda message, error: given_up.append((message, str(error))) or ())

    return make


def test_stages_follow_each_other(chain):
    made = chain(Sum(), Double())
    assert made.process([1, 2]) == [2, 6]
    assert made.process([]) == ()
    assert made.states() == (b"3",)


def test_a_passing_failure_changes_nothing(chain, given_up):
    first, second = Sum({3: 2}), Sum()
    made = chain(first, Double(), second)
    assert made.process([1, 2]) == [2, 8]
    assert made.process([3, 4]) == [8 + 12, 8 + 12 + 20]
    assert given_up == []
    assert made.states() == (b"10", b"40")


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_one_that_always_fails_is_given_up_and_leaves_no_trace(chain, given_up, at):
    stage = Sum({at: 99})
    made = chain(Double(), stage, tries=3)
    stage.fails = {2 * at: 99}
    outputs = [made.process(step) for step in ([1, 2], [3, 4])]
    kept = [2 * number for number in (1, 2, 3, 4) if number != at]
    assert [one for step in outputs for one in step] == [sum(kept[: i + 1]) for i in range(3)]
    assert given_up == [(at, f"cannot take {2 * at}")]
    assert stage.seen.count(2 * at) == 1 + 3
    assert made.states() == (str(sum(kept)).encode(),)


def test_what_was_done_since_the_state_was_last_asked_for_is_kept(chain, given_up):
    """A sink's state is stored only now and then."""
    made = chain(Sum({4: 99}))
    assert made.states() == (b"0",)
    made.process([1])
    made.process([2])
    assert made.process([4]) == []
    assert made.process([8]) == [11]


def test_errors_made_on_purpose_pass_through(chain, given_up):
    stage = Sum({1: 99}, OutputError)
    with pytest.raises(OutputError, match="cannot take 1"):
        chain(stage).process([1])
    assert stage.seen == [1]
    assert given_up == []


def test_a_chain_goes_on_where_another_was(chain):
    first = chain(Sum(), Double(), Sum())
    first.process([1, 2])
    second = chain(Sum(), Double(), Sum())
    second.restore(first.states())
    assert second.process([3]) == first.process([3])
    with pytest.raises(StateError):
        second.restore([b"x", b"1"])
