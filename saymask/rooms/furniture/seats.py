"""Chairs, armchairs, couches, stools and benches."""

import numpy as np

from saymask.rooms.colors import BRIGHT, FABRIC, LEATHER, METAL, PLASTIC, WOOD, darker
from saymask.rooms.furniture.design import Kit, design


@design("chair", "wooden", weight=3.5, fronted=True)
def wooden_chair(k: Kit) -> None:
    """Four square legs, a flat or padded seat, a back of slats or one panel."""
    w, d, seat, back = k.u(0.4, 0.48), k.u(0.4, 0.47), k.u(0.43, 0.47), k.u(0.38, 0.52)
    wood = k.main(WOOD, "wood")
    thick = k.u(0.035, 0.045)
    k.legs(w, d, seat - 0.03, thick, wood)
    k.box(0, 0, seat - 0.03, w, d, 0.035, wood, "wood")
    if k.flip(0.3):
        k.box(0, -0.01, seat + 0.005, w * 0.92, d * 0.88, 0.045, k.some(FABRIC), "fabric", round=0.02)
    y = d / 2 - thick / 2
    for x in (-w / 2 + thick / 2, w / 2 - thick / 2):
        k.box(x, y, seat + 0.005, thick, thick, back, wood, "wood")
    if k.flip():
        k.box(0, y, seat + back - 0.08, w, thick * 0.8, 0.09, wood, "wood")
        for x in np.linspace(-w / 2, w / 2, k.n(4, 6))[1:-1]:
            k.box(x, y, seat + 0.005, 0.035, 0.022, back - 0.08, wood)
    else:
        k.box(0, y, seat + back * 0.3, w - 2 * thick, 0.025, back * 0.7, wood, "wood")


@design("chair", "shell", weight=1.5, fronted=True)
def shell_chair(k: Kit) -> None:
    """A plastic shell on splayed legs."""
    w, d, seat, back = k.u(0.43, 0.48), k.u(0.42, 0.46), k.u(0.43, 0.46), k.u(0.36, 0.44)
    shell = k.main(PLASTIC | {"orange": 0.6, "yellow": 0.8}, "plastic")
    k.legs(w * 0.7, d * 0.7, seat, 0.028, k.pick("black", "beige", "grey"), splay=0.09, round_legs=True)
    k.box(0, 0, seat, w, d, 0.03, shell, round=0.014)
    k.box(0, d / 2 - 0.01, seat + 0.02, w, 0.025, back, shell, round=0.012, turn=(-0.18, 0, 0))
    if k.flip(0.4):
        for s in (-1, 1):
            k.box(s * (w / 2 - 0.01), 0.05, seat + 0.02, 0.022, d * 0.7, 0.16, shell, round=0.01)


@design("chair", "padded", weight=2.2, fronted=True)
def padded_chair(k: Kit) -> None:
    """An upholstered chair on thin legs."""
    w, d, seat, back = k.u(0.44, 0.52), k.u(0.46, 0.54), k.u(0.45, 0.48), k.u(0.42, 0.6)
    cloth = k.main(FABRIC, "fabric")
    k.legs(w, d, seat - 0.08, 0.035, k.pick("black", "brown"), inset=0.02, splay=0.02)
    k.box(0, 0, seat - 0.08, w, d, 0.1, cloth, "fabric", round=0.03)
    k.box(0, d / 2 - 0.05, seat + 0.01, w, 0.08, back, cloth, "fabric", round=0.03, turn=(-0.1, 0, 0))


@design("chair", "sled", fronted=True)
def sled_chair(k: Kit) -> None:
    """A visitor's chair: a bent steel frame, padded seat and back."""
    w, d, seat, back = k.u(0.48, 0.55), k.u(0.46, 0.52), k.u(0.44, 0.47), 0.44
    cloth, steel = k.main(FABRIC | {"black": 4}, "fabric"), k.pick("grey", "black")
    for s in (-1, 1):
        x = s * (w / 2 - 0.015)
        k.tube((x, -d / 2, 0.015), (x, d / 2, 0.015), 0.013, steel)
        k.tube((x, -d / 2 + 0.02, 0.015), (x, -d / 2 + 0.02, 0.65), 0.013, steel)
        k.tube((x, d / 2 - 0.02, 0.015), (x, d / 2 - 0.02, seat + back), 0.013, steel)
        k.box(x, -0.02, 0.65, 0.045, d * 0.8, 0.03, "black", round=0.012)
    k.box(0, 0, seat - 0.04, w - 0.06, d - 0.04, 0.06, cloth, "fabric", round=0.025)
    k.box(0, d / 2 - 0.05, seat + 0.12, w - 0.06, 0.05, back - 0.12, cloth, "fabric", round=0.025)


def _star(k: Kit, seat: float, r: float, metal) -> None:
    """A five-star base with castors and a gas lift under a seat."""
    turn = k.u(0, 1.2)
    for i in range(5):
        a = turn + i * 2 * np.pi / 5
        x, y = r * np.cos(a), r * np.sin(a)
        k.tube((0, 0, 0.11), (x, y, 0.075), 0.018, metal)
        k.ball(x, y, 0, 0.028, "black")
    k.cyl(0, 0, 0.1, 0.028, seat - 0.1, metal)


@design("office chair", "task", weight=3, fronted=True)
def task_chair(k: Kit) -> None:
    """A swivel chair with five castors, a padded seat and back, mostly with armrests."""
    w, d, seat, back = k.u(0.46, 0.52), k.u(0.46, 0.5), k.u(0.44, 0.5), k.u(0.42, 0.58)
    cloth = k.main({"black": 4, "grey": 3, "blue": 2, "red": 1, "green": 0.8, "orange": 0.5}, "fabric")
    metal = k.pick("grey", "black")
    _star(k, seat - 0.04, k.u(0.28, 0.32), metal)
    k.box(0, 0, seat - 0.05, w, d, 0.08, cloth, "fabric", round=0.035)
    k.box(0, d / 2 - 0.01, seat, 0.07, 0.025, 0.2, metal)
    k.box(0, d / 2 - 0.03, seat + 0.1, w * 0.95, 0.06, back, cloth, "fabric", round=0.028, turn=(-0.12, 0, 0))
    if k.flip(0.75):
        for s in (-1, 1):
            k.box(s * (w / 2 + 0.02), 0.02, seat - 0.03, 0.03, 0.04, 0.22, metal)
            k.box(s * (w / 2 + 0.02), -0.02, seat + 0.19, 0.07, 0.26, 0.03, "black", round=0.014)


@design("office chair", "executive", weight=0.8, fronted=True)
def executive_chair(k: Kit) -> None:
    """A tall leather swivel chair with a headrest."""
    w, d, seat = k.u(0.52, 0.58), k.u(0.5, 0.54), k.u(0.46, 0.5)
    skin = k.main(LEATHER, "leather")
    _star(k, seat - 0.06, 0.33, k.pick("grey", "black"))
    k.box(0, 0, seat - 0.08, w, d, 0.13, skin, round=0.05)
    k.box(0, d / 2 - 0.02, seat, w * 0.95, 0.1, k.u(0.6, 0.7), skin, round=0.045, turn=(-0.12, 0, 0))
    for s in (-1, 1):
        k.box(s * (w / 2 + 0.01), 0, seat + 0.02, 0.06, 0.05, 0.16, "black")
        k.box(s * (w / 2 + 0.01), -0.02, seat + 0.18, 0.07, 0.34, 0.05, skin, round=0.02)


def _couch(k: Kit, w: float, d: float, seat: float, back: float, arm: float, seats: int, cloth, tex: str) -> None:
    """Base, arms, back, and one seat and back cushion per seat."""
    base = 0.06 if k.flip(0.6) else 0.0
    if base:
        k.legs(w, d, base, 0.05, k.pick("brown", "black"), inset=0.03)
    k.box(0, 0, base, w, d, seat - 0.12 - base, cloth, tex, round=0.02)
    k.box(0, d / 2 - 0.09, seat - 0.13, w, 0.18, back - seat + 0.13, cloth, tex, round=0.05)
    height = k.u(0.56, 0.66)
    for s in (-1, 1):
        k.box(s * (w / 2 - arm / 2), -0.02, seat - 0.14, arm, d - 0.04, height - seat + 0.14, cloth, tex, round=0.045)
    inner = (w - 2 * arm) / seats
    for i in range(seats):
        x = -w / 2 + arm + (i + 0.5) * inner
        k.box(x, -0.07, seat - 0.13, inner - 0.012, d - 0.24, 0.14, darker(cloth, k.u(0.95, 1.05)), tex, round=0.045)
        k.box(x, d / 2 - 0.24, seat, inner - 0.02, 0.15, back - seat - 0.03, cloth, tex, round=0.06, turn=(-0.15, 0, 0))
    k.top(-w / 2 + arm + 0.03, -d / 2 + 0.06, w / 2 - arm - 0.03, d / 2 - 0.34, seat + 0.01)


@design("couch", "sofa", weight=2, fronted=True)
def sofa(k: Kit) -> None:
    """Two or three seats, upholstered in cloth."""
    seats = k.n(2, 3)
    w = k.u(1.45, 1.7) if seats == 2 else k.u(1.95, 2.3)
    _couch(k, w, k.u(0.84, 0.95), 0.44, k.u(0.78, 0.9), k.u(0.16, 0.24), seats, k.main(FABRIC, "fabric"), "fabric")


@design("couch", "leather_sofa", fronted=True)
def leather_sofa(k: Kit) -> None:
    """Two or three seats in leather."""
    seats = k.n(2, 3)
    w = k.u(1.5, 1.75) if seats == 2 else k.u(2.0, 2.3)
    _couch(k, w, k.u(0.86, 0.95), 0.45, k.u(0.8, 0.9), k.u(0.2, 0.26), seats, k.main(LEATHER, "leather"), "plain")


@design("couch", "corner_sofa", weight=0.8, fronted=True)
def corner_sofa(k: Kit) -> None:
    """An l-shaped sofa: a chaise at one end."""
    w, d, seat, back, arm = k.u(2.3, 2.7), k.u(1.5, 1.7), 0.43, k.u(0.76, 0.85), 0.2
    deep = 0.9
    cloth, side = k.main(FABRIC, "fabric"), k.pick(-1, 1)
    k.shape = "l-shaped"
    y = d / 2 - deep / 2
    k.box(0, y, 0.04, w, deep, seat - 0.16, cloth, "fabric", round=0.02)
    k.box(side * (w / 2 - 0.45), -deep / 2, 0.04, 0.9, d - deep, seat - 0.16, cloth, "fabric", round=0.02)
    k.box(0, d / 2 - 0.09, seat - 0.13, w, 0.18, back - seat + 0.13, cloth, "fabric", round=0.05)
    k.box(-side * (w / 2 - arm / 2), y, seat - 0.13, arm, deep - 0.03, 0.3, cloth, "fabric", round=0.045)
    k.box(side * (w / 2 - 0.09), y, seat - 0.13, 0.18, deep - 0.03, back - seat + 0.1, cloth, "fabric", round=0.05)
    k.box(side * (w / 2 - 0.5), -0.1, seat - 0.12, 0.78, d - 0.25, 0.14, cloth, "fabric", round=0.045)
    inner = (w - arm - 0.92) / 2
    for i in range(2):
        x = -side * (w / 2 - arm - (i + 0.5) * inner)
        k.box(x, y - 0.1, seat - 0.12, inner - 0.012, deep - 0.24, 0.14, darker(cloth, 1.03), "fabric", round=0.045)
        k.box(x, d / 2 - 0.24, seat, inner - 0.02, 0.15, back - seat, cloth, "fabric", round=0.06, turn=(-0.15, 0, 0))
    k.top(-w / 2 + 0.3, y - deep / 2 + 0.08, w / 2 - 0.3, d / 2 - 0.36, seat + 0.02)


@design("armchair", "block", weight=1.5, fronted=True)
@design("sofa chair", "block", fronted=True)
def block_armchair(k: Kit) -> None:
    """A single-seat sofa."""
    leather = k.flip(0.3)
    cloth = k.main(LEATHER, "leather") if leather else k.main(FABRIC, "fabric")
    _couch(k, k.u(0.8, 0.95), k.u(0.8, 0.9), 0.43, k.u(0.78, 0.92), k.u(0.15, 0.2), 1, cloth, "fabric")


@design("armchair", "wing", fronted=True)
def wing_armchair(k: Kit) -> None:
    """A high-backed chair with wooden feet and wings."""
    w, d, seat, back = k.u(0.68, 0.75), k.u(0.72, 0.78), 0.43, k.u(0.95, 1.08)
    cloth = k.main(FABRIC, "fabric")
    k.legs(w, d, 0.16, 0.045, k.pick("brown", "beige"), inset=0.04, splay=0.02)
    k.box(0, 0, 0.15, w, d, 0.16, cloth, "fabric", round=0.03)
    k.box(0, -0.06, 0.3, w - 0.2, d - 0.22, 0.13, cloth, "fabric", round=0.05)
    k.box(0, d / 2 - 0.08, 0.3, w, 0.12, back - 0.3, cloth, "fabric", round=0.05, turn=(-0.12, 0, 0))
    for s in (-1, 1):
        k.box(s * (w / 2 - 0.06), -0.03, 0.28, 0.1, d - 0.12, 0.32, cloth, "fabric", round=0.045)
        k.box(s * (w / 2 - 0.04), d / 2 - 0.2, 0.58, 0.07, 0.24, back - 0.66, cloth, "fabric", round=0.03)
    k.top(-w / 2 + 0.14, -d / 2 + 0.06, w / 2 - 0.14, d / 2 - 0.2, seat + 0.01)


@design("stool", "round_stool", weight=1.5)
def round_stool(k: Kit) -> None:
    """A round seat on four splayed legs."""
    h, r = k.u(0.43, 0.5), k.u(0.16, 0.2)
    wood = k.main(WOOD | {"red": 0.5, "blue": 0.5}, "wood")
    k.shape = "round"
    k.legs(r * 1.5, r * 1.5, h - 0.03, 0.03, wood, splay=0.05, round_legs=True)
    k.cyl(0, 0, h - 0.03, r, 0.04, wood, "wood")


@design("stool", "bar_stool")
def bar_stool(k: Kit) -> None:
    """A high padded seat on a column and a plate."""
    h, r = k.u(0.65, 0.78), k.u(0.17, 0.2)
    seat = k.main(FABRIC | LEATHER, "leather")
    k.shape = "round"
    k.cyl(0, 0, 0, r + 0.02, 0.02, "grey")
    k.cyl(0, 0, 0.02, 0.025, h - 0.09, "grey")
    k.lathe(0, 0, h - 0.08, ((0, 0), (r, 0), (r, 0.06), (r * 0.8, 0.08), (0, 0.08)), seat)


@design("ottoman", "cube")
def ottoman(k: Kit) -> None:
    """A padded footstool, square or round."""
    h, w = k.u(0.36, 0.44), k.u(0.42, 0.6)
    cloth = k.main(FABRIC | BRIGHT, "fabric")
    if k.flip():
        k.shape = "round"
        k.lathe(0, 0, 0, ((0, 0), (w / 2, 0), (w / 2, h - 0.04), (w / 2 - 0.04, h), (0, h)), cloth, "fabric")
    else:
        k.shape = "square"
        k.box(0, 0, 0.04, w, w, h - 0.04, cloth, "fabric", round=0.03)
        k.legs(w, w, 0.05, 0.04, "black", inset=0.03)


@design("bench", "plank", weight=2)
def bench(k: Kit) -> None:
    """A long seat without a back."""
    w, d, h = k.u(0.9, 1.4), k.u(0.34, 0.42), k.u(0.43, 0.48)
    wood = k.main(WOOD, "wood")
    k.shape = "rectangular"
    k.box(0, 0, h - 0.04, w, d, 0.04, wood, "wood")
    for s in (-1, 1):
        k.box(s * (w / 2 - 0.1), 0, 0, 0.05, d - 0.04, h - 0.04, wood, "wood")
    k.box(0, 0, 0.15, w - 0.2, 0.03, 0.06, wood, "wood")
    k.top(-w / 2 + 0.05, -d / 2 + 0.03, w / 2 - 0.05, d / 2 - 0.03, h)


@design("folded chair", "leaning", fronted=True)
def folded_chair(k: Kit) -> None:
    """A folding chair, folded flat and leaning against a wall."""
    w, h = 0.45, k.u(0.92, 1.0)
    paint = k.main(METAL | {"brown": 1}, "metal")
    lean = (-0.14, 0, 0)
    for s in (-1, 1):
        k.box(s * (w / 2 - 0.015), 0, 0, 0.03, 0.03, h, "grey", turn=lean)
    k.box(0, -0.025, 0.32, w - 0.06, 0.03, 0.4, paint, turn=lean)
    k.box(0, 0.03, 0.74, w - 0.06, 0.03, 0.18, paint, turn=lean)
