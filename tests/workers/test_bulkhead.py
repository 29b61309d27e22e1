import numpy as np
import pytest
from msgspec.structs import replace

from pipeline.errors import ModelError
from pipeline.ingest.source import parse_source
from pipeline.messages import End
from pipeline.tally import Count, Tally
from tests import networks
from tests.messages import faces
from workers.bulkhead import HOPELESS, Bulkhead
from workers.config import load_config
from workers.engine import Engine


@pytest.fixture
def engine(tmp_path):
    return Engine.load(load_config(None, {"emotion": {"model": networks.classifier(tmp_path, least=122.0)}}))


def lit(source, frame, luma, count=2):
    """Faces of which each pixel is alike."""
    made = faces(count, frame, source=source)
    return replace(made, crops=np.full_like(made.crops, luma), ended=("r1-9",))


def test_a_network_that_can_work_on_nothing_any_more_ends_the_work(engine, monkeypatch):
    monkeypatch.setattr("workers.bulkhead.PATIENCE", 0.0)
    tally = Tally()
    bulkhead = Bulkhead(engine, [parse_source(f"rtsp://host/{name}", name=name) for name in ("door", "gate")], tally)
    stage = bulkhead.inference()

    def fail(frames, start=0):
        for frame in range(start, start + frames):
            stage.process([lit("door", frame, 50), lit("gate", frame, 200, count=0)])

    fail(HOPELESS - 1)
    stage.process([lit("gate", HOPELESS, 200)])  # it can work on others
    fail(HOPELESS - 1)
    with pytest.raises(ModelError, match="not finite"):
        fail(1)
    assert tally.of("door")[Count.POISON] == 2 * (HOPELESS - 1)


def test_faces_of_which_a_network_makes_nothing_harm_none_of_their_batch(engine, caplog):
    tally = Tally()
    bulkhead = Bulkhead(engine, [parse_source(f"rtsp://host/{name}", name=name) for name in ("door", "gate")], tally)
    messages = [lit("door", 0, 200), lit("gate", 0, 200), lit("door", 1, 50), lit("gate", 1, 200), lit("door", 2, 50)]
    *scores, end = bulkhead.inference().process([*messages, End("door", "r1", complete=False)])
    assert end == End("door", "r1", complete=False)
    assert [one.faces.stamp for one in scores] == [message.stamp for message in messages]
    assert [len(one.faces.tracks) for one in scores] == [2, 2, 0, 2, 0]
    for one in scores:
        assert len(one.probabilities) == len(one.faces.tracks) == len(one.faces.boxes) == len(one.faces.quality)
        assert one.faces.ended == ("r1-9",)  # nothing else tells of it
        assert one.model == engine.classifier.id
    assert [tally.of(source)[Count.POISON] for source in ("door", "gate")] == [2, 0]
    assert caplog.messages == ["door: the network 'tiny' gave values that are not finite; use another --emotion"]
