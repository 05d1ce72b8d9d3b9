"""Cabinets, wardrobes, shelves with contents, drawers, refrigerators, boxes and bags of many makes (version 2)."""

from saymask.rooms.colors import BRIGHT, FABRIC, LEATHER, METAL, PAINTED, PLASTIC, WOOD, darker
from saymask.rooms.furniture.design import Kit, design2

BINDINGS = BRIGHT | {"brown": 1.5, "black": 1.5, "white": 2, "grey": 1}


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


def fill_board(k: Kit, x0: float, x1: float, z: float, d: float, room: float) -> None:
    """What stands on a board from x0 to x1 with `room` metres above: books upright, leaning or lying, files, boxes."""
    x = x0
    while x < x1 - 0.06:
        kind = k.rng.random_sample()
        if kind < 0.55:
            high, ink, many = room * k.u(0.6, 0.92), k.some(BINDINGS), k.n(2, 7)
            for _ in range(many):
                wide = k.u(0.02, 0.055)
                if x + wide > x1:
                    break
                ink = ink if k.flip(0.3) else k.some(BINDINGS)
                k.box(x + wide / 2, k.u(-0.02, 0.02), z, wide, d * k.u(0.6, 0.8), high * k.u(0.8, 1.0), ink)
                x += wide + 0.001
            if k.flip(0.35) and x + 0.1 < x1:
                k.box(x + 0.05, 0, z, 0.03, d * 0.7, high * 0.85, k.some(BINDINGS), turn=(0, -0.3, 0))
                x += 0.12
        elif kind < 0.67:
            at, wide = z, min(k.u(0.18, 0.28), x1 - x)
            for _ in range(k.n(2, 5)):
                thick = k.u(0.02, 0.05)
                if at + thick > z + room * 0.9:
                    break
                k.box(x + wide / 2, k.u(-0.02, 0.02), at, wide * k.u(0.8, 1), d * 0.7, thick, k.some(BINDINGS),
                      turn=(0, 0, k.u(-0.06, 0.06)))  # fmt: skip
                at += thick
            x += wide + 0.02
        elif kind < 0.8:
            ink, high = k.some(BINDINGS), min(0.31, room * 0.92)
            for _ in range(k.n(2, 5)):
                if x + 0.075 > x1:
                    break
                k.box(x + 0.037, 0, z, 0.07, d * 0.85, high, ink)
                k.box(x + 0.037, -d * 0.43, z + high * 0.55, 0.045, 0.006, high * 0.3, "white")
                x += 0.076
        elif kind < 0.88:
            wide = min(k.u(0.15, 0.35), x1 - x)
            k.box(
                x + wide / 2,
                0,
                z,
                wide * 0.95,
                d * 0.8,
                room * k.u(0.4, 0.85),
                k.some(PLASTIC | {"brown": 2, "white": 2}),
            )
            x += wide + 0.01
        else:
            x += k.u(0.06, 0.3)


@design2("bookshelf", "filled", weight=5, fronted=True)
@design2("shelf", "filled", weight=1.5, fronted=True)
def filled_shelf(k: Kit) -> None:
    """A shelf of any size with books, files and boxes, more or less full."""
    w, d, h = k.u(0.4, 1.9), k.u(0.24, 0.4), k.u(0.7, 2.3)
    paint = k.main(WOOD | {"white": 4}, "wood")
    t, tex, back = k.u(0.015, 0.03), k.pick("wood", "wood", "plain"), k.flip(0.7)
    columns = max(1, round(w / k.u(0.55, 0.95)))
    rows, full = max(2, round(h / k.u(0.27, 0.42))), k.u(0.3, 1.0)
    low = k.pick(0.0, 0.06, 0.1)
    for i in range(columns + 1):
        k.box(-w / 2 + t / 2 + i * (w - t) / columns, 0, 0, t, d, h, paint, tex)
    if back:
        k.box(0, d / 2 - 0.006, low, w - t, 0.012, h - low, darker(paint, k.u(0.8, 0.95)))
    gap = (h - low - t) / rows
    for j in range(rows + 1):
        z = low + j * gap if j < rows else h - t
        k.box(0, 0, z, w - t, d, t, paint, tex)
        if j == rows:
            break
        for i in range(columns):
            x0, x1 = (-w / 2 + t + (i + e) * (w - t) / columns for e in (0.0, 1.0))
            if k.flip(full):
                fill_board(k, x0 + 0.02, x1 - 0.04, z + t, d, gap - t)
            elif gap > 0.22 and x1 - x0 > 0.3:
                k.top(x0 + 0.03, -d / 2 + 0.02, x1 - 0.04, d / 2 - 0.03, z + t, gap - t - 0.02)
    if h < 1.9:
        k.top(-w / 2 + 0.03, -d / 2 + 0.02, w / 2 - 0.03, d / 2 - 0.02, h)


@design2("shelf", "wire", weight=1.5)
@design2("rack", "wire", weight=1)
def wire_shelf(k: Kit) -> None:
    """A rack of steel posts with boards or wire, loaded at times."""
    w, d, h = k.u(0.6, 1.3, "w"), k.u(0.3, 0.5), k.u(0.8, 1.95)
    steel = k.main(METAL, "metal")
    k.legs(w, d, h, 0.028, steel, round_legs=True)
    rows = k.n(3, 5)
    for j in range(rows):
        z = 0.1 + j * (h - 0.14) / (rows - 1)
        if k.material == "metal" and k.flip(0.5):
            for y in (-0.4, -0.2, 0.0, 0.2, 0.4):
                k.tube((-w / 2 + 0.02, y * d, z + 0.01), (w / 2 - 0.02, y * d, z + 0.01), 0.008, steel)
        else:
            k.box(0, 0, z, w - 0.02, d - 0.01, 0.02, steel)
        gap = (h - 0.14) / (rows - 1) - 0.05 if j < rows - 1 else 10.0
        if gap > 0.15:
            k.top(-w / 2 + 0.05, -d / 2 + 0.03, w / 2 - 0.05, d / 2 - 0.03, z + 0.022, gap)


@design2("shelf", "floating", weight=0, like="wall_board")
def floating(k: Kit) -> None:
    """Boards on the wall, with things on them."""
    w, d = k.u(0.5, 1.4), k.u(0.18, 0.28)
    paint = k.main(WOOD | {"white": 3}, "wood")
    n = k.pick(1, 1, 2, 3)
    filled = n if k.flip() else n - 1
    for j in range(n):
        k.box(0, 0, j * 0.34, w * k.u(0.7, 1.0), d, 0.03, paint, "wood")
        if j < filled:
            fill_board(k, -w * 0.34, w * 0.3, j * 0.34 + 0.03, d, 0.27)
    if filled < n:
        k.top(-w * 0.33, -d / 2 + 0.01, w * 0.33, d / 2 - 0.01, (n - 1) * 0.34 + 0.03)


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


@design2("refrigerator", "various", weight=3, fronted=True)
def various_fridge(k: Kit) -> None:
    """A refrigerator of any width: one, two or four doors, drawers below, a dispenser, magnets and notes."""
    wide = k.flip(0.35)
    w, d, h = k.u(0.78, 0.98) if wide else k.u(0.54, 0.72), k.u(0.58, 0.76), k.u(1.4, 2.0)
    paint = k.main(
        {"white": 4, "grey": 4, "black": 1.3, "beige": 0.5, "red": 0.2, "green": 0.15, "blue": 0.15}, "metal"
    )
    k.box(0, 0.03, 0.02, w, d - 0.07, h - 0.02, darker(paint, k.u(0.75, 1.0)))
    y, grip = -d / 2 + 0.01, k.pick("grey", "grey", "black", paint)
    faces = k.pick(
        ((0.0, 1.0, 1),), ((0.0, 0.35, 1), (0.35, 1.0, 1)), ((0.0, 0.68, 1), (0.68, 1.0, 1)),
        ((0.0, 0.3, 1), (0.3, 1.0, 2)) if wide else ((0.0, 0.4, 1), (0.4, 1.0, 1)),
        ((0.0, 1.0, 2),) if wide else ((0.0, 0.66, 1), (0.66, 1.0, 1)),
    )  # fmt: skip
    hinge = k.pick(-1, 1)
    for low, high, columns in faces:
        z0, z1 = 0.05 + low * (h - 0.06), 0.05 + high * (h - 0.06)
        for i in range(columns):
            cw = w / columns
            x = -w / 2 + (i + 0.5) * cw
            k.box(x, y, z0 + 0.004, cw - 0.006, 0.07, z1 - z0 - 0.008, darker(paint, 1.02), round=k.pick(0.01, 0.025))
            side = (1 if i == 0 else -1) if columns == 2 else hinge
            if z1 - z0 < 0.75:
                k.box(x, y - 0.05, z1 - 0.1, cw * 0.7, 0.03, 0.025, grip)
            else:
                k.box(x + side * (cw / 2 - 0.05), y - 0.05, z0 + (z1 - z0) * 0.3, 0.025, 0.035, (z1 - z0) * 0.4, grip)
    if wide and k.flip(0.4):
        k.box(-w * 0.25, y - 0.038, h * 0.55, 0.2, 0.01, 0.3, (30, 32, 34))
    for _ in range(k.pick(0, 0, 2, 5)):
        k.box(
            k.u(-0.35, 0.35) * w, y - 0.038, k.u(0.4, 0.9) * h, k.u(0.04, 0.16), 0.008, k.u(0.04, 0.2), k.some(BRIGHT)
        )
    if h < 1.75:
        k.top(-w / 2 + 0.04, -d / 2 + 0.06, w / 2 - 0.04, d / 2 - 0.05, h)


@design2("mini fridge", "low", weight=2, fronted=True)
def low_fridge(k: Kit) -> None:
    """A small refrigerator under table height."""
    w, d, h = k.u(0.44, 0.56), k.u(0.44, 0.56), k.u(0.5, 0.9)
    paint = k.main({"white": 3, "grey": 2, "black": 3}, "metal")
    k.box(0, 0.02, 0.02, w, d - 0.05, h - 0.02, paint)
    split = k.pick(0.0, 0.0, 0.3)
    for low, high in ((0.0, 1 - split), (1 - split, 1.0))[: 2 if split else 1]:
        k.box(0, -d / 2 + 0.01, 0.04 + low * (h - 0.05), w, 0.05, (high - low) * (h - 0.05) - 0.006, darker(paint,
        1.03),
              round=0.012)  # fmt: skip
    k.box(k.pick(-1, 1) * (w / 2 - 0.05), -d / 2 - 0.025, h * 0.5, 0.022, 0.025, h * 0.25, "grey")
    k.top(-w / 2 + 0.03, -d / 2 + 0.06, w / 2 - 0.03, d / 2 - 0.05, h)


@design2("box", "open", weight=2.5)
def open_box(k: Kit) -> None:
    """A carton with its four flaps out, or taped, dented, or with things that stick out."""
    w, d, h = k.u(0.22, 0.6, "w"), k.u(0.2, 0.45, "d"), k.u(0.14, 0.45, "h")
    paint = k.main({"brown": 5, "beige": 4, "white": 1.5, "blue": 0.4, "red": 0.3, "black": 0.4}, "paper")
    k.shape = "square" if abs(w - d) < 0.04 else "rectangular"
    t = 0.012
    if "h" in k.wish or k.flip(0.4):
        k.box(0, 0, 0, w, d, h, paint)
        k.box(0, 0, h, 0.06, d, 0.004, darker(paint, 1.15))
        if k.flip(0.5):
            k.box(w * 0.2, -d / 2 - 0.003, h * 0.4, w * 0.3, 0.005, h * 0.35, "white", "text")
        return
    k.box(0, 0, 0, w, d, t, paint)
    for s in (-1, 1):
        k.box(s * (w / 2 - t / 2), 0, t, t, d, h - t, paint)
        k.box(0, s * (d / 2 - t / 2), t, w - 2 * t, t, h - t, darker(paint, 0.95))
        a = k.u(-0.3, 1.4)
        k.box(s * (w / 2 + 0.05), 0, h - 0.05, 0.012, d, 0.13, darker(paint, 1.06), turn=(0, s * a, 0))
    if k.flip(0.6):
        k.soft(0, 0, t, w * 0.85, d * 0.8, h * k.u(0.7, 1.15), k.some(BRIGHT | {"white": 2}), round=0.06, bumps=0.03)


@design2("bag", "slumped", weight=2.5)
@design2("backpack", "slumped", weight=2)
@design2("purse", "slumped", weight=0.7)
def slumped_bag(k: Kit) -> None:
    """A soft bag that has sunk in, with straps."""
    w, d, h = k.u(0.26, 0.5), k.u(0.15, 0.3), k.u(0.24, 0.46)
    cloth = k.main(FABRIC | LEATHER | {"black": 6}, "fabric")
    k.soft(0, 0, 0, w, d, h, cloth, k.pick("fabric", "plain"), round=0.09, bulge=0.01, bumps=k.u(0.03, 0.07), wave=0.3,
           turn=(k.u(-0.15, 0.15), k.u(-0.15, 0.15), 0))  # fmt: skip
    if k.flip(0.7):
        k.soft(0, -d / 2 - 0.01, 0.04, w * 0.7, 0.07, h * 0.4, darker(cloth, 0.85), round=0.03, bumps=0.01)
    for s in (-1, 1):
        k.tube((s * w * 0.2, 0, h - 0.04), (s * w * 0.08, 0.02, h + k.u(0.02, 0.12)), 0.011, darker(cloth, 0.7))
    k.tube((-w * 0.08, 0.02, h + 0.06), (w * 0.08, 0.02, h + 0.06), 0.011, darker(cloth, 0.7))


@design2("bag", "shopping", weight=1)
@design2("paper bag", "shopping", weight=1)
def shopping_bag(k: Kit) -> None:
    """A standing bag of plastic or paper, creased."""
    w, d, h = k.u(0.24, 0.4), k.u(0.12, 0.2), k.u(0.26, 0.44)
    paint = k.main({"white": 3, "brown": 2, "beige": 1, "blue": 1, "green": 0.7, "red": 0.5, "black": 0.7}, "paper")
    k.soft(0, 0, 0, w, d, h, paint, "plain", round=0.02, bulge=-0.012, bumps=0.018, wave=0.2)
    for y in (-0.04, 0.04):
        for s in (-1, 1):
            k.tube((s * 0.07, y, h - 0.01), (0, y, h + 0.09), 0.008, darker(paint, 0.8))


@design2("bag", "rubbish", weight=0.7)
def rubbish_bag(k: Kit) -> None:
    """A full bag of rubbish, tied at its top."""
    w, h = k.u(0.35, 0.55), k.u(0.35, 0.55)
    paint = k.main({"black": 4, "white": 2, "blue": 1, "grey": 1}, "plastic")
    k.soft(0, 0, 0, w, w * 0.9, h, paint, "plain", round=w * 0.35, bulge=0.02, bumps=0.06, wave=0.25)
    k.soft(0, 0, h - 0.04, 0.1, 0.1, 0.12, paint, "plain", round=0.03, bumps=0.03, wave=0.1)


@design2("suitcase", "shell", weight=2)
@design2("luggage", "shell", weight=1)
def shell_case(k: Kit) -> None:
    """A suitcase with a rounded shell, standing or lying open."""
    w, d, h = k.u(0.36, 0.52), k.u(0.2, 0.32), k.u(0.5, 0.78)
    paint = k.main(FABRIC | {"black": 4, "red": 1.2}, "plastic")
    if k.flip(0.75):
        k.soft(0, 0, 0.05, w, d, h - 0.05, paint, k.pick("plain", "fabric"), round=0.06, bulge=0.01)
        for sx in (-1, 1):
            for sy in (-1, 1):
                k.ball(sx * w * 0.36, sy * d * 0.3, 0, 0.028, "black")
            k.tube(
                (sx * 0.07, d / 2 - 0.06, h - 0.02), (sx * 0.07, d / 2 - 0.06, h + 0.02 + k.u(0.0, 0.35)), 0.009, "grey"
            )
        k.box(0, d / 2 - 0.06, h + 0.02, 0.16, 0.03, 0.03, "black", round=0.01)
    else:
        for s in (-1, 1):
            k.soft(s * (h / 2 + 0.01), 0, 0, h, w, d * 0.5, paint, "plain", round=0.04)
        k.soft(-h / 2, 0, d * 0.3, h * 0.8, w * 0.8, d * 0.5, k.some(BRIGHT), round=0.08, bumps=0.05, wave=0.2)


WICKER: dict[str, float] = {"beige": 3, "brown": 3, "white": 1.5, "grey": 1.2, "black": 0.7}


@design2("basket", "square", weight=1.2)
@design2("laundry basket", "plastic", weight=1.5)
@design2("laundry hamper", "cloth", weight=1)
def filled_basket(k: Kit) -> None:
    """An open basket or hamper, at times with cloth that bulges out."""
    w, d, h = k.u(0.3, 0.6), k.u(0.26, 0.42), k.u(0.2, 0.6)
    paint = k.main(WICKER | {"white": 3, "blue": 0.7, "pink": 0.3}, "wicker")
    t = 0.016
    k.box(0, 0, 0, w - 0.04, d - 0.04, t, paint)
    for s in (-1, 1):
        k.box(s * (w / 2 - 0.02), 0, 0, t, d - 0.04, h, paint, "stone", turn=(0, s * 0.06, 0))
        k.box(0, s * (d / 2 - 0.02), 0, w - 0.04, t, h, paint, "stone", turn=(-s * 0.06, 0, 0))
    if k.flip(0.6):
        k.soft(0, 0, 0.03, w - 0.1, d - 0.1, h * k.u(0.8, 1.25), k.some(BRIGHT | {"white": 2}), round=0.08, bumps=0.06,
               wave=0.25)  # fmt: skip


@design2("trash can", "various", weight=3)
@design2("bin", "various", weight=1.5)
@design2("trash bin", "various", weight=1)
@design2("recycling bin", "various", weight=1)
def various_bin(k: Kit) -> None:
    """A bin: round or square, open with a bag over its rim, with a swing lid, a pedal, or on wheels."""
    style = k.pick("bag", "bag", "square", "swing", "pedal", "wheels")
    paint = k.main(PLASTIC | METAL | {"black": 3, "blue": 1.5}, "plastic")
    if style in ("bag", "square"):
        r, h = k.u(0.11, 0.19), k.u(0.25, 0.5)
        if style == "bag":
            k.shape = "round"
            k.pot(0, 0, 0, r * k.u(0.75, 0.95), h, paint, top=r)
        else:
            t = 0.014
            k.box(0, 0, 0, 1.8 * r, 1.3 * r, t, paint)
            for s in (-1, 1):
                k.box(s * 0.95 * r, 0, 0, t, 1.4 * r, h, paint, turn=(0, s * 0.07, 0))
                k.box(0, s * 0.7 * r, 0, 1.85 * r, t, h, paint, turn=(-s * 0.07, 0, 0))
        if k.flip(0.6):
            line = k.shade(k.pick("white", "black", "grey"))
            rim = ((r * 0.96, 0), (r * 1.06, 0.0), (r * 1.05, 0.07), (r * 0.97, 0.08), (r * 0.8, 0.0), (r * 0.96, 0))
            k.lathe(0, 0, h - 0.06, rim, line)
            k.soft(0, 0, h - 0.16, r * 1.2, r * 1.1, 0.12, line, "plain", round=0.05, bumps=0.04, wave=0.12)
    elif style == "swing":
        w, d, h = k.u(0.28, 0.42), k.u(0.24, 0.36), k.u(0.5, 0.8)
        k.soft(0, 0, 0, w, d, h * 0.75, paint, "plain", round=0.04)
        k.box(0, 0, h * 0.75, w + 0.01, d + 0.01, 0.03, darker(paint, 0.85), round=0.01)
        for s in (-1, 1):
            k.box(0, s * d * 0.22, h * 0.78, w * 0.9, d * 0.5, 0.014, darker(paint, 0.8), turn=(-s * 0.75, 0, 0))
    elif style == "pedal":
        r, h = k.u(0.13, 0.19), k.u(0.4, 0.68)
        k.shape = "round"
        k.lathe(0, 0, 0.02, ((0, 0), (r, 0), (r, h - 0.08), (r * 0.8, h - 0.03), (0, h)), paint)
        k.cyl(0, 0, 0, r * 1.02, 0.03, "black")
        k.box(0, -r - 0.03, 0.01, 0.07, 0.07, 0.02, "black")
    else:
        w, d, h = k.u(0.4, 0.52), k.u(0.42, 0.55), k.u(0.8, 1.0)
        k.soft(0, 0, 0.06, w, d, h - 0.12, paint, "plain", round=0.04, turn=(-0.04, 0, 0))
        k.box(0, 0.01, h - 0.07, w + 0.03, d + 0.05, 0.05, darker(paint, 0.9), round=0.015, turn=(0.06, 0, 0))
        for s in (-1, 1):
            k.tube((s * w * 0.4, d / 2, 0.08), (s * w * 0.48, d / 2, 0.08), 0.08, "black")
        k.tube((-w * 0.35, d / 2 + 0.04, h - 0.08), (w * 0.35, d / 2 + 0.04, h - 0.08), 0.014, paint)
