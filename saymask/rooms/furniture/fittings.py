"""Fittings of walls, floors and ceilings: lamps, switches, radiators, pipes, rails, stalls, rods (version 2)."""

from math import cos, pi, sin

from saymask.rooms.colors import BRIGHT, METAL, PAINTED, RGB, WOOD, darker
from saymask.rooms.furniture.boards import rim
from saymask.rooms.furniture.design import Kit, design2

TILES = {"white": 4, "beige": 2, "grey": 2, "blue": 0.8, "green": 0.6, "brown": 0.6}


@design2("radiator", "various", weight=3)
def various_radiator(k: Kit) -> None:
    """A radiator: a flat panel, iron columns, a towel ladder, or a low convector."""
    style = k.pick("panel", "panel", "columns", "convector")
    w, h = k.u(0.5, 1.6, "w"), k.u(0.35, 0.65, "h")
    paint = k.main({"white": 7, "beige": 1, "grey": 1, "brown": 0.3}, "metal")
    if style == "panel":
        k.box(0, 0, 0.06, w, 0.09, h - 0.06, paint, "stripes" if k.flip() else "plain", round=0.012)
        k.box(0, 0, h - 0.012, w, 0.1, 0.014, darker(paint, 0.9))
    elif style == "columns":
        n = max(4, round(w / 0.065))
        for i in range(n):
            for y in (-0.045, 0.045):
                k.box(-w / 2 + (i + 0.5) * w / n, y, 0.06, 0.045, 0.045, h - 0.06, paint, round=0.02)
        k.tube((-w / 2, 0, h - 0.05), (w / 2, 0, h - 0.05), 0.025, paint)
    else:
        k.box(0, 0, 0.03, w, 0.1, min(h, 0.28), paint, round=0.012)
        k.box(0, 0, min(h, 0.28) + 0.02, w * 0.95, 0.06, 0.012, (70, 70, 72))
    k.tube((w / 2 + 0.02, 0.02, 0.0), (w / 2 + 0.02, 0.02, 0.14), 0.012, paint)
    k.cyl(w / 2 + 0.02, 0.02, 0.13, 0.022, 0.07, "white")


@design2("light switch", "various", weight=2)
@design2("power outlet", "various", weight=2)
def various_switch(k: Kit) -> None:
    """A plate with one to four rockers or sockets."""
    n = k.pick(1, 1, 2, 3)
    paint = k.main({"white": 6, "beige": 1.5, "grey": 1, "black": 0.4}, "plastic")
    k.box(0, -0.006, 0, 0.085 * n, 0.014, 0.09, paint, round=0.004)
    for i in range(n):
        x = (i - (n - 1) / 2) * 0.085
        k.box(x, -0.016, 0.025, 0.04, 0.01, 0.04, darker(paint, k.pick(0.75, 0.9)), turn=(0.08, 0, 0))


@design2("ceiling light", "various", weight=3)
@design2("light", "various", weight=2)
def various_ceiling(k: Kit) -> None:
    """A lamp under the ceiling: a panel, a tube, a bowl, a pendant, a chandelier, spots on a rail."""
    style = k.pick("panel", "tube", "bowl", "pendant", "chandelier", "spots")
    paint = k.main({"white": 4, "grey": 1, "black": 0.7, "beige": 0.7}, "plastic")
    if style not in ("tube", "spots"):
        k.color = None  # mostly the colour of glass and light
    if style == "panel":
        k.box(0, 0, 0, k.pick(0.6, 1.2), k.pick(0.3, 0.6), 0.05, "white")
    elif style == "tube":
        k.box(0, 0, 0.03, k.u(0.6, 1.5), 0.12, 0.04, paint)
        k.tube((-0.5, 0, 0.02), (0.5, 0, 0.02), 0.02, "white")
    elif style == "bowl":
        r = k.u(0.14, 0.28)
        k.lathe(0, 0, 0, ((0, 0), (r * 0.6, 0.01), (r, 0.07), (r, 0.09), (0, 0.09)), "white")
    elif style == "spots":
        k.box(0, 0, 0.1, k.u(0.5, 1.0), 0.04, 0.03, paint)
        for x in (-0.2, 0.0, 0.2):
            k.cyl(x, 0, 0, 0.04, 0.1, paint, turn=(k.u(-0.5, 0.5), 0, 0))
    elif style == "pendant":
        drop, r = k.u(0.3, 0.8), k.u(0.12, 0.28)
        k.tube((0, 0, 0.15), (0, 0, drop), 0.007, "black")
        k.cyl(0, 0, drop - 0.03, 0.05, 0.03, paint)
        k.lathe(0, 0, 0, ((r, 0), (r * k.u(0.2, 0.9), 0.18), (0.03, 0.2), (0.02, 0.19), (r * 0.6, 0.05), (r, 0)),
                k.some(BRIGHT | METAL | {"white": 3}))  # fmt: skip
    else:
        k.tube((0, 0, 0.1), (0, 0, 0.5), 0.012, "grey")
        for i in range(n := k.n(4, 6)):
            a = i * 2 * pi / n
            k.tube((0, 0, 0.12), (0.25 * cos(a), 0.25 * sin(a), 0.18), 0.01, "grey")
            k.ball(0.25 * cos(a), 0.25 * sin(a), 0.18, 0.05, "white")


@design2("light", "strip", weight=0.5)
def strip_light(k: Kit) -> None:
    """A long lamp on the wall."""
    k.main({"white": 1}, "plastic")
    k.box(0, -0.04, 0, k.u(0.5, 1.2), 0.08, k.u(0.07, 0.12), "white", round=0.02)


@design2("coat rack", "pegs", weight=1)
def pegs(k: Kit) -> None:
    """A board or a rail with pegs, hats and bags on it at times."""
    w = k.u(0.4, 1.2)
    k.box(0, -0.012, 0, w, 0.02, k.u(0.06, 0.14), k.main(WOOD | METAL, "wood"), "wood")
    for i in range(n := k.n(3, 7)):
        x = -w / 2 + (i + 0.5) * w / n
        k.tube((x, -0.02, 0.05), (x, -0.09, 0.07), 0.011, k.pick("grey", "black", "brown"))


@design2("vent", "various", weight=1)
def various_vent(k: Kit) -> None:
    """A grille of fins."""
    w, h = k.u(0.2, 0.7), k.u(0.12, 0.45)
    paint = k.main({"white": 3, "grey": 2, "beige": 1}, "metal")
    rim(k, w, h, 0.025, 0.02, paint)
    k.box(0, -0.004, 0.02, w - 0.04, 0.008, h - 0.04, (60, 60, 62))
    for i in range(1, n := max(3, round(h / 0.04))):
        k.box(0, -0.012, i * h / n - 0.008, w - 0.05, 0.014, 0.016, paint, turn=(0.5, 0, 0))


@design2("pipe", "bundle", weight=1)
@design2("tube", "bundle", weight=1)
@design2("structure", "bundle", weight=1)
def pipes(k: Kit) -> None:
    """Pipes at a wall, upright or along it, with joints."""
    paint = k.main({"white": 3, "grey": 3, "brown": 0.7, "beige": 0.7, "red": 0.2}, "metal")
    n, h = k.n(1, 4), k.u(1.6, 2.25, "h")
    x = 0.0
    for _ in range(n):
        r = k.u(0.015, 0.06)
        k.cyl(x, -0.06, 0, r, h, darker(paint, k.u(0.9, 1.05)))
        for z in (0.2 * h, 0.75 * h):
            k.cyl(x, -0.06, z, r + 0.008, 0.06, darker(paint, 0.85))
        x += r + k.u(0.05, 0.12)


@design2("column", "plain", weight=1)
@design2("pillar", "plain", weight=1)
def plain_column(k: Kit) -> None:
    """A column of any section, with a base, in paint, stone or brick."""
    h = k.u(2.25, 2.33, "h")
    paint = k.main({"white": 4, "grey": 2, "beige": 2, "brown": 0.5, "red": 0.3}, "stone")
    tex = k.pick("plain", "stone", "tile")
    if k.flip(0.4):
        k.shape = "round"
        r = k.u(0.1, 0.3)
        k.cyl(0, 0, 0, r, h, paint, tex)
        k.cyl(0, 0, 0, r + 0.03, 0.12, darker(paint, 0.9))
    else:
        w, d = k.u(0.22, 0.6), k.u(0.22, 0.5)
        k.shape = "square" if abs(w - d) < 0.05 else "rectangular"
        k.box(0, 0, 0, w, d, h, paint, tex)
        k.box(0, 0, 0, w + 0.02, d + 0.02, 0.08, darker(paint, 0.85))


@design2("handicap bar", "angled", weight=1)
@design2("rail", "long", weight=1)
@design2("stair rail", "wall", weight=1)
def wall_rail(k: Kit) -> None:
    """A bar on brackets along the wall, level or bent."""
    w = k.u(0.5, 2.2)
    paint = k.main(METAL | {"brown": 1}, "metal")
    rise = k.pick(0.0, 0.0, k.u(0.1, 0.4))
    k.tube((-w / 2, -0.07, 0.04), (w / 2, -0.07, 0.04 + rise), 0.02, paint)
    for t in (0.06, 0.5, 0.94):
        x, z = -w / 2 + t * w, 0.04 + rise * t
        k.tube((x, -0.07, z), (x, 0, z - 0.03), 0.011, paint)


@design2("stair rail", "banister", weight=1.5)
def banister(k: Kit) -> None:
    """A railing of posts and bars with a handrail."""
    w, h = k.u(0.9, 2.0), k.u(0.85, 1.0)
    paint = k.main(WOOD | METAL, "wood")
    for s in (-1, 1):
        k.box(s * (w / 2 - 0.04), 0, 0, 0.08, 0.08, h + 0.06, paint, "wood")
    k.box(0, 0, h - 0.05, w, 0.06, 0.05, paint, "wood", round=0.015)
    k.box(0, 0, 0.08, w, 0.04, 0.04, paint, "wood")
    for i in range(1, n := round(w / 0.13)):
        k.box(-w / 2 + i * w / n, 0, 0.1, 0.022, 0.022, h - 0.13, paint)


@design2("stairs", "open", weight=1, fronted=True)
def open_stairs(k: Kit) -> None:
    """A flight with stringers and open or closed risers, and a handrail."""
    w, n, run, rise = k.u(0.8, 1.1), k.n(4, 8), k.u(0.24, 0.3), k.u(0.16, 0.19)
    wood = k.main(WOOD | {"grey": 3, "white": 1}, "wood")
    closed = k.flip()
    for i in range(n):
        y = (i - n / 2 + 0.5) * run
        k.box(0, y, (i + 1) * rise - 0.04, w, run + 0.03, 0.04, wood, "wood")
        for x in (-w / 2 + 0.03, w / 2 - 0.03):
            k.box(x, y, max(0.0, i * rise - 0.1), 0.045, run, rise + 0.06, darker(wood, 0.85))
        if closed:
            k.box(0, y - run / 2 + 0.01, i * rise, w - 0.06, 0.02, rise - 0.04, k.pick("white", wood))
    if k.flip(0.6):
        a, b = (-n / 2 + 0.3) * run, (n / 2 - 0.3) * run
        s = k.pick(-1, 1)
        k.tube((s * w / 2, a, rise + 0.85), (s * w / 2, b, n * rise + 0.85), 0.025, wood, "wood")
        for y, z in ((a, rise), (b, n * rise)):
            k.tube((s * w / 2, y, z), (s * w / 2, y, z + 0.86), 0.016, wood)


@design2("closet door", "sliding", weight=1.5, fronted=True)
@design2("shower door", "pane", weight=1, fronted=True)
def closet_front(k: Kit) -> None:
    """Sliding or hinged fronts before a built-in closet, or panes before a shower."""
    w, h, n = k.u(0.8, 1.9, "w"), k.u(1.95, 2.1), k.pick(2, 2, 3)
    paint = k.main({"white": 5, "brown": 2, "beige": 2, "grey": 1}, "wood")
    glass = k.flip(0.3)
    face: RGB = k.pick((190, 200, 204), (172, 190, 196)) if glass else darker(paint, 1.02)
    rim(k, w, h, 0.04, 0.09, paint)
    for i in range(n):
        k.box(-w / 2 + 0.04 + (i + 0.5) * (w - 0.08) / n, -0.03 - 0.03 * (i % 2), 0.03, (w - 0.08) / n + 0.01, 0.022,
              h - 0.07, face, "plain" if glass else k.pick("wood", "plain"))  # fmt: skip
        k.box(-w / 2 + 0.09 + i * (w - 0.08) / n, -0.05 - 0.03 * (i % 2), 0.95, 0.03, 0.012, 0.14, "grey")


@design2("shower wall", "tiles", weight=1)
@design2("closet wall", "tiles", weight=1)
def inner_wall(k: Kit) -> None:
    """A piece of inner wall that stands before the room's wall, tiled or painted."""
    w, h = k.u(0.7, 1.6), k.u(1.8, 2.2)
    k.box(0, 0, 0, w, k.u(0.04, 0.1), h, k.main(TILES, "ceramic"), k.pick("tile", "tile", "plain"))


@design2("shower floor", "tray", weight=1)
def shower_tray(k: Kit) -> None:
    """A shower's tray in the corner, level with the floor or with a step."""
    w, d, h = k.u(0.75, 1.2), k.u(0.75, 1.0), k.u(0.03, 0.14)
    k.shape = "square" if abs(w - d) < 0.08 else "rectangular"
    k.box(0, 0, 0, w, d, h, k.main(TILES, "ceramic"), k.pick("tile", "plain"), round=0.012)
    k.cyl(0, 0, h, 0.05, 0.006, "grey")


@design2("shower head", "arm", weight=1)
def shower_head(k: Kit) -> None:
    """A shower head on its arm."""
    metal = k.main(METAL, "metal")
    k.tube((0, 0, 0.12), (0, -0.22, 0.1), 0.012, metal)
    k.cyl(0, -0.24, 0.05, k.u(0.05, 0.12), 0.03, metal)
    k.cyl(0, 0, 0.1, 0.03, 0.04, metal, turn=(1.57, 0, 0))


@design2("shower curtain rod", "rod", weight=1)
@design2("closet rod", "rod", weight=1)
def rod(k: Kit) -> None:
    """A rod along the wall on two holders; hangers on it at times."""
    w = k.u(0.7, 1.5)
    metal = k.main(METAL | {"brown": 0.7}, "metal")
    k.tube((-w / 2, -0.25, 0.05), (w / 2, -0.25, 0.05), 0.015, metal)
    for s in (-1, 1):
        k.tube((s * (w / 2 - 0.02), -0.25, 0.05), (s * (w / 2 - 0.02), 0, 0.05), 0.012, metal)


@design2("bathroom stall door", "panel", weight=1, fronted=True)
@design2("bathroom stall", "row", weight=1, fronted=True)
def stall_front(k: Kit) -> None:
    """The front of one or two cubicles: doors between posts, a gap below."""
    n, w, h = k.pick(1, 1, 2), k.u(0.75, 0.95), k.u(1.75, 1.95)
    paint = k.main({"grey": 3, "beige": 2, "blue": 1, "green": 1, "white": 1, "brown": 0.5}, "metal")
    for i in range(n + 1):
        k.box((i - n / 2) * w, 0, 0, 0.12, 0.04, h, darker(paint, 0.85))
    for i in range(n):
        x = (i - n / 2 + 0.5) * w
        k.box(x, 0, 0.2, w - 0.14, 0.03, h - 0.25, darker(paint, 1.03))
        k.box(x + w * 0.34, -0.03, 1.0, 0.04, 0.03, 0.1, "grey")


@design2("toilet paper holder", "arm", weight=1)
@design2("toilet paper", "on_arm", weight=1.5)
def paper_holder(k: Kit) -> None:
    """A roll of paper on an arm at the wall."""
    k.main({"white": 5, "grey": 1}, "paper")
    r = k.u(0.04, 0.06)
    k.tube((-0.06, -0.08, 0.06), (0.06, -0.08, 0.06), r, "white")
    k.tube((-0.08, -0.08, 0.06), (-0.08, 0, 0.08), 0.009, "grey")
    k.tube((-0.08, -0.08, 0.06), (0.08, -0.08, 0.06), 0.009, "grey")
    if k.flip(0.4):
        k.box(0, -0.08 - r, 0.06 - r - 0.1, 0.1, 0.006, 0.1, "white")


@design2("toilet seat cover dispenser", "case", weight=1)
@design2("paper towel dispenser", "various", weight=1)
@design2("soap dispenser", "case", weight=1, like="wall")
def dispenser2(k: Kit) -> None:
    """A case on the wall with an opening below or in front."""
    w, d, h = k.u(0.12, 0.42), k.u(0.08, 0.22), k.u(0.18, 0.45)
    paint = k.main({"white": 2, "grey": 3, "black": 1.5}, "plastic")
    k.soft(0, -d / 2, 0, w, d, h, paint, "plain", round=k.pick(0.008, 0.03), bulge=0.004)
    k.box(0, -d - 0.002, h * k.u(0.1, 0.7), w * 0.6, 0.012, h * 0.15, "black" if k.color != "black" else "grey")


@design2("hair dryer", "wall", weight=1)
def hair_dryer(k: Kit) -> None:
    """A hair dryer: a barrel with a grip, lying or in its holder."""
    paint = k.main({"black": 3, "white": 2, "grey": 1, "pink": 0.5, "red": 0.4}, "plastic")
    k.tube((-0.09, 0, 0.16), (0.1, 0, 0.16), 0.038, paint)
    k.tube((0.1, 0, 0.16), (0.14, 0, 0.16), 0.028, "black")
    k.tube((-0.03, 0, 0.13), (-0.05, 0, 0.0), 0.02, paint)


@design2("seat", "folding", weight=1)
def seat(k: Kit) -> None:
    """A seat that stands alone: a box with a cushion, or a row's end."""
    w, d, h = k.u(0.4, 0.6), k.u(0.38, 0.5), k.u(0.4, 0.48)
    body = k.main(PAINTED | WOOD, "wood")
    k.box(0, 0, 0, w, d, h - 0.08, body, k.pick("wood", "plain"))
    k.soft(0, 0, h - 0.1, w, d, 0.1, k.some(BRIGHT | {"black": 1, "brown": 1}), round=0.03, bulge=0.01)
    k.top(-w / 2 + 0.05, -d / 2 + 0.05, w / 2 - 0.05, d / 2 - 0.05, h)


@design2("divider", "panel", weight=2)
@design2("furniture", "panel", weight=0.5)
def panel_divider(k: Kit) -> None:
    """An office partition or a hospital screen: cloth panels in frames on feet."""
    w, h = k.u(1.0, 1.8), k.u(1.2, 1.8)
    cloth = k.main({"grey": 3, "blue": 1.5, "beige": 1.5, "green": 1, "white": 1.5}, "fabric")
    n = k.n(1, 3)
    for i in range(n):
        x = -w / 2 + (i + 0.5) * w / n
        k.box(x, 0, 0.12, w / n - 0.02, 0.04, h - 0.12, cloth, "fabric", turn=(0, 0, k.u(-0.3, 0.3) if n > 1 else 0.0))
    for s in (-1, 1):
        k.box(s * (w / 2 - 0.06), 0, 0, 0.05, 0.4, 0.03, "grey")
        k.tube((s * (w / 2 - 0.06), 0, 0.02), (s * (w / 2 - 0.06), 0, h), 0.016, "grey")


@design2("fire extinguisher", "various", weight=1)
def extinguisher2(k: Kit) -> None:
    """A fire extinguisher on its bracket or in a case."""
    red = k.main({"red": 1}, "metal")
    r, h = k.u(0.06, 0.09), k.u(0.32, 0.5)
    if k.flip(0.25):
        k.box(0, -0.09, 0, 0.28, 0.18, 0.6, red)
        k.box(0, -0.185, 0.05, 0.2, 0.01, 0.5, (180, 190, 194))
        return
    k.lathe(0, -r - 0.01, 0, ((0, 0), (r, 0), (r, h * 0.8), (r * 0.4, h), (0, h)), red)
    k.box(0, -r - 0.01, h, 0.04, 0.1, 0.05, "black")
    k.tube((0.03, -r - 0.01, h), (r + 0.02, -r - 0.03, h * 0.3), 0.011, "black")
    k.box(0, -0.006, h * 0.3, 0.08, 0.012, h * 0.4, "grey")


@design2("fireplace", "various", weight=1, fronted=True)
def fireplace2(k: Kit) -> None:
    """A hearth of brick or stone up to the ceiling or under a beam, or an iron stove."""
    stone = k.main({"white": 2, "brown": 2, "grey": 2, "red": 1.5, "beige": 1, "black": 0.7}, "stone")
    w, h, d = k.u(1.0, 1.6), k.u(0.95, 1.3), k.u(0.3, 0.45)
    gap = w * 0.5
    for s in (-1, 1):
        k.box(s * (w + gap) / 4, 0, 0, (w - gap) / 2, d, h, stone, "tile")
    k.box(0, 0, h * 0.65, gap, d, h * 0.35, stone, "tile")
    k.box(0, d / 2 - 0.03, 0, gap, 0.05, h * 0.65, (24, 22, 22))
    k.box(0, -0.04, h, w + 0.12, d + 0.1, 0.07, k.some(WOOD), "wood")
    for i in range(k.n(1, 4)):
        k.tube(
            (-gap * 0.3, 0.02 * i, 0.06 + 0.05 * i),
            (gap * 0.3, 0.03 * i - 0.03, 0.07 + 0.05 * i),
            0.04,
            "brown",
            "wood",
        )
    k.top(-w / 2 + 0.05, -d / 2, w / 2 - 0.05, d / 2 - 0.04, h + 0.07)
