"""An expression network with its card: crops in, distributions over the eight expressions out."""

from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from pipeline.card import EmotionCard, emotion_card, shipped
from pipeline.errors import ModelError
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
        self._check()

    @classmethod
    def load(cls, settings: EmotionSettings, runtime: RuntimeSettings) -> "Classifier":
        """Open the network that the settings name, or the one shipped.

        Raises:
            InputError: file or card is missing, or the execution provider is.
            ModelError: file and card do not fit each other.
        """
        path = settings.model or shipped("emotion")
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
        tensor: NDArray[Any] = batch[:, None] if spec.layout == "NCHW" else batch[..., None]
        if spec.channels == 3:
            tensor = np.repeat(tensor, 3, axis=1 if spec.layout == "NCHW" else 3)
        if spec.dtype == "float32":
            low, high = spec.range
            tensor = tensor * np.float32((high - low) / 255) + np.float32(low)
        output = self._session.run([self.card.output.name], {spec.name: tensor})[0][:count]
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

    def _check(self) -> None:
        """Run one empty face, so that a card that does not fit says so now rather than in mid-stream."""
        names = [tensor.name for tensor in self._session.get_inputs()]
        outputs = [tensor.name for tensor in self._session.get_outputs()]
        if names != [self.card.input.name] or self.card.output.name not in outputs:
            raise ModelError(
                f"the card of {self.card.name!r} names input {self.card.input.name!r} and output "
                f"{self.card.output.name!r}, but the network has {names} and {outputs}"
            )
        try:
            output = self._session.run([self.card.output.name], {self.card.input.name: self._blank(2)})[0]
        except Exception as error:
            raise ModelError(
                f"the network {self.card.name!r} refuses what its card describes "
                f"({self.card.input.dtype}, {self.card.input.layout}, {self.size} px): {str(error).splitlines()[0]}"
            ) from error
        if np.shape(output) != (2, len(self.card.labels)):
            raise ModelError(
                f"the network {self.card.name!r} gives {np.shape(output)} for two faces, "
                f"but its card has {len(self.card.labels)} labels"
            )

    def _blank(self, count: int) -> NDArray[Any]:
        spec = self.card.input
        plane = (self.size, self.size)
        shape = (spec.channels, *plane) if spec.layout == "NCHW" else (*plane, spec.channels)
        return np.zeros((count, *shape), spec.dtype)
