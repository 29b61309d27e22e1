"""The detector that the settings name, opened, and what its card says where the settings leave it open."""

from typing import Final, NamedTuple

from pipeline.card import DetectorCard, detector_card, network_file
from pipeline.errors import InputError
from pipeline.onnx import checked_hash, file_hash, open_session
from pipeline.settings import DetectorSettings, PipelineSettings, TrackerSettings
from pipeline.tracker.detector import Detector

CARDLESS_THRESHOLD: Final = 0.6
"""Score of a sure face for a detector that comes without a card, such as OpenCV's own YuNet file."""


class Opened(NamedTuple):
    """A detector, and all that following its faces depends on."""

    detector: Detector
    threshold: float
    """Score of a sure detection."""
    tracking: TrackerSettings
    sha256: str
    """Of the network's file."""


def open_detector(settings: PipelineSettings) -> Opened:
    """Open the detector that the settings name, or the one shipped.

    Raises:
        InputError: the file or the execution provider is missing, or ``low`` is above the score of a sure face.
        ModelError: the file is no face detector, or not the one that its card describes.
    """
    chosen = settings.detector
    path = network_file("detector", chosen.model)
    detector = Detector(open_session(path, settings.runtime), low=chosen.low, overlap=chosen.overlap)
    card = detector_card(path)
    digest = file_hash(path) if card is None else checked_hash(path, card.sha256)
    return Opened(detector, _threshold(card, chosen), _tracking(card, settings.tracker), digest)


def _threshold(card: DetectorCard | None, settings: DetectorSettings) -> float:
    """Return the score of a sure detection: the setting, else the card's, else that of a network without card."""
    if settings.threshold is not None:
        return settings.threshold
    threshold = CARDLESS_THRESHOLD if card is None else card.threshold
    if threshold < settings.low:
        whose = "the default for detectors without a card" if card is None else "the card of the face detector"
        raise InputError(
            f"{whose}: threshold = {threshold:g} is below low = {settings.low:g}; lower detector.low, or set "
            "detector.threshold"
        )
    return threshold


def _tracking(card: DetectorCard | None, settings: TrackerSettings) -> TrackerSettings:
    """Return the settings with what the detector's card says where they leave it open."""
    if settings.birth is not None or card is None:
        return settings
    return settings.model_copy(update={"birth": card.birth})
