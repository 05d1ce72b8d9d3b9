"""Beds with bedding, pillows, blankets and clothes as they are met: soft, bumpy, made and unmade (version 2)."""

from collections.abc import Mapping

from saymask.rooms.colors import BRIGHT, FABRIC, LEATHER, METAL, RGB, WOOD, darker
from saymask.rooms.furniture.design import Kit, design2

LINEN = {"white": 4, "grey": 2.5, "blue": 2, "beige": 2, "brown": 1, "red": 0.8, "green": 0.8, "purple": 0.5,
         "pink": 0.6, "yellow": 0.4, "black": 0.7, "orange": 0.3}  # fmt: skip
WIDTHS = (0.9, 0.95, 1.0, 1.2, 1.4, 1.5, 1.6, 1.8, 1.95)


def _size(k: Kit) -> tuple[float, float]:
    w = k.pick(*WIDTHS) + k.u(-0.03, 0.03)
    return k.u(w, w, "w"), k.u(1.9, 2.12)


def _linen(k: Kit) -> tuple[RGB, str]:
    """The cover's colour, which is the bed's, and its texture."""
    return k.main(LINEN, "fabric"), k.pick("fabric", "fabric", "fabric", "stripes", "plain")


def _made(k: Kit, w: float, d: float, z: float, style: str | None = None) -> None:
    """A mattress with bedding on it that starts at z; declares the head and the foot as places for things.

    `style`: "duvet" thick and bumpy, "spread" smooth and hanging down, "folded" in the lower half, "unmade" pushed
    into a heap, "bare" a sheet alone.
    """
    style = style or k.pick("duvet", "duvet", "spread", "folded", "unmade", "unmade", "bare")
    cloth, tex = _linen(k)
    thick = k.u(0.16, 0.3)
    k.soft(0, 0, z, w, d, thick, k.pick("white", "white", "beige", "grey"), "fabric", round=0.05, bulge=0.01)
    top, lift = z + thick, 0.0
    if style == "duvet":
        over, lift = k.u(0.02, 0.14), k.u(0.08, 0.16)
        drop = k.u(0.05, min(0.3, thick + 0.1))
        long = d * k.u(0.72, 0.98)
        k.soft(0, -(d - long) / 2 - 0.02, top - drop, w + over, long, drop + lift, cloth, tex, round=0.09,
               bulge=0.03, bumps=k.u(0.02, 0.05), wave=k.u(0.25, 0.5))  # fmt: skip
    elif style == "spread":
        lift, drop = 0.05, k.u(0.15, z + thick - 0.05)
        long = d * k.u(0.85, 1.0)
        k.soft(0, -(d - long) / 2, top - drop, w + 0.08, long, drop + lift, cloth, tex, round=0.05, bumps=0.012,
               wave=0.35)  # fmt: skip
    elif style == "folded":
        lift, long = k.u(0.1, 0.18), d * k.u(0.35, 0.6)
        y = -(d - long) / 2
        k.soft(0, y, top - 0.15, w + 0.06, long, 0.15 + lift, cloth, tex, round=0.08, bumps=0.03, wave=0.35)
        k.soft(0, y + long / 2 - 0.12, top, w + 0.03, 0.28, lift + 0.06, k.some(LINEN), tex, round=0.07, bumps=0.02)
    elif style == "unmade":
        lift = k.u(0.2, 0.32)
        x, y = k.u(-0.15, 0.15) * w, k.u(-0.2, 0.05) * d
        long, wide = d * k.u(0.45, 0.75), w * k.u(0.75, 1.0)
        y = max(y, -d / 2 + long / 2)
        k.soft(x, y, top - 0.12, wide, long, 0.12 + lift, cloth, tex, round=0.12, bulge=0.02, bumps=0.09,
               wave=k.u(0.3, 0.6), turn=(0, 0, k.u(-0.25, 0.25)))  # fmt: skip
        k.soft(-x, y + k.u(-0.3, 0.2), top - 0.01, w * k.u(0.4, 0.7), d * 0.3, lift * 0.6, darker(cloth, 1.06), tex,
               round=0.1, bumps=0.06, wave=0.3, turn=(0, 0, k.u(-0.6, 0.6)))  # fmt: skip
        if k.flip(0.5):
            s = k.pick(-1, 1)
            k.soft(s * (w / 2 + 0.02), y - 0.1, z * 0.4, 0.1, long * 0.6, top - z * 0.4 + 0.04, cloth, tex, round=0.05,
                   bumps=0.04)  # fmt: skip
    if style in ("duvet", "spread", "folded") and k.flip(0.3):
        _throw(k, w + 0.1, top + lift + 0.005, -d * k.u(0.22, 0.36), k.u(0.4, 0.7), k.u(0.1, 0.35))
        lift += 0.03
    k.top(-w / 2 + 0.03, d / 2 - 0.52, w / 2 - 0.03, d / 2 - 0.03, top + (0.01 if style != "spread" else lift))
    k.top(-w / 2 + 0.1, -d / 2 + 0.1, w / 2 - 0.1, d / 2 - 0.6, top + lift + 0.005)


def _throw(k: Kit, w: float, z: float, y: float, long: float, drop: float) -> None:
    """A blanket across a bed that hangs down at both sides."""
    a = w / 2
    line = ((-a - 0.02, -drop), (-a, 0.0), (0.0, 0.02), (a, 0.0), (a + 0.02, -drop))
    k.cloth(0, y, z, long, line, k.some(BRIGHT), k.pick("fabric", "stripes"), bumps=0.012, turn=(0, 0, 1.5708))


def _board(k: Kit, w: float, y: float, h: float, paint, style: str, thick: float = 0.05) -> None:
    """A head- or footboard with its middle plane at y."""
    if style == "panel":
        k.box(0, y, 0, w, thick, h, paint, "wood")
        k.box(0, y - thick / 2, h * 0.55, w - 0.16, 0.012, h * 0.36, darker(paint, 0.92), "wood")
    elif style == "padded":
        k.soft(0, y, 0.05, w, thick + 0.07, h - 0.05, paint, "fabric", round=0.05, bulge=0.015)
        if k.flip():
            n = k.n(2, 5)
            for i in range(n):
                x = -w / 2 + (i + 0.5) * w / n
                k.soft(x, y - thick / 2 - 0.03, h * 0.45, w / n - 0.01, 0.07, h * 0.52, darker(paint, 1.03), round=0.03)
    elif style == "wings":
        k.soft(0, y, 0.05, w, 0.1, h - 0.05, paint, "fabric", round=0.04)
        for s in (-1, 1):
            k.soft(s * (w / 2 - 0.04), y - 0.16, 0.05, 0.09, 0.3, h - 0.08, paint, "fabric", round=0.04)
    elif style == "bars":
        for s in (-1, 1):
            k.tube((s * (w / 2 - 0.03), y, 0), (s * (w / 2 - 0.03), y, h), 0.022, paint)
            k.ball(s * (w / 2 - 0.03), y, h - 0.01, 0.03, paint)
        for z in (h * 0.45, h * 0.92):
            k.tube((-w / 2 + 0.03, y, z), (w / 2 - 0.03, y, z), 0.016, paint)
        for i in range(1, k.n(6, 9)):
            x = -w / 2 + i * w / 9
            k.tube((x, y, h * 0.45), (x, y, h * 0.92), 0.009, paint)
    elif style == "slats":
        k.box(0, y, h - 0.1, w, thick, 0.1, paint, "wood")
        for s in (-1, 1):
            k.box(s * (w / 2 - 0.04), y, 0, 0.08, thick, h, paint, "wood")
        for i in range(1, round(w / 0.16)):
            k.box(-w / 2 + i * w / round(w / 0.16), y, h * 0.35, 0.07, 0.02, h * 0.6, paint)
    elif style == "shelf":
        k.box(0, y + 0.1, 0, w, 0.28, h, paint, "wood")
        k.box(0, y - 0.02, h, w, 0.05, 0.22, paint, "wood")
    else:  # rounded
        k.box(0, y, 0, w, thick, h * 0.8, paint, "wood")
        k.box(0, y, h * 0.74, w * 0.72, thick, h * 0.26, paint, "wood", round=0.02)


@design2("bed", "boarded", weight=5, fronted=True)
def boarded_bed(k: Kit) -> None:
    """A bed with a headboard of one of many forms, often with a footboard."""
    w, d = _size(k)
    z = k.u(0.2, 0.38)
    style = k.pick("panel", "padded", "padded", "wings", "bars", "slats", "shelf", "rounded")
    soft = style in ("padded", "wings")
    paint = k.some(FABRIC | LEATHER) if soft else k.some(METAL if style == "bars" else WOOD)
    if soft:
        k.soft(0, 0, 0.05, w + 0.08, d + 0.04, z - 0.02, paint, "fabric", round=0.03)
        k.legs(w, d, 0.06, 0.05, "black", inset=0.04)
    else:
        k.box(0, 0, z - k.u(0.1, 0.18), w + 0.05, d, 0.16, paint, "plain" if style == "bars" else "wood")
        k.legs(w + 0.04, d, z - 0.1, 0.06, paint)
    _made(k, w, d - 0.04, z)
    _board(k, w + 0.06, d / 2 + 0.04, k.u(0.8, 1.3), paint, style)
    if not soft and style != "shelf" and k.flip(0.45):
        _board(k, w + 0.06, -d / 2 - 0.05, k.u(0.45, 0.75), paint, style)


@design2("bed", "box_spring", weight=2, fronted=True)
def box_bed(k: Kit) -> None:
    """A hotel bed: two thick mattresses, sometimes a low padded headboard."""
    w, d = _size(k)
    z = k.u(0.05, 0.12)
    k.legs(w, d, z, 0.06, "black", inset=0.06)
    base = k.u(0.2, 0.32)
    k.soft(0, 0, z, w, d, base, k.some(FABRIC | {"white": 2}), "fabric", round=0.03)
    _made(k, w, d, z + base)
    if k.flip(0.6):
        pad = k.some(FABRIC | LEATHER)
        k.soft(0, d / 2 + 0.06, 0.1, w + 0.06, 0.12, k.u(0.75, 1.15), pad, "fabric", round=0.05, bulge=0.02)


@design2("bed", "floor_bed", weight=1.2, fronted=True)
def floor_bed(k: Kit) -> None:
    """A mattress on a low platform, on pallets, or on the floor."""
    w, d = _size(k)
    z = k.pick(0.0, 0.06, 0.14)
    if z:
        k.box(0, 0, 0, w + k.u(0.0, 0.3), d + 0.06, z, k.some(WOOD), "wood")
    _made(k, w, d, z, k.pick("duvet", "unmade", "unmade", "bare"))


@design2("bed", "daybed", weight=1.2, fronted=True)
def daybed(k: Kit) -> None:
    """A single bed with boards at its back and both ends, like a sofa; the back is at one long side."""
    w, d, z, h = k.u(0.86, 1.0), k.u(1.9, 2.05), k.u(0.24, 0.36), k.u(0.7, 0.95)
    paint = k.some(WOOD | METAL)
    k.box(0, 0, z - 0.12, w, d, 0.14, paint, "wood")
    k.legs(w, d, z - 0.1, 0.06, paint)
    style = k.pick("panel", "slats", "bars")
    _made(k, w - 0.04, d - 0.06, z, k.pick("spread", "duvet", "unmade", "folded"))
    _board(k, w, d / 2 + 0.03, h, paint, style)
    _board(k, w, -d / 2 - 0.03, h * k.u(0.75, 1.0), paint, style)
    s = k.pick(-1, 1)
    k.box(s * (w / 2 + 0.03), 0, 0, 0.04, d, h, paint, "wood")


@design2("bed", "drawers", weight=1.2, fronted=True)
def drawer_bed(k: Kit) -> None:
    """A bed over drawers, often with a headboard with shelves."""
    w, d = _size(k)
    paint = k.some(WOOD | {"white": 4})
    z = k.u(0.32, 0.5)
    k.box(0, 0, 0, w + 0.04, d, z, paint, "wood")
    s = k.pick(-1, 1)
    for i in range(2):
        k.box(s * (w / 2 + 0.03), (i - 0.5) * d * 0.46, 0.05, 0.02, d * 0.42, z - 0.1, darker(paint, 1.04), "wood")
        k.box(s * (w / 2 + 0.05), (i - 0.5) * d * 0.46, z * 0.5, 0.02, 0.12, 0.025, "grey")
    _made(k, w, d - 0.04, z)
    if k.flip(0.7):
        _board(k, w + 0.06, d / 2 + 0.03, k.u(0.9, 1.2), paint, k.pick("shelf", "panel"))


@design2("bed", "hospital", weight=0.35, fronted=True)
def hospital_bed(k: Kit) -> None:
    """A bed on castors with rails, its upper part raised."""
    w, d, z = k.u(0.88, 0.96), k.u(2.0, 2.1), k.u(0.42, 0.56)
    cloth = k.main({"white": 4, "blue": 2, "green": 1}, "fabric")
    steel = k.pick("grey", "white", "beige")
    for sx in (-1, 1):
        for sy in (-1, 1):
            k.ball(sx * w * 0.42, sy * d * 0.4, 0, 0.06, "black")
    k.box(0, 0, 0.12, w * 0.8, d * 0.85, 0.08, steel)
    k.box(0, 0, 0.2, w * 0.3, d * 0.4, z - 0.24, darker((140, 140, 142), 0.8))
    k.box(0, 0, z - 0.06, w, d, 0.06, steel)
    raised = k.u(0.0, 0.6)
    k.soft(0, -d * 0.15, z, w - 0.06, d * 0.66, 0.13, "white", "fabric", round=0.03)
    k.soft(0, d * 0.32, z + 0.3 * raised, w - 0.06, d * 0.34, 0.13, "white", "fabric", round=0.03,
           turn=(raised, 0, 0))  # fmt: skip
    k.soft(0, -d * 0.18, z + 0.09, w, d * 0.58, 0.12, cloth, "fabric", round=0.05, bumps=0.02)
    for y, h in ((d / 2, z + 0.5), (-d / 2, z + 0.35)):
        k.box(0, y, z - 0.1, w, 0.04, h - z + 0.1, k.pick("beige", "brown", "white", "grey"), round=0.015)
    for s in (-1, 1):
        for z0 in (z + 0.14, z + 0.3):
            k.tube((s * (w / 2 + 0.03), -0.1, z0), (s * (w / 2 + 0.03), d * 0.32, z0), 0.014, steel)
        for y in (-0.1, d * 0.32):
            k.tube((s * (w / 2 + 0.03), y, z - 0.05), (s * (w / 2 + 0.03), y, z + 0.3), 0.012, steel)
    k.top(-w / 2 + 0.05, -d / 2 + 0.1, w / 2 - 0.05, 0.1, z + 0.215)


@design2("bed", "loft", weight=0.3, fronted=True)
def loft_bed(k: Kit) -> None:
    """Two beds above each other on posts, with bedding and a ladder at the side."""
    w, d, up = k.u(0.92, 1.05), k.u(1.96, 2.08), k.u(1.2, 1.4)
    paint = k.some(WOOD | METAL)
    for sx in (-1, 1):
        for sy in (-1, 1):
            k.box(sx * (w / 2 + 0.02), sy * (d / 2), 0, 0.06, 0.06, up + 0.42, paint)
    for z in (k.u(0.2, 0.35), up):
        k.box(0, 0, z - 0.08, w, d, 0.1, paint, "wood")
        k.soft(0, 0, z + 0.02, w - 0.05, d - 0.06, 0.14, "white", round=0.04)
        k.soft(0, -0.15, z + 0.08, w - 0.02, d * 0.7, 0.16, _linen(k)[0], round=0.07, bumps=0.03, wave=0.35)
        k.soft(k.u(-0.1, 0.1), d / 2 - 0.3, z + 0.16, 0.6, 0.38, 0.12, "white", round=0.05, bulge=0.02)
    for y in (-d / 2, d / 2):
        for z in (up + 0.2, up + 0.36):
            k.box(0, y, z, w, 0.025, 0.07, paint)
    s = k.pick(-1, 1)
    k.box(s * (w / 2 + 0.02), 0.2, up + 0.25, 0.025, d * 0.7, 0.12, paint)
    for y in (-d / 2 + 0.08, -d / 2 + 0.42):
        k.box(s * (w / 2 + 0.08), y, 0, 0.04, 0.03, up + 0.3, paint)
    for i in range(1, 5):
        k.box(s * (w / 2 + 0.08), -d / 2 + 0.25, i * up / 5, 0.03, 0.34, 0.03, paint)


@design2("mattress", "lying", weight=1)
def lying_mattress(k: Kit) -> None:
    """A mattress on the floor, with a sheet or a blanket."""
    w, d = _size(k)
    k.main({"white": 4, "grey": 1, "blue": 1, "beige": 1}, "fabric")
    h = k.u(0.14, 0.26)
    k.soft(0, 0, 0, w, d, h, k.shade(k.color or "white"), k.pick("stripes", "fabric"), round=0.06, bulge=0.01)
    if k.flip():
        k.soft(k.u(-0.1, 0.1), k.u(-0.3, 0.1), h - 0.02, w * 0.8, d * 0.5, 0.2, k.some(LINEN), round=0.09, bumps=0.07,
               wave=0.4, turn=(0, 0, k.u(-0.4, 0.4)))  # fmt: skip


@design2("pillow", "plump", weight=2)
@design2("cushion", "plump", weight=1.5)
def plump_pillow(k: Kit) -> None:
    """A full, creased pillow lying down."""
    square = k.wish.get("square", 0) > 0 or k.flip(0.25)
    w = k.u(0.36, 0.52) if square else k.u(0.5, 0.8)
    d = w * k.u(0.92, 1.05) if square else k.u(0.34, 0.48)
    k.shape = "square" if square else "rectangular"
    cloth = k.main((LINEN | BRIGHT) if square else LINEN, "fabric")
    k.soft(0, 0, 0, w, d, k.u(0.12, 0.22), cloth, k.pick("fabric", "fabric", "stripes", "plain"), round=0.06,
    bulge=0.05,
           bumps=k.u(0.01, 0.03), wave=0.25, turn=(0, 0, k.u(-0.3, 0.3)))  # fmt: skip


@design2("pillow", "leaning", weight=2)
@design2("cushion", "leaning", weight=1.5)
def leaning_pillow(k: Kit) -> None:
    """A pillow that leans against a headboard or a back."""
    square = k.wish.get("square", 0) > 0
    w = k.u(0.36, 0.5) if square else k.u(0.5, 0.75)
    h = w * k.u(0.9, 1.0) if square else k.u(0.34, 0.46)
    k.shape = "square" if square else "rectangular"
    cloth = k.main((LINEN | BRIGHT) if square else LINEN, "fabric")
    lean = k.u(0.3, 0.8)
    k.soft(0, 0, 0, w, k.u(0.12, 0.18), h, cloth, k.pick("fabric", "stripes", "plain"), round=0.06, bulge=0.05,
           bumps=0.015, turn=(-lean, k.u(-0.08, 0.08), 0))  # fmt: skip


@design2("blanket", "crumpled", weight=1.5)
@design2("clothes", "crumpled", weight=1.5)
@design2("towel", "crumpled", weight=0.2)
def crumpled(k: Kit) -> None:
    """A cloth thrown down in a heap."""
    w, d, h = k.u(0.3, 0.7, "w"), k.u(0.25, 0.55, "d"), k.u(0.08, 0.22)
    cloth = k.main(FABRIC | BRIGHT, "fabric")
    k.soft(0, 0, 0, w, d, h, cloth, k.pick("fabric", "stripes", "plain"), round=0.1, bulge=0.0, bumps=k.u(0.05, 0.1),
           wave=k.u(0.15, 0.35), turn=(0, 0, k.u(0, 3)))  # fmt: skip
    if k.flip():
        k.soft(k.u(-0.1, 0.1), k.u(-0.1, 0.1), h * 0.3, w * 0.6, d * 0.5, h * 0.9, k.some(BRIGHT), round=0.08,
               bumps=0.06, wave=0.2, turn=(0, 0, k.u(0, 3)))  # fmt: skip


@design2("blanket", "spread", weight=1)
def spread_blanket(k: Kit) -> None:
    """A blanket spread out flat with folds and bumps."""
    w, d = k.u(0.6, 1.0), k.u(0.5, 0.9)
    cloth = k.main(LINEN | BRIGHT, "fabric")
    k.soft(0, 0, 0, w, d, k.u(0.05, 0.1), cloth, k.pick("fabric", "stripes"), round=0.03, bumps=0.03, wave=0.3)


@design2("clothes", "folded_stack", weight=0.8)
@design2("towel", "stack", weight=0, like="folded")
def stack(k: Kit) -> None:
    """A stack of folded cloth."""
    w, d = k.u(0.24, 0.4, "w"), k.u(0.2, 0.34, "d")
    z = 0.0
    for i in range(k.n(2, 6)):
        cloth = k.main(BRIGHT | {"grey": 2, "white": 2}, "fabric") if i == 0 else k.some(BRIGHT | {"black": 1})
        h = k.u(0.03, 0.06)
        k.soft(k.u(-0.015, 0.015), k.u(-0.015, 0.015), z, w * k.u(0.9, 1), d * k.u(0.9, 1), h, cloth, round=0.02,
               bumps=0.006, turn=(0, 0, k.u(-0.08, 0.08)))  # fmt: skip
        z += h
    k.color = None


def hung(k: Kit, w: float, h: float, weights: Mapping[str, float]) -> None:
    """A garment with sleeves that hangs from its shoulders."""
    cloth = k.main(weights, "fabric")
    k.soft(0, 0, 0, w * 0.75, k.u(0.1, 0.16), h, cloth, "fabric", round=0.06, bumps=0.02, wave=0.2)
    for s in (-1, 1):
        k.soft(s * w * 0.42, 0, h * 0.2, 0.12, 0.1, h * 0.75, darker(cloth, 0.93), "fabric", round=0.05, bumps=0.02,
               turn=(0, -s * 0.14, 0))  # fmt: skip


@design2("jacket", "draped", weight=1.5)
@design2("clothes", "coat", weight=0, like="hanging")
def coat(k: Kit) -> None:
    """A coat on a hook."""
    hung(k, k.u(0.42, 0.55), k.u(0.7, 1.05), FABRIC | {"black": 4, "blue": 3})
    k.tube((0, 0, k.parts[0].size[2]), (0, 0.06, k.parts[0].size[2] + 0.05), 0.012, "grey")


@design2("towel", "over_bar", weight=1.2, like="hanging")
def draped_towel(k: Kit) -> None:
    """A towel that hangs over a bar with uneven ends."""
    w, h = k.u(0.35, 0.7), k.u(0.35, 0.8)
    cloth = k.main(BRIGHT | {"white": 3, "grey": 1.5}, "fabric")
    line = ((-0.035, 0.0), (-0.03, h), (0.0, h + 0.02), (0.03, h), (0.035, h * k.u(0.2, 0.6)))
    k.cloth(0, 0, 0, w, line, cloth, k.pick("fabric", "stripes"), bumps=0.012)
    k.tube((-w / 2 - 0.08, 0, h), (w / 2 + 0.08, 0, h), 0.01, "grey")
    for s in (-1, 1):
        k.tube((s * (w / 2 + 0.06), 0, h), (s * (w / 2 + 0.06), 0.07, h), 0.01, "grey")
