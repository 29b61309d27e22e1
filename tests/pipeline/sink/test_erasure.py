import logging

import pandas as pd

from pipeline.sink.erasure import Selection, erase, losses
from tests.disk import FolderSync
from tests.outputs import write_output


def test_all_is_erased_where_folders_cannot_be_synced_and_told_that_it_may_come_back(tmp_path, monkeypatch, caplog):
    for source in ("door", "hall"):
        write_output(tmp_path, 3, source=source)
    FolderSync(monkeypatch)
    with caplog.at_level(logging.WARNING):
        for selection in (Selection("door", frozenset({"r1-1"})), Selection("hall")):
            found = losses(tmp_path, selection)
            assert found
            for loss in found:
                erase(loss, selection)
    left = pd.read_parquet(tmp_path / "emotions")
    assert set(zip(left["source"], left["track"], strict=True)) == {("door", "r1-0"), ("door", "r1-2")}
    assert "a power cut may undo what was just written or deleted there" in caplog.text
