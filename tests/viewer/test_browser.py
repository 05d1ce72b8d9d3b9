"""The page in a real browser: headless Chromium with WebGL in software, one server and one browser for all tests."""

import io
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saymask.viewer import drawing
from saymask.viewer.library import Example, Library
from saymask.viewer.page import Start
from saymask.viewer.server import Server
from tests.viewer.fakes import FakeScene, small_room

BROWSER = next((p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get("SAYMASK_BROWSER") != "1", reason="the page in a browser: `make browser`"),
]
WINDOW = {"width": 820, "height": 520}
SOFTWARE = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


class FakeLibrary(Library):
    """Scans whose scenes know the things of the room."""

    delay = 0.0

    def scene(self, opened, model, progress):
        progress("encoding it, the slow step", 0.4)
        time.sleep(self.delay)
        return FakeScene(opened.scan, small_room()[1])


def library():
    made = FakeLibrary({"room": Example("a small room", lambda: small_room()[0], ("the bed", "the desk"))})
    return made


class Host:
    """A server that can be started again on its port."""

    def __init__(self):
        self.now = Server(library(), Start("example:room"), port=0)

    def again(self):
        self.now.stop()
        time.sleep(0.5)
        self.now = Server(library(), Start("example:room"), port=self.now.port)


@pytest.fixture(scope="module")
def host():
    drawing.FLIGHT, flight = 0.1, drawing.FLIGHT
    made = Host()
    yield made
    made.now.stop()
    drawing.FLIGHT = flight


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        made = play.chromium.launch(executable_path=BROWSER, args=SOFTWARE)
        yield made
        made.close()


class Visit:
    """A page, what went wrong on it, and the server's side of it."""

    def __init__(self, browser, host):
        self.host = host
        before = set(self.server._pages)
        self.context = browser.new_context(viewport=WINDOW)
        self.page = self.context.new_page()
        self.page.set_default_timeout(120_000)  # a busy machine is no reason to fail
        self.wrong: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("console", lambda m: m.type == "error" and self.wrong.append(m.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda r: r.url.startswith("http") and self.hosts.add(r.url.split("/")[2]))
        self.page.on("websocket", lambda w: self.hosts.add(w.url.split("/")[2]))
        self.page.goto(self.server.url + "?fixedDpr=0.5")  # a quarter of the pixels: they are drawn by the CPU
        self.ready()
        (self.number,) = set(self.server._pages) - before
        self.page.add_style_tag(content=".mantine-Notifications-root { display: none }")  # "software rendering"

    @property
    def server(self):
        return self.host.now

    def ready(self):
        self.page.wait_for_selector(".sm-ask input")
        self.page.wait_for_selector(".sm-busy", state="detached")

    @property
    def side(self):
        """The server's page."""
        return self.server._pages[self.number]

    def again(self):
        """Go back to how the page began."""
        side = self.side
        self.page.mouse.move(1, 1)
        for name, value in (("mode", "say"), ("clear", ""), ("layer", "colors"), ("tool", "mark"), ("dark", "0")):
            side.do(name, value)
        side.drawing.home(fly=False)
        self.page.wait_for_selector(".sm-hint")

    def say(self, sentence):
        self.page.fill(".sm-ask input", sentence)
        self.page.press(".sm-ask input", "Enter")
        self.page.wait_for_selector(f".sm-answer h3:text-is('{sentence}')")

    def press(self, do, value=None):
        self.page.click(f"[data-do={do}]" + (f"[data-value='{value}']" if value is not None else ""))

    def key(self, key):
        """Press a key outside the text fields."""
        self.page.evaluate("document.activeElement.blur()")
        self.page.keyboard.press(key)

    def pixels(self):
        return np.asarray(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")).astype(int)

    def where(self, place):
        """Return the pixel (x, y) of a place in metres, as the browser's camera now sees it."""
        camera = self.side.client.camera
        w, x, y, z = camera.wxyz
        turn = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )
        right, down, ahead = turn.T @ (np.asarray(place, float) - camera.position)
        box = self.page.eval_on_selector(
            "canvas", "c => { const r = c.getBoundingClientRect(); return [r.x, r.y, r.width, r.height] }"
        )
        per = box[3] / 2 / np.tan(camera.fov / 2)
        return box[0] + box[2] / 2 + right / ahead * per, box[1] + box[3] / 2 + down / ahead * per

    def still(self):
        """Return the picture once the browser has drawn all that it was sent."""
        time.sleep(drawing.FLIGHT + 0.2)  # the camera arrives
        self.side.client.flush()
        self.side.client.local_storage.get_item("x", timeout=60)  # an answer comes after what was sent before it
        self.page.evaluate(
            "() => new Promise(f => { let n = 4; (function g() { n-- ? requestAnimationFrame(g) : f() })() })"
        )
        return self.pixels()

    def color_at(self, pixels, place):
        x, y = (round(v) for v in self.where(place))
        return np.median(pixels[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3), axis=0)

    def until(self, true, what):
        for _ in range(300):
            if true():
                return
            time.sleep(0.1)
        raise AssertionError(f"waited in vain: {what}")


@pytest.fixture(scope="module")
def visitor(browser, host):
    made = Visit(browser, host)
    yield made
    made.context.close()


@pytest.fixture
def visit(visitor):
    visitor.again()
    yield visitor
    assert visitor.wrong == []
    assert visitor.hosts == {f"127.0.0.1:{visitor.server.port}"}  # no request to anybody else


def tops():
    """Return a place on top of every thing, by its name."""
    return {"desk": (1.05, 0.6, 0.75), "stool": (2.9, 0.4, 0.45), "bed": (3.0, 2.4, 0.5)}


def is_pink(color):
    return color[0] > 170 and color[1] < 110 and color[2] < 140


def keep(visit, name):
    """Keep a screenshot in out/, which git ignores."""
    folder = Path(__file__).parents[2] / "out"
    folder.mkdir(exist_ok=True)
    visit.page.screenshot(path=folder / f"browser-{name}.png")


def test_a_sentence_lights_its_object_up(visit):
    before = visit.still()
    assert not is_pink(visit.color_at(before, tops()["bed"]))
    visit.say("the bed")
    after = visit.still()
    keep(visit, "sentence")
    assert is_pink(visit.color_at(after, tops()["bed"]))
    assert not is_pink(visit.color_at(after, (1.9, 1.6, 0.0)))  # the floor beside it
    assert "1 object" in visit.page.inner_text(".sm-answer")
    assert "0.90" in visit.page.inner_text(".sm-answer")
    # the camera has come closer and looks at it
    x, _ = visit.where(tops()["bed"])
    width = visit.page.eval_on_selector("canvas", "c => c.getBoundingClientRect().width")
    assert abs(x - width / 2) < 0.25 * width


def test_where_nothing_fits_it_says_so(visit):
    visit.say("a unicorn")
    text = visit.page.inner_text(".sm-answer")
    assert "No object fits." in text
    assert "unsure" in text
    assert visit.page.query_selector(".sm-unsure") is not None


def test_clicks_positive_negative_and_undo(visit):
    visit.still()
    visit.page.mouse.click(*visit.where(tops()["desk"]))
    visit.page.wait_for_selector(".sm-answer h3:text-is('1 clicked object')")
    pixels = visit.still()
    assert is_pink(visit.color_at(pixels, np.add(tops()["desk"], (0.4, 0.15, 0))))
    visit.key("n")
    visit.until(lambda: visit.side.session.state.object == 1, "the next object")
    visit.page.mouse.click(*visit.where(tops()["bed"]))
    visit.page.wait_for_selector(".sm-answer h3:text-is('2 clicked objects')")
    # a second object in a second colour, then taken away by a negative click
    blue = visit.color_at(visit.still(), np.add(tops()["bed"], (0.4, 0.1, 0)))
    assert blue[2] > 150 > blue[0]
    visit.page.keyboard.down("Shift")
    visit.page.mouse.click(*visit.where(tops()["bed"]))
    visit.page.keyboard.up("Shift")
    visit.until(lambda: not visit.side.session.latest.masks.points(1).any(), "the negative click")
    gone = visit.color_at(visit.still(), np.add(tops()["bed"], (0.4, 0.1, 0)))
    assert np.abs(gone - blue).max() > 60
    visit.key("u")
    visit.until(lambda: visit.side.session.latest.masks.points(1).any(), "undo")
    back = visit.color_at(visit.still(), np.add(tops()["bed"], (0.4, 0.1, 0)))
    assert np.abs(back - blue).max() < 20
    keep(visit, "clicks")


def test_a_drag_is_no_click(visit):
    visit.still()
    x, y = visit.where(tops()["desk"])
    visit.page.mouse.move(x, y)
    visit.page.mouse.down()
    visit.page.mouse.move(x + 80, y + 30, steps=4)
    visit.page.mouse.up()
    visit.still()
    assert visit.side.session.latest is None


def test_layers_legend_and_isolation(visit):
    visit.key("2")
    visit.page.wait_for_selector(".sm-layers [data-do=isolate]")
    visit.press("isolate", 4)
    visit.page.wait_for_selector("[data-do=isolate][aria-pressed=true]")
    colors = visit.side._colors()
    rows = visit.side._opened.display.rows
    bed = small_room()[1][rows] == 4
    assert np.ptp(colors[bed].astype(int), axis=1).min() > 30
    assert np.ptp(colors[~bed].astype(int), axis=1).max() < 12
    visit.key("3")
    visit.page.wait_for_selector(".sm-layers summary")
    visit.page.click(".sm-layers summary")
    visit.page.hover("[data-do=object][data-value='2']")
    visit.until(lambda: len(visit.side.drawing._extras.get("boxes", [])) == 1, "a box at the object under the pointer")


def test_words_with_a_threshold_and_a_heat_map(visit):
    visit.press("mode", "find")
    visit.page.wait_for_selector("form[data-do=find]")
    visit.say("bed, stool")
    assert "2 objects" in visit.page.inner_text(".sm-answer")
    visit.page.eval_on_selector(
        ".sm-range input",
        "r => { r.value = '0.15'; for (const k of ['input', 'change']) "
        "r.dispatchEvent(new Event(k, {bubbles: true})) }",
    )
    visit.page.wait_for_selector(".sm-answer p:has-text('5 objects')")
    visit.press("heat")
    visit.until(lambda: visit.side.session.latest.heat is not None, "the heat map")
    pixels = visit.still()
    keep(visit, "words")
    hot = visit.color_at(pixels, tops()["bed"])
    assert hot[0] - hot[2] > 60


def test_what_is_saved_reads_back(visit):
    visit.say("the bed and the desk")
    with visit.page.expect_download() as download:
        visit.press("save", "npz")
    with np.load(download.value.path()) as file:
        np.testing.assert_array_equal(file["mask_0"] > 0, small_room()[1] == 1)
        np.testing.assert_array_equal(file["mask_1"] > 0, small_room()[1] == 4)
    assert download.value.suggested_filename == "small_room_masks.npz"
    with visit.page.expect_download() as download:
        visit.press("save", "png")
    image = np.asarray(Image.open(download.value.path()))
    assert (np.ptp(image.reshape(-1, 3), axis=0) > 100).all()


def test_history_shows_answers_together(visit):
    visit.say("the bed")
    visit.say("the desk")
    key = visit.side.session.state.answers[0].key
    visit.press("toggle", key)
    visit.until(lambda: len(visit.side.session.shown) == 2, "both answers")
    visit.side.drawing.home(fly=False)
    pixels = visit.still()
    assert is_pink(visit.color_at(pixels, tops()["bed"]))


def test_measuring(visit):
    visit.still()
    visit.key("m")
    visit.page.wait_for_selector("[data-do=tool][data-value=measure][aria-pressed=true]")
    for place in (tops()["desk"], tops()["bed"]):
        visit.page.mouse.click(*visit.where(place))
    visit.until(lambda: len(visit.side.session.state.measured) == 2, "two ends")
    a, b = visit.side.session.state.measured
    assert np.linalg.norm(np.subtract(a, b)) == pytest.approx(2.66, abs=0.2)


def test_two_visitors_have_sessions_of_their_own(browser, host, visit):
    other = Visit(browser, host)
    other.say("the desk")
    visit.say("the bed")
    assert other.side.session.latest.title == "the desk"
    assert [a.title for a in visit.side.session.shown] == ["the bed"]
    assert "the desk" in other.page.inner_text(".sm-answer")
    other.context.close()
    visit.until(lambda: other.number not in host.now._pages, "the other one is gone")


def test_an_upload_that_is_no_scan_is_refused_and_one_that_is_opens(visit, tmp_path):
    bad, good = tmp_path / "letter.ply", tmp_path / "cloud <b>.xyz"
    bad.write_bytes(b"Dear all, this is no scan.")
    rng = np.random.default_rng(0)
    np.savetxt(good, rng.random((500, 3)) * [4, 3, 2], fmt="%.3f")
    visit.page.set_input_files("input[type=file]", bad)
    visit.page.wait_for_selector(".sm-note")
    assert "letter.ply is no scan" in visit.page.inner_text(".sm-note")
    assert visit.side.session.scan.name == "small room"
    visit.page.set_input_files("input[type=file]", good)
    visit.page.wait_for_selector(".sm-about b:text-is('cloud b.xyz')")
    assert len(visit.side.session.scan) == 500
    visit.press("open", "example:room")
    visit.page.wait_for_selector(".sm-about b:text-is('small room')")
    visit.ready()


def test_a_question_before_the_scan_is_encoded_is_answered_after_it(visit):
    visit.server._library.delay = 1.0
    try:
        visit.press("open", "example:room")
        visit.page.wait_for_selector(".sm-busy")
        visit.say("the bed")
        assert visit.side.session.latest.title == "the bed"
    finally:
        visit.server._library.delay = 0.0


def test_a_phone(visit):
    visit.page.set_viewport_size({"width": 390, "height": 844})
    try:
        visit.page.wait_for_selector(".mantine-Paper-root[style*='20em']")
        visit.page.click("text=the bed")
        visit.page.wait_for_selector(".sm-answer h3:text-is('the bed')")
        pixels = visit.still()
        keep(visit, "phone")
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390
        for selector in (".sm-ask input", ".sm-answer"):
            box = visit.page.eval_on_selector(
                selector, "e => { const r = e.getBoundingClientRect(); return [r.left, r.right] }"
            )
            assert 0 <= box[0] < box[1] <= 390
        x, y = visit.where(tops()["bed"])  # the object is seen above the panel
        assert 0 < x < 390
        assert 0 < y < visit.page.eval_on_selector(".sm-head", "e => e.getBoundingClientRect().top")
        assert is_pink(visit.color_at(pixels, tops()["bed"]))
    finally:
        visit.page.set_viewport_size(WINDOW)
        visit.page.wait_for_selector(".mantine-Paper-root[style*='20em']", state="detached")


def test_light_and_dark(visit):
    visit.press("dark")
    visit.page.wait_for_selector("[data-mantine-color-scheme=dark]")
    ink = visit.page.eval_on_selector(".sm-about", "e => getComputedStyle(e).color")
    assert sum(int(v) for v in ink[4:-1].split(",")[:3]) > 500


def test_the_page_comes_back_when_the_server_does(visit, host):
    visit.say("the bed")
    host.again()
    visit.until(lambda: bool(host.now._pages), "the page connects again")
    (visit.number,) = host.now._pages
    visit.until(lambda: visit.side.session is not None and visit.side.session.scene is not None, "the scan is there")
    visit.page.wait_for_selector(".sm-hint")
    visit.say("the desk")
    assert visit.side.session.latest.title == "the desk"
    visit.wrong[:] = [text for text in visit.wrong if "WebSocket connection to" not in text]  # while it was away


def test_another_page_cannot_connect(browser, host):
    """A page of another origin opens a connection to the server, as any site could."""
    answers: list[bool] = []
    import http.server

    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<title>other</title>")

        def log_message(self, *_):
            pass

    other = http.server.HTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{other.server_port}/")
    script = """url => new Promise(done => { const s = new WebSocket(url, "viser-v1.1.1");
        s.onopen = () => done(true); s.onerror = () => done(false); })"""
    answers.append(page.evaluate(script, f"ws://127.0.0.1:{host.now.port}/"))
    page.close()
    other.shutdown()
    assert answers == [False]
