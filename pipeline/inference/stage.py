"""The inference stage: faces of many frames and sources through the network in one call."""

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from pipeline.inference.classifier import Classifier
from pipeline.messages import End, Faces, Scores


class InferenceStage:
    """Stateless: any number of these may share the work."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    def process(self, inputs: Sequence[Faces | End]) -> list[Scores | End]:
        """Return one ``Scores`` for each ``Faces``, in order; ends pass through."""
        crops = [message.crops for message in inputs if isinstance(message, Faces) and len(message.crops)]
        probabilities = self._classifier(np.concatenate(crops)) if crops else np.zeros((0, 8), np.float32)
        outputs: list[Scores | End] = []
        at = 0
        for message in inputs:
            if isinstance(message, End):
                outputs.append(message)
                continue
            count = len(message.crops)
            outputs.append(
                Scores(
                    # The crops have done their work: pixels go no further than they must.
                    faces=replace(message, crops=message.crops[:0]),
                    probabilities=probabilities[at : at + count],
                    model=self._classifier.id,
                )
            )
            at += count
        return outputs


class FullBatch:
    """Says when enough faces were gathered for one call of the network.

    Frames without faces count a little too, so that a long stretch without any does not grow without bound.
    """

    def __init__(self, faces: int) -> None:
        self._faces = faces

    def __call__(self, messages: Sequence[Faces | End]) -> bool:
        """Return whether ``messages`` hold enough; the end of a run is always enough."""
        if isinstance(messages[-1], End):
            return True
        return len(messages) >= 2 * self._faces or (
            sum(len(message.crops) for message in messages if isinstance(message, Faces)) >= self._faces
        )
