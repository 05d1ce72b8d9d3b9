"""Kitchens, bathrooms and utility rooms: counters, cookers, hoods, toilets, basins, tubs, showers (version 2)."""

from itertools import pairwise

from saymask.rooms.colors import CERAMIC, METAL, WOOD, darker
from saymask.rooms.furniture.design import Kit, design2
from saymask.rooms.furniture.kitchen import WHITE_GOODS

FRONTS = {"white": 5, "brown": 4, "beige": 2, "grey": 2, "black": 0.8, "blue": 0.5, "green": 0.5, "red": 0.2}


SLABS = {"grey": 3, "black": 1.5, "white": 2.5, "beige": 1.5, "brown": 2}


def _tap(k: Kit, x: float, y: float, z: float, h: float, reach: float = 0.16) -> None:
    """A tap at the back of a basin: a column, a spout that bends down, a lever."""
    k.tube((x, y, z), (x, y, z + h), 0.014, "grey")
    k.tube((x, y, z + h), (x, y - reach, z + h + 0.02), 0.012, "grey")
    k.tube((x, y - reach, z + h + 0.02), (x, y - reach, z + h - 0.05), 0.011, "grey")
    if k.flip():
        k.tube((x + 0.02, y, z + 0.05), (x + 0.09, y - 0.01, z + 0.08), 0.009, "grey")


def _fronts(k: Kit, x0: float, x1: float, y: float, z0: float, z1: float, paint, tex: str) -> None:
    """Doors and drawers side by side from x0 to x1, their face at y."""
    knob, style = k.pick("grey", "black", "beige", None), k.pick("flat", "flat", "framed")
    columns = max(1, round((x1 - x0) / k.u(0.4, 0.62)))
    wide = (x1 - x0) / columns
    drawer = k.pick(0.0, 0.0, 0.16)
    for i in range(columns):
        x = x0 + (i + 0.5) * wide
        rows = [z0, z1] if drawer == 0 else [z0, z1 - drawer, z1]
        if k.flip(0.25):
            rows = [z0 + j * (z1 - z0) / 3 for j in range(4)]
        for low, high in pairwise(rows):
            k.box(x, y, low + 0.004, wide - 0.008, 0.018, high - low - 0.008, paint, tex)
            if style == "framed" and high - low > 0.3:
                k.box(x, y - 0.01, low + 0.06, wide - 0.13, 0.006, high - low - 0.12, darker(paint, 0.94), tex)
            if knob is not None:
                tall = high - low > 0.3
                side = 1 if i % 2 == 0 else -1
                at = (x + side * (wide / 2 - 0.05), low + (high - low) * 0.8 - 0.06) if tall else (x, (low + high) / 2)
                k.box(at[0], y - 0.022, at[1], 0.018 if tall else 0.12, 0.024, 0.12 if tall else 0.018, knob)


def _run(k: Kit, w: float, d: float, h: float, body, tex: str, slab) -> None:
    """Base units under a slab, with a plinth and a low splash board at times."""
    k.box(0, 0.05, 0, w - 0.02, d - 0.1, 0.1, k.pick("black", body))
    k.box(0, 0.02, 0.1, w, d - 0.04, h - 0.14, darker(body, 0.95))
    _fronts(k, -w / 2 + 0.005, w / 2 - 0.005, -d / 2 + 0.03, 0.11, h - 0.045, body, tex)
    k.base("kitchen cabinet")  # as annotators of scans have it: the counter is the slab
    k.box(0, 0, h - 0.04, w, d, 0.04, slab, k.pick("stone", "plain", "wood"))
    if k.flip(0.4):
        k.box(0, d / 2 - 0.01, h, w, 0.02, k.u(0.05, 0.12), slab, "stone")
    k.shape = "rectangular"
    k.top(-w / 2 + 0.03, -d / 2 + 0.04, w / 2 - 0.03, d / 2 - 0.04, h)


@design2("kitchen counter", "units", weight=3, fronted=True, like="run")
@design2("counter", "units", weight=2.5, fronted=True, like="run")
def units(k: Kit) -> None:
    """A run of kitchen units: doors and drawers in any division under a slab."""
    w, d, h = k.u(0.8, 2.8, "w"), k.u(0.56, 0.66), k.u(0.84, 0.95)
    body = k.main(FRONTS, "wood")
    _run(k, w, d, h, body, k.pick("wood", "plain"), k.some(SLABS))


@design2("counter", "island", weight=1, fronted=True, like="island")
def island2(k: Kit) -> None:
    """A free-standing counter: closed or on legs, its top reaching over one side."""
    w, d, h = k.u(1.1, 2.4, "w"), k.u(0.65, 1.1), k.u(0.86, 1.05)
    body, slab = k.main(FRONTS | WOOD, "wood"), k.some(SLABS)
    k.shape = "rectangular"
    if k.flip(0.75):
        k.box(0, 0.1, 0, w - 0.08, d - 0.3, h - 0.05, darker(body, 0.96), k.pick("wood", "plain"))
        _fronts(k, -w / 2 + 0.05, w / 2 - 0.05, 0.1 - (d - 0.3) / 2 - 0.01, 0.08, h - 0.07, body, "plain")
    else:
        k.legs(w - 0.08, d - 0.08, h - 0.05, 0.07, body)
        k.box(0, 0, 0.2, w - 0.1, d - 0.1, 0.03, body, "wood")
        k.box(0, 0, h - 0.16, w - 0.1, d - 0.1, 0.11, body)
    k.box(0, 0, h - 0.05, w, d, 0.05, slab, "stone")
    k.top(-w / 2 + 0.04, -d / 2 + 0.04, w / 2 - 0.04, d / 2 - 0.04, h)


@design2("stove", "cooker", weight=2.5, fronted=True)
@design2("oven", "cooker", weight=1.5, fronted=True)
def cooker(k: Kit) -> None:
    """A cooker with plates of glass, iron or gas, pots on it at times."""
    w, d, h = k.u(0.5, 0.9), k.u(0.58, 0.66), k.u(0.84, 0.94)
    paint = k.main(WHITE_GOODS, "metal")
    k.box(0, 0.01, 0.0, w, d - 0.04, h - 0.02, paint)
    k.box(0, 0, h - 0.02, w, d, 0.022, k.pick("black", "black", paint))
    y = -d / 2
    k.box(0, y + 0.01, 0.2, w - 0.03, 0.04, h * 0.55, darker(paint, 0.97), round=0.01)
    k.box(0, y - 0.012, 0.28, w * 0.68, 0.01, h * 0.32, (24, 24, 26))
    k.tube((-w * 0.38, y - 0.045, 0.2 + h * 0.52), (w * 0.38, y - 0.045, 0.2 + h * 0.52), 0.012, "grey")
    k.box(0, y + 0.01, 0.03, w - 0.03, 0.03, 0.15, darker(paint, 0.95))
    for i in range(n := k.n(4, 6)):
        k.cyl(-w * 0.4 + w * 0.8 * i / (n - 1), y - 0.01, h - 0.085, 0.02, 0.03, "black", turn=(1.57, 0, 0))
    gas = k.flip(0.4)
    for x in (-w * 0.24, w * 0.24):
        for yy in (-0.14, 0.13):
            if gas:
                k.cyl(x, yy, h, 0.035, 0.02, "black")
                for turn in (0.0, 1.5708):
                    k.box(x, yy, h + 0.02, 0.2, 0.014, 0.014, "black", turn=(0, 0, turn))
            else:
                k.cyl(x, yy, h + 0.002, k.pick(0.075, 0.1), 0.004, (70, 68, 68))
    if k.flip(0.4):
        x, yy = k.pick(-w * 0.24, w * 0.24), k.pick(-0.14, 0.13)
        pot = k.some(METAL | {"red": 0.6, "blue": 0.3})
        k.pot(x, yy, h + 0.035, k.u(0.09, 0.12), k.u(0.07, 0.16), pot)
        k.tube((x, yy - 0.1, h + 0.1), (x + 0.05, yy - 0.26, h + 0.12), 0.011, "black")
    if k.flip(0.5):
        k.box(0, d / 2 - 0.03, h, w, 0.04, k.u(0.05, 0.22), darker(paint, 0.95))


@design2("oven", "built_in", weight=0.8, fronted=True)
def tall_oven(k: Kit) -> None:
    """An oven in a tall unit."""
    w, d, h = k.u(0.58, 0.64), k.u(0.56, 0.62), k.u(1.3, 2.1)
    body = k.main(FRONTS, "wood")
    k.box(0, 0.01, 0, w, d, h, body)
    y = -d / 2 - 0.005
    z = k.u(0.6, 0.8)
    k.box(0, y, z, w - 0.02, 0.03, 0.58, k.pick("black", "grey", "white"))
    k.box(0, y - 0.02, z + 0.08, w * 0.72, 0.01, 0.3, (22, 22, 24))
    k.tube((-w * 0.36, y - 0.05, z + 0.44), (w * 0.36, y - 0.05, z + 0.44), 0.011, "grey")
    _fronts(k, -w / 2 + 0.005, w / 2 - 0.005, y, 0.08, z - 0.01, body, "plain")
    if h > z + 0.9:
        _fronts(k, -w / 2 + 0.005, w / 2 - 0.005, y, z + 0.6, h - 0.01, body, "plain")


@design2("range hood", "various", weight=2)
def hood(k: Kit) -> None:
    """A hood: a chimney, a slanting panel, or a flat box under a cupboard."""
    w, style = k.u(0.5, 0.95), k.pick("chimney", "slant", "flat")
    paint = k.main(METAL | {"white": 2}, "metal")
    if style == "chimney":
        h = k.u(0.5, 0.85)
        k.box(0, 0, 0, w, 0.48, 0.05, paint)
        for i, share in enumerate((0.85, 0.68, 0.5)):
            k.box(0, 0.03 + 0.03 * i, 0.05 + 0.05 * i, w * share, 0.42 - 0.06 * i, 0.05, darker(paint, 0.98))
        k.box(0, 0.12, 0.2, w * 0.36, 0.24, h - 0.2, paint)
    elif style == "slant":
        k.box(0, 0, 0.1, w, 0.05, 0.5, k.pick("black", paint), turn=(-0.6, 0, 0))
        k.box(0, 0.12, 0.4, w * 0.4, 0.2, 0.35, paint)
    else:
        k.box(0, 0, 0, w, 0.48, 0.12, paint, round=0.012)
        k.box(0, -0.1, -0.004, w * 0.8, 0.25, 0.01, "grey")


@design2("sink", "inset", weight=2.5, like="basin")
def inset(k: Kit) -> None:
    """One or two bowls with a drainer let into a counter; only rims stand above it."""
    w, d = k.u(0.42, 0.95, "w"), k.u(0.36, 0.48, "d")
    metal = k.main({"grey": 4, "white": 2, "black": 0.6}, "metal")
    k.shape = "rectangular"
    rim, bowls = k.u(0.02, 0.04), 1 if w < 0.65 else k.pick(1, 2)
    span = w if k.flip(0.5) or w < 0.6 else w * 0.62
    for s in (-1, 1):
        k.box(s * (w / 2 - rim / 2), 0, 0, rim, d, 0.022, metal, round=0.008)
        k.box(0, s * (d / 2 - rim / 2), 0, w - 2 * rim, rim, 0.022, metal, round=0.008)
    x0 = -w / 2 + rim
    for i in range(bowls):
        wide = (span - 2 * rim) / bowls
        k.box(x0 + (i + 0.5) * wide, 0, 0, wide - 0.02, d - 2 * rim, 0.008, darker(metal, 0.72))
        k.cyl(x0 + (i + 0.5) * wide, 0, 0.008, 0.03, 0.004, (60, 60, 62))
        if i:
            k.box(x0 + i * wide, 0, 0, 0.025, d - 2 * rim, 0.02, metal)
    if span < w:
        for j in range(6):
            k.box(w / 2 - (w - span) / 2, -d * 0.35 + j * d * 0.14, 0, w - span - 0.04, 0.03, 0.014, metal)
    _tap(k, x0 + (span - 2 * rim) / 2, d / 2 - 0.02, 0.02, k.u(0.16, 0.34))
    if k.flip(0.25):
        k.soft(x0 + 0.14, -0.02, 0.01, 0.2, 0.18, 0.09, "white", "plain", round=0.03, bumps=0.03, wave=0.1)


@design2("sink", "countertop", weight=1, like="vessel")
def countertop_basin(k: Kit) -> None:
    """A basin that stands on a counter, square or round."""
    glaze = k.main(CERAMIC | {"black": 0.3, "grey": 0.5}, "ceramic")
    w, d, h = k.u(0.36, 0.6), k.u(0.32, 0.42), k.u(0.1, 0.16)
    if k.flip():
        r = d / 2
        k.shape = "round"
        k.lathe(0, 0, 0, ((0, 0), (r * 0.7, 0), (r, h), (r - 0.018, h), (r * 0.6, 0.03), (0, 0.025)), glaze)
    else:
        k.shape = "rectangular"
        for s in (-1, 1):
            k.box(s * (w / 2 - 0.012), 0, 0, 0.024, d, h, glaze, round=0.01)
            k.box(0, s * (d / 2 - 0.012), 0, w - 0.04, 0.024, h, glaze, round=0.01)
        k.box(0, 0, 0, w - 0.04, d - 0.04, 0.03, darker(glaze, 0.95))
    _tap(k, 0, d / 2 + 0.03, 0, k.u(0.2, 0.3), 0.13)


@design2("sink", "wall_basin", weight=0, fronted=True, like="pedestal")
def wall_basin(k: Kit) -> None:
    """A wash-basin on the wall or on a half or whole column, or over a narrow cabinet."""
    w, d, h = k.u(0.38, 0.7), k.u(0.32, 0.5), k.u(0.8, 0.9)
    glaze = k.main(CERAMIC, "ceramic")
    foot = k.pick("column", "cabinet", "half", "legs")
    if foot == "column":
        k.lathe(0, 0.06, 0, ((0, 0), (0.11, 0), (0.08, 0.1), (0.07, h - 0.2), (0.1, h - 0.14), (0, h - 0.14)), glaze)
    elif foot == "cabinet":
        body = k.some(FRONTS)
        k.box(0, 0.02, 0.02, w * 0.9, d * 0.85, h - 0.18, body)
        _fronts(k, -w * 0.44, w * 0.44, 0.02 - d * 0.43, 0.05, h - 0.18, darker(body, 1.03), "plain")
    elif foot == "half":
        k.lathe(0, d / 2 - 0.1, h - 0.45, ((0, 0), (0.05, 0), (0.09, 0.3), (0, 0.3)), glaze)
        k.tube((0, d / 2 - 0.05, 0.0), (0, d / 2 - 0.05, h - 0.4), 0.02, "grey")
    else:
        k.legs(w - 0.03, d - 0.03, h - 0.12, 0.025, "grey", round_legs=True)
    k.box(0, 0, h - 0.15, w, d, 0.07, glaze, round=0.03)
    for s in (-1, 1):
        k.box(s * (w / 2 - 0.03), 0, h - 0.09, 0.06, d, 0.09, glaze, round=0.025)
    k.box(0, -d / 2 + 0.025, h - 0.09, w - 0.1, 0.05, 0.09, glaze, round=0.02)
    k.box(0, d / 2 - 0.05, h - 0.09, w - 0.1, 0.1, 0.1, glaze, round=0.02)
    _tap(k, 0, d / 2 - 0.06, h, 0.11, 0.12)


@design2("bathroom vanity", "units", weight=2, fronted=True)
@design2("bathroom counter", "units", weight=1.5, fronted=True)
def vanity2(k: Kit) -> None:
    """A vanity: a cabinet to the floor, on legs or hung on the wall, or a plain slab on brackets."""
    w, d, h = k.u(0.6, 1.7, "w"), k.u(0.42, 0.58), k.u(0.78, 0.9)
    body, slab = k.main(FRONTS, "wood"), k.some(SLABS)
    low = k.pick(0.0, 0.08, 0.28)
    k.shape = "rectangular"
    if low == 0.08:
        k.legs(w - 0.06, d - 0.06, low, 0.045, body)
    if low == 0.28:
        k.tube((0, d / 2 - 0.03, 0.0), (0, d / 2 - 0.03, low), 0.02, "grey")
    k.box(0, 0.01, low, w, d - 0.03, h - low - 0.04, darker(body, 0.96))
    _fronts(k, -w / 2 + 0.01, w / 2 - 0.01, -d / 2 + 0.01, low + 0.02, h - 0.05, body, k.pick("wood", "plain"))
    k.box(0, 0, h - 0.04, w + 0.02, d, 0.04, slab, "stone")
    if k.flip():
        k.box(0, d / 2 - 0.01, h, w, 0.02, 0.1, slab, "stone")
    k.top(-w / 2 + 0.03, -d / 2 + 0.04, w / 2 - 0.03, d / 2 - 0.04, h)


@design2("toilet", "close_coupled", weight=4, fronted=True)
def toilet2(k: Kit) -> None:
    """A toilet with a long bowl, seat and lid up or down, and a tank of many forms; a brush and paper beside it."""
    glaze = k.main(CERAMIC | {"grey": 0.2, "pink": 0.15, "blue": 0.1}, "ceramic")
    w, seat, long = k.u(0.35, 0.41), k.u(0.37, 0.44), k.u(0.42, 0.5)
    front = -long / 2
    k.soft(0, 0.02, 0, w * 0.62, long * 0.85, seat * 0.6, glaze, "plain", round=0.09)
    k.soft(0, 0, seat * 0.42, w, long + 0.04, seat * 0.58, glaze, "plain", round=0.12, bulge=0.01)
    lid = k.pick("down", "down", "up", "off")
    shade = darker(glaze, k.u(0.94, 1.02)) if k.flip(0.85) else k.some({"brown": 2, "black": 1, "beige": 1})
    if lid == "down":
        k.soft(0, -0.01, seat, w + 0.01, long + 0.02, 0.045, shade, "plain", round=0.02)
    else:
        rim = ((w * 0.3, 0), (w * 0.52, 0), (w * 0.52, 0.024), (w * 0.3, 0.024), (w * 0.3, 0))
        k.lathe(0, front + w * 0.52, seat + 0.002, rim, shade)
        k.cyl(0, front + w * 0.5, seat + 0.001, w * 0.3, 0.006, darker(glaze, 0.7))
        k.box(0, long / 2 - 0.05, seat, w, 0.1, 0.02, shade, round=0.008)
        if lid == "up":
            k.soft(0, long / 2 + 0.01, seat + 0.02, w, 0.035, 0.42, shade, "plain", round=0.016, turn=(-0.15, 0, 0))
    y, tank = long / 2 + 0.12, k.u(0.3, 0.42)
    if k.flip(0.88):
        wide, deep = w + k.u(-0.02, 0.12), k.u(0.15, 0.2)
        k.soft(0, y, seat - 0.03, wide, deep, tank, glaze, "plain", round=k.pick(0.02, 0.05))
        k.box(0, y, seat - 0.03 + tank, wide + 0.02, deep + 0.02, 0.035, glaze, round=0.012)
        if k.flip():
            k.cyl(0, y, seat + tank, 0.025, 0.015, "grey")
        else:
            k.tube((-wide * 0.35, y - deep / 2 - 0.02, seat + tank - 0.08), (-wide * 0.2, y - deep / 2 - 0.03,
                   seat + tank - 0.09), 0.01, "grey")  # fmt: skip
    else:
        k.tube((0, y, seat), (0, y, seat + 0.6), 0.018, "grey")
        k.box(0, y, seat + 0.55, 0.08, 0.08, 0.12, "grey", round=0.02)
    if k.flip(0.25):
        k.cyl(w * 0.8, y - 0.05, 0, 0.045, 0.3, k.pick("white", "grey"))
        k.tube((w * 0.8, y - 0.05, 0.3), (w * 0.8, y - 0.05, 0.42), 0.01, "white")


@design2("bathtub", "panelled", weight=2)
def tub2(k: Kit) -> None:
    """A tub with rounded inside and a panel of tiles, wood or the same glaze; taps, mats and bottles on its rim."""
    w, d, h = k.u(1.4, 1.85, "w"), k.u(0.68, 0.86), k.u(0.46, 0.62)
    glaze = k.main(CERAMIC, "ceramic")
    panel = glaze if k.flip(0.6) else k.some({"white": 2, "beige": 1, "grey": 1, "brown": 1, "blue": 0.5})
    rim, tex = k.u(0.05, 0.1), k.pick("plain", "tile", "plain")
    for s in (-1, 1):
        k.box(0, s * (d / 2 - rim / 2), 0, w, rim, h - 0.03, panel, tex)
        k.box(s * (w / 2 - rim / 2), 0, 0, rim, d - 2 * rim, h - 0.03, panel, tex)
        k.box(0, s * (d / 2 - rim / 2), h - 0.03, w, rim + 0.01, 0.03, glaze, round=0.014)
        k.box(s * (w / 2 - rim / 2), 0, h - 0.03, rim + 0.01, d - 2 * rim, 0.03, glaze, round=0.014)
        k.box(s * (w / 2 - rim - 0.06), 0, 0.12, 0.03, d - 2 * rim, h - 0.14, darker(glaze, 0.96),
              turn=(0, s * 0.22, 0))  # fmt: skip
    k.box(0, 0, 0.05, w - 2 * rim - 0.1, d - 2 * rim, 0.1, darker(glaze, 0.94), round=0.03)
    end = k.pick(-1, 1)
    k.tube((end * (w / 2 - 0.04), 0, h), (end * (w / 2 - 0.04), 0, h + 0.12), 0.016, "grey")
    k.tube((end * (w / 2 - 0.04), 0, h + 0.12), (end * (w / 2 - 0.18), 0, h + 0.1), 0.013, "grey")
    for _ in range(k.n(0, 4)):
        x = k.u(-0.4, 0.4) * w
        k.cyl(x, d / 2 - rim / 2, h, 0.025, k.u(0.1, 0.2), k.some({"white": 2, "green": 1, "blue": 1, "orange": 0.5}))


@design2("shower", "various", weight=2.5, fronted=True)
def shower2(k: Kit) -> None:
    """A shower: a tray in a corner with panes, a walk-in with one pane, or a round cabin; a column with a head."""
    w, d, h = k.u(0.78, 1.3), k.u(0.76, 1.0), k.u(1.85, 2.1)
    k.main({"grey": 1, "white": 1}, "glass")
    glass = k.pick((176, 196, 200), (210, 220, 222), (150, 172, 176))
    metal = k.pick("grey", "white", "black")
    tray = k.u(0.03, 0.16)
    for s in (-1, 1):
        k.box(0, s * (d / 2 - 0.03), 0, w, 0.06, tray, "white", round=0.02)
        k.box(s * (w / 2 - 0.03), 0, 0, 0.06, d - 0.1, tray, "white", round=0.02)
    k.box(0, 0, 0, w - 0.1, d - 0.1, max(0.015, tray - 0.05), "white")
    side = k.pick(-1, 1)
    style = k.pick("box", "walk_in", "open")
    if style != "open":
        wide = w if style == "box" else w * 0.55
        x = side * (w - wide) / 2
        k.box(x, -d / 2 + 0.015, tray, wide, 0.012, h - tray, glass)
        k.box(x, -d / 2 + 0.015, h - 0.03, wide, 0.03, 0.04, metal)
        k.box(x - side * wide / 2, -d / 2 + 0.015, tray, 0.03, 0.03, h - tray, metal)
        if style == "box":
            k.box(side * (w / 2 - 0.015), 0, tray, 0.012, d, h - tray, glass)
            k.box(side * (w / 2 - 0.015), -d / 2 + 0.015, tray, 0.035, 0.035, h - tray, metal)
            k.tube((-side * w * 0.2, -d / 2 - 0.03, 0.9), (-side * w * 0.2, -d / 2 - 0.03, 1.3), 0.012, metal)
    x = k.u(-0.2, 0.2)
    k.tube((x, d / 2 - 0.04, 0.9), (x, d / 2 - 0.04, h - 0.1), 0.012, metal)
    k.tube((x, d / 2 - 0.04, h - 0.1), (x, d / 2 - 0.3, h - 0.08), 0.011, metal)
    k.cyl(x, d / 2 - 0.3, h - 0.12, k.u(0.06, 0.13), 0.025, metal)
    k.box(x, d / 2 - 0.05, 1.0, 0.26, 0.06, 0.05, metal, round=0.02)
    if k.flip():
        k.box(-side * w * 0.3, d / 2 - 0.08, k.u(0.9, 1.2), 0.25, 0.12, 0.02, metal)
        for i in range(3):
            k.cyl(
                -side * w * 0.3 - 0.08 + 0.08 * i,
                d / 2 - 0.08,
                1.22,
                0.03,
                0.18,
                k.pick("white", "blue", "green", "red"),
            )


@design2("soap dispenser", "bottle", weight=0, like="pump")
@design2("bottle", "various", weight=2.5)
@design2("laundry detergent", "various", weight=1)
def various_bottle(k: Kit) -> None:
    """A bottle of any outline: wine, water, spray, sauce, shampoo, a jug with a grip."""
    paint = k.main({"green": 2, "blue": 2, "white": 3, "red": 0.8, "black": 0.8, "brown": 1, "orange": 0.5, "grey": 1,
                    "yellow": 0.5, "pink": 0.4, "purple": 0.3}, "plastic")  # fmt: skip
    r, h = k.u(0.028, 0.055), k.u(0.14, 0.34)
    neck, shoulder = k.u(0.01, 0.02), k.u(0.5, 0.8)
    k.lathe(0, 0, 0, ((0, 0), (r, 0), (r, h * shoulder), (neck, h * (shoulder + 0.15)), (neck, h), (0, h)), paint)
    k.cyl(0, 0, h - 0.015, neck + 0.004, 0.03, k.pick("white", "black", "red", "blue"))
    if k.flip(0.4):
        k.cyl(0, 0, h * 0.15, r + 0.002, h * shoulder * 0.6, k.pick("white", "beige", "yellow", "red"))
    if k.flip(0.15):
        k.tube((0, 0, h + 0.01), (0, -0.06, h + 0.015), 0.009, "white")
