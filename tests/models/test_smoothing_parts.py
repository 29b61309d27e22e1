import pytest

from models.smoothing import parts
from models.smoothing.compare import Row
from models.smoothing.measure import Figures
from pipeline.sink import filter as filtering
from pipeline.sink import smoother as smoothing


@pytest.fixture(scope="module")
def few():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "SERIES", 3)
        yield


@pytest.mark.usefixtures("few")
def test_each_part_is_switched_off_alone_and_on_again():
    before = (filtering.OUTLIER, filtering.CHANGE, filtering.LASTING, smoothing._shares)
    rows = {(row.name, row.parameters): row for row in parts.ablate(7000)}

    assert before == (filtering.OUTLIER, filtering.CHANGE, filtering.LASTING, smoothing._shares)
    assert len(rows) == 2 * len(parts.VARIANTS) - 1
    for when in ("live", "replay"):
        whole = rows["whole smoother", when]
        alike = [row for row in rows.values() if (row.figures, row.covered) == (whole.figures, whole.covered)]
        assert alike == [whole]
        slow = rows["changes are not detected", when]
        assert slow.figures.divergence > 1.5 * whole.figures.divergence
        assert rows["odd frames count in full", when].figures.divergence > whole.figures.divergence
        unsure = rows["errors are taken for independent", when]
        assert (unsure.figures, unsure.covered < whole.covered) == (whole.figures, True)
        assert rows["noise is the same at every quality", when].figures != whole.figures
    assert rows["one pass, from the beginning", "replay"].figures.lag > rows["whole smoother", "replay"].figures.lag


@pytest.mark.usefixtures("few")
def test_the_longer_errors_last_the_less_of_the_truth_the_intervals_hold():
    rows = parts.lasting(7000)

    assert [row.name for row in rows[::2]] == [f"errors last {memory:g} s" for memory in parts.MEMORIES]
    for when in ("live", "replay"):
        covered = [row.covered for row in rows if row.parameters == when]
        assert covered == sorted(covered, reverse=True)
        assert covered[-1] < 0.8 < covered[0]


def test_the_table_has_a_line_for_each():
    row = Row("whole smoother", "live", Figures(0.1, 2.0, 0.1, 0.01), 0.9, None)

    assert parts.table("parts", [row, row]).row_count == 2
