"""Plants and people (version 2)."""

from math import cos, pi, sin

from saymask.rooms.colors import BRIGHT, CERAMIC, PLASTIC, darker
from saymask.rooms.furniture.design import Kit, design2


def _green(k: Kit) -> tuple[int, int, int]:
    return darker(k.shade("green"), k.u(0.75, 1.25))


@design2("plant", "leafy", weight=3)
@design2("potted plant", "leafy", weight=3)
def leafy(k: Kit) -> None:
    """A plant in a pot: arching blades, broad leaves on stems, a palm, a cactus, a fern, a small tree, flowers."""
    small = k.wish.get("small", 0) > 0
    r = k.u(0.05, 0.09) if small else k.u(0.12, 0.22)
    deep = r * k.u(1.3, 2.2)
    tall = k.u(0.12, 0.35) if small else k.u(0.45, 1.4)
    spread = tall * k.u(0.3, 0.6)
    pot = k.some(CERAMIC | {"brown": 3, "black": 1.2, "grey": 1.5, "blue": 0.6, "red": 0.6, "orange": 0.6, "beige": 1})
    k.main({"green": 1}, "leaf")
    if k.flip(0.75):
        k.lathe(0, 0, 0, ((0, 0), (r * k.u(0.6, 0.95), 0), (r, deep), (r - 0.012, deep), (r - 0.016, deep - 0.02),
                          (0, deep - 0.02)), pot)  # fmt: skip
    else:
        k.box(0, 0, 0, 1.8 * r, 1.8 * r, deep, pot)
    z = deep - 0.01
    style = k.pick("blades", "broad", "palm", "cactus", "fern", "tree", "flowers")
    if style == "blades":
        for i in range(k.n(7, 15)):
            a, lean, long = i * 2.4, k.u(0.1, 0.5), tall * k.u(0.6, 1.0)
            wide = k.u(0.03, 0.07) * (0.6 if small else 1)
            line = ((0.0, 0.0), (long * lean * 0.35, long * 0.55), (long * lean, long * (0.95 - 0.4 * lean)))
            k.cloth(0, 0, z, wide, line, _green(k), "plain", turn=(0, 0, a))
    elif style == "fern":
        for i in range(k.n(10, 18)):
            a, long = i * 2.4, tall * k.u(0.6, 1.0)
            line = ((0.0, 0.0), (long * 0.3, long * 0.45), (long * 0.75, long * 0.25))
            k.cloth(0, 0, z, long * 0.18, line, _green(k), "leaves", turn=(0, 0, a))
    elif style in ("broad", "flowers"):
        for i in range(k.n(6, 14)):
            a, up, out = i * 2.4, tall * k.u(0.35, 1.0), spread * k.u(0.3, 1.0)
            x, y = out * cos(a), out * sin(a)
            k.tube((0, 0, z), (x, y, z + up), 0.006, "green")
            size = k.u(0.25, 0.42) * spread + 0.03
            if style == "flowers" and k.flip(0.4):
                k.soft(x, y, z + up - 0.02, size * 0.6, size * 0.6, size * 0.4, k.some(BRIGHT), "plain", round=0.03,
                       bumps=0.01, wave=0.06)  # fmt: skip
            else:
                line = ((-size * 0.7, 0.0), (0.0, size * 0.18), (size * 0.7, -size * 0.1))
                k.cloth(x, y, z + up, size * 0.9, line, _green(k), "leaves", cup=-size * 0.12, turn=(0, 0, a + pi / 2))
    elif style == "palm":
        k.tube((0, 0, z), (k.u(-0.05, 0.05), 0, z + tall * 0.55), 0.012 if small else 0.03, "brown", "wood")
        for i in range(k.n(7, 12)):
            a, long = i * 2.4, tall * k.u(0.35, 0.6)
            line = ((0.0, 0.0), (long * 0.45, long * 0.4), (long * 0.95, long * k.u(-0.1, 0.3)))
            k.cloth(0, 0, z + tall * 0.52, long * 0.2, line, _green(k), "leaves", turn=(0, 0, a))
    elif style == "cactus":
        h, wide = tall * 0.7, r * k.u(0.5, 0.9)
        k.lathe(
            0, 0, z, ((0, 0), (wide, h * 0.1), (wide, h * 0.8), (wide * 0.6, h * 0.97), (0, h)), _green(k), "leaves"
        )
        if k.flip() and not small:
            k.tube((wide, 0, z + h * 0.4), (wide * 2.2, 0, z + h * 0.45), wide * 0.5, _green(k), "leaves")
            k.tube((wide * 2.2, 0, z + h * 0.42), (wide * 2.2, 0, z + h * 0.8), wide * 0.5, _green(k), "leaves")
    else:
        top = tall * k.u(0.4, 0.6)
        k.tube((0, 0, z), (0, 0, z + top), 0.008 if small else 0.02, "brown", "wood")
        for _ in range(k.n(3, 7)):
            size = spread * k.u(0.7, 1.3)
            a, out = k.u(0, 2 * pi), spread * k.u(0.0, 0.6)
            k.soft(out * cos(a), out * sin(a), z + top + k.u(-0.1, 0.5) * (tall - top), size, size, size * 0.8,
            _green(k),
                   "leaves", round=size * 0.35, bumps=size * 0.12, wave=0.15)  # fmt: skip


@design2("person", "various", weight=2, fronted=True)
def various_person(k: Kit) -> None:
    """A person, standing or sitting on a stool, arms hanging or bent."""
    shirt, skin = (
        k.main(PLASTIC | BRIGHT, "fabric"),
        k.pick((196, 150, 122), (150, 104, 76), (222, 182, 156), (96, 66, 50)),
    )
    trousers, sitting = k.pick("blue", "black", "grey", "brown", "beige"), k.flip(0.3)
    k.color = None
    hip = 0.48 if sitting else k.u(0.8, 0.92)
    for s in (-1, 1):
        x, foot = s * 0.1, -0.42 if sitting else k.u(-0.1, 0.06)
        k.soft(x, foot - 0.05, 0, 0.1, 0.27, 0.09, k.pick("black", "brown", "white"), "plain", round=0.04)
        if sitting:
            k.tube((x, 0.0, hip), (x, -0.4, hip), 0.08, trousers, "fabric")
            k.tube((x, -0.4, hip), (x, -0.4, 0.06), 0.065, trousers, "fabric")
        else:
            k.tube((x, foot, 0.06), (x, 0, hip + 0.02), 0.08, trousers, "fabric")
        hand = (s * 0.24, -0.24, hip + 0.24) if k.flip(0.4) or sitting else (s * 0.28, -0.02, hip - 0.02)
        elbow = (s * 0.29, 0.0, hip + 0.26)
        k.tube((s * 0.2, 0.0, hip + 0.52), elbow, 0.05, shirt, "fabric")
        k.tube(elbow, hand, 0.042, skin)
        k.ball(hand[0], hand[1], hand[2] - 0.05, 0.045, skin)
    k.soft(0, 0, hip - 0.06, 0.36, 0.24, 0.2, trousers, "fabric", round=0.08)
    k.soft(0, 0, hip + 0.06, 0.42, 0.25, 0.54, shirt, "fabric", round=0.1, bumps=0.012)
    k.cyl(0, 0, hip + 0.56, 0.055, 0.1, skin)
    k.ball(0, -0.01, hip + 0.62, 0.105, skin, squash=1.2)
    k.ball(0, 0.015, hip + 0.68, 0.112, k.pick("brown", "black", "yellow", "grey"), squash=0.95)
    if sitting:
        k.legs(0.34, 0.34, 0.38, 0.04, "brown")
        k.box(0, 0, 0.38, 0.38, 0.38, 0.03, "brown", "wood")
