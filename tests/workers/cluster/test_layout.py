import itertools

import pytest

from pipeline.errors import InputError
from pipeline.settings import BusSettings
from workers.cluster.layout import STAGES, inbox, outbox, parse_layout

NEIGHBOURS = [STAGES[first:last] for first, last in itertools.combinations(range(len(STAGES) + 1), 2)]


@pytest.mark.parametrize("stages", NEIGHBOURS, ids="+".join)
def test_neighbours_are_a_layout(stages):
    layout = parse_layout("+".join(stages))
    assert layout.stages == stages
    assert layout.sink == ("sink" in stages)
    # Inference by itself is one of many; between others it is a link of their chain.
    assert layout.pool == (set(stages) - {"sink"} == {"inference"})


@pytest.mark.parametrize("stages", NEIGHBOURS, ids="+".join)
def test_every_chain_publishes_where_the_next_reads(stages):
    chain = parse_layout("+".join(stages)).chain
    if not chain:
        return
    out = outbox(chain, "door", BusSettings())
    assert inbox(chain, "door") == (None if chain[0] == "ingest" else "affect:bus:frames:door")
    last = chain[-1]
    wanted = {"ingest": "affect:bus:frames:door", "tracker": "affect:bus:faces", "inference": "affect:bus:scores:door"}
    assert out.key == wanted[last]
    assert out.shared == (last == "tracker")
    assert out.downstream == "affect:bus:scores:door"


def others():
    chosen = itertools.chain.from_iterable(itertools.permutations(STAGES, number) for number in range(2, 5))
    return ["+".join(stages) for stages in chosen if stages not in NEIGHBOURS]


@pytest.mark.parametrize("text", others())
def test_all_else_is_refused(text):
    with pytest.raises(InputError, match=r"ingest\+tracker\+inference\+sink"):
        parse_layout(text)


@pytest.mark.parametrize("text", ["", "+", "ingest+", "Ingest", "ingest tracker", "ingest+ingest", "detector"])
def test_what_is_no_stage_is_named(text):
    with pytest.raises(InputError, match=r"stage|neighbours"):
        parse_layout(text)
