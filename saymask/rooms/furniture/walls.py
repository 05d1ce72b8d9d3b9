"""Wall fittings: doors, windows, pictures, boards, mirrors. Their backs touch the wall at +y."""

import numpy as np

from saymask.rooms.colors import BRIGHT, METAL, WOOD, darker
from saymask.rooms.furniture.design import Kit, design

GLASS = (186, 208, 224)


def _frame(k: Kit, w: float, h: float, thick: float, deep: float, paint, *, sill: bool) -> None:
    """A frame around a w × h opening; the opening itself stays free."""
    for s in (-1, 1):
        k.box(s * (w / 2 - thick / 2), 0, 0, thick, deep, h, paint)
    k.box(0, 0, h - thick, w - 2 * thick, deep, thick, paint)
    if sill:
        k.box(0, 0, 0, w - 2 * thick, deep, thick, paint)


def _door(k: Kit, face: str) -> None:
    w, h = k.u(0.86, 0.98, "w"), k.u(2.02, 2.1, "h")
    paint = k.main({"white": 4, "brown": 3, "beige": 1.5, "grey": 1, "blue": 0.3, "red": 0.2}, "wood")
    frame = paint if k.flip(0.6) else k.pick("white", "grey", "brown")
    _frame(k, w, h, 0.06, 0.14, frame, sill=False)
    k.box(0, 0.02, 0.01, w - 0.12, 0.045, h - 0.07, paint, "wood" if k.color == "brown" else "plain")
    if face == "panels":
        for z, tall in ((0.15, h * 0.36), (h * 0.36 + 0.28, h * 0.4)):
            for s in (-1, 1):
                k.box(s * w * 0.19, -0.006, z, w * 0.28, 0.014, tall, darker(paint, 0.9))
    elif face == "glass":
        k.box(0, -0.006, h * 0.5, w * 0.45, 0.014, h * 0.38, GLASS)
    side = k.pick(-1, 1)
    k.box(side * (w / 2 - 0.14), -0.02, 1.0, 0.04, 0.04, 0.06, "grey")
    k.box(side * (w / 2 - 0.18), -0.05, 1.015, 0.12, 0.02, 0.025, "grey")


@design("door", "panelled", weight=2, fronted=True)
def panelled_door(k: Kit) -> None:
    """A closed door with four panels."""
    _door(k, "panels")


@design("door", "plain", weight=1.5, fronted=True)
def plain_door(k: Kit) -> None:
    """A closed flat door."""
    _door(k, "plain")


@design("door", "glazed", weight=0.6, fronted=True)
def glazed_door(k: Kit) -> None:
    """A closed door with a glass panel."""
    _door(k, "glass")


@design("closet door", "louvred", fronted=True)
def closet_door(k: Kit) -> None:
    """A pair of folding doors in front of a built-in closet."""
    w, h = k.u(1.1, 1.6), k.u(2.0, 2.1)
    paint = k.main({"white": 5, "brown": 2, "beige": 2}, "wood")
    _frame(k, w, h, 0.05, 0.12, paint, sill=False)
    for i in range(4):
        x = -w / 2 + 0.05 + (i + 0.5) * (w - 0.1) / 4
        k.box(x, 0.01, 0.02, (w - 0.1) / 4 - 0.012, 0.035, h - 0.08, paint)
        for z in np.linspace(0.15, h - 0.25, 9):
            k.box(x, -0.014, z, (w - 0.1) / 4 - 0.08, 0.018, 0.12, darker(paint, 0.93), turn=(0.25, 0, 0))
    for s in (-1, 1):
        k.box(s * 0.06, -0.03, 1.0, 0.03, 0.03, 0.05, "grey")


@design("window", "casement", weight=3)
def window(k: Kit) -> None:
    """A window: frame, bars, panes set back, and a sill board."""
    w, h = k.u(0.9, 1.5, "w"), k.u(1.0, 1.4, "h")
    paint = k.main({"white": 6, "brown": 2, "grey": 1, "black": 0.6}, "wood")
    k.shape = "square" if abs(w - h) < 0.1 else "rectangular"
    _frame(k, w, h, 0.06, 0.14, paint, sill=True)
    sky = (GLASS, (206, 222, 232), (150, 176, 190), (92, 110, 126))[k.n(0, 3)]
    k.box(0, 0.045, 0.06, w - 0.12, 0.012, h - 0.12, sky)
    columns, rows = (2, 1) if k.flip(0.6) else (k.n(2, 3), 2)
    for i in range(1, columns):
        k.box(-w / 2 + 0.06 + i * (w - 0.12) / columns, 0.02, 0.06, 0.045, 0.05, h - 0.12, paint)
    for j in range(1, rows):
        k.box(0, 0.02, 0.06 + j * (h - 0.12) / rows - 0.02, w - 0.12, 0.045, 0.04, paint)
    k.box(0, -0.08, 0, w + 0.06, 0.12, 0.035, paint)


@design("picture", "framed", weight=3)
def picture(k: Kit) -> None:
    """A picture, framed or on canvas."""
    w, h = k.u(0.3, 0.95, "w"), k.u(0.3, 0.75, "h")
    k.shape = "square" if abs(w - h) < 0.06 else "rectangular"
    if k.flip(0.7):
        frame = k.main(WOOD | METAL | {"white": 2, "yellow": 0.5}, "wood")
        t = k.u(0.03, 0.06)
        for s in (-1, 1):
            k.box(s * (w / 2 - t / 2), 0, 0, t, 0.03, h, frame)
            k.box(0, 0, (h - t) if s > 0 else 0, w - 2 * t, 0.03, t, frame)
        k.box(0, 0.005, t, w - 2 * t, 0.018, h - 2 * t, k.some(BRIGHT), "art")
    else:
        k.box(0, 0, 0, w, 0.03, h, k.main(BRIGHT, "canvas"), "art")
        k.color = None


@design("poster", "paper")
def poster(k: Kit) -> None:
    """A poster without a frame."""
    w, h = k.u(0.4, 0.65), k.u(0.6, 0.95)
    k.box(0, 0, 0, w, 0.014, h, k.main(BRIGHT, "paper"), "art")
    k.shape = "rectangular"
    k.color = None


@design("calendar", "paper")
@design("sign", "plate", weight=0.6)
def calendar(k: Kit) -> None:
    """A calendar or a sign: a sheet with lines of print."""
    k.box(
        0,
        0,
        0,
        k.u(0.26, 0.4),
        0.014,
        k.u(0.28, 0.5),
        k.main({"white": 4, "yellow": 0.7, "red": 0.5, "blue": 0.5}, "paper"),
        "text",
    )


@design("whiteboard", "framed")
def whiteboard(k: Kit) -> None:
    """A whiteboard with a pen tray."""
    w, h = k.u(1.1, 2.2), k.u(0.85, 1.15)
    paint = k.main({"white": 1}, "plastic")
    _frame(k, w, h, 0.03, 0.03, "grey", sill=True)
    k.box(0, 0.004, 0.03, w - 0.06, 0.016, h - 0.06, paint)
    k.box(0, -0.04, 0.02, w * 0.7, 0.06, 0.02, "grey")
    for _ in range(k.n(0, 5)):
        ink = k.pick("blue", "red", "black", "green")
        k.box(
            k.u(-0.35, 0.35) * w,
            -0.008,
            k.u(0.3, 0.8) * h,
            k.u(0.15, 0.4),
            0.006,
            0.025,
            ink,
            turn=(0, k.u(-0.3, 0.3), 0),
        )


@design("blackboard", "framed")
@design("bulletin board", "cork")
@design("board", "cork", weight=0.6)
def pin_board(k: Kit) -> None:
    """A board with a wooden frame, sometimes with sheets pinned to it."""
    w, h = k.u(0.8, 1.5), k.u(0.6, 1.0)
    paint = k.main({"brown": 3, "green": 1.5, "blue": 0.7, "black": 0.8}, "cork")
    _frame(k, w, h, 0.035, 0.03, k.pick("brown", "grey", "beige"), sill=True)
    k.box(0, 0.004, 0.035, w - 0.07, 0.016, h - 0.07, paint, "stone")
    if k.color != "black":
        for i in range(k.n(1, 5)):
            x = (-0.36 + 0.18 * i) * w
            k.box(x, -0.01, k.u(0.2, 0.55) * h, 0.13, 0.008, 0.18, k.pick("white", "white", "yellow", "pink"), "text")


@design("projector screen", "pulled", fronted=True)
def projector_screen(k: Kit) -> None:
    """A pulled-down projection screen with its case."""
    w, h = k.u(1.6, 2.2), k.u(1.2, 1.5)
    k.main({"white": 1}, "fabric")
    k.box(0, 0, h, w + 0.12, 0.08, 0.09, "white", round=0.014)
    k.box(0, 0, 0, w, 0.014, h, "white")
    k.box(0, 0, -0.025, w + 0.04, 0.03, 0.03, "black")


@design("mirror", "framed", weight=1.6)
def mirror(k: Kit) -> None:
    """A mirror, rectangular or round."""
    glass = (168, 184, 190)
    frame = k.main(WOOD | METAL, "glass")
    if k.flip(0.35):
        r = k.u(0.25, 0.38)
        k.shape = "round"
        k.cyl(0, 0.012, 0, r, 0.024, frame, turn=(1.5708, 0, 0))
        k.cyl(0, -0.006, 0.0, r - 0.035, 0.014, glass, turn=(1.5708, 0, 0))
    else:
        w, h = k.u(0.45, 1.0), k.u(0.6, 1.1)
        k.shape = "rectangular"
        _frame(k, w, h, 0.04, 0.03, frame, sill=True)
        k.box(0, 0.004, 0.04, w - 0.08, 0.014, h - 0.08, glass)


@design("clock", "round", fronted=True)
def clock(k: Kit) -> None:
    """A wall clock with hands."""
    r = k.u(0.12, 0.18)
    rim = k.main({"black": 3, "white": 2, "brown": 1.5, "red": 1, "blue": 0.6}, "plastic")
    k.shape = "round"
    k.cyl(0, 0.01, 0, r, 0.03, rim, turn=(1.5708, 0, 0))
    k.cyl(0, -0.01, 0, r * 0.86, 0.014, "white" if k.color != "white" else "beige", turn=(1.5708, 0, 0))
    k.box(0, -0.022, 0, 0.014, 0.006, r * 0.65, "black")
    k.box(r * 0.25, -0.022, -0.005, r * 0.5, 0.006, 0.014, "black")


@design("radiator", "ribs")
def radiator(k: Kit) -> None:
    """A ribbed radiator."""
    w, h = k.u(0.7, 1.4, "w"), k.u(0.5, 0.65)
    paint = k.main({"white": 6, "beige": 1, "grey": 1}, "metal")
    count = max(6, round(w / 0.09))
    for i in range(count):
        k.box(-w / 2 + (i + 0.5) * w / count, 0, 0.1, w / count * 0.62, 0.1, h - 0.1, paint, round=0.02)
    for z in (0.16, h - 0.08):
        k.tube((-w / 2, 0.02, z), (w / 2, 0.02, z), 0.02, paint)
    for s in (-1, 1):
        k.box(s * (w / 2 - 0.06), 0.02, 0, 0.03, 0.03, 0.12, paint)


@design("light switch", "plate")
@design("power outlet", "plate")
def switch(k: Kit) -> None:
    """A small plate on the wall."""
    k.main({"white": 6, "beige": 1, "grey": 0.5}, "plastic")
    k.box(0, 0, 0, 0.09, 0.016, 0.13, k.shade(k.color or "white"))
    k.box(0, -0.012, 0.04, 0.035, 0.012, 0.05, "grey")


@design("vent", "grille")
def vent(k: Kit) -> None:
    """A ventilation grille."""
    w, h = k.u(0.3, 0.5), k.u(0.18, 0.3)
    paint = k.main({"white": 3, "grey": 2}, "metal")
    _frame(k, w, h, 0.03, 0.03, paint, sill=True)
    k.box(0, 0.01, 0.03, w - 0.06, 0.01, h - 0.06, "black")
    for z in np.arange(0.05, h - 0.04, 0.045):
        k.box(0, -0.002, z, w - 0.06, 0.012, 0.02, paint)


@design("coat rack", "hooks")
def hooks(k: Kit) -> None:
    """A board with hooks."""
    w = k.u(0.5, 0.9)
    wood = k.main(WOOD | METAL, "wood")
    k.box(0, 0, 0, w, 0.025, 0.1, wood, "wood")
    for x in np.linspace(-w / 2 + 0.08, w / 2 - 0.08, k.n(4, 6)):
        k.tube((x, -0.01, 0.05), (x, -0.08, 0.08), 0.011, "grey")


@design("fire extinguisher", "bottle")
def extinguisher(k: Kit) -> None:
    """A red bottle with a hose."""
    red = k.main({"red": 1}, "metal")
    k.lathe(0, 0, 0, ((0, 0), (0.075, 0), (0.075, 0.36), (0.03, 0.44), (0, 0.44)), red)
    k.box(0, 0, 0.44, 0.04, 0.09, 0.06, "black")
    k.tube((0.04, 0, 0.46), (0.1, 0, 0.2), 0.012, "black")
    k.box(0, 0.08, 0.1, 0.06, 0.03, 0.3, "grey")


@design("fire alarm", "box")
def fire_alarm(k: Kit) -> None:
    """A small red box on the wall."""
    red = k.main({"red": 4, "white": 1}, "plastic")
    k.box(0, 0, 0, 0.12, 0.05, 0.13, red, round=0.012)
    k.box(0, -0.03, 0.03, 0.07, 0.012, 0.05, "white" if k.color == "red" else "red")


@design("mailbox", "slots", fronted=True)
def mailbox(k: Kit) -> None:
    """Letter boxes in rows on the wall."""
    columns, rows = k.n(2, 4), k.n(2, 4)
    w, h = columns * 0.3, rows * 0.16
    paint = k.main(METAL | {"blue": 0.7, "green": 0.5}, "metal")
    k.box(0, 0, 0, w, 0.22, h, paint)
    k.fronts(w, 0.22, 0, h, rows, columns, darker(paint, 1.06), "black")


@design("fireplace", "mantel", fronted=True)
def fireplace(k: Kit) -> None:
    """A mantelpiece around a dark hearth."""
    w, h, d = k.u(1.2, 1.5), k.u(1.05, 1.2), 0.3
    stone = k.main({"white": 3, "brown": 2, "grey": 2, "beige": 1, "red": 0.7}, "stone")
    for s in (-1, 1):
        k.box(s * (w / 2 - 0.14), 0, 0, 0.28, d, h - 0.24, stone, "tile")
    k.box(0, 0, h - 0.26, w, d, 0.2, stone, "tile")
    k.box(0, -0.02, h - 0.06, w + 0.12, d + 0.06, 0.06, darker(stone, 0.95))
    k.box(0, d / 2 - 0.04, 0.02, w - 0.56, 0.06, h - 0.28, "black")
    k.box(0, 0.0, 0, w - 0.56, d - 0.06, 0.03, "black")
    for i in range(3):
        k.tube((-0.2, 0.02 * i, 0.07 + 0.05 * i), (0.2, 0.04 * i - 0.04, 0.07 + 0.05 * i), 0.035, "brown", "wood")
    k.top(-w / 2 + 0.05, -d / 2 + 0.03, w / 2 - 0.05, d / 2 - 0.04, h)
