"""The networks of a process, opened once and shared by its workers.

What follows faces is imported when it is asked for: filterpy takes longer to load than all the rest together, and
processes that only infer or only write do without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pipeline.inference.classifier import Classifier
from pipeline.inference.stage import InferenceStage
from pipeline.ingest.failures import explain
from pipeline.ingest.source import Source
from pipeline.run import file_run
from pipeline.sink.stage import SinkStage
from pipeline.tally import Tally
from pipeline.tracker.detector import Detector
from pipeline.tracker.opened import open_detector
from workers.config import Config, of_source

if TYPE_CHECKING:
    from pipeline.tracker.describer import Describer
    from pipeline.tracker.finder import Finder
    from pipeline.tracker.follower import Follower
    from pipeline.tracker.stage import TrackerStage


@dataclass(frozen=True)
class Engine:
    """Opened networks, and the stages made of them."""

    config: Config
    """Everything that is set, with what the networks' cards say where it was left open."""
    detector: Detector
    classifier: Classifier
    threshold: float
    """Score of a sure detection."""
    hashes: tuple[str, str]
    """SHA-256 of the detector's file, and ``EmotionCard.perception``."""

    @classmethod
    def load(cls, config: Config) -> Self:
        """Open the networks that are configured, or those shipped.

        Raises:
            InputError: a file or the execution provider is missing, or what is set contradicts a card.
            ModelError: a file is not a network of its kind, or not the one that its card describes.
        """
        opened = open_detector(config)
        classifier = Classifier.load(config.emotion, config.runtime)
        sure = config.detector.model_copy(update={"threshold": opened.threshold})
        return cls(
            config=config.model_copy(update={"detector": sure, "tracker": opened.tracking}),
            detector=opened.detector,
            classifier=classifier,
            threshold=opened.threshold,
            hashes=(opened.sha256, classifier.card.perception),
        )

    def run_of(self, source: Source, via: str = "") -> str:
        """Return the id of the run that reads a file, by its own settings where it has any; see ``file_run``.

        Raises:
            SourceError: it cannot be read; it may have gone since it was named.
        """
        try:
            return file_run(source.path, of_source(source, self.config), self.hashes, via)
        except OSError as error:
            raise explain(error, source) from None

    def tracker(self, tally: Tally) -> TrackerStage:
        """Make a tracker stage; several may share the detector."""
        from pipeline.tracker.stage import TrackerStage

        return TrackerStage(
            self.detector,
            self.config.tracker,
            threshold=self.threshold,
            template=self.classifier.template,
            size=self.classifier.size,
            tally=tally,
            every=self.config.detector.every,
        )

    def finder(self) -> Finder:
        """Make what the tracker does with a frame before it follows."""
        from pipeline.tracker.finder import Finder

        return Finder(self.detector)

    def follower(self) -> Follower:
        """Make what follows the faces of one run."""
        from pipeline.tracker.follower import Follower
        from pipeline.tracker.tracker import Tracker

        tracking = self.config.tracker
        return Follower(Tracker(tracking, self.threshold), tracking.min_quality)

    def describer(self) -> Describer:
        """Make what the tracker does with a frame after it has followed."""
        from pipeline.tracker.describer import Describer

        return Describer(self.classifier.template, self.classifier.size)

    def inference(self) -> InferenceStage:
        """Make the inference stage."""
        return InferenceStage(self.classifier)

    def sink(self, tally: Tally) -> SinkStage:
        """Make the sink stage."""
        return SinkStage(self.config.smoother, self.config.smoother.lag, tally)
