def test_the_help_says_what_is_measured(affectstream):
    ended = affectstream("evaluate", "smoothing", "--help")

    assert ended.code == 0
    assert "affectstream evaluate smoothing --parquet results" in ended.out


def test_a_folder_without_tracks_is_named(affectstream, tmp_path):
    ended = affectstream("evaluate", "smoothing", "--parquet", tmp_path / "nowhere")

    assert ended.code != 0
    assert "nowhere" in ended.err
    assert "--out folder" in ended.err


def test_series_that_constants_were_chosen_on_are_refused(affectstream):
    assert affectstream("evaluate", "smoothing", "--seed", 1000).code == 2
