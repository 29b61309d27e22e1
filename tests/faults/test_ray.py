"""A replay on a Ray cluster of two nodes, one of which is killed in the middle of it."""

import os
import threading

import pandas as pd
import pytest

from pipeline.ingest.source import expand
from tests import video
from tests.tables import assert_alike
from tests.workers.films import film
from workers.config import load_config
from workers.engine import Engine
from workers.replay.archive import replay_side_by_side
from workers.replay.executor import TaskLost
from workers.replay.file import replay
from workers.replay.outcome import Status
from workers.replay.ray_cluster import RETRIES, RayCluster, everywhere

pytest.importorskip("ray", reason="Ray is not installed; pip install '.[ray]'")
# Ray leaves sockets and files of its own open when it ends.
pytestmark = pytest.mark.filterwarnings("default")

LEAST = 0.8
"""s of video in a part."""


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one CPU each, and none where the replay was started."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    film(folder / "long.mp4", [2 + n / 25 for n in range(100)], gop=20)
    for number in range(2):
        film(folder / f"short-{number}.mp4", [4 + number + n / 25 for n in range(20)], gop=20)
    return folder


def config(out):
    return load_config(None, {"out": out, "redis": {"url": "none"}, "parquet": {"part_rows": 20}})


def rows(out, table):
    found = pd.read_parquet(out / table)
    labels = found.select_dtypes("category").columns
    found = found.astype(dict.fromkeys(labels, str))
    return found.sort_values(["source", "run", "track", *found.columns[2:3]]).reset_index(drop=True)


def test_a_node_that_dies_changes_nothing(cluster, archive, tmp_path):
    sources, whole, out = expand([str(archive)]), tmp_path / "whole", tmp_path / "out"
    expected = [*replay(sources, Engine.load(config(whole)), None, lambda _: None, lambda: False)]

    node = cluster.add_node(num_cpus=1)
    killer = threading.Thread(target=cluster.remove_node, args=(node,), kwargs={"allow_graceful": False})

    def kill(_):
        if killer.ident is None:
            killer.start()

    with RayCluster(cluster.address, None) as executor:
        assert executor.workers == 2
        running = replay_side_by_side(
            executor, Engine.load(everywhere(config(out))), None, sources, kill, lambda: False, LEAST
        )
        # With the first report, or the first file: five tasks take turns on the two nodes.
        outcomes = [outcome for outcome in running if kill(outcome) is None]
    killer.join()
    assert {outcome.source: outcome.status for outcome in outcomes} == dict.fromkeys(
        ("long", "short-0", "short-1"), Status.DONE
    )
    assert {outcome.source: outcome.frames for outcome in expected} == {"long": 100, "short-0": 20, "short-1": 20}
    for table in ("emotions", "tracks"):
        assert_alike(rows(out, table), rows(whole, table))


def test_what_a_task_raises_comes_back(cluster, tmp_path):
    (tmp_path / "text.mp4").write_text("this is no video")
    good = video.clip(tmp_path / "good.mp4", frames=5)
    sources = expand([str(tmp_path / "text.mp4"), str(good)])
    settings = everywhere(config(tmp_path / "out"))
    with RayCluster(cluster.address, 1) as executor:
        with pytest.raises(ZeroDivisionError):
            executor.submit(divmod, 1, 0).result(60)
        outcomes = {
            outcome.source: outcome
            for outcome in replay_side_by_side(
                executor, Engine.load(settings), None, sources, lambda _: None, lambda: False
            )
        }
    assert outcomes["text"].status is Status.FAILED
    assert "not a video" in outcomes["text"].note
    assert outcomes["good"].status is Status.DONE


def test_a_task_that_kills_every_process_is_given_up(cluster):
    with RayCluster(cluster.address, None) as executor, pytest.raises(TaskLost, match=f"{RETRIES + 1} times"):
        executor.submit(os._exit, 3).result(120)


def test_stops_when_told(cluster, archive, tmp_path):
    sources, settings = expand([str(archive / "long.mp4")]), everywhere(config(tmp_path / "out"))
    stop = threading.Event()
    with RayCluster(cluster.address, 2) as executor:
        (outcome,) = replay_side_by_side(
            executor, Engine.load(settings), None, sources, lambda _: stop.set(), stop.is_set, LEAST
        )
    assert outcome.status is Status.STOPPED
