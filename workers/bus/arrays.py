"""Arrays as bytes in C order, little endian, and back; types and shapes are known to both ends, and checked by them.

Wherever a ``name`` is asked for it is what errors call the array.
"""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import MessageError
from pipeline.messages import Floats
from workers.bus.jpeg import LONGEST


def packed(name: str, array: NDArray[Any], dtype: type[np.generic], shape: tuple[int, ...]) -> memoryview:
    """Return the bytes of an array; raises ``MessageError`` where it is not of this type and shape."""
    check(name, array, dtype, shape)
    return np.ascontiguousarray(array, np.dtype(dtype).newbyteorder("<")).data


def check(name: str, array: NDArray[Any], dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    """Raise ``MessageError`` where an array is of another type or shape, or a side but the first is too long."""
    if array.dtype != dtype or array.shape != shape:
        raise MessageError(f"{name}: {array.dtype} {array.shape} instead of {np.dtype(dtype)} {shape}")
    if not all(1 <= side <= LONGEST for side in shape[1:]):
        raise MessageError(f"{name}: sides of 1 to {LONGEST} are wanted, not {shape}")


def viewed(name: str, data: memoryview, dtype: type[np.generic], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the array of this type and shape that ``data`` holds, a view of it.

    Raises ``MessageError`` where it holds more or less.
    """
    kind = np.dtype(dtype).newbyteorder("<")
    length = prod(shape) * kind.itemsize
    if len(data) != length:
        raise MessageError(f"{name}: {len(data)} bytes instead of {length} for {shape}")
    return np.ndarray(shape, kind, data)


def floats(name: str, data: memoryview, shape: tuple[int, ...]) -> Floats:
    """Return a copy of the float32 that ``data`` holds; see ``viewed``."""
    # Within a message floats lie at any address, which not every library takes.
    return viewed(name, data, np.float32, shape).astype(np.float32)
