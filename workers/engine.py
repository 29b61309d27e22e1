"""The networks of a process, opened once and shared by its workers.

What follows faces is imported when it is asked for: filterpy takes longer to load than all the rest together, and
processes that only infer or only write do without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pipeline.card import DetectorCard, detector_card, network_file
from pipeline.inference.classifier import Classifier
from pipeline.inference.stage import InferenceStage
from pipeline.ingest.failures import explain
from pipeline.ingest.source import Source
from pipeline.onnx import checked_hash, file_hash, open_session
from pipeline.run import file_run
from pipeline.settings import DetectorSettings, PipelineSettings, TrackerSettings
from pipeline.sink.stage import SinkStage
from pipeline.tally import Tally
from pipeline.tracker.detector import Detector

if TYPE_CHECKING:
    from pipeline.tracker.describer import Describer
    from pipeline.tracker.finder import Finder
    from pipeline.tracker.follower import Follower
    from pipeline.tracker.stage import TrackerStage

CARDLESS_THRESHOLD = 0.6
"""Score of a sure face for a detector that comes without a card, such as OpenCV's own YuNet file."""


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
            ModelError: a file is not a network of its kind, or not the one that its card describes.
        """
        path = network_file("detector", settings.detector.model)
        detector = Detector(
            open_session(path, settings.runtime), low=settings.detector.low, overlap=settings.detector.overlap
        )
        card = detector_card(path)
        digest = file_hash(path) if card is None else checked_hash(path, card.sha256)
        classifier = Classifier.load(settings.emotion, settings.runtime)
        return cls(
            settings=settings.model_copy(update={"tracker": tracking(card, settings.tracker)}),
            detector=detector,
            classifier=classifier,
            threshold=threshold_of(card, settings.detector),
            hashes=(digest, classifier.card.sha256),
        )

    def run_of(self, source: Source, via: str = "") -> str:
        """Return the id of the run that reads a file, by its own settings where it has any; see ``file_run``.

        Raises:
            SourceError: it cannot be read; it may have gone since it was named.
        """
        settings = self.settings.model_copy(update={"ingest": source.settings, "detector": source.detector})
        try:
            return file_run(source.path, settings, self.hashes, via)
        except OSError as error:
            raise explain(error, source) from None

    def tracker(self, tally: Tally) -> TrackerStage:
        """Make a tracker stage; several may share the detector."""
        from pipeline.tracker.stage import TrackerStage

        settings = self.settings
        return TrackerStage(
            self.detector,
            settings.tracker,
            threshold=self.threshold,
            template=self.classifier.template,
            size=self.classifier.size,
            tally=tally,
            every=settings.detector.every,
        )

    def finder(self) -> Finder:
        """Make what the tracker does with a frame before it follows."""
        from pipeline.tracker.finder import Finder

        return Finder(self.detector)

    def follower(self) -> Follower:
        """Make what follows the faces of one run."""
        from pipeline.tracker.follower import Follower

        return Follower(self.settings.tracker, self.threshold)

    def describer(self) -> Describer:
        """Make what the tracker does with a frame after it has followed."""
        from pipeline.tracker.describer import Describer

        return Describer(self.classifier.template, self.classifier.size)

    def inference(self) -> InferenceStage:
        """Make the inference stage."""
        return InferenceStage(self.classifier)

    def sink(self, tally: Tally) -> SinkStage:
        """Make the sink stage."""
        return SinkStage(self.settings.smoother, self.settings.smoother.lag, tally)


def tracking(card: DetectorCard | None, settings: TrackerSettings) -> TrackerSettings:
    """Return the settings with what the detector's card says where they leave it open."""
    if settings.sure is not None or card is None:
        return settings
    return settings.model_copy(update={"sure": card.sure})


def threshold_of(card: DetectorCard | None, settings: DetectorSettings) -> float:
    """Return the score of a sure detection: the setting, else the card's, else that of a network without card."""
    if settings.threshold is not None:
        return settings.threshold
    return CARDLESS_THRESHOLD if card is None else card.threshold
