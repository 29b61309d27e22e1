from contextlib import suppress
from enum import StrEnum

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pipeline.errors import StateError
from pipeline.state import pack, unpack

KINDS = [np.float32, np.float64, np.bool_, np.uint8, np.int16, np.int64]


class Mood(StrEnum):
    GOOD = "good"


class Inner(msgspec.Struct, frozen=True):
    mood: Mood
    values: tuple[float, ...]


class Kept(msgspec.Struct):
    numbers: NDArray[np.float64]
    inner: Inner
    names: dict[str, set[int]]
    last: tuple[NDArray[np.uint8], float] | None = None


KEPT = Kept(
    np.arange(6.0).reshape(2, 3), Inner(Mood.GOOD, (0.1, float("inf"))), {"a": {1, 2}}, (np.eye(3, 4, 1, np.uint8), 0.3)
)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_arrays_keep_type_shape_and_bits(kind, data):
    array = data.draw(hnp.arrays(kind, hnp.array_shapes(min_dims=0, min_side=0)))
    for view in (array, array.T, array[..., ::-1] if array.ndim else array):
        back = unpack(pack("one", 1, [view]), "one", 1, list[NDArray[kind]])[0]
        assert (back.dtype, back.shape, back.tobytes()) == (view.dtype, view.shape, view.tobytes())
        assert back.flags.writeable
        assert back.flags.c_contiguous


def test_structs_keep_everything():
    back = unpack(pack("one", 1, KEPT), "one", 1, Kept)
    assert pack("one", 1, back) == pack("one", 1, KEPT)
    assert (back.inner, back.names) == (KEPT.inner, KEPT.names)
    np.testing.assert_array_equal(back.numbers, KEPT.numbers)
    assert back.last is not None
    np.testing.assert_array_equal(back.last[0], np.eye(3, 4, 1))


@pytest.mark.parametrize(
    ("stage", "version", "message"),
    [
        ("one", 2, "version 1 of the one's, not version 2 of the one's"),
        ("two", 1, "version 1 of the one's, not version 1 of the two's"),
    ],
)
def test_another_version_or_stage_is_refused_whatever_it_holds(stage, version, message):
    with pytest.raises(StateError, match=message):
        unpack(pack("one", 1, "of another kind"), stage, version, Kept)


def test_what_was_laid_out_otherwise_is_refused():
    with pytest.raises(StateError, match="damaged"):
        unpack(pack("one", 1, Inner(Mood.GOOD, ())), "one", 1, Kept)
    with pytest.raises(StateError, match="array of <f4 for one of <f8"):
        unpack(pack("one", 1, [np.zeros(2, np.float32)]), "one", 1, list[NDArray[np.float64]])


@given(st.binary())
def test_garbage_is_refused(garbage):
    with pytest.raises(StateError, match="the stored state of the one is damaged"):
        unpack(garbage, "one", 1, Kept)


@given(st.data())
def test_damage_raises_nothing_but_the_one_error(data):
    state = pack("one", 1, KEPT)
    where = data.draw(st.integers(0, len(state) - 1))
    damaged = data.draw(
        st.just(state[:where]) | st.binary(max_size=4).map(lambda new: state[:where] + new + state[where + 1 :])
    )
    # Some damage only makes other numbers of it.
    with suppress(StateError):
        unpack(damaged, "one", 1, Kept)


def test_nesting_without_end_is_refused():
    with pytest.raises(StateError):
        unpack(b"\x91" * 100_000, "one", 1, Kept)
    with pytest.raises(StateError):
        unpack(b"\x93\xa3one\x01" + b"\x91" * 100_000, "one", 1, Kept)


@pytest.mark.parametrize("value", [object(), np.array(["text"]), np.array([None]), np.array(1j), np.float64(1)])
def test_what_cannot_be_stored_is_said_at_once(value):
    with pytest.raises(TypeError, match="a state cannot hold"):
        pack("one", 1, value)
