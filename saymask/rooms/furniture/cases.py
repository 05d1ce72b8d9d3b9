"""Cabinets, wardrobes, shelves with contents, drawers, refrigerators, boxes and bags of many makes (version 2)."""

from saymask.rooms.colors import BRIGHT, FABRIC, METAL, PAINTED, WOOD, darker
from saymask.rooms.furniture.design import Kit, design2
from saymask.rooms.furniture.shelving import fill_board


def _base(k: Kit, w: float, d: float, paint) -> float:
    """Feet, a plinth or nothing; return the height of the body's underside."""
    base = k.pick(0.0, 0.05, 0.05, 0.1, 0.16)
    if base > 0.07:
        k.legs(w - 0.06, d - 0.05, base, k.u(0.025, 0.05), paint, splay=k.pick(0.0, 0.02), round_legs=True)
    elif base:
        k.box(0, 0.02, 0, w - 0.02, d - 0.05, base, k.pick("black", paint))
    return base


def _doors(k: Kit, x: float, z: float, w: float, h: float, d: float, paint, columns: int, style: str, tex: str) -> None:
    """Doors before a body whose front is at y = -d / 2."""
    knob = k.pick("grey", "black", "beige", None)
    wide = w / columns
    for i in range(columns):
        cx, y = x - w / 2 + (i + 0.5) * wide, -d / 2 - 0.009
        if k.flip(0.04):  # one stands open
            k.box(cx - wide / 2, y - wide / 2, z + 0.01, 0.018, wide, h - 0.02, paint, tex)
            continue
        k.box(cx, y, z + 0.004, wide - 0.008, 0.018, h - 0.008, paint, tex)
        if style == "framed":
            for s in (-1, 1):
                k.box(cx + s * (wide / 2 - 0.04), y - 0.012, z + 0.01, 0.06, 0.008, h - 0.02, darker(paint, 1.04))
            for at in (z + 0.01, z + h - 0.07):
                k.box(cx, y - 0.012, at, wide - 0.15, 0.008, 0.06, darker(paint, 1.04))
        elif style == "glass":
            k.box(cx, y - 0.008, z + 0.06, wide - 0.12, 0.01, h - 0.12, k.pick((150, 168, 172), (84, 92, 94)))
        elif style == "louvred":
            for j in range(int((h - 0.1) / 0.07)):
                k.box(cx, y - 0.012, z + 0.06 + j * 0.07, wide - 0.12, 0.012, 0.045, darker(paint, 0.94))
        if knob is not None:
            side = 1 if (i % 2 == 0 and columns > 1) else -1
            k.box(cx + side * (wide / 2 - 0.05), y - 0.025, z + h * 0.5 - 0.05, 0.016, 0.026, k.u(0.03, 0.16), knob)


def _drawers(k: Kit, x: float, z: float, w: float, h: float, d: float, paint, rows: int, tex: str) -> None:
    k.fronts(w, d, z, h, rows, 1 if w < 0.9 or k.flip() else 2, paint, k.pick("grey", "black", "beige", None), tex, x=x)


@design2("cabinet", "various", weight=6, fronted=True)
def various_cabinet(k: Kit) -> None:
    """A cabinet of any height and width: doors, drawers, open shelves and glass in any division."""
    w, d, h = k.u(0.45, 1.9, "w"), k.u(0.3, 0.6), k.u(0.55, 2.05, "h")
    paint = k.main(WOOD | PAINTED | {"white": 5}, k.pick("wood", "wood", "metal"))
    tex = "wood" if k.material == "wood" and k.flip(0.6) else "plain"
    base = _base(k, w, d, paint)
    body = darker(paint, k.u(0.92, 1.0))
    front = darker(paint, k.u(0.97, 1.06)) if k.flip(0.75) else k.some(PAINTED | WOOD)
    k.box(0, 0, base, w, d, h - base, body, tex)
    if k.flip(0.3):
        k.box(0, 0, h, w + 0.03, d + 0.03, 0.025, darker(paint, 0.95), tex)
        h += 0.025
    style, columns = k.pick("flat", "flat", "framed", "louvred"), max(1, round(w / k.u(0.4, 0.65)))
    room = h - base - 0.03
    division = k.pick("doors", "doors", "drawers", "drawers above", "glass above", "beside")
    if division == "doors":
        _doors(k, 0, base + 0.01, w, room, d, front, columns, style, tex)
    elif division == "drawers":
        _drawers(k, 0, base + 0.01, w, room, d, front, max(2, round(room / k.u(0.16, 0.35))), tex)
    elif division == "drawers above":
        split = room * k.u(0.55, 0.8)
        _doors(k, 0, base + 0.01, w, split, d, front, columns, style, tex)
        _drawers(k, 0, base + 0.02 + split, w, room - split - 0.01, d, front, 1, tex)
    elif division == "glass above":
        split = room * k.u(0.3, 0.55)
        _doors(k, 0, base + 0.01, w, split, d, front, columns, style, tex)
        _doors(k, 0, base + 0.02 + split, w, room - split - 0.01, d, front, columns, "glass", tex)
    else:
        share = k.u(0.35, 0.65) * w
        _doors(k, -w / 2 + share / 2, base + 0.01, share, room, d, front, max(1, round(share / 0.5)), style, tex)
        _drawers(k, w / 2 - (w - share) / 2, base + 0.01, w - share, room, d, front, max(2, round(room / 0.28)), tex)
    k.top(-w / 2 + 0.03, -d / 2 + 0.03, w / 2 - 0.03, d / 2 - 0.03, h)


@design2("cabinet", "half_open", weight=1.5, fronted=True)
def half_open(k: Kit) -> None:
    """A cabinet with doors or drawers in a part and filled open boards in the other."""
    w, d, h = k.u(0.7, 1.8, "w"), k.u(0.32, 0.46), k.u(0.65, 1.9, "h")
    paint, t = k.main(WOOD | {"white": 4}, "wood"), 0.022
    base = _base(k, w, d, paint)
    split = k.u(0.35, 0.6) * (h - base) + base
    upper = k.flip(0.7)  # the closed part is below
    low, high = (base, split) if upper else (split, h)
    k.box(0, 0.005, low, w, d - 0.01, high - low, paint, "wood")
    _doors(k, 0, low, w, high - low, d, darker(paint, 1.04), max(1, round(w / 0.5)), k.pick("flat", "framed"), "wood")
    z0, z1 = (split, h) if upper else (base, split)
    for s in (-1, 1):
        k.box(s * (w / 2 - t / 2), 0, z0, t, d, z1 - z0, paint, "wood")
    k.box(0, d / 2 - 0.006, z0, w, 0.012, z1 - z0, darker(paint, 0.85))
    rows = max(1, round((z1 - z0) / 0.34))
    for j in range(rows):
        z = z0 + j * (z1 - z0) / rows
        k.box(0, 0, z, w - 2 * t, d - 0.02, t, paint, "wood")
        if k.flip(0.7):
            fill_board(k, -w / 2 + 0.04, w / 2 - 0.06, z + t, d - 0.04, (z1 - z0) / rows - t)
    k.box(0, 0, h - t, w, d, t, paint, "wood")
    k.top(-w / 2 + 0.03, -d / 2 + 0.03, w / 2 - 0.03, d / 2 - 0.03, h)


@design2("cabinet", "lockers", weight=0.6, fronted=True)
def lockers(k: Kit) -> None:
    """Steel lockers side by side."""
    n, rows = k.n(2, 5), k.pick(1, 1, 2, 3)
    w, d, h = n * 0.32, k.u(0.42, 0.5), k.u(1.6, 1.9)
    steel = k.main(METAL | {"blue": 1, "green": 0.5, "beige": 1, "red": 0.3}, "metal")
    k.box(0, 0, 0.06, w, d, h - 0.06, steel)
    k.box(0, 0.01, 0, w - 0.02, d - 0.04, 0.06, "black")
    for j in range(rows):
        _doors(k, 0, 0.07 + j * (h - 0.08) / rows, w, (h - 0.08) / rows, d, darker(steel, 1.04), n, "flat", "plain")
    k.top(-w / 2 + 0.03, -d / 2 + 0.03, w / 2 - 0.03, d / 2 - 0.03, h)


@design2("file cabinet", "various", weight=3, fronted=True)
def various_file(k: Kit) -> None:
    """A steel file cabinet, narrow or wide, with a label on every drawer."""
    w, rows = k.pick((k.u(0.36, 0.48), k.n(2, 5)), (k.u(0.75, 1.1), k.n(2, 4)))
    d, h = k.u(0.42, 0.68), 0.05 + rows * k.u(0.25, 0.34)
    steel = k.main(METAL | {"beige": 3, "brown": 0.5, "green": 0.4, "blue": 0.3}, "metal")
    k.box(0, 0, 0.02, w, d, h - 0.02, steel)
    high = (h - 0.06) / rows
    for i in range(rows):
        z, out = 0.03 + i * high, 0.2 if k.flip(0.05) else 0.0
        k.box(0, -d / 2 - 0.008 - out / 2, z + 0.008, w - 0.02, 0.016 + out, high - 0.016, darker(steel, 1.04))
        k.box(0, -d / 2 - 0.025 - out, z + high * 0.72, 0.12, 0.025, 0.02, k.pick("grey", "black"))
        k.box(0, -d / 2 - 0.02 - out, z + high * 0.45, 0.08, 0.01, 0.04, "white")
    k.top(-w / 2 + 0.02, -d / 2 + 0.03, w / 2 - 0.02, d / 2 - 0.03, h)


@design2("dresser", "various", weight=3, fronted=True)
def various_dresser(k: Kit) -> None:
    """A chest of drawers: tall and narrow or low and wide."""
    tall = k.flip(0.35)
    w, d, h = (
        (k.u(0.4, 0.75), k.u(0.38, 0.5), k.u(1.0, 1.4)) if tall else (k.u(0.8, 1.7), k.u(0.4, 0.55), k.u(0.65, 0.95))
    )
    wood = k.main(WOOD | {"white": 4}, "wood")
    base = _base(k, w, d, wood)
    k.box(0, 0, base, w, d, h - base - 0.03, wood, "wood")
    k.box(0, 0, h - 0.03, w + k.pick(0.0, 0.03), d + 0.02, 0.03, darker(wood, 0.96), "wood")
    rows, columns = (k.n(4, 6), 1) if tall else (k.n(2, 4), k.n(2, 3))
    front = darker(wood, k.u(1.0, 1.08))
    k.fronts(w, d, base, h - base - 0.04, rows, columns, front, k.pick("beige", "grey", "black", None), "wood")
    k.top(-w / 2 + 0.03, -d / 2 + 0.03, w / 2 - 0.03, d / 2 - 0.03, h)


@design2("wardrobe", "various", weight=4, fronted=True)
@design2("closet", "various", weight=1.5, fronted=True)
def various_wardrobe(k: Kit) -> None:
    """A wardrobe with hinged or sliding doors, a mirror, drawers below, a cornice, or cases on top."""
    w, d, h = k.u(0.7, 2.6, "w"), k.u(0.5, 0.66), k.u(1.75, 2.3)
    paint = k.main(WOOD | {"white": 5}, "wood")
    tex = k.pick("wood", "plain")
    k.box(0, 0, 0, w, d, h, darker(paint, 0.97), tex)
    z, room = 0.06, h - 0.1
    if k.flip(0.3):
        below = k.u(0.3, 0.55)
        _drawers(k, 0, z, w, below, d, darker(paint, 1.03), k.n(1, 2), tex)
        z, room = z + below + 0.01, room - below - 0.01
    columns = max(1, round(w / k.u(0.42, 0.6)))
    if k.flip(0.65) or w < 1.2:
        _doors(k, 0, z, w, room, d, darker(paint, 1.03), columns, k.pick("flat", "flat", "framed", "louvred"), tex)
    else:
        n = k.pick(2, 2, 3)
        for i in range(n):
            glass = (190, 200, 204)
            face = glass if k.flip(0.35) else darker(paint, k.u(1.0, 1.06))
            k.box(-w / 2 + (i + 0.5) * w / n, -d / 2 - 0.012 - 0.02 * (i % 2), z, w / n + 0.01, 0.02, room, face, tex)
    if k.flip(0.2):
        k.box(0, -0.01, h, w + 0.06, d + 0.04, 0.06, darker(paint, 0.94), tex)
        h += 0.06
    k.top(-w / 2 + 0.03, -d / 2 + 0.03, w / 2 - 0.03, d / 2 - 0.03, h)


@design2("wardrobe", "open_rail", weight=1, fronted=True)
@design2("closet", "open_rail", weight=0.5, fronted=True)
def open_rail(k: Kit) -> None:
    """A rail with clothes on hangers, in an open case or on a stand."""
    w, d, h = k.u(0.8, 1.5), k.u(0.42, 0.55), k.u(1.5, 1.9)
    paint = k.main(METAL | WOOD, "metal")
    if k.flip():
        for s in (-1, 1):
            k.tube((s * w / 2, 0, 0.03), (s * w / 2, 0, h), 0.016, paint)
            k.tube((s * w / 2, -d / 2, 0.02), (s * w / 2, d / 2, 0.02), 0.016, paint)
        k.box(0, 0, 0.12, w, d * 0.7, 0.02, paint)
    else:
        for s in (-1, 1):
            k.box(s * (w / 2 - 0.012), 0, 0, 0.024, d, h + 0.08, paint, "wood")
        for z in (0.05, h + 0.06):
            k.box(0, 0, z, w, d, 0.024, paint, "wood")
        k.box(0, d / 2 - 0.008, 0, w, 0.014, h + 0.06, darker(paint, 0.85))
    k.tube((-w / 2, 0, h - 0.02), (w / 2, 0, h - 0.02), 0.014, "grey")
    x = -w / 2 + 0.08
    while x < w / 2 - 0.06:
        if k.flip(0.8):
            long = k.u(0.55, 1.1)
            k.soft(x, 0, h - 0.06 - long, 0.05, d * k.u(0.75, 0.95), long, k.some(FABRIC | BRIGHT), round=0.02,
            bumps=0.012,
                   wave=0.2)  # fmt: skip
        x += k.u(0.06, 0.1)


@design2("kitchen cabinet", "row", weight=2.5, fronted=True)
def cupboard_row(k: Kit) -> None:
    """Wall cupboards in a row, some of glass or open."""
    w, d, h = k.u(0.4, 1.8, "w"), k.u(0.3, 0.38), k.u(0.4, 0.95)
    paint = k.main({"white": 4, "brown": 4, "beige": 2, "grey": 1.5, "green": 0.4, "blue": 0.4, "black": 0.5}, "wood")
    tex = k.pick("wood", "plain")
    k.box(0, 0, 0, w, d, h, darker(paint, 0.95), tex)
    style, columns = k.pick("flat", "framed", "framed", "glass"), max(1, round(w / k.u(0.36, 0.55)))
    _doors(k, 0, 0.0, w, h, d, darker(paint, 1.02), columns, style, tex)
    if k.flip(0.3):
        k.box(0, -0.02, h, w + 0.03, d + 0.04, 0.05, darker(paint, 0.95), tex)


@design2("bathroom cabinet", "mirror", weight=1.5, fronted=True)
def mirror_cabinet(k: Kit) -> None:
    """A wall cabinet with mirror doors or open boards at its side."""
    w, d, h = k.u(0.4, 1.0), k.u(0.12, 0.22), k.u(0.5, 0.8)
    paint = k.main({"white": 4, "grey": 1, "brown": 1}, "wood")
    k.box(0, 0, 0, w, d, h, paint)
    _doors(k, 0, 0, w, h, d, (176, 190, 196), k.n(1, 3), "flat", "plain")
