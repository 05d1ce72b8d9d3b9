"""Doors that are open, ajar or closed, windows of many sizes, and what hangs before them (version 2)."""

from math import cos, sin

from saymask.rooms.colors import BRIGHT, FABRIC, METAL, RGB, WOOD, darker
from saymask.rooms.furniture.design import Kit, design2

PAINT = {"white": 4, "brown": 3.5, "beige": 2, "grey": 1.5, "blue": 0.3, "red": 0.2, "green": 0.2, "black": 0.3}
PANES: tuple[RGB, ...] = (
    (186, 208, 224), (206, 222, 232), (236, 240, 244), (250, 250, 250), (150, 176, 190), (92, 110, 126), (60, 70, 74),
    (120, 140, 110), (170, 180, 170), (330, 340, 350), (360, 362, 358), (400, 395, 370), (300, 330, 300),
)  # fmt: skip
"""Colours of glass: the sky, a dark outside, curtains behind it; above 255 by day, when cameras are dazzled."""
WALL = 0.11
"""Metres by which the back of a door or window lies outside the wall."""


def _frame(k: Kit, w: float, h: float, thick: float, deep: float, paint, y: float, *, sill: bool) -> None:
    """A frame around a w × h opening, its middle at y."""
    for s in (-1, 1):
        k.box(s * (w / 2 - thick / 2), y, 0, thick, deep, h, paint)
    k.box(0, y, h - thick, w - 2 * thick, deep, thick, paint)
    if sill:
        k.box(0, y, 0, w - 2 * thick, deep, thick, paint)


def _leaf(k: Kit, hinge: float, side: int, w: float, h: float, angle: float, paint, face: str, y: float) -> None:
    """A door leaf hinged at x = hinge that reaches to `side` (±1) when closed, turned `angle` into the room."""
    tex = "wood" if face != "glass" and k.flip(0.5) else "plain"
    c, s = cos(angle), sin(angle)

    def put(along: float, out: float, z: float, wide: float, deep: float, high: float, color, texture="plain") -> None:
        x = hinge + side * (along * c + out * s)
        k.box(x, y - along * s + out * c, z, wide, deep, high, color, texture, turn=(0, 0, -side * angle))

    if face == "glass":
        rim = k.u(0.06, 0.14)
        pane = k.pick(*PANES)
        for along in (rim / 2, w - rim / 2):
            put(along, 0, 0.01, rim, 0.04, h, paint, tex)
        for z, tall in ((0.01, k.u(0.1, 0.3)), (h - rim, rim)):
            put(w / 2, 0, z, w - 2 * rim, 0.04, tall, paint, tex)
        put(w / 2, 0, 0.1, w - 2 * rim, 0.012, h - 0.14, pane)
    else:
        put(w / 2, 0, 0.01, w, 0.042, h, paint, tex)
        for out in (-0.024, 0.024):
            if face == "panels":
                n = k.pick(1, 2)
                for z, tall in ((0.14, h * 0.3), (h * 0.3 + 0.24, h * 0.55)):
                    for i in range(n):
                        put((i + 0.5) * (w - 0.1) / n + 0.05, out, z, (w - 0.2) / n - 0.04, 0.01, tall - 0.06,
                            darker(paint, 0.9))  # fmt: skip
            elif face == "lite":
                put(w * 0.7, out, h * 0.45, w * 0.2, 0.01, h * 0.42, k.pick(*PANES))
            elif face == "window":
                put(w / 2, out, h * 0.55, w * 0.6, 0.01, h * 0.32, k.pick(*PANES))
            elif face == "plate":
                put(w / 2, out, 0.05, w * 0.9, 0.008, 0.25, "grey")
    metal = k.pick("grey", "grey", "black", "beige")
    for out in (-0.05, 0.05):
        put(w - 0.07, out, 0.98, 0.045, 0.03, 0.1, metal)
        put(w - 0.11, out * 1.4, 1.02, 0.12, 0.02, 0.022, metal)


def _paints(k: Kit) -> tuple[RGB, RGB]:
    """The leaf's colour, which is the door's, and the frame's."""
    paint = k.main(PAINT, "wood")
    return paint, paint if k.flip(0.5) else k.some(PAINT | METAL)


def _hinged(k: Kit, angle: float) -> None:
    w, h = k.u(0.74, 1.05, "w"), k.u(1.98, 2.15, "h")
    paint, frame = _paints(k)
    thick, deep = k.u(0.04, 0.1), k.u(0.12, 0.18)
    back = 0.0
    _frame(k, w, h, thick, deep, frame, back - deep / 2, sill=False)
    side = k.pick(-1, 1)
    face = k.pick("plain", "plain", "panels", "panels", "lite", "window", "glass", "plate")
    y = back - deep + 0.03 if angle > 0.05 else back - k.u(0.03, deep - 0.03)
    _leaf(k, -side * (w / 2 - thick), side, w - 2 * thick, h - thick - 0.015, angle, paint, face, y)


@design2("door", "closed", weight=3, fronted=True, like="plain")
def closed_door(k: Kit) -> None:
    """A closed door flush with the wall or deep in its frame."""
    _hinged(k, 0.0)


@design2("door", "ajar", weight=2.5, fronted=True)
def ajar_door(k: Kit) -> None:
    """A door that stands a little open."""
    _hinged(k, k.u(0.12, 0.9))


@design2("door", "wide_open", weight=2.5, fronted=True)
def open_door(k: Kit) -> None:
    """A door that stands open at about a right angle; nothing closes the opening."""
    _hinged(k, k.u(1.2, 1.57))


@design2("door", "double", weight=1, fronted=True)
def double_door(k: Kit) -> None:
    """Two leaves, one of them at times open."""
    w, h = k.u(1.3, 1.8), k.u(2.02, 2.2)
    paint, frame = _paints(k)
    face = k.pick("glass", "panels", "plain", "window")
    _frame(k, w, h, 0.06, 0.14, frame, -0.07, sill=False)
    for side in (-1, 1):
        angle = k.u(0.2, 1.5) if k.flip(0.3) else 0.0
        _leaf(k, -side * (w / 2 - 0.06), side, w / 2 - 0.07, h - 0.075, angle, paint, face, -0.11)


@design2("door", "sliding", weight=1, fronted=True)
def sliding_door(k: Kit) -> None:
    """Large glass panels that slide, or a barn door on a rail before the wall."""
    if k.flip(0.65):
        w, h, n = k.u(1.5, 2.6), k.u(2.0, 2.25), 2
        paint = k.main({"white": 3, "grey": 2, "black": 2, "brown": 1}, "metal")
        _frame(k, w, h, 0.05, 0.14, paint, -0.07, sill=True)
        shift = k.u(0.0, 0.5)
        for i in range(n):
            x = (i - 0.5) * (w / 2 - 0.05) * (1 - (shift if i else 0))
            pane = k.pick(*PANES)
            _framed_pane(k, x, -0.05 - 0.04 * i, 0.05, w / 2 - 0.03, h - 0.1, k.u(0.04, 0.07), paint, pane)
    else:
        w, h = k.u(0.9, 1.1), k.u(2.0, 2.1)
        wood = k.main(WOOD, "wood")
        k.box(0, -0.11, 0.02, w, 0.04, h, wood, "wood")
        for z in (0.1, h * 0.5, h - 0.14):
            k.box(0, -0.135, z, w, 0.02, 0.12, darker(wood, 0.9), "wood")
        k.box(0, -0.12, h + 0.05, w + 0.3, 0.02, 0.05, "black")
        k.box(0, -0.01, 0.0, w, 0.01, 0.03, "grey")
        k.tube((w / 2 - 0.1, -0.16, 0.9), (w / 2 - 0.1, -0.16, 1.2), 0.014, "black")


@design2("door", "steel", weight=0.7, fronted=True)
def steel_door(k: Kit) -> None:
    """A heavy door with a push bar or a kick plate."""
    w, h = k.u(0.9, 1.1), k.u(2.0, 2.12)
    paint = k.main(METAL | {"beige": 2, "blue": 1, "green": 0.7, "red": 0.5, "brown": 1}, "metal")
    _frame(k, w, h, 0.05, 0.12, darker(paint, 0.8), -0.06, sill=False)
    k.box(0, -0.06, 0.01, w - 0.1, 0.05, h - 0.07, paint)
    if k.flip():
        k.box(0, -0.13, 0.98, w - 0.2, 0.05, 0.07, "grey", round=0.012)
    else:
        k.box(0, -0.09, 0.04, w - 0.2, 0.012, 0.25, "grey")
        k.tube((w / 2 - 0.14, -0.11, 0.9), (w / 2 - 0.14, -0.11, 1.15), 0.014, "grey")
    if k.flip(0.4):
        k.box(w * 0.2, -0.088, h * 0.6, 0.15, 0.012, 0.5, k.pick(*PANES))


@design2("doorframe", "passage", weight=1)
def doorframe(k: Kit) -> None:
    """An open passage with its frame and no leaf."""
    w, h = k.u(0.8, 1.3, "w"), k.u(2.0, 2.2, "h")
    paint = k.main(PAINT, "wood")
    _frame(k, w, h, k.u(0.05, 0.12), k.u(0.12, 0.2), paint, -0.08, sill=False)


def _framed_pane(k: Kit, x: float, y: float, z: float, w: float, h: float, rim: float, paint, pane) -> None:
    """A pane of glass in its own frame."""
    for s in (-1, 1):
        k.box(x + s * (w / 2 - rim / 2), y, z, rim, 0.04, h, paint)
    for at in (z, z + h - rim):
        k.box(x, y, at, w - 2 * rim, 0.04, rim, paint)
    k.box(x, y + 0.008, z + rim, w - 2 * rim, 0.01, h - 2 * rim, pane)


@design2("window", "panes", weight=4, like="casement")
def panes(k: Kit) -> None:
    """A window of several sashes, set back in the wall or flush with it, with a sill of stone or wood."""
    w, h = k.u(0.5, 2.2, "w"), k.u(0.6, 1.6, "h")
    paint = k.main({"white": 6, "brown": 2.5, "grey": 1.5, "black": 1, "beige": 1}, "wood")
    k.shape = "square" if abs(w - h) < 0.1 else "rectangular"
    deep, rim = k.u(0.1, 0.16), k.u(0.035, 0.08)
    _frame(k, w, h, rim, deep, paint, -deep / 2, sill=True)
    pane = k.pick(*PANES)
    columns = max(1, round((w - 0.1) / k.u(0.45, 1.1)))
    rows = 1 if k.flip(0.6) else k.n(1, 3)
    y = -k.u(0.035, deep - 0.02)
    for i in range(columns):
        for j in range(rows):
            cw, ch = (w - 2 * rim) / columns, (h - 2 * rim) / rows
            x, z = -w / 2 + rim + (i + 0.5) * cw, rim + j * ch
            _framed_pane(k, x, y, z, cw - 0.004, ch - 0.004, k.u(0.025, 0.06), paint,
                         pane if k.flip(0.8) else k.pick(*PANES))  # fmt: skip
    if k.flip(0.6):
        k.tube((0.03, y - 0.03, h * 0.45), (0.03, y - 0.06, h * 0.52), 0.011, "grey")
    if k.flip(0.75):
        k.box(
            0, -deep - 0.05, -0.005, w + k.u(0.0, 0.16), k.u(0.1, 0.24), 0.03, k.pick("white", "grey", "beige", paint)
        )


@design2("window", "hung", weight=1.5, like="casement")
def hung_window(k: Kit) -> None:
    """A sash window: the lower half slides before the upper one; broad casing."""
    w, h = k.u(0.6, 1.3, "w"), k.u(0.8, 1.6, "h")
    paint = k.main({"white": 6, "brown": 2, "beige": 1}, "wood")
    k.shape = "square" if abs(w - h) < 0.1 else "rectangular"
    rim = k.u(0.07, 0.12)
    _frame(k, w, h, rim, 0.14, paint, -0.07, sill=True)
    pane = k.pick(*PANES)
    for z, y in ((rim, -0.09), (h / 2 - 0.02, -0.045)):
        _framed_pane(k, 0, y, z, w - 2 * rim, h / 2 - rim + 0.02, 0.05, paint, pane)
        if k.flip(0.4):
            for i in (1, 2):
                k.box(-w / 2 + rim + i * (w - 2 * rim) / 3, y, z + 0.03, 0.02, 0.02, h / 2 - rim - 0.04, paint)
    k.box(0, -0.15, -0.005, w + 0.08, 0.1, 0.04, paint)


@design2("window", "glazed_wall", weight=0, like="casement")
@design2("window", "glazing", weight=0.7)
def glazing(k: Kit) -> None:
    """Tall fixed panes between thin posts."""
    w, h = k.u(0.9, 2.6, "w"), k.u(1.0, 2.0, "h")
    paint = k.main({"grey": 3, "black": 3, "white": 2}, "metal")
    _frame(k, w, h, 0.05, 0.12, paint, -0.06, sill=True)
    n = max(1, round(w / k.u(0.7, 1.2)))
    k.box(0, -0.04, 0.05, w - 0.1, 0.012, h - 0.1, k.pick(*PANES))
    for i in range(1, n):
        k.box(-w / 2 + i * w / n, -0.05, 0.05, 0.05, 0.07, h - 0.1, paint)
    if k.flip():
        k.box(0, -0.05, h * k.u(0.25, 0.75), w - 0.1, 0.06, 0.05, paint)


@design2("curtain", "drape", weight=4)
def drape(k: Kit) -> None:
    """A curtain with irregular folds that fall closer together at the top or gathered in the middle."""
    w, h = k.u(0.4, 1.0, "w"), k.u(1.9, 2.3, "h")
    cloth = k.main(FABRIC | {"white": 5, "beige": 4, "grey": 3}, "fabric")
    deep = k.u(0.06, 0.13)
    folds = max(2, round(w / k.u(0.09, 0.2)))
    k.drape(0, -deep / 2, 0, w, h, deep, cloth, k.pick("fabric", "fabric", "stripes", "plain"), folds)
    if k.flip(0.7):
        metal = k.pick("grey", "brown", "black", "white")
        k.tube((-w / 2 - 0.03, -deep / 2, h + 0.015), (w / 2 + 0.03, -deep / 2, h + 0.015), 0.013, metal)


@design2("curtain", "sheer", weight=1.5)
def sheer(k: Kit) -> None:
    """A thin pale curtain with fine folds."""
    w, h = k.u(0.4, 1.0, "w"), k.u(1.9, 2.3, "h")
    k.main({"white": 6, "beige": 2, "grey": 1}, "fabric")
    k.drape(0, -0.025, 0, w, h, 0.05, k.shade(k.color or "white"), "plain", max(4, round(w / 0.07)))


@design2("shower curtain", "drape", weight=2)
def shower_drape(k: Kit) -> None:
    """A shower curtain on rings."""
    w, h = k.u(0.6, 1.2, "w"), k.u(1.75, 1.9, "h")
    cloth = k.main(BRIGHT | {"white": 5, "grey": 1.5}, "plastic")
    k.drape(0, -0.05, 0, w, h, k.u(0.06, 0.1), cloth, k.pick("plain", "stripes", "fabric"), max(3, round(w / 0.14)))
    k.tube((-w / 2, -0.05, h + 0.02), (w / 2, -0.05, h + 0.02), 0.013, "grey")


@design2("blinds", "roller", weight=1.5)
def roller(k: Kit) -> None:
    """A roller blind: one smooth sheet under a roll."""
    w, h = k.u(0.6, 1.5, "w"), k.u(0.4, 1.4, "h")
    cloth = k.main({"white": 4, "beige": 3, "grey": 3, "black": 0.7, "blue": 0.5, "brown": 0.5}, "fabric")
    k.box(0, -0.03, 0.02, w - 0.02, 0.012, h, cloth, "plain")
    k.tube((-w / 2, -0.04, h + 0.03), (w / 2, -0.04, h + 0.03), 0.03, darker(cloth, 0.95))
    k.box(0, -0.03, 0, w - 0.02, 0.02, 0.03, darker(cloth, 0.9))


@design2("blinds", "vertical", weight=1.2)
def vertical_blinds(k: Kit) -> None:
    """Vertical slats turned half open."""
    w, h = k.u(0.7, 1.8, "w"), k.u(0.6, 1.4, "h")
    paint = k.main({"white": 4, "beige": 3, "grey": 2}, "fabric")
    k.box(0, -0.04, h, w, 0.05, 0.04, "white")
    turn = k.u(0.1, 1.2)
    for i in range(n := max(4, round(w / 0.1))):
        k.box(-w / 2 + (i + 0.5) * w / n, -0.05, 0, 0.085, 0.012, h, darker(paint, k.u(0.95, 1.04)), turn=(0, 0, turn))


@design2("blinds", "roman", weight=0.7)
def roman(k: Kit) -> None:
    """A blind of cloth drawn up in soft folds."""
    w, h = k.u(0.6, 1.4, "w"), k.u(0.35, 0.9, "h")
    cloth = k.main(FABRIC | {"white": 3, "beige": 3}, "fabric")
    n = k.n(2, 4)
    for i in range(n):
        k.soft(0, -0.04, i * 0.09, w, 0.07, 0.12, cloth, round=0.03, bulge=0.0, bumps=0.008)
    k.box(0, -0.03, n * 0.09, w, 0.02, max(0.1, h - n * 0.09), cloth, "fabric")


@design2("windowsill", "board", weight=1)
@design2("ledge", "board", weight=1)
def sill(k: Kit) -> None:
    """A board at the wall under a window, or a narrow ledge."""
    w, d = k.u(0.8, 1.6, "w"), k.u(0.12, 0.26)
    paint = k.main({"white": 4, "grey": 2, "brown": 2, "beige": 1}, "stone")
    k.box(0, 0, 0, w, d, k.u(0.03, 0.05), paint, k.pick("stone", "wood", "plain"))
    k.top(-w / 2 + 0.02, -d / 2 + 0.005, w / 2 - 0.02, d / 2 - 0.005, k.parts[-1].size[2])
