"""Tables, desks, nightstands, counters and stands."""

from saymask.rooms.colors import METAL, PAINTED, WOOD, darker
from saymask.rooms.furniture.design import Kit, design

TOPS = WOOD | {"white": 3, "grey": 1.2}


def _rect_table(k: Kit, w: float, d: float, h: float, style: str, top, frame) -> None:
    """A rectangular top on legs, panels, or a pedestal."""
    thick = k.u(0.025, 0.045)
    k.box(0, 0, h - thick, w, d, thick, top, "wood" if k.material == "wood" else "plain")
    if style == "legs":
        k.legs(w, d, h - thick, k.u(0.045, 0.075), frame, inset=k.u(0.01, 0.05))
        k.box(0, d / 2 - 0.08, h - thick - 0.07, w - 0.16, 0.022, 0.07, frame)
        k.box(0, -d / 2 + 0.08, h - thick - 0.07, w - 0.16, 0.022, 0.07, frame)
    elif style == "panels":
        for s in (-1, 1):
            k.box(s * (w / 2 - 0.05), 0, 0, 0.04, d - 0.06, h - thick, frame)
        k.box(0, 0, h * 0.45, w - 0.14, 0.025, h * 0.3, frame)
    elif style == "steel":
        for s in (-1, 1):
            x = s * (w / 2 - 0.08)
            k.box(x, 0, 0, 0.06, d - 0.06, 0.03, frame)
            k.box(x, 0, 0.03, 0.06, 0.08, h - thick - 0.03, frame)
            k.box(x, 0, h - thick - 0.03, 0.05, d - 0.1, 0.03, frame)
    else:
        k.legs(w * 0.94, d * 0.94, h - thick, 0.04, frame, splay=0.04, round_legs=True)
    k.shape = "square" if abs(w - d) < 0.08 else "rectangular"
    k.top(-w / 2 + 0.04, -d / 2 + 0.04, w / 2 - 0.04, d / 2 - 0.04, h)


def _round_table(k: Kit, r: float, h: float, top, foot, style: str) -> None:
    """A round top on a pedestal or three legs."""
    k.shape = "round"
    k.cyl(0, 0, h - 0.03, r, 0.03, top, "wood" if k.material == "wood" else "plain")
    if style == "pedestal":
        k.cyl(0, 0, 0.02, 0.04, h - 0.05, foot)
        k.lathe(0, 0, 0, ((0, 0), (r * 0.55, 0), (r * 0.5, 0.025), (0.05, 0.04), (0, 0.04)), foot)
    else:
        k.legs(r * 1.35, r * 1.35, h - 0.03, 0.04, foot, splay=0.05, round_legs=True)
    k.top(-r * 0.68, -r * 0.68, r * 0.68, r * 0.68, h)


@design("table", "rectangular", weight=4.2)
def table(k: Kit) -> None:
    """A rectangular table."""
    w, d, h = k.u(0.9, 1.6, "w"), k.u(0.65, 0.85, "d"), k.u(0.71, 0.76, "h")
    top = k.main(TOPS, "wood")
    style = k.pick("legs", "panels", "steel")
    frame = top if style != "steel" and k.flip(0.7) else k.pick("grey", "black", "white")
    _rect_table(k, w, d, h, style, top, frame)


@design("table", "conference", weight=0)
def conference_table(k: Kit) -> None:
    """A large meeting table on two pedestals."""
    w, d, h = k.u(1.8, 3.2, "w"), k.u(1.0, 1.3, "d"), 0.74
    top = k.main({"brown": 3, "white": 2, "grey": 1.5, "beige": 1.5, "black": 0.7}, "wood")
    k.shape = "rectangular"
    k.box(0, 0, h - 0.04, w, d, 0.04, top, "wood", round=0.015)
    for s in (-1, 1):
        k.box(s * w * 0.3, 0, 0, 0.12, d * 0.5, h - 0.04, darker(top, 0.8))
        k.box(s * w * 0.3, 0, 0, 0.2, d * 0.7, 0.04, darker(top, 0.8))
    k.top(-w / 2 + 0.06, -d / 2 + 0.06, w / 2 - 0.06, d / 2 - 0.06, h)


@design("table", "round")
def round_table(k: Kit) -> None:
    """A round table."""
    top = k.main(TOPS, "wood")
    _round_table(k, k.u(0.42, 0.62, "r"), k.u(0.71, 0.75), top, k.pick("grey", "black", "white"), "pedestal")


@design("dining table", "long", weight=2)
def dining_table(k: Kit) -> None:
    """A wooden table for four to eight."""
    top = k.main(WOOD, "wood")
    frame = top if k.flip(0.7) else "black"
    _rect_table(
        k, k.u(1.3, 2.1, "w"), k.u(0.8, 1.0, "d"), k.u(0.73, 0.77), k.pick("legs", "splayed", "steel"), top, frame
    )


@design("dining table", "round")
def round_dining_table(k: Kit) -> None:
    """A round dining table on legs or a foot."""
    top = k.main(WOOD, "wood")
    _round_table(k, k.u(0.5, 0.7), k.u(0.73, 0.76), top, "white" if k.flip(0.4) else top, k.pick("pedestal", "legs"))


@design("coffee table", "low", weight=1.5)
def coffee_table(k: Kit) -> None:
    """A low table, often with a shelf under the top."""
    w, d, h = k.u(0.85, 1.25), k.u(0.5, 0.65), k.u(0.36, 0.46)
    top = k.main(TOPS, "wood")
    _rect_table(k, w, d, h, k.pick("legs", "splayed", "panels"), top, top if k.flip(0.75) else "black")
    if k.flip(0.4):
        k.box(0, 0, 0.12, w - 0.12, d - 0.12, 0.022, top, "wood")


@design("coffee table", "round")
@design("end table", "round")
def low_round_table(k: Kit) -> None:
    """A low round table."""
    k_small = k.wish.get("small", 0) > 0
    top = k.main(TOPS, "wood")
    r, h = (k.u(0.22, 0.28), k.u(0.45, 0.55)) if k_small else (k.u(0.36, 0.5), k.u(0.36, 0.44))
    _round_table(k, r, h, top, k.pick("black", "grey", "brown"), k.pick("pedestal", "legs"))


@design("end table", "square", weight=2)
def end_table(k: Kit) -> None:
    """A small table beside a seat."""
    w, h = k.u(0.42, 0.55), k.u(0.45, 0.58)
    top = k.main(TOPS, "wood")
    _rect_table(k, w, w, h, k.pick("legs", "splayed"), top, top)
    if k.flip():
        k.box(0, 0, 0.15, w - 0.1, w - 0.1, 0.02, top, "wood")


@design("desk", "drawers", weight=2.3, fronted=True)
def desk(k: Kit) -> None:
    """A writing desk with one or two drawer pedestals and a modesty panel."""
    w, d, h = k.u(1.15, 1.6, "w"), k.u(0.6, 0.75), k.u(0.72, 0.76)
    top = k.main(TOPS, "wood")
    body = top if k.flip(0.6) else k.shade(k.pick("white", "grey"))
    k.shape = "rectangular"
    k.box(0, 0, h - 0.03, w, d, 0.03, top, "wood")
    sides = (-1, 1) if k.flip(0.3) else (k.pick(-1, 1),)
    for s in (-1, 1):
        if s in sides:
            k.box(s * (w / 2 - 0.21), 0.01, 0.03, 0.4, d - 0.06, h - 0.06, body)
            k.fronts(0.4, d - 0.06, 0.04, h - 0.08, 3, 1, body, k.pick("grey", "black"), x=s * (w / 2 - 0.21), y=0.01)
        else:
            k.box(s * (w / 2 - 0.02), 0, 0, 0.03, d - 0.02, h - 0.03, body)
    k.box(0, d / 2 - 0.04, h * 0.45, w - 0.1, 0.02, h * 0.5, body)
    k.top(-w / 2 + 0.03, -d / 2 + 0.03, w / 2 - 0.03, d / 2 - 0.03, h)


@design("desk", "steel_frame", weight=1.5, fronted=True)
def steel_desk(k: Kit) -> None:
    """A plain top on a steel frame."""
    top = k.main(TOPS, "wood")
    frame = k.pick("grey", "black", "white")
    _rect_table(k, k.u(1.2, 1.7, "w"), k.u(0.65, 0.8), k.u(0.71, 0.76), k.pick("steel", "splayed"), top, frame)


@design("desk", "l_shaped", weight=0, fronted=True)
def corner_desk(k: Kit) -> None:
    """An l-shaped desk with a return to one side."""
    w, h, d, side = k.u(1.5, 1.8), 0.74, 0.65, k.u(1.3, 1.5)
    top = k.main(TOPS, "wood")
    k.shape = "l-shaped"
    s = k.pick(-1, 1)
    k.box(0, 0, h - 0.03, w, d, 0.03, top, "wood")
    k.box(s * (w / 2 - 0.3), -side / 2, h - 0.03, 0.6, side - d, 0.03, top, "wood")
    for x, y in ((-s * (w / 2 - 0.03), 0), (s * (w / 2 - 0.02), 0)):
        k.box(x, y, 0, 0.03, d - 0.04, h - 0.03, darker(top, 0.9))
    k.box(s * (w / 2 - 0.3), -side / 2 - (side - d) / 2 + 0.02, 0, 0.56, 0.03, h - 0.03, darker(top, 0.9))
    k.top(-w / 2 + 0.05, -d / 2 + 0.05, w / 2 - 0.05, d / 2 - 0.05, h)


@design("nightstand", "small_cabinet", weight=3, fronted=True)
def nightstand(k: Kit) -> None:
    """A small cabinet beside a bed."""
    w, d, h = k.u(0.4, 0.52), k.u(0.35, 0.42), k.u(0.45, 0.6)
    wood = k.main(WOOD, "wood")
    if k.flip(0.65):
        base = k.pick(0.0, 0.1)
        if base:
            k.legs(w, d, base, 0.035, wood)
        k.box(0, 0, base, w, d, h - base, wood, "wood")
        rows = k.n(1, 3)
        k.fronts(w, d, base, h - base - 0.02, rows, 1, darker(wood, 1.04), k.pick("grey", "black", "beige"), "wood")
    else:
        k.legs(w, d, h - 0.02, 0.035, wood)
        k.box(0, 0, h - 0.03, w, d, 0.03, wood, "wood")
        k.box(0, 0, h - 0.18, w - 0.03, d - 0.03, 0.15, wood, "wood")
        k.box(0, 0, 0.14, w - 0.03, d - 0.03, 0.02, wood, "wood")
    k.top(-w / 2 + 0.02, -d / 2 + 0.02, w / 2 - 0.02, d / 2 - 0.02, h)


@design("tv stand", "board", weight=2, fronted=True)
def tv_stand(k: Kit) -> None:
    """A long low cabinet for a television."""
    w, d, h = k.u(1.1, 1.8), k.u(0.38, 0.46), k.u(0.42, 0.56)
    wood = k.main(WOOD, "wood")
    t = 0.025
    k.box(0, 0, h - t, w, d, t, wood, "wood")
    k.box(0, 0, 0.04, w, d, t, wood, "wood")
    k.box(0, d / 2 - 0.01, 0.04, w, 0.015, h - 0.04, darker(wood, 0.8))
    columns = k.n(2, 3)
    for i in range(columns + 1):
        k.box(-w / 2 + t / 2 + i * (w - t) / columns, 0, 0.04, t, d, h - 0.04, wood)
    for i in range(columns):
        x = -w / 2 + (i + 0.5) * w / columns
        if k.flip(0.6):
            k.fronts(w / columns - t, d, 0.06, h - 0.09, k.n(1, 2), 1, darker(wood, 1.05), "grey", "wood", x=x)
        else:
            k.box(x, 0, h * 0.55, w / columns - t, d - 0.03, 0.018, wood)
    k.top(-w / 2 + 0.03, -d / 2 + 0.02, w / 2 - 0.03, d / 2 - 0.02, h)


def _counter(k: Kit, w: float, d: float, h: float, body, slab, knob) -> None:
    """Cabinet fronts under a stone or wooden slab."""
    k.box(0, 0.02, 0.09, w, d - 0.04, h - 0.13, body)
    k.box(0, 0.05, 0, w - 0.04, d - 0.12, 0.09, "black")
    k.fronts(w, d - 0.04, 0.1, h - 0.15, 1, max(1, round(w / 0.5)), body, knob, y=0.02)
    k.box(0, 0, h - 0.04, w, d, 0.04, slab, "stone")
    k.box(0, d / 2 - 0.01, h, w, 0.02, 0.08, slab, "stone")
    k.shape = "rectangular"
    k.top(-w / 2 + 0.03, -d / 2 + 0.04, w / 2 - 0.03, d / 2 - 0.04, h)


@design("kitchen counter", "run", fronted=True)
@design("counter", "run", fronted=True)
def kitchen_counter(k: Kit) -> None:
    """A counter with cabinet doors below."""
    w, d, h = k.u(1.4, 2.6, "w"), 0.62, k.u(0.88, 0.92)
    body = k.main({"white": 4, "brown": 3, "beige": 1.5, "grey": 1.5, "black": 0.4, "blue": 0.4, "green": 0.4}, "wood")
    slab = k.some({"grey": 3, "black": 1.5, "white": 2, "beige": 1.5, "brown": 1.5})
    _counter(k, w, d, h, body, slab, k.pick("grey", "black"))


@design("counter", "island", weight=0.7)
def island(k: Kit) -> None:
    """A free-standing counter with an overhanging top."""
    w, d, h = k.u(1.3, 1.9, "w"), k.u(0.7, 0.9), 0.92
    body = k.main(PAINTED, "wood")
    slab = k.some({"grey": 2, "white": 2, "black": 1.5, "brown": 2})
    k.shape = "rectangular"
    k.box(0, 0, 0, w - 0.1, d - 0.25, h - 0.05, body)
    k.box(0, 0, h - 0.05, w, d, 0.05, slab, "stone")
    k.top(-w / 2 + 0.04, -d / 2 + 0.04, w / 2 - 0.04, d / 2 - 0.04, h)


@design("bathroom vanity", "cabinet", fronted=True)
@design("bathroom counter", "cabinet", fronted=True)
def vanity(k: Kit) -> None:
    """A bathroom cabinet under a counter."""
    w, d, h = k.u(0.8, 1.4, "w"), 0.52, k.u(0.8, 0.88)
    body = k.main({"white": 3, "brown": 3, "grey": 1.5, "beige": 1}, "wood")
    _counter(k, w, d, h, body, k.shade(k.pick("white", "beige", "grey")), "grey")


@design("stand", "plant_stand", weight=2)
def small_stand(k: Kit) -> None:
    """A small high stand."""
    w, h = k.u(0.3, 0.38), k.u(0.6, 0.8)
    wood = k.main(WOOD, "wood")
    k.shape = "square"
    k.legs(w, w, h - 0.02, 0.03, wood)
    k.box(0, 0, h - 0.025, w, w, 0.025, wood, "wood")
    k.box(0, 0, h * 0.35, w - 0.03, w - 0.03, 0.02, wood)
    k.top(-w / 2 + 0.01, -w / 2 + 0.01, w / 2 - 0.01, w / 2 - 0.01, h)


@design("ironing board", "open")
def ironing_board(k: Kit) -> None:
    """A padded board on crossed tubes."""
    w, h = k.u(1.15, 1.3), k.u(0.82, 0.92)
    cloth = k.main({"blue": 2, "grey": 2, "green": 1, "pink": 0.5, "beige": 1}, "fabric")
    k.box(0, 0, h - 0.04, w, 0.36, 0.04, cloth, "fabric", round=0.015)
    for s in (-1, 1):
        for y in (-0.13, 0.13):
            k.tube((s * w * 0.36, y, 0.015), (-s * w * 0.3, y * 0.8, h - 0.05), 0.013, "grey")
    for s in (-1, 1):
        k.tube((s * w * 0.36, -0.18, 0.015), (s * w * 0.36, 0.18, 0.015), 0.014, "grey")
    k.top(-w / 2 + 0.1, -0.14, w / 2 - 0.1, 0.14, h)


@design("cart", "trolley")
def cart(k: Kit) -> None:
    """A trolley with three shelves on castors."""
    w, d, h = k.u(0.6, 0.8), k.u(0.4, 0.5), k.u(0.75, 0.9)
    paint = k.main(METAL | {"blue": 0.6}, "metal")
    k.legs(w, d, h - 0.08, 0.03, paint, z=0.08)
    for z in (0.1, 0.08 + (h - 0.1) / 2, h - 0.025):
        k.box(0, 0, z, w, d, 0.025, paint)
    for sx in (-1, 1):
        for sy in (-1, 1):
            k.ball(sx * (w / 2 - 0.03), sy * (d / 2 - 0.03), 0, 0.04, "black")
    k.top(-w / 2 + 0.04, -d / 2 + 0.04, w / 2 - 0.04, d / 2 - 0.04, h)
