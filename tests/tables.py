"""Tables that two ways of reading the same video must give."""

import pandas as pd


def assert_alike(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Two tables are the same to the last bit, save what networks say: they add up otherwise in other batches."""
    said = one.filter(regex="^([ps]_|intensity|entropy|share)").columns
    one, other = one.reset_index(drop=True), other.reset_index(drop=True)
    pd.testing.assert_frame_equal(one.drop(columns=said), other.drop(columns=said), check_exact=True)
    pd.testing.assert_frame_equal(one[said], other[said], atol=1e-5, rtol=0)
    assert_whole(one)


def assert_whole(table: pd.DataFrame) -> None:
    """There is a value in every place."""
    assert not table.isna().any(axis=None)
