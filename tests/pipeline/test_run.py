from pathlib import Path

from pipeline.run import file_run, live_run
from pipeline.settings import (
    BusSettings,
    DetectorSettings,
    EmotionSettings,
    IngestSettings,
    PipelineSettings,
    RedisSettings,
)

HASHES = ("a", "b")


def clip(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_content_networks_and_settings_decide(tmp_path):
    one = file_run(clip(tmp_path, "one.mp4", b"video"), PipelineSettings(), HASHES)
    assert file_run(clip(tmp_path, "renamed.mp4", b"video"), PipelineSettings(), HASHES) == one
    assert file_run(clip(tmp_path, "other.mp4", b"other"), PipelineSettings(), HASHES) != one
    assert file_run(tmp_path / "one.mp4", PipelineSettings(), ("a", "c")) != one
    sampled = PipelineSettings(ingest=IngestSettings(fps=5))
    assert file_run(tmp_path / "one.mp4", sampled, HASHES) != one
    seldom = PipelineSettings(detector=DetectorSettings(every=2))
    assert file_run(tmp_path / "one.mp4", seldom, HASHES) != one


def test_settings_that_change_no_row_do_not_count(tmp_path):
    path = clip(tmp_path, "one.mp4", b"video")
    elsewhere = PipelineSettings(
        redis=RedisSettings(url="none"), emotion=EmotionSettings(latency=0.2), bus=BusSettings(frames="raw", pending=1)
    )
    assert file_run(path, elsewhere, HASHES) == file_run(path, PipelineSettings(), HASHES)


def test_frames_that_were_changed_on_their_way_make_another_run(tmp_path):
    path = clip(tmp_path, "one.mp4", b"video")
    exact = file_run(path, PipelineSettings(), HASHES)
    assert exact == file_run(path, PipelineSettings(), HASHES, via="")
    assert len({exact, *(file_run(path, PipelineSettings(), HASHES, via) for via in ("jpeg90", "jpeg75"))}) == 3


def test_live_runs_are_unique():
    assert len({live_run() for _ in range(50)}) == 50
