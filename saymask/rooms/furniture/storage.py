"""Cabinets, shelves, wardrobes, boxes, bins and bags."""

from saymask.rooms.colors import BRIGHT, FABRIC, LEATHER, METAL, PAINTED, PLASTIC, WOOD, darker
from saymask.rooms.furniture.design import Kit, design


def _body(k: Kit, w: float, d: float, h: float, base: float, paint, tex: str = "plain") -> None:
    """A closed body on a plinth or on feet."""
    if base > 0.06:
        k.legs(w, d, base, 0.045, paint, inset=0.01)
    elif base > 0:
        k.box(0, 0.02, 0, w - 0.03, d - 0.05, base, "black")
    k.box(0, 0, base, w, d, h - base, paint, tex)


@design("cabinet", "sideboard", weight=3, fronted=True)
def cabinet(k: Kit) -> None:
    """A cabinet of low or middle height with doors, drawers, or both."""
    w, d, h = k.u(0.7, 1.3, "w"), k.u(0.36, 0.48), k.u(0.7, 1.15, "h")
    paint = k.main(WOOD | PAINTED, "wood")
    base = k.pick(0.0, 0.05, 0.12)
    _body(k, w, d, h, base, paint, "wood")
    front, knob, columns = darker(paint, k.u(0.94, 1.06)), k.pick("black", "grey", "beige"), k.n(2, 3)
    if k.flip(0.6):
        k.fronts(w, d, base, h - base, 1, columns, front, knob, "wood")
    else:
        split = (h - base) * 0.68
        k.fronts(w, d, base, split, 1, columns, front, knob, "wood")
        k.fronts(w, d, base + split, h - base - split, 1, columns, front, knob, "wood")
    k.top(-w / 2 + 0.03, -d / 2 + 0.03, w / 2 - 0.03, d / 2 - 0.03, h)


@design("cabinet", "tall", weight=0.8, fronted=True)
def tall_cabinet(k: Kit) -> None:
    """A tall office cabinet with two doors."""
    w, d, h = k.u(0.8, 1.0), k.u(0.4, 0.48), k.u(1.5, 1.95)
    paint = k.main(METAL | {"beige": 2, "brown": 1, "white": 2}, "metal")
    _body(k, w, d, h, 0.04, paint)
    k.fronts(w, d, 0.05, h - 0.06, 1, 2, darker(paint, 1.03), "black")
    k.top(-w / 2 + 0.04, -d / 2 + 0.04, w / 2 - 0.04, d / 2 - 0.04, h)


@design("cabinet", "glass_front", weight=0.6, fronted=True)
def glass_cabinet(k: Kit) -> None:
    """A display cabinet: framed dark glass above, doors below."""
    w, d, h = k.u(0.8, 1.1), k.u(0.36, 0.42), k.u(1.4, 1.9)
    wood = k.main(WOOD, "wood")
    _body(k, w, d, h, 0.05, wood, "wood")
    k.fronts(w, d, 0.06, h * 0.4, 1, 2, darker(wood, 1.05), "beige", "wood")
    for s in (-1, 1):
        k.box(s * w / 4, -d / 2 - 0.012, h * 0.46, w / 2 - 0.03, 0.022, h * 0.5, darker(wood, 1.05), "wood")
        k.box(s * w / 4, -d / 2 - 0.024, h * 0.49, w / 2 - 0.13, 0.01, h * 0.44, (150, 168, 172))
    k.top(-w / 2 + 0.04, -d / 2 + 0.04, w / 2 - 0.04, d / 2 - 0.04, h)


@design("file cabinet", "drawers", weight=2.2, fronted=True)
def file_cabinet(k: Kit) -> None:
    """Steel drawers for files."""
    wide = k.flip(0.35)
    w, rows = (k.u(0.8, 0.95), k.n(2, 4)) if wide else (k.u(0.38, 0.46), k.n(2, 4))
    d, h = k.u(0.45, 0.6), 0.06 + rows * k.u(0.29, 0.33)
    steel = k.main(METAL | {"beige": 2, "green": 0.4}, "metal")
    _body(k, w, d, h, 0.03, steel)
    k.fronts(w, d, 0.04, h - 0.06, rows, 1, darker(steel, 1.05), "black" if k.color != "black" else "grey")
    k.top(-w / 2 + 0.02, -d / 2 + 0.03, w / 2 - 0.02, d / 2 - 0.03, h)


@design("file cabinet", "rolling", weight=0.8, fronted=True)
def rolling_cabinet(k: Kit) -> None:
    """A low pedestal on castors."""
    w, d, h = 0.4, k.u(0.48, 0.56), k.u(0.54, 0.62)
    paint = k.main(METAL | {"beige": 1, "red": 0.5, "blue": 0.5}, "metal")
    for sx in (-1, 1):
        for sy in (-1, 1):
            k.ball(sx * 0.15, sy * 0.18, 0, 0.03, "black")
    k.box(0, 0, 0.06, w, d, h - 0.06, paint)
    k.fronts(w, d, 0.07, h - 0.08, 3, 1, darker(paint, 1.05), "grey")
    k.top(-w / 2 + 0.02, -d / 2 + 0.03, w / 2 - 0.02, d / 2 - 0.03, h)


@design("dresser", "chest", fronted=True)
def dresser(k: Kit) -> None:
    """A chest of drawers."""
    w, d, h = k.u(0.75, 1.45), k.u(0.42, 0.52), k.u(0.75, 1.1)
    wood = k.main(WOOD, "wood")
    base = k.pick(0.05, 0.14)
    _body(k, w, d, h - 0.03, base, wood, "wood")
    k.box(0, 0, h - 0.03, w + 0.03, d + 0.03, 0.03, wood, "wood")
    rows, columns = k.n(3, 5), 2 if w > 1.0 else 1
    k.fronts(w, d, base, h - base - 0.04, rows, columns, darker(wood, 1.06), k.pick("beige", "grey", "black"), "wood")
    k.top(-w / 2 + 0.03, -d / 2 + 0.03, w / 2 - 0.03, d / 2 - 0.03, h)


@design("wardrobe", "doors", weight=2.5, fronted=True)
@design("closet", "doors", fronted=True)
def wardrobe(k: Kit) -> None:
    """A tall wardrobe with two to four doors, hinged or sliding."""
    w, d, h = k.u(0.9, 1.9, "w"), k.u(0.55, 0.62), k.u(1.9, 2.2)
    paint = k.main(WOOD | {"white": 5}, "wood")
    _body(k, w, d, h, 0.05, paint, "wood")
    if k.flip(0.65):
        k.fronts(w, d, 0.06, h - 0.1, 1, max(2, round(w / 0.48)), darker(paint, 1.04), k.pick("grey", "black"), "wood")
    else:
        for s in (-1, 1):
            panel = (196, 204, 206) if s > 0 and k.flip(0.4) else darker(paint, 1.05)
            k.box(s * w / 4, -d / 2 - 0.01 - 0.012 * (s > 0), 0.06, w / 2 + 0.01, 0.02, h - 0.12, panel)
        k.box(0, -d / 2 - 0.03, h - 0.06, w, 0.06, 0.05, "grey")


def _books(k: Kit, x0: float, x1: float, y: float, z: float, depth: float, height: float) -> None:
    """A row of books with gaps, standing from x0 to x1."""
    x = x0
    while x < x1 - 0.08:
        group = k.u(0.1, 0.3)
        if k.flip(0.7):
            h, cloth = height * k.u(0.62, 0.92), k.some(BRIGHT | {"brown": 1, "black": 1})
            end = min(x + group, x1)
            while x + 0.05 <= end:
                wide = k.u(0.05, 0.09)
                wide = min(wide, end - x)
                ink = cloth if k.flip(0.4) else k.some(BRIGHT | {"brown": 1, "black": 1})
                k.box(x + wide / 2, y, z, wide, depth * k.u(0.7, 0.85), h * k.u(0.85, 1.0), ink)
                x += wide
            x = end
        else:
            x += group


def _shelving(k: Kit, w: float, d: float, h: float, paint, rows: int, *, back: bool, fill: float, tex: str) -> None:
    """Boards between two sides; `fill` is the share of boards that carry books."""
    t = 0.025
    for s in (-1, 1):
        k.box(s * (w / 2 - t / 2), 0, 0, t, d, h, paint, tex)
    if back:
        k.box(0, d / 2 - 0.008, 0.03, w - 2 * t, 0.016, h - 0.04, darker(paint, 0.82))
    gap = (h - 0.06 - t) / rows
    for i in range(rows + 1):
        z = 0.06 + i * gap if i < rows else h - t
        k.box(0, 0, z, w - 2 * t, d, t, paint, tex)
        if i < rows and k.flip(fill):
            _books(k, -w / 2 + 0.05, w / 2 - 0.05, 0.01, z + t, d, gap - t)
        elif i < rows and gap > 0.22:
            k.top(-w / 2 + 0.06, -d / 2 + 0.02, w / 2 - 0.06, d / 2 - 0.03, z + t, gap - t - 0.02)
    k.top(-w / 2 + 0.03, -d / 2 + 0.02, w / 2 - 0.03, d / 2 - 0.02, h)


@design("bookshelf", "tall", weight=3, fronted=True)
def bookshelf(k: Kit) -> None:
    """A tall shelf full of books."""
    w, d, h = k.u(0.6, 1.2), k.u(0.26, 0.34), k.u(1.5, 2.1)
    wood = k.main(WOOD, "wood")
    _shelving(k, w, d, h, wood, k.n(4, 6), back=True, fill=0.85, tex="wood")


@design("bookshelf", "low", fronted=True)
def low_bookshelf(k: Kit) -> None:
    """A low, wide bookcase."""
    wood = k.main(WOOD, "wood")
    _shelving(k, k.u(0.9, 1.5), k.u(0.28, 0.34), k.u(0.75, 1.0), wood, k.n(2, 3), back=True, fill=0.8, tex="wood")


@design("shelf", "rack", weight=1.5)
def shelf_rack(k: Kit) -> None:
    """An open shelf without a back."""
    paint = k.main(METAL | WOOD, "metal" if k.flip() else "wood")
    _shelving(
        k, k.u(0.75, 1.25, "w"), k.u(0.34, 0.48), k.u(1.2, 1.95), paint, k.n(3, 5), back=False, fill=0.15, tex="plain"
    )


@design("shelf", "wall_board", weight=0)
def wall_board(k: Kit) -> None:
    """A single board with brackets, hung on the wall."""
    w, d = k.u(0.6, 1.2), k.u(0.2, 0.26)
    paint = k.main(WOOD, "wood")
    k.box(0, 0, 0.14, w, d, 0.03, paint, "wood")
    for s in (-1, 1):
        k.box(s * w * 0.35, d / 2 - 0.012, 0, 0.03, 0.024, 0.14, "grey")
        k.box(s * w * 0.35, 0.03, 0.115, 0.03, d * 0.7, 0.025, "grey")
    if k.flip(0.5):
        _books(k, -w / 2 + 0.03, w / 2 * k.u(-0.3, 0.4), 0.01, 0.17, d, 0.24)
    k.top(-w / 2 + 0.02, -d / 2 + 0.01, w / 2 - 0.02, d / 2 - 0.01, 0.17)


@design("kitchen cabinet", "wall", fronted=True)
def kitchen_cabinet(k: Kit) -> None:
    """A cabinet that hangs above a counter."""
    w, d, h = k.u(0.5, 1.0, "w"), k.u(0.32, 0.37), k.u(0.55, 0.75)
    paint = k.main({"white": 3, "brown": 3, "beige": 2, "grey": 1, "green": 0.4, "blue": 0.4}, "wood")
    k.box(0, 0, 0, w, d, h, paint)
    k.fronts(w, d, 0, h, 1, max(1, round(w / 0.42)), darker(paint, 1.04), k.pick("grey", "black"))


@design("bathroom cabinet", "wall", fronted=True)
def bathroom_cabinet(k: Kit) -> None:
    """A shallow wall cabinet."""
    w, d, h = k.u(0.45, 0.7), 0.18, k.u(0.5, 0.7)
    paint = k.main({"white": 4, "brown": 1, "grey": 1}, "wood")
    k.box(0, 0, 0, w, d, h, paint)
    k.fronts(w, d, 0, h, 1, 2, darker(paint, 1.03), "grey")


@design("box", "carton", weight=3)
def carton(k: Kit) -> None:
    """A cardboard or coloured box, sometimes with open flaps."""
    w, d, h = k.u(0.26, 0.5, "w"), k.u(0.22, 0.38, "d"), k.u(0.18, 0.4, "h")
    paint = k.main({"brown": 5, "beige": 3, "white": 1.5, "blue": 0.6, "red": 0.4, "grey": 0.6}, "paper")
    k.shape = "square" if abs(w - d) < 0.04 else "rectangular"
    k.box(0, 0, 0, w, d, h, paint)
    if k.flip(0.4) and "h" not in k.wish:  # flaps stand up where there is room above
        for s in (-1, 1):
            k.box(s * (w / 2 + 0.02), 0, h - 0.03, 0.012, d, 0.12, darker(paint, 1.08), turn=(0, s * 0.7, 0))
    else:
        k.box(0, 0, h, 0.06, d, 0.005, darker(paint, 1.2))


@design("storage bin", "tub")
@design("storage container", "tub")
def tub(k: Kit) -> None:
    """A plastic box with a lid in another colour."""
    w, d, h = k.u(0.4, 0.6, "w"), k.u(0.3, 0.4, "d"), k.u(0.22, 0.36, "h")
    paint = k.main(PLASTIC | {"purple": 0.6, "pink": 0.4}, "plastic")
    k.shape = "rectangular"
    k.box(0, 0, 0, w, d, h - 0.03, paint, round=0.02)
    k.box(0, 0, h - 0.03, w + 0.03, d + 0.03, 0.035, "white" if k.color != "white" else "blue", round=0.012)


@design("crate", "slats")
def crate(k: Kit) -> None:
    """An open crate of slats."""
    w, d, h = k.u(0.4, 0.5), k.u(0.3, 0.36), k.u(0.24, 0.3)
    paint = k.main({"brown": 2, "blue": 1, "red": 0.7, "green": 1, "beige": 1}, "wood")
    k.box(0, 0, 0, w, d, 0.02, paint)
    for z in (0.02, 0.02 + h / 3, 0.02 + 2 * h / 3):
        for s in (-1, 1):
            k.box(0, s * (d / 2 - 0.01), z, w, 0.018, h / 3 - 0.02, paint)
            k.box(s * (w / 2 - 0.01), 0, z, 0.018, d - 0.02, h / 3 - 0.02, paint)


@design("trash can", "open", weight=2)
@design("bin", "open")
@design("recycling bin", "open", weight=0.8)
@design("trash bin", "open", weight=0.8)
def trash_can(k: Kit) -> None:
    """An open bin: round and tapered."""
    r, h = k.u(0.12, 0.17), k.u(0.28, 0.45)
    paint = k.main(PLASTIC | {"black": 3, "grey": 3}, "plastic")
    k.shape = "round"
    k.pot(0, 0, 0, r * 0.82, h, paint, top=r)


@design("trash can", "lid")
@design("recycling bin", "lid", weight=1.5)
@design("trash bin", "lid")
def lid_bin(k: Kit) -> None:
    """A rectangular bin with a lid."""
    w, d, h = k.u(0.3, 0.42), k.u(0.26, 0.36), k.u(0.5, 0.75)
    paint = k.main({"blue": 3, "grey": 2, "green": 2, "black": 2, "white": 1, "red": 0.5}, "plastic")
    k.shape = "rectangular"
    k.box(0, 0, 0, w * 0.92, d * 0.92, h - 0.08, paint, round=0.02)
    k.box(0, 0, h - 0.08, w, d, 0.08, "black" if k.color not in ("black", "grey") else "white", round=0.03)


@design("basket", "round")
@design("laundry basket", "round")
def basket(k: Kit) -> None:
    """A woven basket."""
    r, h = k.u(0.17, 0.26), k.u(0.22, 0.38)
    paint = k.main({"beige": 3, "brown": 3, "white": 1.5, "grey": 1, "black": 0.7}, "wicker")
    k.shape = "round"
    k.pot(0, 0, 0, r * 0.85, h, paint, "stone", top=r)


@design("laundry hamper", "tall")
@design("laundry basket", "box", weight=0.7)
def hamper(k: Kit) -> None:
    """A tall basket with a cloth lid."""
    w, d, h = k.u(0.36, 0.45), k.u(0.3, 0.38), k.u(0.5, 0.65)
    paint = k.main({"white": 2, "beige": 2.5, "grey": 1.5, "brown": 1.5, "blue": 0.8}, "fabric")
    k.box(0, 0, 0, w, d, h - 0.04, paint, "stripes", round=0.02)
    k.box(0, 0, h - 0.04, w + 0.02, d + 0.02, 0.04, darker(paint, 0.9), round=0.015)


@design("backpack", "school")
def backpack(k: Kit) -> None:
    """A backpack that stands on the floor or lies on a seat."""
    w, d, h = k.u(0.28, 0.34), k.u(0.16, 0.22), k.u(0.4, 0.48)
    cloth = k.main(FABRIC | {"black": 4, "red": 1.5, "blue": 2.5}, "fabric")
    k.box(0, 0, 0, w, d, h, cloth, "fabric", round=0.07)
    k.box(0, -d / 2 - 0.02, 0.04, w * 0.75, 0.07, h * 0.45, darker(cloth, 0.85), "fabric", round=0.03)
    for s in (-1, 1):
        k.box(s * w * 0.28, d / 2 + 0.012, 0.08, 0.05, 0.03, h * 0.75, darker(cloth, 0.7), round=0.01)


@design("bag", "tote", weight=1.5)
@design("purse", "hand")
def tote(k: Kit) -> None:
    """A bag with two handles."""
    w, d, h = k.u(0.28, 0.4), k.u(0.11, 0.16), k.u(0.24, 0.34)
    cloth = k.main(LEATHER | FABRIC, "leather")
    k.box(0, 0, 0, w, d, h, cloth, "fabric", round=0.03)
    for y in (-d / 2 + 0.02, d / 2 - 0.02):
        for s in (-1, 1):
            k.tube((s * w * 0.25, y, h - 0.02), (s * w * 0.12, y, h + 0.13), 0.011, darker(cloth, 0.7))
        k.tube((-w * 0.12, y, h + 0.13), (w * 0.12, y, h + 0.13), 0.011, darker(cloth, 0.7))


@design("suitcase", "upright")
@design("luggage", "upright")
def suitcase(k: Kit) -> None:
    """An upright suitcase on wheels."""
    w, d, h = k.u(0.38, 0.48), k.u(0.22, 0.28), k.u(0.55, 0.7)
    shell = k.main(FABRIC | {"black": 4, "red": 1.5}, "plastic")
    k.box(0, 0, 0.04, w, d, h - 0.04, shell, "stripes", round=0.04)
    for sx in (-1, 1):
        k.box(sx * w * 0.36, 0, 0, 0.04, d * 0.8, 0.05, "black")
        k.box(sx * 0.07, d / 2 - 0.05, h, 0.018, 0.018, k.u(0.05, 0.3), "grey")


@design("rack", "shoe_rack")
def shoe_rack(k: Kit) -> None:
    """A low rack of bars."""
    w, d, h = k.u(0.6, 0.9), 0.28, k.u(0.4, 0.6)
    paint = k.main(METAL | {"brown": 1.5, "beige": 1}, "metal")
    k.legs(w, d, h, 0.03, paint)
    for z in (0.1, h * 0.5, h - 0.03):
        for y in (-0.09, -0.03, 0.03, 0.09):
            k.box(0, y, z, w - 0.06, 0.03, 0.02, paint)
    k.top(-w / 2 + 0.05, -d / 2 + 0.03, w / 2 - 0.05, d / 2 - 0.03, h - 0.01)


@design("storage organizer", "cubes", fronted=True)
def organizer(k: Kit) -> None:
    """A cube shelf with some cloth drawers."""
    columns, rows, cell = k.n(2, 3), k.n(2, 3), 0.34
    w, h, d = columns * cell + 0.04, rows * cell + 0.04, 0.36
    paint = k.main(WOOD | {"white": 5}, "wood")
    for i in range(columns + 1):
        k.box(-w / 2 + 0.02 + i * cell, 0, 0, 0.03, d, h, paint)
    for j in range(rows + 1):
        k.box(0, 0, j * cell, w, d, 0.03, paint)
    k.box(0, d / 2 - 0.01, 0, w, 0.016, h, darker(paint, 0.85))
    cloth = k.some(BRIGHT)
    for i in range(columns):
        for j in range(rows):
            x = -w / 2 + 0.02 + (i + 0.5) * cell
            if k.flip(0.45):
                k.box(x, -0.01, j * cell + 0.03, cell - 0.05, d - 0.05, cell - 0.07, cloth, "fabric")
    k.top(-w / 2 + 0.03, -d / 2 + 0.02, w / 2 - 0.03, d / 2 - 0.02, h)
