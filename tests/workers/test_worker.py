import pytest

from pipeline.channel import Channel, Closed, MemoryLink, one
from workers.worker import Worker


class Double:
    def process(self, inputs):
        return [2 * item for item in inputs]


class Broken:
    def process(self, inputs):
        raise ZeroDivisionError


def linked(items):
    inbox, outbox = Channel(10), Channel(10)
    for item in items:
        inbox.put(item)
    inbox.finish()
    return MemoryLink(inbox, outbox), inbox, outbox


def test_reads_computes_and_commits_until_the_inbox_ends():
    link, _, outbox = linked([1, 2, 3])
    Worker("double", Double(), link).run()
    assert [outbox.take(one, 0)[0] for _ in range(3)] == [2, 4, 6]
    with pytest.raises(Closed):
        outbox.take(one, 0)


def test_ends_quietly_when_nobody_takes_its_output():
    link, _, outbox = linked([1])
    outbox.abandon()
    Worker("double", Double(), link).run()


def test_a_failure_is_raised_and_both_neighbours_are_told():
    link, inbox, outbox = linked([1])
    with pytest.raises(ZeroDivisionError):
        Worker("broken", Broken(), link).run()
    with pytest.raises(Closed):
        inbox.put(2)
    with pytest.raises(Closed):
        outbox.take(one, 0)
