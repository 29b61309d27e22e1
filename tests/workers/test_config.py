from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.ingest.failures import explain, traced, unexpected
from pipeline.settings import DetectorSettings
from workers.config import Config, SourceConfig, configured, load_config, override, own_settings
from workers.web.address import parse_address


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    monkeypatch.delenv("AFFECTSTREAM_REDIS__URL", raising=False)


def test_the_command_line_comes_before_the_environment_before_the_file(tmp_path, monkeypatch):
    file = write(tmp_path, "a.yaml", "ingest: {fps: 1, staleness: 0.1}\ndetector: {min_face: 50}\n")
    monkeypatch.setenv("AFFECTSTREAM_INGEST__FPS", "2")
    monkeypatch.setenv("AFFECTSTREAM_DETECTOR__MIN_FACE", "40")
    config = load_config(file, {"ingest": {"fps": 3.0}})
    assert (config.ingest.fps, config.detector.min_face, config.ingest.staleness) == (3.0, 40.0, 0.1)
    assert config.smoother.gap == 1.5


def test_toml_says_the_same_as_yaml(tmp_path):
    yaml = write(tmp_path, "a.yaml", "out: there\nsources:\n  - {url: 'rtsp://a/b', name: door, ingest: {fps: 5}}\n")
    toml = write(
        tmp_path, "a.toml", 'out = "there"\n[[sources]]\nurl = "rtsp://a/b"\nname = "door"\ningest = {fps = 5}\n'
    )
    assert load_config(yaml, {}).model_dump() == load_config(toml, {}).model_dump()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.yaml", "ingest: {fps: -1}", r"ingest.fps' = -1"),
        ("a.yaml", "ingest: {fsp: 1}", r"unknown setting 'ingest\.fsp'; did you mean 'fps'\?"),
        ("a.yaml", "ingset: {fps: 1}", r"unknown setting 'ingset'; did you mean 'ingest'\?"),
        ("a.yaml", "ingest: 5", "setting 'ingest': should hold names and values"),
        ("a.yaml", "sources: rtsp://a/b", "setting 'sources': should be a list"),
        ("a.yaml", "sources: [[rtsp://a/b]]", r"setting 'sources\.0': should be a URL, or hold names and values"),
        ("a.yaml", "sources: [{uri: rtsp://a/b}]", r"unknown setting 'sources\.0\.uri'; did you mean 'url'\?"),
        ("a.yaml", "sources: [{url: a, smoother: {lag: 1}}]", "there are url, name, ingest, detector"),
        ("a.yaml", "1: 2", "unknown setting '1'"),
        ("a.yaml", "out: [a]", "should be a path"),
        ("a.yaml", "out: ''", "setting 'out' = '': should not be empty"),
        ("a.yaml", b"\xff", "not text in UTF-8"),
        ("a.yaml", "[1, 2", "cannot be parsed"),
        ("a.yaml", "sources: [a]\nout: b\nsources: [c]", r"'sources' is set in line 1 already \(at line 3, column 1\)"),
        ("a.yaml", "ingest:\n  fps: 1\n  fps: 2", r"'fps' is set in line 2 already \(at line 3, column 3\)"),
        ("a.yaml", "ingest: {fps: 1, fps: 1}", "'fps' is set in line 1 already"),
        ("a.yaml", "- 1", "must hold names and values"),
        ("a.toml", "x = ", "cannot be parsed"),
        ("a.ini", "x = 1", r"ends in '\.ini'"),
        ("a.yaml", "sources: [{name: door}]", "field required"),
        ("a.yaml", "ingest: {backoff: [5, 1]}", r"'ingest\.backoff' = \[5, 1\]: the first wait, 5 s, .* longest, 1 s"),
        ("a.yaml", "detector: {low: 0.9, threshold: 0.5}", "threshold = 0.5 is below low = 0.9"),
        ("a.yaml", "detector: {threshold: 0.2}", "threshold = 0.2 is below low = 0.3"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, text, words):
    with pytest.raises(InputError, match=words):
        load_config(write(tmp_path, name, text), {})


def test_what_is_merged_may_be_set_anew(tmp_path):
    text = "sources:\n  - &a {url: rtsp://a, ingest: {fps: 5}}\n  - &b {<<: *a, url: rtsp://b}\n  - {<<: *b}"
    first, second, _ = load_config(write(tmp_path, "a.yaml", text), {}).sources
    assert (second.url.get_secret_value(), second.ingest) == ("rtsp://b", first.ingest)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.yaml"):
        load_config(tmp_path / "gone.yaml", {})


@pytest.mark.parametrize(
    "text",
    [
        "redis: {url: {password: hunter2}}\nsources: [{url: ['rtsp://u:hunter2@h']}]",
        "redis: redis://:hunter2@h",
        "redis: {length: 'redis://:hunter2@h'}",
        "sources: [rtsp://u:hunter2@h\nout: x",  # not YAML
    ],
)
def test_a_password_is_never_shown(tmp_path, text):
    with pytest.raises(InputError) as caught:
        load_config(write(tmp_path, "a.yaml", text), {})
    assert "hunter2" not in str(caught.value)


def test_a_source_does_not_show_its_password():
    assert "hunter2" not in repr(load_config(None, {"sources": [{"url": "rtsp://u:hunter2@h"}]}))


def test_names_without_values_set_nothing_and_a_webcam_may_be_a_number(tmp_path):
    config = load_config(
        write(tmp_path, "a.yaml", "out:\ningest:\n#  fps: 5\nsources: [0, {url: 1, name: desk}]\n"), {}
    )
    assert (config.out, config.ingest.fps) == (Path("affectstream-out"), None)
    assert [getattr(s, "name", s) for s in config.sources] == ["0", "desk"]


def test_a_misspelt_section_in_the_environment_is_refused_and_the_variables_of_others_are_not(monkeypatch):
    monkeypatch.setenv("AFFECTSTREAM_PORT", "tcp://10.0.0.1:80")
    load_config(None, {})
    monkeypatch.setenv("AFFECTSTREAM_DETEKTOR__MIN_FACE", "40")
    with pytest.raises(InputError, match=r"AFFECTSTREAM_DETEKTOR__MIN_FACE.*did you mean 'detector'\?"):
        load_config(None, {})


def test_a_source_changes_only_what_it_names():
    base = DetectorSettings(min_face=30, max_side=640)
    assert override(base, {"min_face": 50}, "source 'door'", "detector") == DetectorSettings(min_face=50, max_side=640)
    with pytest.raises(InputError, match=r"source 'door': setting 'detector\.min_face' = 1"):
        override(base, {"min_face": 1}, "source 'door'", "detector")


@pytest.mark.parametrize(
    "url", ["http://door/live?token='hunter2", "http://door/live?token=a hunter2", "rtsp://a:b hunter2@c"]
)
def test_a_source_is_named_in_errors_without_its_secrets(url):
    source = SourceConfig(url=url, ingest={"fps": -1})
    with pytest.raises(InputError, match=r"source '(http://door/live\?|rtsp://)\*\*\*.*ingest\.fps") as error:
        own_settings(source, load_config(None, {}))
    assert "hunter2" not in str(error.value)


def test_sources_in_the_environment_are_json(monkeypatch):
    monkeypatch.setenv("AFFECTSTREAM_SOURCES", '["rtsp://a/b"]')
    assert load_config(None, {}).sources == ("rtsp://a/b",)
    monkeypatch.setenv("AFFECTSTREAM_SOURCES", "rtsp://u:hunter2@a/b")
    with pytest.raises(InputError, match="AFFECTSTREAM_SOURCES is not JSON") as caught:
        load_config(None, {})
    assert "hunter2" not in str(caught.value)


def test_a_tilde_is_the_home_wherever_a_path_is_given(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "site.yaml").write_text("out: ~/results\ndetector: {model: ~/face.onnx}\n")
    config = load_config(Path("~/site.yaml"), {"emotion": {"model": Path("~/emotion.onnx")}})
    assert config.out == tmp_path / "results"
    assert (config.detector.model, config.emotion.model) == (tmp_path / "face.onnx", tmp_path / "emotion.onnx")
    assert load_config(None, {"out": Path("~no-such-user/results")}).out == Path("~no-such-user/results")


@pytest.mark.parametrize(
    "written",
    [
        "rtsp://10.0.0.1/${SECRET}",
        "rtsp://10.0.0.1/${SECRET}/live?key=${SECRET}",
        "rtsp://me:${SECRET}@10.0.0.1/live",
        "${WHOLE}",
    ],
)
def test_what_the_environment_holds_of_a_source_is_shown_nowhere(monkeypatch, written):
    monkeypatch.setenv("SECRET", "hunter2")
    monkeypatch.setenv("WHOLE", "rtsp://10.0.0.1/hunter2")
    door = configured(f"door={written}", Config())
    assert "hunter2" in door.url
    why = ValueError(f"cannot open {door.url} ({door.url!r})")
    told = f"{door!r} {unexpected(why, door)} {traced(why, door)}"
    assert "hunter2" not in told
    assert f"({door.safe_url!r})" in told


def test_a_host_that_stands_in_the_environment_is_not_told(monkeypatch):
    monkeypatch.setenv("HOST", "hunter2.invalid")
    for written, why in (("${HOST}", "no such host"), ("hunter2.invalid", "no host 'hunter2.invalid'")):
        told = str(explain(OSError("away"), configured(f"door=rtsp://{written}/live", Config())))
        assert told == f"rtsp://{written}/live cannot be reached: there is {why}"


@pytest.mark.parametrize(
    "held", ["hunter2", "/hunter2/a.mp4", "gopher://hunter2", "rtsp://", "rtsp://me:hunter2", "rtsp://a:hunter2/@b", ""]
)
def test_a_source_that_the_environment_makes_useless_is_named_as_it_is_written(monkeypatch, held):
    monkeypatch.setenv("CAM", held)
    with pytest.raises(InputError, match=r"source 'door': '\$\{CAM\}' is, .* no URL that can be read") as error:
        configured("door=${CAM}", Config())
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("written", "name", "url"),
    [
        ("rtsp://${HOST}:${PORT}/a", "host-port-a", "rtsp://10.0.0.8:8554/a"),
        ("rtsp://${PW}:${PW}@${HOST}:${PORT}", "host-port", "rtsp://hunter2:hunter2@10.0.0.8:8554"),
        ("rtsp://${HOST}:8${TAIL}?a=${PW}", "host-8-tail", "rtsp://10.0.0.8:8554?a=hunter2"),
        ("rtsp://[${IPV6}]:554/a", "ipv6-554-a", "rtsp://[::1]:554/a"),
    ],
)
def test_any_part_of_a_url_may_stand_in_the_environment(monkeypatch, written, name, url):
    for variable, value in {"HOST": "10.0.0.8", "PORT": "8554", "TAIL": "554", "IPV6": "::1", "PW": "hunter2"}.items():
        monkeypatch.setenv(variable, value)
    assert [configured(text, Config()).id for text in (written, f"gate={written}")] == [name, "gate"]
    assert configured(written, Config()).url == url


def test_a_file_names_sources_as_the_command_line_does(tmp_path):
    config = load_config(write(tmp_path, "a.yaml", "sources: ['door=rtsp://a/b', desk=0, 'rtsp://a/b?c=d']"), {})
    found = [configured(source, config) for source in config.sources]
    assert [source.id for source in found] == ["door", "desk", "a-b"]
    assert found[0].url == "rtsp://a/b"


@pytest.mark.parametrize("written", ["8080", "'8080'", "127.0.0.1:8080"])
def test_where_to_listen_may_be_a_number(tmp_path, written):
    config = load_config(write(tmp_path, "a.yaml", f"web: {{listen: {written}}}"), {})
    assert str(parse_address(config.web.listen)) == "127.0.0.1:8080"


def test_where_nobody_can_listen_is_told_with_the_setting(tmp_path):
    with pytest.raises(InputError, match=r"setting 'web\.listen' = 'nowhere': cannot listen on 'nowhere'; give"):
        load_config(write(tmp_path, "a.yaml", "web: {listen: nowhere}"), {})
