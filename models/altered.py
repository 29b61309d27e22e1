"""Parts of the pipeline switched off for a while, to see what each is worth."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def altered(module: ModuleType, **values: Any) -> Iterator[None]:
    """Give names of a module other values until the block ends."""
    before = {name: getattr(module, name) for name in values}
    for name, value in values.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)
