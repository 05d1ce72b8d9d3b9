"""The page of one browser: what is pressed, said and clicked there changes its session, its panel and its drawing."""

import json
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import viser

from saymask.errors import InputError
from saymask.io.export import export
from saymask.io.uploads import display_name
from saymask.masks import Masks
from saymask.render.palette import mask_colors
from saymask.viewer import exports, fragments, paint
from saymask.viewer.display import pick
from saymask.viewer.drawing import Drawing
from saymask.viewer.library import Library, Opened, models
from saymask.viewer.session import LAYERS, Answer, Session
from saymask.viewer.uploads import Uploads, limit

EVENTS = "saymask-events"
"""Label of the hidden field through which page.js speaks; the same there."""
REGIONS = ("head", "note", "ask", "words", "answer", "tools", "layers", "history", "files")
GREEN, RED = (34, 170, 80), (220, 40, 40)
WIDTH = 368
"""Pixels of the panel."""
PAPER, NIGHT = (255, 255, 255), (26, 27, 30)
NOTHING = (-1, -1)
MOST_NAMES = 40
"""Names that are written into the picture."""


@dataclass(frozen=True)
class Start:
    """The beginning of all pages of a server."""

    scan: str = ""
    """Key of a scan for `Library.open`; empty = none."""
    model: str = "uniseg3d.rooms"
    result: tuple[Masks, str] | None = None
    """A result that is shown, with its title."""
    encode: bool = True
    """Encode the scan at once; else when the first question comes."""
    paths: bool = True
    """Whether visitors may name paths on this machine."""


class Page:
    """One browser's page."""

    def __init__(self, client: viser.ClientHandle, library: Library, uploads: Uploads, start: Start) -> None:
        self.client, self.library, self.uploads, self.start = client, library, uploads, start
        self.session: Session | None = None
        self.drawing = Drawing(client)
        self.model = start.model
        self._opened: Opened | None = None
        self._opening = 0
        self._encoding = False
        self._question: tuple[str, str] | None = None  # waits until the scan is encoded
        self._mode, self._tool = "say", "mark"
        self._threshold, self._heat = 0.5, False
        self._names, self._boxes, self._dark = True, False, False
        self._busy: tuple[str, float] = ("", 0.0)
        self._note = ""
        self._seconds: float | None = None
        self._hovered = NOTHING  # an answer's key (0 = the layer) and the row of its mask
        self._number = 0
        self._lock = threading.RLock()
        self._html: dict[str, Any] = {}
        self._build()

    # ---- the panel

    def _build(self) -> None:
        gui = self.client.gui
        self._theme()
        gui.set_panel_label("saymask")
        gui.main_panel.dock_right()
        gui.main_panel.set_width(WIDTH)
        self._html = {name: gui.add_html("") for name in REGIONS}
        field = gui.add_text(EVENTS, "")
        field.on_update(lambda _: self.receive(field.value))
        upload = gui.add_upload_button("upload")
        upload.on_upload(lambda _: self._uploaded(upload.value.name, upload.value.content))
        limit(self.client, self._say)
        self.client.scene.on_click()(lambda event: self._clicked(event, self._tool))
        self.client.scene.on_click(modifier="shift")(lambda event: self._clicked(event, "not"))
        self.show(*REGIONS)
        if self.start.scan:
            self._open(self.start.scan)

    def _theme(self) -> None:
        self.client.gui.configure_theme(
            dark_mode=self._dark, show_logo=False, show_share_button=False, control_width="large",
            brand_color=(255, 45, 85),
        )  # fmt: skip

    def show(self, *regions: str) -> None:
        """Write pieces of the panel anew; what is unchanged is not sent."""
        for name in regions:
            content = getattr(self, f"_{name}_html")()
            if self._html[name].content != content:
                self._html[name].content = content

    def _head_html(self) -> str:
        scan = None if self._opened is None else self._opened.scan
        return fragments.head(scan, *self._busy, self._dark)

    def _note_html(self) -> str:
        return fragments.note(self._note)

    def _ask_html(self) -> str:
        sentences = () if self._opened is None else self._opened.sentences
        return "" if self.session is None else fragments.ask(self._mode, sentences)

    def _words_html(self) -> str:
        latest = None if self.session is None else self.session.latest
        return fragments.words(self._threshold, self._heat) if latest is not None and latest.kind == "find" else ""

    def _answer_html(self) -> str:
        return "" if self.session is None else fragments.answer(self.session, self._seconds)

    def _tools_html(self) -> str:
        return "" if self.session is None else fragments.tools(self._tool, self.session)

    def _layers_html(self) -> str:
        if self.session is None:
            return ""
        return fragments.layers(self.session, self._layer(), self._names, self._boxes, self.drawing.ceiling)

    def _history_html(self) -> str:
        return "" if self.session is None else fragments.history(self.session)

    def _files_html(self) -> str:
        return fragments.files(self.session, self.library.choices(), models(self.model), self.model, self.start.paths)

    def _say(self, note: str) -> None:
        self._note = note
        self.show("note")

    def _progress(self, what: str, share: float) -> None:
        self._busy = (what, share)
        self.show("head")

    # ---- events

    def receive(self, text: str) -> None:
        """Perform what events ask for that are not known yet: JSON [[number, name, value], …], the latest last."""
        try:
            events = [(int(number), str(name), str(value)) for number, name, value in json.loads(text)]
        except (ValueError, TypeError):
            return
        for number, name, value in events:
            with self._lock:
                if number <= self._number:
                    continue
                self._number = number
                self.do(name, value)

    def do(self, name: str, value: str) -> None:
        """Perform what one event asks for; what goes wrong is said in the panel."""
        action: Callable[[str], None] | None = getattr(self, f"_on_{name}", None) if name.isidentifier() else None
        if action is None:
            return
        try:
            if self._note and name != "hover":
                self._say("")
            action(value)
        except InputError as error:
            self._say(str(error))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self._say(f"this did not work ({type(error).__name__}: {error}); the terminal has more")

    def _ask(self, name: str, value: str) -> Session | None:
        """Return the session when it can be asked; else keep the question until it can."""
        if self.session is None:
            raise InputError("open a scan first")
        if self.session.scene is not None:
            return self.session
        self._question = (name, value)
        self._progress("your question is answered when the scan is encoded", max(self._busy[1], 0.02))
        if not self._encoding:
            self._encode()
        return None

    def _answered(self, make: Callable[[Session], Answer], question: tuple[str, str], *, fly: bool) -> None:
        session = self._ask(*question)
        if session is None:
            return
        began = time.perf_counter()
        answer = make(session)
        self._seconds = time.perf_counter() - began
        self._redraw()
        if fly and len(answer.masks):
            self._fly(answer, range(len(answer.masks)))

    def _on_say(self, value: str) -> None:
        self._answered(lambda session: session.say(value), ("say", value), fly=True)

    def _on_example(self, value: str) -> None:
        self._mode = "say"
        self._on_say(value)

    def _on_find(self, value: str) -> None:
        self._answered(lambda session: session.find(value, self._threshold, heat=self._heat), ("find", value), fly=True)

    def _on_mode(self, value: str) -> None:
        self._mode = "find" if value == "find" else "say"
        self.show("ask")

    def _on_threshold(self, value: str) -> None:
        self._threshold = min(max(float(value), 0.0), 1.0)
        self._again()

    def _on_heat(self, value: str) -> None:
        self._heat = value == "1"
        self._again()

    def _again(self) -> None:
        latest = None if self.session is None else self.session.latest
        if latest is not None and latest.kind == "find":
            self._answered(
                lambda session: session.find(latest.title, self._threshold, heat=self._heat), ("find", latest.title),
                fly=False,
            )  # fmt: skip

    def _clicked(self, event: Any, tool: str) -> None:
        with self._lock:
            session, display = self.session, self.drawing.display
            if session is None or display is None:
                return
            rows = np.flatnonzero(self.drawing.visible())
            met = pick(display.points[rows], np.array(event.ray_origin), np.array(event.ray_direction), display.size)
            if met is None:
                return
            place = display.points[rows[met]]
            color = {"mark": GREEN, "not": RED}.get(tool)
            if color is not None:
                self.drawing.click(place, color)  # at once; the answer follows
            self.do("click", json.dumps([tool, *place.tolist()]))

    def _on_click(self, value: str) -> None:
        tool, *place = json.loads(value)
        if tool == "measure":
            assert self.session is not None
            self.session.measure(place)
            self._redraw()
            return
        try:
            self._answered(lambda session: session.click(place, tool == "mark"), ("click", value), fly=False)
        except InputError:
            self._draw_clicks()  # without the ball of the one that was refused
            raise

    def _on_tool(self, value: str) -> None:
        if value == "other":
            value = "mark" if self._tool == "not" else "not"
        self._tool = value if value in ("mark", "not", "measure") else "mark"
        self.show("tools")

    def _on_next(self, _: str) -> None:
        if self.session is not None:
            self.session.next_object()
            self._tool = "mark"
            self.show("tools")

    def _on_undo(self, _: str) -> None:
        if self.session is not None and not self.session.undo():
            raise InputError("there is nothing to take back")
        self._seconds = None
        self._redraw()

    def _on_clear(self, _: str) -> None:
        if self.session is not None:
            self.session.clear()
            self._seconds = None
            self._redraw()

    def _on_toggle(self, value: str) -> None:
        if self.session is not None:
            self.session.toggle(int(value))
            self._redraw()

    def _on_layer(self, value: str) -> None:
        if value not in LAYERS or self.session is None:
            return
        if value != "colors" and self._ask("layer", value) is None:
            return
        before = self.session.layer
        self.session.layer, self.session.isolated, self._hovered = value, frozenset(), NOTHING
        try:
            self._layer()
        except InputError:  # a model that does not answer it
            self.session.layer = before
            raise
        self._redraw()

    def _on_isolate(self, value: str) -> None:
        if self.session is None:
            return
        if value:
            self.session.isolate(int(value))
        else:
            self.session.isolated = frozenset()
        self._redraw()

    def _on_hover(self, value: str) -> None:
        key, _, i = value.partition(":")
        self._hovered = (int(key), int(i)) if i else NOTHING
        if self.session is not None:
            self._draw_boxes()

    def _on_boxes(self, _: str) -> None:
        self._boxes = not self._boxes
        self._redraw()

    def _on_object(self, value: str) -> None:
        layer = self._layer()
        if layer is not None and int(value) < len(layer):
            self.drawing.fly_to(*layer.box(int(value)))

    def _on_names(self, _: str) -> None:
        self._names = not self._names
        self.show("layers")
        self._draw_names()

    def _on_ceiling(self, _: str) -> None:
        if self.session is not None:
            self.drawing.show_ceiling(not self.drawing.ceiling)
            self.show("layers")

    def _on_home(self, _: str) -> None:
        if self.session is not None:
            self.drawing.home()

    def _on_fly(self, value: str) -> None:
        key, _, i = value.partition(":")
        answers = () if self.session is None else self.session.state.answers
        for answer in answers:
            if answer.key == int(key) and int(i) < len(answer.masks):
                self._fly(answer, [int(i)])

    def _fly(self, answer: Answer, rows: Any) -> None:
        boxes = [answer.masks.box(i) for i in rows]
        self.drawing.fly_to(np.min([b[0] for b in boxes], axis=0), np.max([b[1] for b in boxes], axis=0))

    def _on_dark(self, value: str) -> None:
        self._dark = value == "1"
        self._theme()
        self.show("head")

    def _on_dismiss(self, _: str) -> None:
        """Take the note away, as every event does."""

    def _on_help(self, _: str) -> None:
        with self.client.gui.add_modal("Keys and mouse") as modal:
            self.client.gui.add_markdown(fragments.HELP)
            self.client.gui.add_button("close").on_click(lambda _: modal.close())

    # ---- scans and models

    def _on_open(self, value: str) -> None:
        if value.startswith("example:"):
            self._open(value)

    def _on_path(self, value: str) -> None:
        if not self.start.paths:
            raise InputError("paths: only a page on this machine opens files by their path; drop the file here instead")
        self._open(value)

    def _on_model(self, value: str) -> None:
        if value not in [choice.key for choice in models(self.model)]:
            return
        self.model = value
        self.show("files")
        if self.session is not None:
            self.session.scene, self.session.layer = None, "colors"
            self._redraw()
            self._encode()

    def _uploaded(self, name: str, content: bytes) -> None:
        try:
            self._progress(f"looking at {display_name(name)}", 0.02)
            path = self.uploads.keep(name, content)
        except InputError as error:
            self._progress("", 0.0)
            return self._say(str(error))
        with self._lock:
            self._say("")
            self._open(str(path), display_name(name))

    def _open(self, key: str, name: str = "") -> None:
        self._opening += 1
        self._question = None
        threading.Thread(target=self._work, args=(self._opening, key, name), daemon=True).start()

    def _encode(self) -> None:
        self._opening += 1
        threading.Thread(target=self._work, args=(self._opening, None, ""), daemon=True).start()

    def _work(self, number: int, key: str | None, name: str) -> None:
        """Open a scan (or keep the one that is open) and encode it; a later call makes this one end quietly."""

        def progress(what: str, share: float) -> None:
            if number == self._opening:
                self._progress(what, share)

        try:
            if key is not None:
                opened = self.library.open(key, progress, name)
                if number != self._opening:
                    return
                with self._lock:
                    self._begin(opened)
                if not self.start.encode and key == self.start.scan:
                    return progress("", 0.0)
            opened, self._encoding = self._opened, True
            assert opened is not None
            scene = self.library.scene(opened, self.model, progress)
            if number != self._opening:
                return
            with self._lock:
                self._encoding = False
                progress("", 0.0)
                if self.session is not None:
                    self.session.scene = scene
                question, self._question = self._question, None
                if question is not None:
                    self.do(*question)
        except Exception as error:
            if not isinstance(error, InputError):
                traceback.print_exc(file=sys.stderr)
            if number == self._opening:
                self._encoding = False
                progress("", 0.0)
                self._say(str(error))

    def _begin(self, opened: Opened) -> None:
        self._opened, self.session = opened, Session(opened.scan)
        self._seconds, self._hovered = None, NOTHING
        if self.start.result is not None and self.start.result[0].scan is opened.scan:
            self.session.show(*self.start.result)
        self.drawing.open(opened.scan, opened.display, self._colors())
        self._redraw()
        answer = self.session.latest
        if answer is not None and 0 < len(answer.masks) <= 8 and answer.masks.labels is None:
            self._fly(answer, range(len(answer.masks)))

    # ---- saving

    def _on_save(self, value: str) -> None:
        if self.session is None:
            raise InputError("open a scan first")
        if value == "png":
            camera = self.client.camera
            pixels = self.client.get_render(camera.image_height, camera.image_width, transport_format="png", timeout=30)
            name, content = exports.picture(pixels, self.session.scan.name, NIGHT if self._dark else PAPER)
        else:
            layer = self._layer()
            masks = layer if layer is not None and not self.session.shown else self.session.combined()
            name, content = export(masks, value, colored=value == "ply" or None)
        self.client.send_file_download(name, content, save_immediately=True)

    # ---- drawing

    def _layer(self) -> Masks | None:
        """Return the masks of the chosen layer; None for the scan's own colours."""
        if self.session is None or self.session.layer == "colors" or self.session.scene is None:
            return None
        return getattr(self.session.scene, self.session.layer)()

    def _colors(self) -> np.ndarray:
        """Return the colours uint8 [n, 3] of the drawn points."""
        assert self.session is not None
        assert self._opened is not None
        session, display = self.session, self._opened.display
        scan, shown = session.scan, session.shown
        heat = next((a.heat for a in reversed(shown) if a.heat is not None), None)
        if heat is not None:
            return paint.heat(scan, display.rows, display.shade, heat)
        marked = [a for a in shown if len(a.masks)]
        colors = paint.base(scan, display.rows, display.shade, self._layer(), session.isolated, bool(marked))
        for answer, own in zip(marked, paint.mark_colors(marked), strict=True):
            owner = answer.masks.best[display.rows]
            rows = np.flatnonzero(owner >= 0)
            colors[rows] = paint.lit(own[owner[rows]], display.shade[rows], scan.colors[display.rows[rows]])
        return colors

    def _redraw(self) -> None:
        """Bring panel and drawing to what the session says."""
        self.show("ask", "words", "answer", "tools", "layers", "history", "files")
        self.drawing.paint(self._colors())
        self._draw_marks()
        self._draw_boxes()
        self._draw_names()
        self._draw_clicks()

    def _draw_marks(self) -> None:
        assert self.session is not None
        assert self._opened is not None
        scan, display = self.session.scan, self._opened.display
        shade = np.full(len(scan), 0.93, np.float32)
        shade[display.rows] = display.shade
        marks = []
        for answer, own in zip(self.session.shown, paint.mark_colors(self.session.shown), strict=True):
            if answer.heat is not None:
                continue
            for i in range(len(answer.masks)):
                bits = answer.masks.points(i)
                marks.append((bits, paint.lit(own[i], shade[bits], scan.colors[bits])))
        self.drawing.mark(scan, marks)

    def _draw_boxes(self) -> None:
        assert self.session is not None
        boxes = []
        for answer, own in zip(self.session.shown, paint.mark_colors(self.session.shown), strict=True):
            for i in range(len(answer.masks)):
                if self._hovered == (answer.key, i) or (self._boxes and i < MOST_NAMES):
                    boxes.append((*answer.masks.oriented_box(i), _rgb(own[i])))
        layer, (key, i) = self._layer(), self._hovered
        if layer is not None and key == 0 and i < len(layer):
            boxes.append((*layer.oriented_box(i), _rgb(mask_colors(layer)[i] * 0.7)))
        self.drawing.boxes(boxes)

    def _draw_names(self) -> None:
        assert self.session is not None
        texts: list[tuple[str, np.ndarray]] = []
        layer = self._layer()
        if self._names and layer is not None and self.session.layer != "semantic":
            for i in range(min(len(layer), MOST_NAMES)):
                labels = layer.labels
                if layer.names[i] in fragments.SURFACES:
                    continue
                if not self.session.isolated or (labels is not None and int(labels[i]) in self.session.isolated):
                    texts.append((layer.names[i], _top(layer, i)))
        for answer in self.session.shown:
            if answer.kind == "refer" and len(answer.masks) < 2:
                continue
            for i in range(min(len(answer.masks), MOST_NAMES)):
                name = str(i + 1) if answer.kind in ("refer", "click") else answer.masks.names[i]
                texts.append((name[:40], _top(answer.masks, i)))
        self.drawing.names(texts)

    def _draw_clicks(self) -> None:
        assert self.session is not None
        state = self.session.state
        latest = self.session.latest
        if latest is not None and latest.kind == "click" and latest.shown:
            self.drawing.clicks([(np.array(c.place), GREEN if c.positive else RED) for c in state.clicks])
        else:
            self.drawing.clicks([])
        ends = [np.array(p) for p in state.measured]
        pairs = list(zip(ends[0::2], ends[1::2]))
        lines = [(a, b, f"{float(np.linalg.norm(a - b)):.2f} m") for a, b in pairs]
        self.drawing.measured(lines, ends[-1] if len(ends) % 2 else None)


def _top(masks: Masks, i: int) -> np.ndarray:
    """Return the place over the middle of a mask, float64 [3]."""
    low, high = masks.box(i)
    return np.array([*(low[:2] + high[:2]) / 2, high[2] + 0.06], np.float64)


def _rgb(color: np.ndarray) -> tuple[int, int, int]:
    r, g, b = (int(v) for v in np.clip(color, 0, 255))
    return r, g, b
