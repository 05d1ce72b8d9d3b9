"""Shelves with what stands on them (version 2)."""

from saymask.rooms.colors import BRIGHT, METAL, PLASTIC, WOOD, darker
from saymask.rooms.furniture.design import Kit, design2

BINDINGS = BRIGHT | {"brown": 1.5, "black": 1.5, "white": 2, "grey": 1}


def fill_board(k: Kit, x0: float, x1: float, z: float, d: float, room: float) -> None:
    """Fill a board from x0 to x1 with `room` metres above: books upright, leaning or lying, files, boxes."""
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


@design2("bookshelf", "cubes", weight=1.5, fronted=True)
@design2("storage organizer", "mixed", weight=1.5, fronted=True)
def cube_shelf(k: Kit) -> None:
    """A shelf of square cells with books, boxes, baskets or nothing in each."""

    columns, rows, cell = k.n(1, 5), k.n(1, 5), k.u(0.32, 0.4)
    w, h, d, t = columns * cell, rows * cell, k.u(0.3, 0.4), 0.03
    paint = k.main(WOOD | {"white": 5}, "wood")
    for i in range(columns + 1):
        k.box(-w / 2 + i * cell, 0, 0, t, d, h + t, paint, "wood")
    for j in range(rows + 1):
        k.box(0, 0, j * cell, w, d, t, paint, "wood")
    cloth = k.some(BRIGHT | {"beige": 2, "grey": 2})
    for i in range(columns):
        for j in range(rows):
            x, z = -w / 2 + (i + 0.5) * cell, j * cell + t
            kind = k.pick("books", "books", "drawer", "empty")
            if kind == "books":
                fill_board(k, x - cell / 2 + 0.03, x + cell / 2 - 0.05, z, d, cell - t)
            elif kind == "drawer":
                k.box(x, -0.01, z, cell - t - 0.02, d - 0.04, cell - t - 0.03, cloth, k.pick("fabric", "stone"))
            else:
                k.top(x - cell / 2 + 0.03, -d / 2 + 0.02, x + cell / 2 - 0.03, d / 2 - 0.02, z, cell - t - 0.03)
    k.top(-w / 2 + 0.02, -d / 2 + 0.02, w / 2 - 0.02, d / 2 - 0.02, h + t)
