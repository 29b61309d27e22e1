"""``affectstream sources`` and ``affectstream worker`` as somebody types them wrong."""

import json
import re

import pytest

from pipeline import connection
from tests.redis_server import Server, oldest
from tests.video import clip
from workers.bus import keys


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("redis"), oldest()) as running:
        yield running


@pytest.fixture
def client(server):
    with server.client() as client:
        client.flushall()
        yield client


@pytest.fixture
def sources(affectstream, server, client):
    return lambda *words: affectstream("sources", *words, "--redis", server.url)


def one_line(ended, code, *says):
    assert ended.code == code, ended.err
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1
    assert "Traceback" not in ended.err
    assert "hunter2" not in ended.err + ended.out
    for word in says:
        assert word in ended.err


def test_sources_are_added_listed_and_taken_out(sources, client, tmp_path):
    path = clip(tmp_path / "Hall 2.mp4")
    assert sources("add", path, "--fps", 5, "--min-face", 40).out == "hall-2\n"
    assert sources("add", "rtsp://me:hunter2@door/h264", "--name", "door").out == "door\n"
    assert [line.split()[-1] for line in sources("list").out.splitlines()[1:]] == ["nobody", "nobody"]
    assert json.loads(client.hget(keys.SOURCES, "hall-2")) == {
        "url": str(path.resolve()),
        "ingest": {"fps": 5},
        "detector": {"min_face": 40},
    }
    client.hset(keys.counts("door"), mapping={"frames": 1234, "dropped: poison": 2})
    client.sadd(keys.UNDER_WAY, "door", "gate")
    client.set(keys.lease("tracker", "door"), "me")
    client.hset(keys.counts("hall-2"), "frames", 50)
    shown = sources("list")
    assert shown.code == 0
    assert "hunter2" not in shown.out
    assert "1,234 frames" in shown.out
    assert "2 dropped: poison" in shown.out
    assert "taken out; ending" in shown.out
    assert re.search(r"over +50 frames", shown.out)
    assert sources("remove", "door", "hall-2").out == "door\nhall-2\n"
    assert client.hkeys(keys.SOURCES) == []
    left = set(client.keys("affect:*")) - {keys.UNDER_WAY, keys.lease("tracker", "door")}
    assert left == {keys.counts("door")}  # of what is under way


def test_where_there_are_none_the_way_to_add_one_is_told(sources):
    shown = sources("list")
    assert (shown.code, shown.out) == (0, "")
    assert "affectstream sources add URL --name NAME" in shown.err
    assert "those of `run` are not listed" in shown.err


@pytest.mark.parametrize("forget", [[], ["--forget"]])
def test_nothing_is_taken_out_where_one_name_is_wrong(sources, client, forget):
    client.hset(keys.SOURCES, "door", "{}")
    one_line(sources("remove", "door", "gate", *forget), 2, "there is no source 'gate'; there are: door")
    assert client.hkeys(keys.SOURCES) == ["door"]


def test_what_is_left_of_a_source_can_be_forgotten(sources, client):
    client.hset(keys.counts("door"), "frames", 50)
    one_line(sources("remove", "door"), 2, "there is no source 'door'")
    assert sources("remove", "door", "--forget").out == "door\n"
    assert client.keys("affect:*") == []


def test_why_nobody_works_on_a_source_is_listed(sources, client):
    client.hset(keys.SOURCES, "door", '{"url": "rtsp://door"}')
    client.hset(keys.failures("door"), mapping={"ingest": "there is no [file] there", "sink": "the disk is full"})
    client.set(keys.lease("sink", "door"), "me")
    (line,) = sources("list").out.splitlines()[1:]
    assert line.split(maxsplit=2)[2].rstrip() == "sink; ingest fails: there is no [file] there"


def test_a_source_is_never_put_in_the_place_of_another_by_an_id_made_for_it(sources, client, tmp_path):
    first, second = (f"rtsp://nvr.local/cam/realmonitor?channel={number}" for number in (1, 2))
    assert sources("add", first).out == "nvr-local-cam-realmonitor\n"
    one_line(sources("add", second), 2, "another source 'nvr-local-cam-realmonitor'", "--name")
    assert client.hvals(keys.SOURCES) == [json.dumps({"url": first})]
    assert sources("add", first, "--fps", 5).code == 0  # the same, changed
    assert json.loads(client.hget(keys.SOURCES, "nvr-local-cam-realmonitor")) == {"url": first, "ingest": {"fps": 5}}
    assert sources("add", second, "--name", "nvr-local-cam-realmonitor").code == 0
    assert client.hvals(keys.SOURCES) == [json.dumps({"url": second})]
    client.hset(keys.SOURCES, "door", "somebody else's")
    one_line(sources("add", "rtsp://door"), 2, "another source 'door'")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        last = sources("add", clip(tmp_path / folder / "hall.mp4"))
    one_line(last, 2, "another source 'hall'")


@pytest.mark.parametrize(
    ("source", "name", "told"),
    [
        ("/nowhere/hall.mp4", "hall", "there is no file '/nowhere/hall.mp4' on this machine"),
        ("/dev/video987", "webcam-987", "there is no webcam /dev/video987 on this machine"),
        ("987", "webcam-987", "there is no webcam /dev/video987 on this machine"),
    ],
)
def test_what_only_the_workers_have_is_taken_with_a_warning(sources, client, caplog, source, name, told):
    ended = sources("add", source)
    assert (ended.code, ended.out) == (0, f"{name}\n")
    assert json.loads(client.hget(keys.SOURCES, name)) == {"url": source}
    assert caplog.messages == [f"{told}; the ingest workers must have it"]


def test_settings_in_the_environment_that_are_wrong_are_one_line(sources, client, monkeypatch):
    monkeypatch.setenv("AFFECTSTREAM_SOURCES", '[["rtsp://admin:hunter2@door"]]')
    one_line(sources("add", "rtsp://door"), 2, "sources.0")


def test_a_full_redis_can_be_read_and_taken_out_of(affectstream, tmp_path):
    with Server(tmp_path, oldest()) as server, server.client() as client:
        client.hset(keys.SOURCES, mapping={"door": '{"url": "rtsp://door"}', "hall": '{"url": "rtsp://hall"}'})
        client.config_set("maxmemory", 1)
        at = ("--redis", server.url)
        shown = affectstream("sources", "list", *at)
        assert (shown.code, shown.out.count("rtsp://")) == (0, 2), shown.err
        assert affectstream("sources", "remove", "door", *at).code == 0
        assert affectstream("sources", "remove", "hall", "--forget", *at).code == 0
        assert not client.exists(keys.SOURCES)
        one_line(affectstream("sources", "add", "rtsp://door", *at), 1, "out of memory")


def test_brackets_in_a_path_are_shown_as_they_are(sources, tmp_path):
    paths = [tmp_path / "[old]" / "a.mp4", tmp_path / "[" / "b]" / "b.mp4"]
    for path in paths:
        path.parent.mkdir(parents=True)
        sources("add", clip(path))
    shown = sources("list")
    assert shown.code == 0
    assert all(str(path) in shown.out for path in paths)


def test_a_secret_may_stay_in_the_workers_environment(sources, client):
    assert sources("add", "${CAMERA_DOOR_URL}", "--name", "door").code == 0
    assert sources("add", "rtsp://${CAMERA_DOOR_USER}:${CAMERA_DOOR_PASSWORD}@door/h264", "--name", "hall").code == 0
    assert json.loads(client.hget(keys.SOURCES, "door")) == {"url": "${CAMERA_DOOR_URL}"}


def test_a_source_may_be_named_as_elsewhere(sources, client):
    assert sources("add", "door=rtsp://me:hunter2@gate/h264", "--name", "door").out == "door\n"
    assert sources("add", "door=rtsp://gate/h264").out == "door\n"  # changed: the name is the user's
    assert json.loads(client.hget(keys.SOURCES, "door")) == {"url": "rtsp://gate/h264"}
    one_line(sources("add", "door=rtsp://gate", "--name", "gate"), 2, "two names, 'door' and 'gate'")


def test_a_port_may_stand_in_the_workers_environment(sources, client):
    url = "rtsp://${CAMERA_HOST}:${CAMERA_PORT}/a"
    assert sources("add", url, "--name", "door").out == "door\n"
    assert sources("add", url).out == "camera_host-camera_port-a\n"
    assert client.hvals(keys.SOURCES) == [json.dumps({"url": url})] * 2


def test_what_somebody_else_wrote_is_listed_all_the_same(sources, client):
    client.hset(keys.SOURCES, mapping={"door": '{"url": "rtsp://me:hunter2@door', "b\xff": "\xff"})
    shown = sources("list")
    assert shown.code == 0
    assert "cannot be read" in shown.out
    assert "hunter2" not in shown.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["add", "nowhere/hall.mp4"], "no file 'nowhere/hall.mp4'; name one that only the ingest"),
        (["add", "/nowhere/hall.mp4", "--fps", "0"], "fps"),
        (["add", "/tmp"], "/tmp is a folder"),
        (["add", "rtsp://${CAMERA_DOOR}", "--fps", "0"], "fps"),
        (["add", "gopher://me:hunter2@door"], "gopher"),
        (["add", "rtsp://door", "--name", "A b"], "a-b"),
        (["add", "rtsp://${CAMERA_DOOR}", "--name", "A b"], "a-b"),
        (["add", "rtsp://door", "--fps", "0"], "fps"),
        (["add", "rtsp://${CAMERA_DOOR}:${SECRET}@door"], "source 'door': its URL names SECRET; "),
        (["add", "${SECRET}", "--name", "door"], "give the ingest workers CAMERA_SECRET, and name that"),
        (["add", "rtsp://door", "--min-face", "0"], "--min-face 0: input should be greater"),
        (["remove", "nobody"], "there is no source 'nobody'; there are: none"),
    ],
)
def test_bad_input_is_named(sources, client, words, says):
    one_line(sources(*words), 2, says)
    assert not client.exists(keys.SOURCES)


def test_the_redis_must_be_named(affectstream):
    one_line(affectstream("sources", "list"), 2, "--redis redis://HOST:PORT")


@pytest.mark.parametrize("words", [["list"], ["add", "rtsp://door"], ["remove", "door"]])
def test_a_key_of_another_kind(sources, client, words):
    client.set(keys.SOURCES, "mine")
    one_line(sources(*words), 1, "WRONGTYPE")
    assert client.get(keys.SOURCES) == "mine"


@pytest.mark.parametrize("command", [["sources", "list"], ["worker", "inference"]])
def test_a_redis_that_lets_nobody_in(affectstream, tmp_path, monkeypatch, command):
    with Server(tmp_path, oldest(), password="right") as server:
        at = f"127.0.0.1:{server.port}"
        one_line(affectstream(*command, "--redis", f"redis://:hunter2@{at}"), 1, at, "password")
        monkeypatch.setattr(connection, "TIMEOUT", 1.0)  # which runs out: the server waits for the end of a line
        one_line(affectstream(*command, "--redis", f"rediss://:hunter2@{at}"), 1, at, "without TLS")


def test_a_redis_that_is_not_there(affectstream):
    """Workers would wait for it; whoever types a command would rather know."""
    ended = affectstream("sources", "list", "--redis", "redis://:hunter2@127.0.0.1:1")
    one_line(ended, 1, "127.0.0.1:1", "cannot connect", "start it, or check host and port")
    assert "none" not in ended.err


@pytest.mark.parametrize("words", [["sources", "list"], ["worker", "inference"], ["run", "0"], ["replay", "."]])
@pytest.mark.parametrize("url", ["foo", "http://:hunter2@door", "redis://:hunter2/@door:1", "redis://door?foo=hunter2"])
def test_a_url_that_cannot_be_used_is_told_before_networks_are_opened(affectstream, tmp_path, monkeypatch, words, url):
    monkeypatch.chdir(tmp_path)
    clip(tmp_path / "hall.mp4")
    (tmp_path / "none.onnx").write_text("no network")
    networks = [] if words[0] == "sources" else ["--detector", tmp_path / "none.onnx"]
    one_line(affectstream(*words, "--redis", url, *networks), 2, "Redis URL")


@pytest.mark.parametrize("stages", ["inference", "sink", "ingest"])
def test_a_user_that_may_not_do_enough(affectstream, tmp_path, stages):
    user = ("--user", "door", "on", ">hunter2", "~affect:*", "+ping", "+set", "+client")
    with Server(tmp_path, oldest(), *user) as server:
        url = f"redis://door:hunter2@127.0.0.1:{server.port}"
        ended = affectstream("worker", stages, "--redis", url, "--out", tmp_path / "out")
    assert ended.code == 1
    assert "Traceback" not in ended.err
    assert "hunter2" not in ended.err
    (told,) = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert "NOPERM" in told
    assert "+@scripting" in told


@pytest.mark.parametrize(
    ("stages", "key"),
    [("ingest", keys.SOURCES), ("tracker", keys.UNDER_WAY), ("inference", keys.FACES), ("sink", keys.census("sink"))],
)
def test_a_worker_names_a_key_of_another_kind(affectstream, server, client, tmp_path, stages, key):
    client.set(key, "mine")
    ended = affectstream("worker", stages, "--redis", server.url, "--out", tmp_path / "out")
    assert ended.code == 1
    assert "Traceback" not in ended.err
    (told,) = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert "WRONGTYPE" in told
    assert client.get(key) == "mine"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["ingest"], "--redis redis://HOST:PORT"),
        (["ingest", "--redis", "none"], "--redis redis://HOST:PORT"),
        (["tracker+ingest", "--redis", "redis://x"], "neighbours"),
        (["ingest+sink", "--redis", "redis://x"], "neighbours"),
        (["camera", "--redis", "redis://x"], "camera"),
    ],
)
def test_a_worker_that_cannot_be(affectstream, monkeypatch, words, says):
    monkeypatch.delenv("AFFECTSTREAM_REDIS__URL", raising=False)
    one_line(affectstream("worker", *words), 2, says)
