import numpy as np
import pytest

from pipeline.inference.classifier import Classifier
from pipeline.inference.stage import FullBatch, InferenceStage
from pipeline.messages import End
from pipeline.settings import EmotionSettings, RuntimeSettings
from tests import networks
from tests.messages import faces

END = End("door", "r1", complete=True)


@pytest.fixture
def classifier(tmp_path):
    return Classifier.load(EmotionSettings(model=networks.classifier(tmp_path)), RuntimeSettings())


def test_each_frame_gets_the_rows_of_its_own_faces(classifier):
    frames = [faces(2, 0), faces(0, 1), faces(40, 2), faces(1, 3, source="gate")]
    outputs = InferenceStage(classifier).process([*frames[:2], END, *frames[2:]])
    assert outputs[2] is END
    scores = [output for output in outputs if output is not END]
    for frame, score in zip(frames, scores, strict=True):
        assert score.faces.tracks == frame.tracks
        assert score.faces.stamp == frame.stamp
        np.testing.assert_allclose(score.probabilities, classifier(frame.crops), atol=1e-6)
        assert score.model == classifier.id


def test_pixels_go_no_further(classifier):
    (score,) = InferenceStage(classifier).process([faces(3)])
    assert score.faces.crops.size == 0


@pytest.mark.parametrize(
    ("messages", "enough"),
    [
        ([faces(3)], False),
        ([faces(4)], True),
        ([faces(300)], True),
        ([faces(2), faces(2)], True),
        ([faces(0)] * 7, False),
        ([faces(0)] * 8, True),
        ([faces(1), END], True),
    ],
)
def test_a_batch_is_full_by_faces_by_frames_or_at_an_end(messages, enough):
    assert FullBatch(4)(messages) is enough
