"""The live page in a real browser, in front of the real server and a real Redis."""

import os
import shutil
import threading
import time
from collections.abc import Iterator

import pytest
import redis

from pipeline.labels import LABELS
from pipeline.messages import Change, Clock, Emotion, Event, Results, Stamp
from pipeline.settings import RedisSettings
from pipeline.sink.streams import Streams, entry, event_entry
from tests.redis_server import Server, newest
from workers.web.address import Address, parse_address
from workers.web.board import RedisBoard
from workers.web.server import WebServer

playwright = pytest.importorskip("playwright.sync_api", reason="playwright, which drives the browser, is not installed")
expect = playwright.expect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")

START = 1_700_000_000_000_000
"""2023-11-14 22:13:20 UTC, µs."""
INTERVAL = 0.05
"""s between frames."""
PATIENCE = 60.0
"""s for which to wait for what must come: the machine may be busy."""

HAPPY = (0.1, 0.72, 0.08, 0.02, 0.02, 0.02, 0.02, 0.02)
SAD = (0.3, 0.02, 0.02, 0.56, 0.04, 0.02, 0.02, 0.02)
RAW = (0.5, 0.25, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0)


def stamp(frame: int, source: str = "door") -> Stamp:
    pts = frame * INTERVAL
    return Stamp(source, "r1", frame, pts, START + round(pts * 1e6), Clock.ARRIVAL, START)


def row(number: int, smoothed: tuple[float, ...], at: Stamp) -> Emotion:
    """Return a row of face ``number``, whose box is beside that of the one before."""
    intensity = max(smoothed)
    return Emotion(
        stamp=at,
        track=f"r1-{number}",
        box=(200.0 * number, 150.0, 120.0, 150.0),
        score=0.9,
        quality=1.0,
        pose=(0.0, 0.0, 0.0),
        raw=RAW,
        smoothed=smoothed,
        uncertainty=0.2,
        dominant=LABELS[smoothed.index(intensity)],
        intensity=intensity,
        entropy=0.5,
        model="net@0123456789ab",
    )


class Camera:
    """Publishes a source at 20 frames per second, as the sink does: the faces that ``view`` tells it to see.

    Args:
        url: of the Redis server.
        source: its id.
    """

    def __init__(self, url: str, source: str = "door") -> None:
        self._source = source
        self._client = redis.Redis.from_url(url)
        self._streams = Streams(self._client, RedisSettings())
        self._view: dict[int, tuple[float, ...]] = {}
        self._seen: dict[int, str] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def view(self, faces: dict[int, tuple[float, ...]]) -> None:
        """From now on see these faces, number: smoothed distribution."""
        self._view = faces

    def _run(self) -> None:
        frame = 0
        while not self._over.wait(INTERVAL):
            rows = [row(number, smoothed, stamp(frame, self._source)) for number, smoothed in self._view.items()]
            events = list(self._events(rows, stamp(frame, self._source)))
            if rows:
                self._streams.commit([Results(emotions=tuple(rows), events=tuple(events))])
            frame += 1

    def _events(self, rows: list[Emotion], at: Stamp) -> Iterator[Event]:
        before, self._seen = self._seen, {int(row.track.rpartition("-")[2]): row.dominant for row in rows}
        for number, dominant in self._seen.items():
            previous = before.pop(number, None)
            if previous is None:
                yield Event(at, f"r1-{number}", Change.BEGIN, dominant, None)
            elif previous != dominant:
                yield Event(at, f"r1-{number}", Change.DOMINANT, dominant, previous)
        for number, dominant in before.items():
            yield Event(at, f"r1-{number}", Change.END, dominant, None)

    def __enter__(self) -> "Camera":
        self._thread.start()
        return self

    def stop(self) -> None:
        """Publish nothing more; may be called again."""
        self._over.set()
        self._thread.join()
        self._client.close()

    def __exit__(self, *_: object) -> None:
        self.stop()


@pytest.fixture(scope="module")
def browser():
    expect.set_options(timeout=PATIENCE * 1000)
    # The sandbox needs rights that containers do not give, and root may not have it at all.
    arguments = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path, newest()) as running:
        yield running


@pytest.fixture
def url(server):
    with WebServer(Address("127.0.0.1", 0)) as web, web.serving(RedisBoard(server.url), server.url):
        yield web.url


@pytest.fixture
def camera(server):
    with Camera(server.url) as running:
        yield running


@pytest.fixture
def page(browser, url):
    """A page that is not open yet; in the end nothing went wrong in it, a breach of its security policy included."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    wrong = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    context.close()
    assert wrong == []


def painted(canvas, colour):
    """Return the share of a canvas that has a colour, red, green, blue."""
    return canvas.evaluate(
        """(canvas, colour) => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let count = 0;
            for (let i = 0; i < data.length; i += 4) {
                if (data[i + 3] > 0 && colour.every((value, j) => Math.abs(value - data[i + j]) < 12)) count++;
            }
            return count / (canvas.width * canvas.height);
        }""",
        colour,
    )


YELLOW, BLUE = (240, 228, 66), (0, 114, 178)
"""Of happiness and of sadness."""


def until(truth):
    """Wait until something is true; give up after ``PATIENCE`` s."""
    deadline = time.monotonic() + PATIENCE
    while not truth():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_faces_come_change_and_go(page, url, camera):
    page.goto(url)
    expect(page.get_by_role("status")).to_have_text("No source yet. The first will be shown here by itself.")
    expect(page.get_by_text("not what a person feels. Those filmed must be told.")).to_be_visible()

    camera.view({1: HAPPY})
    expect(page.get_by_role("link", name="door")).to_have_attribute("aria-current", "true")
    expect(page.locator(".source .state")).to_have_text("faces")
    first = page.get_by_role("article", name="Face 1", exact=True)
    expect(first.locator(".dominant")).to_have_text("happiness")
    expect(first.locator(".intensity")).to_have_text("72 %")
    expect(first.locator(".quality")).to_have_text("quality 1.00")
    expect(first.locator(".bars .label")).to_have_text(list(LABELS))
    expect(first.locator(".bars .value")).to_have_text([f"{round(share * 100)} %" for share in HAPPY])
    fills = first.locator(".fill").evaluate_all("bars => bars.map((bar) => parseFloat(bar.style.width) / 100)")
    ticks = first.locator(".tick").evaluate_all("ticks => ticks.map((tick) => parseFloat(tick.style.left) / 100)")
    assert fills == pytest.approx(HAPPY)
    assert ticks == pytest.approx(RAW)
    # Of the strip as much is yellow as the face has been seen of the last minute, times the share of happiness.
    until(lambda: 0.004 < painted(first.locator(".strip"), YELLOW) < 0.72)
    until(lambda: painted(page.locator("#stage"), YELLOW) > 0)
    expect(page.get_by_role("status")).to_be_hidden()

    camera.view({10: SAD, 1: HAPPY, 2: SAD})
    expect(page.locator("article h3")).to_have_text(["1", "2", "10"])  # by number, not as text
    expect(page.get_by_role("img", name="Boxes of faces: 1 happiness, 2 sadness, 10 sadness")).to_be_visible()
    until(lambda: painted(page.locator("#stage"), BLUE) > 0)

    camera.view({1: SAD})
    expect(page.locator("article h3")).to_have_text(["1"])
    expect(first.locator(".dominant")).to_have_text("sadness")
    camera.view({})
    expect(page.locator("article")).to_have_count(0)
    expect(page.get_by_role("status")).to_have_text("No face in view.")
    until(lambda: painted(page.locator("#stage"), BLUE) == 0)

    told = page.locator("#events li span").all_text_contents()
    assert told[-1] == "Face 1 came, happiness"
    assert sorted(told[-3:-1]) == ["Face 10 came, sadness", "Face 2 came, sadness"]
    assert sorted(told[:-3]) == ["Face 10 left, sadness", "Face 1: happiness → sadness", "Face 2 left, sadness"]


def publish(client, source, *, id="*", **changed):
    """Add a record of face 1 as it is published, with some fields changed or, where None, left out."""
    fields = entry(row(1, HAPPY, stamp(1, source)))
    record = dict(zip(fields[::2], fields[1::2], strict=True)) | changed
    client.xadd(f"affect:emotions:{source}", {name: value for name, value in record.items() if value is not None}, id)


def test_a_link_keeps_the_source_and_one_that_is_away_says_why(page, url, server, camera):
    fields = event_entry(Event(stamp(1, "attic"), "r1-7", Change.BEGIN, "fear", None))
    with server.client() as client:
        publish(client, "attic", id="1700000000000-0")
        client.xadd("affect:events:attic", dict(zip(fields[::2], fields[1::2], strict=True)))
    camera.view({1: HAPPY})
    why = "the last was published 2023-11-14 22:13:20 UTC"
    page.goto(url)
    expect(page.locator("#sources a")).to_have_text(["attic", "door"])
    expect(page.locator(".source .reason").first).to_have_text(why)
    expect(page.get_by_role("status")).to_have_text(f"No face in view: {why}.")
    expect(page.locator("#events li span")).to_have_text(["Face 7 came, fear"])  # told though it was before

    page.get_by_role("link", name="door").click()
    expect(page).to_have_url(f"{url}/#door")
    expect(page).to_have_title("door · affectstream")
    expect(page.get_by_role("article", name="Face 1")).to_be_visible()
    expect(page.locator("#events li span")).to_have_text(["Face 1 came, happiness"])
    page.reload()
    expect(page.get_by_role("link", name="door")).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("article", name="Face 1")).to_be_visible()

    page.goto(f"{url}/#cellar")
    expect(page.get_by_role("status")).to_contain_text("There is no source “cellar” now.")
    expect(page.locator("article")).to_have_count(0)
    with Camera(server.url, "cellar") as another:
        another.view({3: SAD})
        expect(page.get_by_role("article", name="Face 3")).to_be_visible()


def test_what_is_not_sound_is_passed_over_and_no_text_is_markup(page, url, server):
    markup = '<img src="x" onerror="alert(1)">'
    with server.client() as client:
        publish(client, "door")
        page.goto(url)
        expect(page.get_by_role("link", name="door")).to_be_visible()

        def publish_all():
            publish(client, "door", track="r1-2", x="nan")
            publish(client, "door", track="r1-3", s_fear=None)
            publish(client, "door", track="r1-4", time="yesterday")
            publish(client, "door", track=None)
            client.xadd("affect:events:door", {"event": "begin"})
            client.xadd("affect:events:door", {"event": "leap", "track": "r1-2"})
            publish(client, "door", dominant=markup)
            return page.locator("article .word").all_text_contents() == [markup]

        until(publish_all)
        expect(page.locator("main img")).to_have_count(0)
        expect(page.locator("#events li")).to_have_count(0)


def test_a_lost_connection_is_told_and_found_again(browser, server, camera):
    camera.view({1: HAPPY})
    context = browser.new_context()
    page = context.new_page()  # whose console tells of each attempt
    face, alert = page.get_by_role("article", name="Face 1"), page.get_by_role("alert")
    board = RedisBoard(server.url)
    with WebServer(Address("127.0.0.1", 0)) as web, web.serving(board, server.url):
        page.goto(web.url)
        expect(face).to_be_visible()
        expect(alert).to_be_hidden()
    expect(alert).to_contain_text("The connection to the server is lost")
    expect(page.locator("article")).to_have_count(0)
    with WebServer(parse_address(web.url.removeprefix("http://"))) as again, again.serving(board, server.url):
        expect(face).to_be_visible()
        expect(alert).to_be_hidden()
        expect(page.locator("#events li span")).to_have_text(["Face 1 came, happiness"])  # told again, listed once

        camera.stop()
        server.kill()
        expect(alert).to_contain_text("The server cannot tell of its sources: ")
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_scrolls_down_alone(browser, url, server, scheme):
    name = "source-10-0-0-7-" + "stream" * 8
    with Camera(server.url, name) as camera:
        camera.view({1: HAPPY, 2: SAD})
        context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
        page = context.new_page()
        page.goto(url)
        expect(page.locator("article")).to_have_count(2)
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        right = "elements => Math.max(...elements.map((element) => element.getBoundingClientRect().right))"
        assert page.locator("body *:visible").evaluate_all(right) <= 360
        context.close()


def test_what_is_kept_of_faces_is_bounded(page, url):
    page.goto(url)
    told = page.evaluate(
        """async ([labels, minutes]) => {
            const { Faces } = await import("/static/faces.js");
            const faces = new Faces(labels);
            /** Take a row of a face at an event time and an arrival, s. */
            const see = (number, time, now = time, run = "r1") => {
                const row = { run, track: `${run}-${number}`, dominant: "fear" };
                row.time = new Date(time * 1000).toISOString();
                for (const name of ["x", "y", "w", "h", "quality", "intensity"]) row[name] = 1;
                for (const label of labels) row[`p_${label}`] = row[`s_${label}`] = 0.125;
                faces.add([row], now * 1000);
            };
            const view = (now) => faces.inView(now * 1000).map(({ row }) => row.track).join();
            const told = {};

            for (let frame = 0; frame < minutes * 60 * 10; frame++) see(1, frame / 10);
            const { moments } = faces.inView(minutes * 60_000)[0];
            told.kept = [moments.length, (moments.at(-1).time - moments[0].time) / 1000];

            told.stays = view(minutes * 60 + 0.8);
            told.leaves = view(minutes * 60 + 1.2);
            see(2, minutes * 60 + 2);
            told.another = view(minutes * 60 + 2);
            see(1, minutes * 60 + 2.5);
            told.back = [view(minutes * 60 + 2.5), faces.inView(minutes * 60_000 + 2500)[0].moments.length > 200];
            faces.forget((minutes * 60 + 20) * 1000);
            see(1, minutes * 60 + 20);
            told.forgotten = faces.inView((minutes * 60 + 20) * 1000)[0].moments.length;

            // A frame every two seconds: a face does not leave between two of them.
            for (let frame = 0; frame < 8; frame++) see(5, 10_000 + 2 * frame);
            told.slow = view(10_015.9);
            // The clock of a camera is set back by an hour: what was after that is no past.
            for (let frame = 0; frame < 50; frame++) see(6, 20_000 + frame / 10);
            see(6, 16_400, 20_005);
            told.set_back = [view(20_005), faces.inView(20_005_000)[0].moments.length];
            return told;
        }""",
        [LABELS, 3],
    )
    assert told["kept"][0] <= 301
    assert 59 < told["kept"][1] <= 60
    assert (told["stays"], told["leaves"], told["another"], told["back"]) == ("r1-1", "", "r1-2", ["r1-1,r1-2", True])
    assert told["forgotten"] == 1
    assert told["slow"] == "r1-5"
    assert told["set_back"] == ["r1-6", 1]
