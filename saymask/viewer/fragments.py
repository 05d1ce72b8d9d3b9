"""The panel's pieces as HTML: pure functions of a session; everything that a file or a visitor said is escaped.

What can be pressed carries `data-do="name"` and `data-value`; page.js sends both to `saymask.viewer.page`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from saymask.masks import Masks
from saymask.render.legend import class_entries
from saymask.scan import Scan
from saymask.viewer.paint import css, mark_colors
from saymask.viewer.session import LAYERS, Answer, Session

LAYER_NAMES = dict(zip(LAYERS, ("Colours", "Classes", "Objects", "All")))
LAYER_HINTS = {
    "colors": "the scan's own colours",
    "semantic": "the class of every point",
    "instances": "every object that was found",
    "panoptic": "objects, and the classes of the rest",
}
SURFACES = ("wall", "floor", "ceiling")
"""Classes that need no name in the picture."""
MOST_ROWS = 60
"""Objects that a list holds."""
FORMATS = {"ply": "points + masks", "glb": "mesh", "npz": "NumPy", "json": "run lengths", "png": "this view"}


@dataclass(frozen=True)
class Choice:
    """Something that can be opened or picked."""

    key: str
    title: str
    note: str = ""


def button(do: str, text: str, value: object = "", *, kind: str = "", hint: str = "", on: bool | None = None) -> str:
    """Return a button; `on` says whether it is switched on, None = it is no switch."""
    state = "" if on is None else f' aria-pressed="{str(on).lower()}"'
    title = f' title="{escape(hint)}"' if hint else ""
    return (
        f'<button type="button" class="sm-button {kind}" data-do="{do}" data-value="{escape(str(value))}"{state}'
        f"{title}>{text}</button>"
    )


def segments(do: str, options: Iterable[tuple[str, str, str]], chosen: str, label: str) -> str:
    """Return switches of which one is on; options are value, text and hint."""
    inner = "".join(button(do, escape(t), v, hint=h, on=v == chosen) for v, t, h in options)
    return f'<div class="sm-segments" role="group" aria-label="{escape(label)}">{inner}</div>'


def head(scan: Scan | None, busy: str, share: float, dark: bool) -> str:
    """Return the top: the scan, and what is being done with how far it is (`share` 0..1)."""
    if scan is None:
        about = "<b>No scan yet</b><span>open one below, or drop a file here</span>"
    else:
        size = " × ".join(f"{v:.1f}" for v in np.ptp(scan.points, axis=0))
        about = f"<b>{escape(scan.name or 'scan')}</b><span>{size} m · {len(scan):,} points</span>"
    progress = ""
    if busy:
        progress = (
            f'<div class="sm-busy" role="status"><span>{escape(busy)}</span>'
            f'<div class="sm-bar"><i style="width:{100 * share:.0f}%"></i></div></div>'
        )
    theme = button("dark", "☀" if dark else "☾", int(not dark), kind="sm-icon", hint="light or dark")
    keys = button("help", "?", kind="sm-icon", hint="keys and mouse (?)")
    return f'<div class="sm sm-head"><div class="sm-about">{about}</div>{theme}{keys}</div>{progress}'


def ask(mode: str, examples: Sequence[str]) -> str:
    """Return the field for a sentence (`mode` say) or for words (find), and sentences to try."""
    placeholder = "the chair beside the window" if mode == "say" else "lamp, something to sit on"
    chips = "".join(button("example", escape(e), e, kind="sm-chip") for e in examples) if mode == "say" else ""
    choice = segments(
        "mode",
        [
            ("say", "Sentence", "what one sentence means"),
            ("find", "Words", "everything that words name; commas between"),
        ],
        mode,
        "kind of question",
    )
    return (
        f'<div class="sm sm-ask">{choice}'
        f'<form class="sm-form" data-do="{mode}"><input type="text" aria-label="what to mark" maxlength="2000" '
        f'autocomplete="off" enterkeyhint="search" placeholder="{escape(placeholder)}">'
        f'<button type="submit" class="sm-go" aria-label="ask">→</button></form>'
        f'<div class="sm-chips">{chips}</div></div>'
    )


def words(threshold: float, heat: bool) -> str:
    """Return what words have beside the field: how well something must fit, and the heat map."""
    return (
        '<div class="sm sm-words"><label class="sm-range">fits from<input type="range" min="0.05" max="0.95" '
        f'step="0.05" value="{threshold:.2f}" data-do="threshold" aria-label="least relevance">'
        f"<output>{threshold:.2f}</output></label>"
        + button("heat", "heat map", int(not heat), kind="sm-chip", on=heat, hint="how well the words fit everywhere")
        + "</div>"
    )


def size_text(masks: Masks, i: int) -> str:
    """Return width × depth × height of a mask in metres."""
    _, size, _ = masks.oriented_box(i)
    width, depth = sorted((float(size[0]), float(size[1])), reverse=True)
    return f"{width:.2f} × {depth:.2f} × {float(size[2]):.2f} m"


def answer(session: Session, seconds: float | None) -> str:
    """Return the card of the latest answer: every object with its colour, score, size and points."""
    latest = session.latest
    if latest is None:
        return '<div class="sm sm-hint">Say what to mark, or click on an object in the picture.</div>'
    colors = dict(zip((a.key for a in session.shown), mark_colors(session.shown)))
    own = colors.get(latest.key)
    masks, count = latest.masks, len(latest.masks)
    rows = ""
    for i in range(min(count, MOST_ROWS)):
        color = css(own[i]) if own is not None else "#9aa0aa"
        score = float(masks.scores[i])
        named = latest.kind not in ("refer", "click") and len(set(masks.names)) > 1
        name = escape(masks.names[i]) if named else f"object {i + 1}"  # as its mark in the picture is numbered
        rows += (
            f'<button type="button" class="sm-row" data-do="fly" data-value="{latest.key}:{i}" '
            f'data-hover="{latest.key}:{i}" title="fly there">'
            f'<i style="background:{color}"></i><span><b>{name}</b><small>{size_text(masks, i)} · '
            f'{masks.count(i):,} points</small></span><span class="sm-score"><em style="width:{100 * score:.0f}%"></em>'
            f"{'unsure' if latest.unsure else f'{score:.2f}'}</span></button>"
        )
    more = f'<div class="sm-more">and {count - MOST_ROWS:,} more</div>' if count > MOST_ROWS else ""
    time = f" · {seconds:.1f} s" if seconds is not None and seconds >= 0.05 else ""
    return (
        f'<div class="sm sm-answer{" sm-unsure" if latest.unsure else ""}" data-answer="{latest.key}" role="status">'
        f"<h3>{escape(latest.title)}</h3><p>{verdict(latest)}{time}</p>{rows}{more}</div>"
    )


def verdict(answer: Answer) -> str:
    """Return what an answer says in words, as HTML."""
    count = len(answer.masks)
    if answer.unsure:
        if not count:
            return "<b>No object fits.</b>"
        return "<b>No object fits.</b> The likeliest candidate is marked; it may be wrong."
    if not count:
        return escape(answer.masks.message) or "nothing found"
    said = f"{count} object{'s' * (count != 1)}"
    return said + (f" · {escape(answer.masks.message)}" if answer.masks.message else "")


def tools(mode: str, session: Session) -> str:
    """Return what a click in the picture does, and undo."""
    clicks = session.state.clicks
    bar = segments(
        "tool",
        [
            ("mark", "+ mark", "a click is on the object"),
            ("not", "− not this", "a click is on what does not belong to it (shift + click)"),
            ("measure", "measure", "the distance between two clicks"),
        ],
        mode,
        "what a click does",
    )
    objects = len({c.object for c in clicks})
    row = button("next", "next object", kind="sm-chip", hint="the next click is about another object (n)")
    row += button("undo", "undo", kind="sm-chip", hint="take the latest back (u)")
    row += button("clear", "clear", kind="sm-chip", hint="begin again")
    said = ""
    if clicks:
        plural = "s" * (len(clicks) != 1)
        said = f"<small>{len(clicks)} click{plural} on {objects} object{'s' * (objects != 1)}, the next is on object "
        said += f"{session.state.object + 1}</small>"
    return (
        f'<div class="sm sm-tools"><div class="sm-label">Click</div>{bar}<div class="sm-chips">{row}</div>{said}</div>'
    )


def layers(session: Session, layer: Masks | None, names: bool, boxes: bool, ceiling: bool) -> str:
    """Return the choice of layers with the legend of the chosen one."""
    bar = segments("layer", [(v, LAYER_NAMES[v], LAYER_HINTS[v]) for v in LAYERS], session.layer, "layer")
    switches = button("ceiling", "ceiling", int(not ceiling), kind="sm-chip", on=ceiling, hint="draw the ceiling (c)")
    switches += button(
        "boxes", "boxes", int(not boxes), kind="sm-chip", on=boxes, hint="boxes round what is marked (b)"
    )
    rows = ""
    if layer is not None:
        switches += button("names", "names", int(not names), kind="sm-chip", on=names, hint="names at the objects (l)")
        switches += button("isolate", "show all", "", kind="sm-chip") if session.isolated else ""
        rows = legend(session, layer) + (objects(layer) if session.layer != "semantic" else "")
    return (
        f'<div class="sm sm-layers"><div class="sm-label">Layers</div>{bar}<div class="sm-chips">{switches}</div>{rows}'
        "</div>"
    )


def legend(session: Session, layer: Masks) -> str:
    """Return the classes of a layer, the largest first, each a switch that isolates it."""
    assert layer.labels is not None
    label = {name: int(c) for name, c in zip(layer.names, layer.labels)}
    total = max(len(session.scan), 1)
    rows = ""
    for entry in class_entries(layer):
        on = label[entry.name] in session.isolated
        share = 100 * entry.points / total
        count = f"{entry.masks} · " if session.layer != "semantic" and entry.masks > 1 else ""
        rows += (
            f'<button type="button" class="sm-row sm-thin" data-do="isolate" data-value="{label[entry.name]}" '
            f'aria-pressed="{str(on).lower()}" title="show {escape(entry.name)} alone"><i style="background:'
            f'{css(np.array(entry.color))}"></i><span>{escape(entry.name)}</span>'
            f'<small title="{entry.points:,} points">{count}{share:.{0 if share >= 1 else 1}f} %</small></button>'
        )
    return f'<div class="sm-list">{rows}</div>'


def objects(layer: Masks) -> str:
    """Return the objects of a layer, best first; the pointer over one lights it up, a press flies there."""
    rows = "".join(
        f'<button type="button" class="sm-row sm-thin" data-do="object" data-value="{i}" data-hover="0:{i}">'
        f"<span>{escape(layer.names[i])}</span><small>{layer.scores[i]:.2f}</small></button>"
        for i in range(min(len(layer), MOST_ROWS))
    )
    return f'<details class="sm-list"><summary>{len(layer):,} objects</summary>{rows}</details>'


def history(session: Session) -> str:
    """Return the questions so far, newest first, each a switch that shows its answer."""
    answers = session.state.answers
    if len(answers) < 2:
        return ""
    rows = "".join(
        f'<button type="button" class="sm-row sm-thin" data-do="toggle" data-value="{a.key}" '
        f'aria-pressed="{str(a.shown).lower()}" title="show or hide beside the others"><span>{escape(a.title)}</span>'
        f"<small>{'unsure' if a.unsure else len(a.masks)}</small></button>"
        for a in reversed(answers)
    )
    return f'<div class="sm"><div class="sm-label">History</div><div class="sm-list">{rows}</div></div>'


def files(session: Session | None, choices: Sequence[Choice], models: Sequence[Choice], model: str, paths: bool) -> str:
    """Return saving, opening and the choice of a model."""
    faces = session is not None and session.scan.faces is not None
    save = "".join(
        button("save", f"{kind.upper()}<small>{text}</small>", kind, kind="sm-file")
        for kind, text in FORMATS.items()
        if kind != "glb" or faces
    )
    opens = button("upload", "a file from this device", kind="sm-chip", hint="or drop it anywhere on the page")
    opens += "".join(button("open", escape(c.title), c.key, kind="sm-chip", hint=c.note) for c in choices)
    path = ""
    if paths:
        path = (
            '<form class="sm-form" data-do="path"><input type="text" aria-label="path of a scan" autocomplete="off" '
            'placeholder="path of a scan on this machine"><button type="submit" class="sm-go" aria-label="open">→'
            "</button></form>"
        )
    options = "".join(
        f'<option value="{escape(c.key)}"{" selected" * (c.key == model)}>{escape(c.title)}</option>' for c in models
    )
    note = next((c.note for c in models if c.key == model), "")
    save_block = f'<div class="sm-label">Save</div><div class="sm-files">{save}</div>' if session is not None else ""
    return (
        f'<div class="sm">{save_block}<div class="sm-label">Open</div><div class="sm-chips">{opens}</div>{path}'
        f'<div class="sm-label">Model</div><select data-do="model" aria-label="model">{options}</select>'
        f"<small>{escape(note)}</small></div>"
    )


def note(text: str) -> str:
    """Return a message about something that did not work."""
    if not text:
        return ""
    return f'<div class="sm sm-note" role="alert">{escape(text)}{button("dismiss", "×", kind="sm-icon")}</div>'


HELP = """**Click** an object to mark it. **Shift + click** what does not belong to it. **Drag** turns,
**right drag** moves, the wheel comes closer; on a phone one finger turns, two move.

| key | |
|---|---|
| `/` | write a sentence |
| `u` | undo |
| `n` | the next click is about another object |
| `x` | clicks mark, or say what does not belong |
| `m` | measure |
| `1` – `4` | colours, classes, objects, all |
| `c`, `b`, `l` | ceiling, boxes, names |
| `h` | see all of the scan |

Nothing leaves this machine: the page asks no other host."""
