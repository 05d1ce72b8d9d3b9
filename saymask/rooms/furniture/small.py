"""Small everyday things: books, plants, boxes of paper, decoration."""

import numpy as np

from saymask.rooms.colors import BRIGHT, CERAMIC, FABRIC, METAL, WOOD, darker
from saymask.rooms.furniture.design import Kit, design

BOOKISH = BRIGHT | {"brown": 1, "black": 1}


@design("book", "single", weight=2)
def book(k: Kit) -> None:
    """One book or a small pile."""
    w, d = k.u(0.17, 0.25), k.u(0.23, 0.31)
    cover = k.main(BOOKISH, "paper")
    z = 0.0
    for i in range(k.pick(1, 1, 2, 3, 4)):
        h = k.u(0.025, 0.045)
        paint = cover if i == 0 else k.some(BOOKISH)
        k.box(k.u(-0.01, 0.01), k.u(-0.01, 0.01), z, w, d, h, paint, turn=(0, 0, k.u(-0.2, 0.2)))
        z += h
        if i == 1:
            k.color = None


@design("paper", "sheets")
def paper(k: Kit) -> None:
    """A small pile of paper."""
    k.main({"white": 1}, "paper")
    for i in range(k.n(1, 3)):
        k.box(0, 0, i * 0.012, 0.22, 0.3, 0.012, "white", "text", turn=(0, 0, k.u(-0.4, 0.4)))


def _leaves(k: Kit, z: float, h: float, spread: float) -> None:
    """Stems with leaves that bend outwards."""
    kind, green = k.n(0, 2), k.main({"green": 1}, "leaf")
    if kind == 0:  # a bush
        for _ in range(k.n(5, 8)):
            a, r = k.u(0, 2 * np.pi), k.u(0.0, spread * 0.6)
            ball = k.u(0.3, 0.5) * spread
            k.ball(
                r * np.cos(a),
                r * np.sin(a),
                z + k.u(0.0, max(h - 2 * ball, 0.02)),
                ball,
                darker(green, k.u(0.8, 1.2)),
                "leaves",
            )
    elif kind == 1:  # long blades
        for i in range(k.n(8, 13)):
            a, lean = i * 2.4, k.u(0.1, 0.55)
            tall = h * k.u(0.7, 1.0)
            x, y = spread * lean * np.cos(a), spread * lean * np.sin(a)
            k.box(x, y, z, 0.055, 0.014, tall, darker(green, k.u(0.8, 1.2)), turn=(-lean * 0.8, 0, a - np.pi / 2))
    else:  # a trunk with broad leaves
        k.tube((0, 0, z), (0, 0, z + h * 0.6), 0.015, "brown")
        for i in range(k.n(8, 14)):
            a, up = i * 2.4, k.u(0.35, 1.0)
            r = spread * k.u(0.35, 0.75)
            leaf = k.u(0.12, 0.2) * max(0.6, spread / 0.3)
            k.cushion(
                r * np.cos(a),
                r * np.sin(a),
                z + h * up - 0.03,
                leaf,
                leaf * 0.6,
                0.035,
                darker(green, k.u(0.8, 1.2)),
                "leaves",
                turn=(0, 0.5, a),
            )


@design("plant", "floor_pot")
@design("potted plant", "floor_pot")
def plant(k: Kit) -> None:
    """A plant in a pot; `small` for window sills and tables."""
    small = k.wish.get("small", 0) > 0
    if small:
        r, h, tall, spread = 0.08, 0.12, k.u(0.18, 0.3), k.u(0.12, 0.17)
    else:
        r, h, tall, spread = k.u(0.14, 0.19), k.u(0.24, 0.36), k.u(0.5, 1.0), k.u(0.24, 0.36)
    pot = k.some(CERAMIC | {"brown": 3, "black": 1, "grey": 1, "blue": 0.6, "red": 0.4})
    k.lathe(0, 0, 0, ((0, 0), (r * 0.72, 0), (r, h), (r - 0.015, h), (r - 0.02, h - 0.03), (0, h - 0.03)), pot)
    _leaves(k, h - 0.03, tall, spread)


@design("decoration", "vase")
def vase(k: Kit) -> None:
    """A vase or a ball of glass."""
    glaze = k.main(BRIGHT | CERAMIC, "ceramic")
    h = k.u(0.18, 0.34)
    if k.flip(0.7):
        r = k.u(0.05, 0.08)
        k.lathe(
            0,
            0,
            0,
            ((0, 0), (r * 0.7, 0), (r, h * 0.35), (r * 0.45, h * 0.8), (r * 0.6, h), (r * 0.4, h), (0, h * 0.7)),
            glaze,
        )
    else:
        k.ball(0, 0, 0, k.u(0.06, 0.1), glaze)


@design("candle", "pillar")
def candle(k: Kit) -> None:
    """A candle."""
    wax = k.main({"white": 2, "red": 1, "beige": 1, "green": 0.5, "purple": 0.4}, "wax")
    k.cyl(0, 0, 0, 0.05, 0.014, "grey")
    k.cyl(0, 0, 0.014, k.u(0.03, 0.04), k.u(0.1, 0.22), wax)


@design("tissue box", "box")
def tissue(k: Kit) -> None:
    """A box of tissues."""
    paint = k.main(BRIGHT, "paper")
    k.box(0, 0, 0, 0.23, 0.12, 0.09, paint)
    k.cushion(0, 0, 0.085, 0.08, 0.05, 0.06, "white")


@design("shoe", "pair")
def shoes(k: Kit) -> None:
    """A pair of shoes."""
    skin = k.main(FABRIC | {"black": 4, "brown": 3, "white": 2}, "leather")
    for s in (-1, 1):
        k.box(s * 0.07, -0.02 * s, 0, 0.1, 0.28, 0.07, skin, round=0.03)
        k.box(s * 0.07, 0.08 - 0.02 * s, 0.05, 0.09, 0.12, 0.07, skin, round=0.03)


@design("ball", "round")
def ball(k: Kit) -> None:
    """A ball."""
    k.shape = "round"
    k.ball(0, 0, 0, k.u(0.09, 0.15) if k.flip(0.7) else 0.3, k.main(BRIGHT, "rubber"))


@design("hat", "cap")
def hat(k: Kit) -> None:
    """A hat with a brim."""
    cloth = k.main(FABRIC | BRIGHT, "fabric")
    k.lathe(0, 0, 0, ((0, 0), (0.15, 0), (0.15, 0.012), (0.09, 0.02), (0.08, 0.1), (0, 0.12)), cloth, "fabric")


@design("bucket", "pail")
def bucket(k: Kit) -> None:
    """A bucket with a handle."""
    paint = k.main({"blue": 2, "red": 1.5, "grey": 2, "yellow": 1, "green": 1, "white": 1}, "plastic")
    k.shape = "round"
    k.pot(0, 0, 0, 0.11, 0.27, paint, top=0.145)
    k.tube((-0.14, 0, 0.26), (-0.08, -0.03, 0.36), 0.009, "grey")
    k.tube((-0.08, -0.03, 0.36), (0.08, -0.03, 0.36), 0.009, "grey")
    k.tube((0.08, -0.03, 0.36), (0.14, 0, 0.26), 0.009, "grey")


@design("laundry detergent", "jug")
def detergent(k: Kit) -> None:
    """A bottle of detergent."""
    paint = k.main({"blue": 2, "orange": 2, "white": 1, "green": 1, "red": 1, "purple": 0.6}, "plastic")
    k.box(0, 0, 0, 0.19, 0.1, 0.22, paint, round=0.03)
    k.cyl(0.04, 0, 0.21, 0.035, 0.06, "white" if k.color != "white" else "blue")


@design("container", "jar")
def jar(k: Kit) -> None:
    """A jar with a lid."""
    r, h = k.u(0.05, 0.08), k.u(0.12, 0.22)
    paint = k.main(BRIGHT | METAL, "glass")
    k.cyl(0, 0, 0, r, h, paint)
    k.cyl(0, 0, h, r * 0.95, 0.025, "grey" if k.color != "grey" else "black")


@design("case of water bottles", "pack")
def water_case(k: Kit) -> None:
    """A shrink-wrapped pack of bottles."""
    k.main({"blue": 1}, "plastic")
    for i in range(4):
        for j in range(3):
            x, y = (i - 1.5) * 0.085, (j - 1) * 0.085
            k.lathe(x, y, 0, ((0, 0), (0.04, 0), (0.04, 0.16), (0.015, 0.2), (0.015, 0.23), (0, 0.23)), "blue")


@design("paper bag", "brown")
def paper_bag(k: Kit) -> None:
    """A paper bag."""
    paint = k.main({"brown": 3, "white": 1, "beige": 1}, "paper")
    w, d, h = k.u(0.26, 0.34), k.u(0.14, 0.18), k.u(0.32, 0.42)
    k.box(0, 0, 0, w, d, h, paint)
    for y in (-0.04, 0.04):
        k.tube((-0.06, y, h), (0, y, h + 0.08), 0.008, darker(paint, 0.8))
        k.tube((0, y, h + 0.08), (0.06, y, h), 0.008, darker(paint, 0.8))


@design("headphones", "flat")
def headphones(k: Kit) -> None:
    """Headphones lying on a table."""
    paint = k.main({"black": 3, "white": 1, "red": 0.6, "blue": 0.4}, "plastic")
    for s in (-1, 1):
        k.cyl(s * 0.08, -0.05, 0, 0.045, 0.04, paint)
        k.tube((s * 0.08, -0.02, 0.02), (s * 0.06, 0.07, 0.02), 0.012, paint)
    k.tube((-0.06, 0.07, 0.02), (0.06, 0.07, 0.02), 0.012, paint)


@design("cd case", "flat")
@design("paper cutter", "flat", weight=0.6)
@design("power strip", "flat", weight=0.6)
def flat_case(k: Kit) -> None:
    """A small flat thing."""
    paint = k.main(METAL | {"blue": 0.5}, "plastic")
    k.box(0, 0, 0, k.u(0.26, 0.36), k.u(0.08, 0.16), 0.04, paint)
    k.box(0, 0, 0.04, 0.2, 0.05, 0.012, darker(paint, 1.3))


@design("dumbbell", "pair")
def dumbbell(k: Kit) -> None:
    """A dumbbell."""
    paint = k.main({"black": 3, "grey": 1, "blue": 0.7, "pink": 0.5}, "metal")
    k.tube((-0.09, 0, 0.055), (0.09, 0, 0.055), 0.015, "grey")
    for s in (-1, 1):
        k.tube((s * 0.09, 0, 0.055), (s * 0.15, 0, 0.055), 0.055, paint)


@design("furniture", "screen")
@design("divider", "screen")
def folding_screen(k: Kit) -> None:
    """A folding screen of three leaves."""
    h = k.u(1.6, 1.8)
    paint = k.main(WOOD | {"white": 3}, "wood")
    for i in range(3):
        a = 0.5 if i % 2 else -0.5
        k.box((i - 1) * 0.4, 0, 0, 0.45, 0.03, h, darker(paint, 1 - 0.05 * (i % 2)), "stripes", turn=(0, 0, a))
