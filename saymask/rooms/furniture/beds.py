"""Beds and soft things: pillows, blankets, towels, clothes, rugs and curtains."""

from saymask.rooms.colors import BRIGHT, FABRIC, LEATHER, WOOD, darker
from saymask.rooms.furniture.design import Kit, design

SHEETS = {"white": 3, "grey": 2, "blue": 2, "beige": 1.5, "red": 0.8, "green": 0.9, "purple": 0.6, "pink": 0.7,
          "yellow": 0.5, "brown": 0.8, "orange": 0.4}  # fmt: skip


def _bedding(k: Kit, w: float, d: float, z: float, cloth) -> None:
    """A mattress and a cover that hangs over its sides; declares the head and the foot as places for things."""
    k.box(0, 0, z, w, d, 0.2, "white", "fabric", round=0.04)
    k.box(0, -0.16, z + 0.05, w + 0.04, d - 0.36, 0.19, cloth, "fabric", round=0.05)
    k.top(-w / 2 + 0.05, d / 2 - 0.46, w / 2 - 0.05, d / 2 - 0.06, z + 0.205)
    k.top(-w / 2 + 0.1, -d / 2 + 0.08, w / 2 - 0.1, d / 2 - 0.6, z + 0.245)


@design("bed", "headboard", weight=2.8, fronted=True)
def framed_bed(k: Kit) -> None:
    """A wooden frame with a headboard, sometimes a footboard."""
    w, d, z = k.pick(0.95, 1.25, 1.45, 1.65, 1.85) + k.u(-0.03, 0.03), k.u(1.98, 2.1), k.u(0.24, 0.34)
    w = k.u(w, w, "w")
    cloth = k.main(SHEETS, "fabric")
    frame = k.some(WOOD)
    k.legs(w + 0.06, d, z - 0.1, 0.07, frame)
    k.box(0, 0, z - 0.14, w + 0.06, d, 0.16, frame, "wood")
    _bedding(k, w, d - 0.06, z + 0.02, cloth)
    k.box(0, d / 2 + 0.03, 0, w + 0.06, 0.05, k.u(0.85, 1.15), frame, "wood")
    if k.flip(0.35):
        k.box(0, -d / 2 - 0.03, 0, w + 0.06, 0.05, k.u(0.5, 0.62), frame, "wood")


@design("bed", "upholstered", fronted=True)
def upholstered_bed(k: Kit) -> None:
    """A padded box bed with a thick headboard."""
    w, d = k.pick(1.25, 1.45, 1.65, 1.85), k.u(2.0, 2.1)
    w = k.u(w, w, "w")
    cloth = k.main(SHEETS, "fabric")
    pad = k.some(FABRIC | LEATHER)
    k.box(0, 0, 0.02, w + 0.08, d, 0.3, pad, "fabric", round=0.03)
    _bedding(k, w, d - 0.05, 0.3, cloth)
    k.box(0, d / 2 + 0.05, 0.02, w + 0.1, 0.12, k.u(0.95, 1.15), pad, "fabric", round=0.05)


@design("bed", "plain", fronted=True)
def plain_bed(k: Kit) -> None:
    """A mattress on a low base without a headboard."""
    w, d = k.pick(0.95, 1.25, 1.45), k.u(1.96, 2.05)
    w = k.u(w, w, "w")
    cloth = k.main(SHEETS, "fabric")
    k.box(0, 0, 0.0, w, d, 0.24, k.pick("grey", "beige", "black", "white"), "fabric", round=0.02)
    _bedding(k, w, d, 0.24, cloth)


@design("bed", "bunk", weight=0.25, fronted=True)
def bunk_bed(k: Kit) -> None:
    """Two beds above each other with a ladder."""
    w, d = 1.0, 2.05
    cloth = k.main(SHEETS, "fabric")
    frame = k.some(WOOD)
    for sx in (-1, 1):
        for sy in (-1, 1):
            k.box(sx * (w / 2 + 0.01), sy * (d / 2), 0, 0.07, 0.07, 1.75, frame)
    for z in (0.3, 1.25):
        k.box(0, 0, z - 0.06, w + 0.02, d, 0.1, frame, "wood")
        k.box(0, 0, z + 0.04, w - 0.06, d - 0.06, 0.15, "white", "fabric", round=0.04)
        k.box(0, -0.18, z + 0.08, w - 0.03, d - 0.42, 0.14, cloth, "fabric", round=0.04)
    k.box(0, d / 2, 1.3, w, 0.03, 0.35, frame)
    for x in (-w / 2 + 0.05, -w / 2 + 0.4):
        k.box(x, -d / 2 - 0.06, 0, 0.04, 0.04, 1.6, frame)
    for z in (0.3, 0.6, 0.9, 1.2):
        k.box(-w / 2 + 0.225, -d / 2 - 0.06, z, 0.35, 0.03, 0.04, frame)
    k.top(-w / 2 + 0.1, d / 2 - 0.46, w / 2 - 0.1, d / 2 - 0.1, 0.495, 0.65)
    k.top(-w / 2 + 0.1, -d / 2 + 0.1, w / 2 - 0.1, d / 2 - 0.6, 0.525, 0.6)


@design("mattress", "leaning")
def mattress(k: Kit) -> None:
    """A spare mattress that stands against a wall."""
    w, h = k.u(1.85, 2.0), k.u(0.9, 1.2)
    k.main({"white": 3, "beige": 1, "blue": 0.5, "grey": 1}, "fabric")
    k.box(0, 0, 0.0, w, 0.2, h, k.shade(k.color or "white"), "stripes", round=0.05, turn=(-0.12, 0, 0))


@design("pillow", "bed_pillow")
@design("cushion", "square")
def pillow(k: Kit) -> None:
    """A soft pillow lying down."""
    square = k.wish.get("square", 0) > 0
    w, d = (k.u(0.38, 0.46),) * 2 if square else (k.u(0.52, 0.68), k.u(0.34, 0.4))
    cloth = k.main(SHEETS | BRIGHT if square else SHEETS, "fabric")
    k.shape = "square" if square else "rectangular"
    k.cushion(0, 0, 0, w, d, k.u(0.13, 0.18), cloth, turn=(0, 0, k.u(-0.12, 0.12)))


@design("blanket", "folded")
@design("towel", "folded", weight=0)
def folded_cloth(k: Kit) -> None:
    """A folded blanket or towel."""
    w, d, h = k.u(0.4, 0.75, "w"), k.u(0.3, 0.45, "d"), k.u(0.07, 0.13)
    cloth = k.main(BRIGHT | {"grey": 2, "beige": 2}, "fabric")
    k.box(0, 0, 0, w, d, h / 2, cloth, "fabric", round=0.025)
    k.box(0.01, 0, h / 2, w - 0.03, d - 0.02, h / 2, darker(cloth, 1.04), "fabric", round=0.025)


@design("towel", "hanging")
def hanging_towel(k: Kit) -> None:
    """A towel on a wall bar."""
    w, h = k.u(0.34, 0.6), k.u(0.5, 0.8)
    cloth = k.main(BRIGHT | {"white": 3, "grey": 1.5}, "fabric")
    k.box(0, 0.01, h - 0.02, w + 0.12, 0.02, 0.02, "grey")
    k.box(0, -0.01, 0, w, 0.025, h, cloth, "fabric", round=0.012)
    for s in (-1, 1):
        k.box(s * (w / 2 + 0.05), 0.035, h - 0.02, 0.02, 0.05, 0.02, "grey")


@design("clothes", "pile")
def clothes_pile(k: Kit) -> None:
    """A heap of clothes."""
    for i in range(k.n(2, 4)):
        cloth = k.main(BRIGHT | {"blue": 3, "black": 2, "grey": 2}, "fabric") if i == 0 else k.some(BRIGHT)
        x, y = k.u(-0.08, 0.08), k.u(-0.07, 0.07)
        k.cushion(
            x, y, 0.05 * i, k.u(0.35, 0.5), k.u(0.28, 0.4), k.u(0.08, 0.13), cloth, turn=(k.u(-0.2, 0.2), 0, k.u(0, 3))
        )
    k.color = None


@design("clothes", "hanging", weight=0)
@design("jacket", "hanging")
def jacket(k: Kit) -> None:
    """A jacket on a hook."""
    w, h = k.u(0.42, 0.52), k.u(0.7, 0.9)
    cloth = k.main(FABRIC | {"black": 4, "blue": 3}, "fabric")
    k.box(0, 0, 0.0, w * 0.8, 0.14, h - 0.05, cloth, "fabric", round=0.06)
    for s in (-1, 1):
        k.box(
            s * w * 0.44,
            0,
            h * 0.22,
            0.12,
            0.11,
            h * 0.68,
            darker(cloth, 0.92),
            "fabric",
            round=0.05,
            turn=(0, -s * 0.12, 0),
        )
    k.box(0, 0.04, h - 0.08, 0.03, 0.1, 0.1, "grey")


@design("mat", "rug", weight=2)
def rug(k: Kit) -> None:
    """A flat rug, rectangular or round."""
    cloth = k.main(FABRIC | BRIGHT, "fabric")
    w, d = k.u(1.3, 2.2, "w"), k.u(0.9, 1.6, "d")
    if k.wish.get("round", 0) > 0 or (min(w, d) > 0.8 and k.flip(0.2)):
        k.shape = "round"
        k.cyl(0, 0, 0, min(w, d) / 2, 0.012, cloth, "fabric")
    else:
        k.shape = "rectangular"
        k.box(0, 0, 0, w, d, 0.012, cloth, k.pick("pattern", "stripes", "fabric"))


@design("curtain", "long", weight=2)
@design("shower curtain", "long")
def curtain(k: Kit) -> None:
    """A folded curtain under a rod."""
    w, h = k.u(0.45, 0.8, "w"), k.u(2.0, 2.25, "h")
    cloth = k.main(SHEETS | {"white": 4, "beige": 3}, "fabric")
    k.sheet(0, 0, 0, w, h, cloth, folds=(max(3, round(w / 0.13)), k.u(0.06, 0.09)))
    k.tube((-w / 2 - 0.04, 0, h + 0.012), (w / 2 + 0.04, 0, h + 0.012), 0.013, k.pick("grey", "brown", "black"))


@design("blinds", "slats")
def blinds(k: Kit) -> None:
    """Horizontal blinds."""
    w, h = k.u(0.9, 1.4, "w"), k.u(0.6, 1.3, "h")
    paint = k.main({"white": 5, "beige": 2, "grey": 2}, "plastic")
    k.box(0, 0, h, w, 0.04, 0.05, darker(paint, 0.95))
    count = max(6, round(h / 0.07))
    for i in range(count):
        k.box(
            0,
            0,
            i * h / count + 0.005,
            w,
            0.012,
            h / count * 0.8,
            darker(paint, 1.0 if i % 2 else 0.93),
            turn=(0.5, 0, 0),
        )


@design("stuffed animal", "bear")
def bear(k: Kit) -> None:
    """A sitting teddy bear."""
    fur = k.main({"brown": 4, "beige": 2, "white": 1, "pink": 0.7, "grey": 0.7}, "fabric")
    s = k.u(0.8, 1.2)
    k.ball(0, 0, 0, 0.09 * s, fur, "fabric", squash=1.1)
    k.ball(0, 0, 0.17 * s, 0.07 * s, fur, "fabric")
    for x in (-1, 1):
        k.ball(x * 0.05 * s, 0, 0.28 * s, 0.028 * s, fur)
        k.ball(x * 0.09 * s, -0.03 * s, 0.09 * s, 0.035 * s, fur)
        k.ball(x * 0.06 * s, -0.1 * s, 0, 0.04 * s, fur)
    k.fronted = True
