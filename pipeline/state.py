"""What a stage remembers, as bytes: another process goes on from them exactly where the first one was killed.

A state is MessagePack: an array of the stage's name, the version of its layout, and the layout itself. Layouts are
msgspec structs, which tell what may be in them, so that reading one never runs code of its making as pickle would.
Arrays are stored as type string, shape and bytes (those of NumPy's ``.npy`` header), so that not a bit is lost.
"""

from typing import Any, Final, Protocol, TypeVar, get_args, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StateError

Layout = TypeVar("Layout")

WAY_OUT: Final = "have the source forgotten (affectstream sources remove --forget)"
"""What to do where a stored state cannot be gone on from."""

KINDS: Final = "biuf"
"""Kinds of arrays that a state may hold: booleans, whole numbers and floats."""


@runtime_checkable
class Stateful(Protocol):
    """A stage whose later outputs depend on earlier inputs."""

    def state(self) -> bytes:
        """Return all that later outputs depend on, besides later inputs and how the stage was made."""
        ...

    def restore(self, state: bytes) -> None:
        """Go on from a ``state`` of a stage that was made alike, and forget what was remembered before.

        Raises ``StateError``, with nothing changed, if ``state`` is another stage's, of another version, or damaged.
        """
        ...


class _Envelope(msgspec.Struct, array_like=True):
    stage: str
    version: int
    content: msgspec.Raw


def pack(stage: str, version: int, content: Any) -> bytes:
    """Return the state of ``stage``: ``content``, made of structs, containers, plain values and arrays.

    ``version``: of the layout; to be raised whenever the types of ``content`` or their meaning change. Raises
    ``TypeError`` for what cannot be stored.
    """
    return _ENCODER.encode(_Envelope(stage, version, msgspec.Raw(_ENCODER.encode(content))))


def unpack(state: bytes, stage: str, version: int, layout: type[Layout]) -> Layout:
    """Return the ``content`` of ``pack``, arrays in memory of their own; raises ``StateError``."""
    try:
        envelope = msgspec.msgpack.decode(state, type=_Envelope)
        if (envelope.stage, envelope.version) == (stage, version):
            return msgspec.msgpack.decode(envelope.content, type=layout, dec_hook=_from_parts)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StateError(f"the stored state of the {stage} is damaged ({error}); {WAY_OUT}") from error
    raise StateError(
        f"the stored state is version {envelope.version} of the {envelope.stage}'s, not version {version} of the"
        f" {stage}'s; go on with the program that stored it, or {WAY_OUT}"
    )


def _to_parts(value: Any) -> tuple[str, tuple[int, ...], bytes]:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in KINDS:
        raise TypeError(f"a state cannot hold {getattr(value, 'dtype', type(value).__name__)}")
    return value.dtype.str, value.shape, value.tobytes()


def _from_parts(kind: Any, parts: Any) -> NDArray[np.generic]:
    """Undo ``_to_parts``; ``kind`` is the array's type as annotated, ``NDArray[...]``."""
    name, shape, content = msgspec.convert(parts, tuple[str, tuple[int, ...], bytes])
    (scalar,) = get_args(get_args(kind)[1])
    dtype = np.dtype(scalar)
    if name != dtype.str:
        raise ValueError(f"array of {name} for one of {dtype.str}")
    return np.frombuffer(content, dtype).reshape(shape).copy()


_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=_to_parts)
