"""Rarely met things: instruments, sports gear, ladders, a bicycle."""

import numpy as np

from saymask.rooms.colors import METAL, PLASTIC, WOOD, darker
from saymask.rooms.furniture.design import Kit, design


@design("piano", "upright", fronted=True)
def piano(k: Kit) -> None:
    """An upright piano."""
    w, h = 1.48, k.u(1.1, 1.25)
    wood = k.main({"black": 3, "brown": 3, "white": 0.5}, "wood")
    k.box(0, 0.13, 0.05, w, 0.32, h - 0.05, wood, "wood")
    k.box(0, -0.12, 0.62, w, 0.28, 0.1, wood, "wood")
    k.box(0, -0.14, 0.72, w - 0.14, 0.15, 0.014, "white", "keys")
    for s in (-1, 1):
        k.box(s * (w / 2 - 0.04), -0.12, 0, 0.07, 0.24, 0.62, wood)
    k.top(-w / 2 + 0.1, 0.02, w / 2 - 0.1, 0.27, h)


@design("keyboard piano", "stage", fronted=True)
def keyboard_piano(k: Kit) -> None:
    """An electric piano on a crossed stand."""
    paint = k.main({"black": 4, "white": 1}, "plastic")
    k.box(0, 0, 0.72, 1.3, 0.32, 0.1, paint)
    k.box(0, -0.06, 0.82, 1.2, 0.15, 0.014, "white" if k.color == "black" else "black", "keys")
    for y in (-0.1, 0.1):
        k.tube((-0.4, y, 0.02), (0.4, y, 0.72), 0.016, "black")
        k.tube((0.4, y, 0.02), (-0.4, y, 0.72), 0.016, "black")


@design("guitar", "standing", fronted=True)
@design("guitar case", "standing", weight=0.5, fronted=True)
def guitar(k: Kit) -> None:
    """A guitar that leans against something."""
    body = k.main({"brown": 4, "beige": 2, "black": 2, "red": 0.7}, "wood")
    lean = (-0.15, 0, 0)
    k.cyl(0, -0.03, 0.13, 0.18, 0.09, body, turn=(1.42, 0, 0))
    k.cyl(0, 0.0, 0.37, 0.14, 0.09, body, turn=(1.42, 0, 0))
    k.box(0, 0.02, 0.45, 0.055, 0.025, 0.5, "black", turn=lean)
    k.box(0, 0.08, 0.94, 0.08, 0.025, 0.14, darker(body, 0.7), turn=lean)


@design("music stand", "tripod", fronted=True)
def music_stand(k: Kit) -> None:
    """A music stand."""
    paint = k.main({"black": 4, "grey": 1}, "metal")
    for a in (0.5, 2.6, 4.7):
        k.tube((0, 0, 0.22), (0.24 * np.cos(a), 0.24 * np.sin(a), 0.012), 0.011, paint)
    k.tube((0, 0, 0.1), (0, 0, 1.0), 0.012, paint)
    k.box(0, 0.0, 0.95, 0.5, 0.014, 0.34, paint, turn=(-0.35, 0, 0))


@design("bicycle", "city")
def bicycle(k: Kit) -> None:
    """A bicycle seen along x: two wheels, frame, saddle, handlebar."""
    paint = k.main({"red": 2, "blue": 2, "black": 2, "green": 1, "grey": 1, "white": 1}, "metal")
    r = 0.33
    for x in (-0.52, 0.52):
        k.lathe(
            x,
            0,
            r,
            ((r - 0.025, -0.015), (r, -0.015), (r, 0.015), (r - 0.025, 0.015), (r - 0.025, -0.015)),
            "black",
            turn=(1.5708, 0, 0),
        )
        for a in np.arange(5) * 2 * np.pi / 5:
            k.tube((x, 0, r), (x + 0.31 * np.cos(a), 0, r + 0.31 * np.sin(a)), 0.006, "grey")
    for p, q in (((-0.52, r), (-0.18, 0.8)), ((-0.52, r), (0, 0.3)), ((0, 0.3), (-0.2, 0.86)), ((0, 0.3), (0.4, 0.82)),
                 ((-0.18, 0.78), (0.38, 0.82)), ((0.52, r), (0.38, 0.95))):  # fmt: skip
        k.tube((p[0], 0, p[1]), (q[0], 0, q[1]), 0.018, paint)
    k.box(-0.21, 0, 0.87, 0.25, 0.13, 0.06, "black", round=0.025)
    k.tube((0.36, -0.27, 1.0), (0.36, 0.27, 1.0), 0.014, "grey")
    k.cyl(0, -0.05, 0.2, 0.09, 0.02, "grey", turn=(1.5708, 0, 0))


@design("ladder", "step", fronted=True)
def ladder(k: Kit) -> None:
    """A step ladder, standing open."""
    h = k.u(1.1, 1.6)
    paint = k.main(METAL | {"yellow": 0.8, "red": 0.4, "orange": 0.5}, "metal")
    for s in (-1, 1):
        k.tube((s * 0.24, -0.36, 0.02), (s * 0.18, 0, h), 0.02, paint)
        k.tube((s * 0.24, 0.36, 0.02), (s * 0.18, 0.03, h), 0.018, "grey")
    for t in np.arange(1, round(h / 0.24)) / round(h / 0.24):
        k.box(0, -0.36 * (1 - t), t * h, 0.46 - 0.1 * t, 0.09, 0.025, paint)
    k.box(0, 0.01, h, 0.4, 0.22, 0.03, "black")


@design("broom", "standing")
def broom(k: Kit) -> None:
    """A broom leaning on the wall."""
    paint = k.main(PLASTIC | {"red": 2}, "plastic")
    k.box(0, 0, 0, 0.3, 0.06, 0.14, paint, "stripes")
    k.tube((0, 0, 0.13), (0, 0.12, 1.3), 0.014, k.pick("beige", "grey", "blue"))


@design("dustpan", "flat")
def dustpan(k: Kit) -> None:
    """A dustpan with its handle."""
    paint = k.main(PLASTIC | {"red": 2, "blue": 2}, "plastic")
    k.box(0, 0, 0, 0.24, 0.22, 0.015, paint)
    for s in (-1, 1):
        k.box(s * 0.12, 0, 0, 0.014, 0.22, 0.06, paint)
    k.box(0, 0.11, 0, 0.24, 0.014, 0.08, paint)
    k.tube((0, 0.11, 0.06), (0, 0.25, 0.09), 0.016, paint)


@design("stairs", "steps", fronted=True)
def stairs(k: Kit) -> None:
    """A few steps up to a landing."""
    w, n = k.u(0.9, 1.1), k.n(4, 6)
    stone = k.main(WOOD | {"grey": 4, "white": 1}, "wood")
    for i in range(n):
        k.box(0, i * 0.27, 0, w, 0.27, 0.175 * (i + 1), stone, "wood")


@design("column", "round")
@design("pillar", "square")
def column(k: Kit) -> None:
    """A column that carries the ceiling."""
    h = k.u(2.3, 2.35, "h")
    paint = k.main({"white": 4, "grey": 2, "beige": 2}, "stone")
    if k.flip():
        k.shape = "round"
        k.cyl(0, 0, 0, k.u(0.15, 0.22), h, paint, "stone")
    else:
        k.shape = "square"
        w = k.u(0.28, 0.4)
        k.box(0, 0, 0, w, w, h, paint, "stone")


@design("person", "standing", fronted=True)
def person(k: Kit) -> None:
    """A standing person."""
    shirt = k.main(PLASTIC | {"red": 2, "purple": 0.5}, "fabric")
    trousers, skin = k.pick("blue", "black", "grey", "brown"), (196, 150, 122)
    k.color = None
    for s in (-1, 1):
        k.box(s * 0.09, -0.04, 0, 0.1, 0.26, 0.08, "black", round=0.03)
        k.cyl(s * 0.09, 0, 0.06, 0.075, 0.8, trousers, "fabric", top=0.09)
        k.tube((s * 0.22, 0, 1.4), (s * 0.27, -0.03, 0.85), 0.045, shirt, "fabric")
        k.ball(s * 0.27, -0.03, 0.76, 0.05, skin)
    k.box(0, 0, 0.82, 0.4, 0.24, 0.62, shirt, "fabric", round=0.09)
    k.cyl(0, 0, 1.42, 0.06, 0.1, skin)
    k.ball(0, 0, 1.48, 0.11, skin, squash=1.15)
    k.ball(0, 0.02, 1.56, 0.115, k.pick("brown", "black", "yellow"), squash=0.85)


@design("structure", "boxed_pipe")
@design("pipe", "vertical")
def pipe(k: Kit) -> None:
    """Vertical pipes at a wall."""
    h = k.u(2.2, 2.35, "h")
    paint = k.main({"white": 3, "grey": 3, "brown": 0.6}, "metal")
    k.cyl(0, 0, 0, 0.05, h, paint)
    if k.flip():
        k.cyl(0.14, 0, 0, 0.035, h, darker(paint, 0.9))
