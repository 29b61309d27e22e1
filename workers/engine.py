"""The networks of a process, opened once and shared by its workers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pipeline.card import DetectorCard, read_card, shipped
from pipeline.errors import ModelError
from pipeline.inference.classifier import Classifier
from pipeline.inference.stage import InferenceStage
from pipeline.onnx import file_hash, open_session
from pipeline.settings import DetectorSettings, PipelineSettings
from pipeline.sink.stage import SinkStage
from pipeline.tally import Tally
from pipeline.tracker.detector import Detector
from pipeline.tracker.stage import TrackerStage

CARDLESS_THRESHOLD = 0.6
"""Score of a sure face for a detector that comes without a card, such as OpenCV's own YuNet file."""

REPLAY_LAG = 2.0
"""s of future that smoothing uses in replay unless set: six time constants, after which more changes nothing."""


@dataclass(frozen=True)
class Engine:
    """Opened networks, and the stages made of them."""

    settings: PipelineSettings
    detector: Detector
    classifier: Classifier
    threshold: float
    """Score of a sure detection."""
    hashes: tuple[str, str]
    """SHA-256 of the detector's and of the emotion network's file."""

    @classmethod
    def load(cls, settings: PipelineSettings) -> Self:
        """Open the networks that the settings name, or those shipped.

        Raises:
            InputError: a file or the execution provider is missing.
            ModelError: a file is not a network of its kind.
        """
        path = settings.detector.model or shipped("detector")
        classifier = Classifier.load(settings.emotion, settings.runtime)
        return cls(
            settings=settings,
            detector=Detector(
                open_session(path, settings.runtime),
                low=settings.detector.low,
                overlap=settings.detector.overlap,
            ),
            classifier=classifier,
            threshold=threshold_of(path, settings.detector),
            hashes=(file_hash(path), classifier.card.sha256),
        )

    def tracker(self, tally: Tally) -> TrackerStage:
        """Make a tracker stage; several may share the detector."""
        settings = self.settings
        return TrackerStage(
            self.detector,
            settings.tracker,
            threshold=self.threshold,
            template=self.classifier.template,
            size=self.classifier.size,
            tally=tally,
        )

    def inference(self) -> InferenceStage:
        """Make the inference stage."""
        return InferenceStage(self.classifier)

    def sink(self, tally: Tally, *, live: bool) -> SinkStage:
        """Make the sink stage; replay may look ahead when it smooths."""
        lag = self.settings.smoother.lag
        if lag is None:
            lag = 0.0 if live else REPLAY_LAG
        return SinkStage(self.settings.smoother, lag=lag, tally=tally)


def threshold_of(path: Path, settings: DetectorSettings) -> float:
    """Return the score of a sure detection: the setting, else the card's, else that of a network without card."""
    if settings.threshold is not None:
        return settings.threshold
    if not path.with_suffix(".json").exists():
        return CARDLESS_THRESHOLD
    card = read_card(path)
    if not isinstance(card, DetectorCard):
        raise ModelError(f"{path.name!r} is an expression network by its card, not a face detector")
    return card.threshold
