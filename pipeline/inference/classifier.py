"""An expression network with its card: crops in, distributions over the eight expressions out."""

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from pipeline.card import EmotionCard, emotion_card, network_file
from pipeline.errors import ModelError
from pipeline.inference.contract import CHECKS, tensor
from pipeline.labels import LABELS
from pipeline.messages import Bytes, Floats
from pipeline.onnx import checked_hash, open_session
from pipeline.settings import EmotionSettings, RuntimeSettings


class Classifier:
    """Runs an expression network on any number of crops.

    Batches are padded to powers of two up to ``settings.batch``: ONNX Runtime plans its memory per input shape, and
    a handful of shapes keeps it both small and fast.
    """

    def __init__(self, card: EmotionCard, session: ort.InferenceSession, *, batch: int) -> None:
        self.card = card
        self._session = session
        self._batch = batch
        self._columns = [LABELS.index(label) if label in LABELS else None for label in card.labels]
        # Now rather than in mid-stream.
        for check in CHECKS.values():
            check(card, session)

    @classmethod
    def load(cls, settings: EmotionSettings, runtime: RuntimeSettings) -> "Classifier":
        """Open the network that the settings name.

        Raises:
            InputError: file, card or execution provider is missing, or a name is no variant's.
            ModelError: file and card do not fit each other (see ``contract``).
        """
        path = network_file("emotion", settings.model)
        card = emotion_card(path)
        session = open_session(path, runtime)
        checked_hash(path, card.sha256)
        return cls(card, session, batch=settings.batch)

    @property
    def id(self) -> str:
        """Name and hash of the network, as rows carry it."""
        return self.card.id

    @property
    def size(self) -> int:
        """Side of the crops wanted, px."""
        return self.card.input.size

    @property
    def template(self) -> Floats:
        """(5, 2) mean landmarks of the training faces, px of a crop of side ``size``."""
        points = np.asarray(self.card.alignment.template, np.float32)
        return points * np.float32(self.size / self.card.alignment.frame)

    def __call__(self, crops: Bytes) -> Floats:
        """Return the (n, 8) distributions of (n, S, S) uint8 crops; each row sums to 1."""
        chunks = [self._run(crops[at : at + self._batch]) for at in range(0, len(crops), self._batch)]
        return np.concatenate(chunks) if chunks else np.zeros((0, len(LABELS)), np.float32)

    def _run(self, crops: Bytes) -> Floats:
        count = len(crops)
        padded = min(self._batch, 1 << (count - 1).bit_length())
        batch = np.zeros((padded, self.size, self.size), np.uint8)
        batch[:count] = crops
        spec = self.card.input
        output = self._session.run([self.card.output.name], {spec.name: tensor(spec, batch)})[0][:count]
        return self._distribution(np.asarray(output, np.float64))

    def _distribution(self, output: NDArray[np.float64]) -> Floats:
        if not np.isfinite(output).all():
            raise ModelError(f"the network {self.card.name!r} gave values that are not finite; use another --emotion")
        if self.card.output.kind == "logits":
            output = np.exp(output - output.max(axis=1, keepdims=True))
        result = np.zeros((len(output), len(LABELS)))
        for source, column in enumerate(self._columns):
            if column is not None:
                result[:, column] = output[:, source]
        total = result.sum(axis=1, keepdims=True)
        # A network with labels beyond the eight may give them all the mass: then nothing is known of the eight.
        even = np.full(result.shape, 1 / len(LABELS))
        np.divide(result, total, out=even, where=total > 0)
        return even.astype(np.float32)
