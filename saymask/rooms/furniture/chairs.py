"""Chairs of many makes: office chairs of mesh, cantilevers, stacking shells, dining chairs, stools (version 2)."""

from math import cos, pi, sin

from saymask.rooms.colors import BRIGHT, FABRIC, LEATHER, METAL, PLASTIC, WOOD, darker
from saymask.rooms.furniture.design import Kit, design2

SEATING = {"black": 5, "grey": 4, "blue": 2, "red": 0.9, "green": 0.7, "brown": 0.8, "beige": 0.7, "orange": 0.4}


def _castors(k: Kit, seat: float, r: float, paint) -> None:
    """A five-star base that rises towards its middle, with double castors and a gas lift."""
    turn = k.u(0, 1.2)
    for i in range(5):
        a = turn + i * 2 * pi / 5
        x, y = r * cos(a), r * sin(a)
        k.tube((0, 0, 0.13), (x, y, 0.085), 0.022, paint)
        for s in (-1, 1):
            k.tube((x - s * 0.012 * sin(a), y + s * 0.012 * cos(a), 0.03),
                   (x - s * 0.03 * sin(a), y + s * 0.03 * cos(a), 0.03), 0.03, "black")  # fmt: skip
    k.cyl(0, 0, 0.1, 0.035, (seat - 0.1) * 0.5, "black")
    k.cyl(0, 0, 0.1, 0.02, seat - 0.1, paint)
    k.box(0, 0, seat - 0.06, 0.2, 0.22, 0.05, "black")


def _arms(k: Kit, w: float, seat: float, style: str, pad) -> None:
    """Armrests of an office chair."""
    if style == "none":
        return
    for s in (-1, 1):
        x, z = s * (w / 2 + 0.03), seat + k.u(0.18, 0.25)
        if style == "t":
            k.box(x, 0.03, seat - 0.05, 0.03, 0.07, z - seat + 0.05, "black", round=0.01)
            k.box(s * (w / 2 - 0.06), 0.03, seat - 0.06, 0.2, 0.05, 0.03, "black")
        else:  # a loop
            for a, b in (((-0.14, seat - 0.04), (-0.16, z)), ((0.16, seat - 0.04), (0.14, z))):
                k.tube((x, *a), (x, *b), 0.018, pad)
        k.box(x, -0.01, z - 0.01, 0.08, k.u(0.22, 0.34), 0.035, pad, round=0.016)


@design2("office chair", "mesh_back", weight=4, fronted=True)
def mesh_chair(k: Kit) -> None:
    """A swivel chair with a curved back of mesh in a frame, sometimes with a headrest."""
    w, d, seat, back = k.u(0.46, 0.54), k.u(0.44, 0.52), k.u(0.42, 0.54), k.u(0.45, 0.66)
    paint = k.main(SEATING, "fabric")
    frame = k.pick("black", "black", "grey", "white")
    _castors(k, seat - 0.04, k.u(0.27, 0.34), k.pick("black", "grey"))
    k.soft(0, -0.02, seat - 0.05, w, d, 0.09, paint, "fabric", round=0.04, bulge=0.012)
    y, lean = d / 2, k.u(0.05, 0.14)
    line = ((y - 0.06, seat + 0.06), (y - 0.01, seat + back * 0.3), (y + lean * 0.5, seat + back * 0.75),
            (y + lean, seat + back))  # fmt: skip
    for out in (0.0, 0.02):
        k.cloth(0, out, 0, w * k.u(0.9, 1.0), line, darker(paint, 0.85 + out), "stone", cup=-0.05)
    k.tube((0, y - 0.12, seat - 0.04), (0, y + 0.04, seat + 0.1), 0.025, frame)
    k.tube((0, y + 0.04, seat + 0.1), (0, y + 0.05, seat + back * 0.6), 0.02, frame)
    if k.flip(0.25):
        k.tube((0, y + lean, seat + back - 0.05), (0, y + lean + 0.03, seat + back + 0.08), 0.014, frame)
        k.soft(0, y + lean, seat + back + 0.05, 0.28, 0.07, 0.14, paint, round=0.03)
    _arms(k, w, seat, k.pick("t", "t", "loop", "none"), "black")
    k.top(-w / 2 + 0.05, -d / 2 + 0.02, w / 2 - 0.05, d / 2 - 0.1, seat + 0.045)


@design2("office chair", "padded_task", weight=3, fronted=True)
def padded_task(k: Kit) -> None:
    """A swivel chair with a soft seat and back of many outlines."""
    w, d, seat, back = k.u(0.44, 0.54), k.u(0.42, 0.52), k.u(0.42, 0.54), k.u(0.3, 0.7)
    cloth = k.main(SEATING, "fabric")
    metal = k.pick("grey", "black")
    _castors(k, seat - 0.04, k.u(0.26, 0.34), metal)
    k.soft(0, 0, seat - 0.05, w, d, k.u(0.07, 0.12), cloth, "fabric", round=0.05, bulge=0.015, bumps=0.006)
    lean = k.u(0.05, 0.22)
    k.box(0, d / 2, seat - 0.05, 0.07, 0.03, 0.3, metal, turn=(-lean, 0, 0))
    k.soft(0, d / 2 - 0.01, seat + k.u(0.06, 0.2), w * k.u(0.78, 1.0), k.u(0.06, 0.11), back, cloth, "fabric",
           round=k.pick(0.03, 0.05, 0.12), bulge=0.015, bumps=0.004, turn=(-lean, 0, 0))  # fmt: skip
    _arms(k, w, seat, k.pick("t", "loop", "none", "none"), "black")
    k.top(-w / 2 + 0.05, -d / 2 + 0.02, w / 2 - 0.05, d / 2 - 0.14, seat + 0.075)


@design2("office chair", "leather_high", weight=1.3, fronted=True)
def leather_high(k: Kit) -> None:
    """A tall, thickly padded chair with a back in rolls."""
    w, d, seat, back = k.u(0.5, 0.6), k.u(0.48, 0.56), k.u(0.44, 0.52), k.u(0.62, 0.78)
    skin = k.main(LEATHER, "leather")
    _castors(k, seat - 0.06, k.u(0.3, 0.35), k.pick("grey", "black", "brown"))
    k.soft(0, 0, seat - 0.08, w, d, 0.15, skin, "plain", round=0.06, bulge=0.02, bumps=0.008)
    n, lean = k.n(1, 4), k.u(0.08, 0.2)
    for i in range(n):
        z = seat + i * back / n
        y = d / 2 - 0.03 + lean * (z - seat)
        k.soft(0, y, z, w * (1.0 - 0.05 * (i == n - 1)), 0.14, back / n + 0.02, skin, "plain", round=0.06, bulge=0.02,
               turn=(-lean, 0, 0))  # fmt: skip
    _arms(k, w, seat, k.pick("loop", "t"), skin)


@design2("office chair", "drafting", weight=0.3, fronted=True)
def drafting_chair(k: Kit) -> None:
    """A high swivel chair with a foot ring."""
    seat = k.u(0.6, 0.72)
    cloth = k.main(SEATING, "fabric")
    _castors(k, seat - 0.04, 0.28, "black")
    ring = ((0.19, 0), (0.21, 0), (0.21, 0.02), (0.19, 0.02), (0.19, 0))
    k.lathe(0, 0, seat * 0.45, ring, "grey")
    k.soft(0, 0, seat - 0.04, 0.42, 0.42, 0.08, cloth, round=0.04, bulge=0.01)
    k.box(0, 0.22, seat, 0.06, 0.02, 0.2, "black")
    k.soft(0, 0.22, seat + 0.12, 0.36, 0.06, k.u(0.2, 0.34), cloth, round=0.03, turn=(-0.1, 0, 0))


def _shell(k: Kit, w: float, seat: float, back: float, paint, tex: str, *, cup: float, deep: float = 0.42) -> None:
    """A seat and back bent from one piece, as a thin double surface."""
    line = (
        (-deep / 2, seat - 0.02),
        (-deep / 2 + 0.04, seat + 0.012),
        (deep / 2 - 0.12, seat - 0.01),
        (deep / 2 - 0.02, seat + 0.05),
        (deep / 2 + 0.04, seat + back * 0.6),
        (deep / 2 + 0.07, seat + back),
    )
    for out in (0.0, 0.016):
        k.cloth(0, 0, -out, w, line, darker(paint, 1 - 4 * out), tex, cup=cup)


@design2("chair", "bent_shell", weight=3, fronted=True)
def bent_shell(k: Kit) -> None:
    """A stacking chair: a bent shell of plastic or plywood on steel legs, a sled, wooden legs or a cantilever."""
    w, seat, back, d = k.u(0.4, 0.5), k.u(0.43, 0.47), k.u(0.3, 0.42), 0.42
    wood = k.flip(0.4)
    paint = k.main(
        WOOD | {"red": 0.3} if wood else PLASTIC | {"orange": 0.6, "black": 3}, "wood" if wood else "plastic"
    )
    foot = k.pick("legs", "sled", "wood", "cantilever")
    steel = k.pick("grey", "black", "white")
    _shell(k, w, seat, back, paint, "wood" if wood else "plain", cup=k.u(0.0, 0.05))
    x = w / 2 - 0.04
    for s in (-1, 1):
        if foot == "legs":
            for y, out in ((-0.15, -0.06), (0.13, 0.07)):
                k.tube((s * (x + 0.03), y + out, 0), (s * (x - 0.05), y, seat - 0.02), 0.011, steel)
        elif foot == "wood":
            for y, out in ((-0.12, -0.08), (0.1, 0.09)):
                k.tube((s * (x + 0.02), y + out, 0), (s * (x - 0.09), y, seat - 0.02), 0.016, "beige", "wood")
        else:
            k.tube((s * x, -d / 2 + 0.02, 0.012), (s * x, d / 2, 0.012), 0.012, steel)
            k.tube((s * x, -d / 2 + 0.02, 0.012), (s * x, -d / 2 + 0.05, seat - 0.02), 0.012, steel)
            if foot == "sled":
                k.tube((s * x, d / 2, 0.012), (s * x, d / 2 - 0.05, seat - 0.02), 0.012, steel)
    if foot == "cantilever":
        k.tube((-x, d / 2, 0.012), (x, d / 2, 0.012), 0.012, steel)
    if k.flip(0.25):
        k.soft(0, -0.02, seat - 0.005, w * 0.9, 0.36, 0.05, k.some(FABRIC), round=0.02, bulge=0.01)
    if k.flip(0.2):
        for s in (-1, 1):
            k.tube((s * (w / 2 + 0.01), -0.1, seat - 0.02), (s * (w / 2 + 0.02), -0.12, seat + 0.2), 0.012, steel)
            k.box(s * (w / 2 + 0.02), 0.02, seat + 0.19, 0.045, 0.3, 0.025, "black", round=0.01)


@design2("chair", "cantilever", weight=2, fronted=True)
def cantilever(k: Kit) -> None:
    """A visitor's chair on a bent tube without back legs; padded, cane or mesh, mostly with arms."""
    w, d, seat, back = k.u(0.48, 0.58), k.u(0.46, 0.54), k.u(0.44, 0.48), k.u(0.36, 0.55)
    cloth, steel = k.main(SEATING, "fabric"), k.pick("grey", "grey", "black")
    arm = seat + k.u(0.18, 0.24)
    for s in (-1, 1):
        x = s * (w / 2 - 0.01)
        k.tube((x, -d / 2, 0.014), (x, d / 2 - 0.04, 0.014), 0.013, steel)
        k.tube((x, -d / 2, 0.014), (x, -d / 2 + 0.03, arm if k.flip(0.7) else seat), 0.013, steel)
        k.tube((x, -d / 2 + 0.03, seat - 0.02), (x, d / 2 - 0.04, seat - 0.04), 0.013, steel)
        k.tube((x, d / 2 - 0.04, seat - 0.04), (x, d / 2 + 0.05, seat + back), 0.013, steel)
        k.box(x, -0.03, arm, 0.05, d * 0.8, 0.03, "black", round=0.012)
    k.tube((-w / 2, d / 2 - 0.04, 0.014), (w / 2, d / 2 - 0.04, 0.014), 0.013, steel)
    k.soft(0, -0.01, seat - 0.04, w - 0.04, d - 0.02, k.u(0.04, 0.08), cloth, round=0.025, bulge=0.01)
    k.soft(0, d / 2, seat + 0.1, w - 0.04, k.u(0.035, 0.07), back - 0.08, cloth, round=0.025, bulge=0.012,
           turn=(-0.16, 0, 0))  # fmt: skip
    k.top(-w / 2 + 0.06, -d / 2 + 0.02, w / 2 - 0.06, d / 2 - 0.12, seat + 0.045)


@design2("chair", "dining", weight=3, fronted=True)
def dining_chair(k: Kit) -> None:
    """A wooden dining chair whose back leans: slats, rungs, a cross, spindles or a curved rail; a pad at times."""
    w, d, seat, back = k.u(0.4, 0.5), k.u(0.4, 0.48), k.u(0.43, 0.48), k.u(0.38, 0.6)
    wood = k.main(WOOD, "wood")
    round_ = k.flip(0.4)
    r = k.u(0.016, 0.024)
    tilt = k.u(0.02, 0.12)
    foot = k.u(0.0, 0.05)

    def bar(p, q, size=r) -> None:
        if round_:
            k.tube(p, q, size, wood)
        else:
            _beam(k, p, q, size, wood)

    for s in (-1, 1):
        x = s * (w / 2 - 0.03)
        bar((x + s * foot * 0.3, -d / 2 + 0.03 - foot * 0.3, 0), (x, -d / 2 + 0.03, seat - 0.02))
        bar((x + s * foot * 0.3, d / 2 - 0.02 + foot, 0), (x, d / 2 - 0.03, seat))
        bar((x, d / 2 - 0.03, seat), (x * 0.95, d / 2 - 0.03 + tilt, seat + back))
    if k.flip(0.4):
        for s in (-1, 1):
            bar((s * (w / 2 - 0.03), -d / 2 + 0.03, seat * 0.4), (s * (w / 2 - 0.03), d / 2 - 0.03, seat * 0.4), 0.012)
    k.box(0, 0, seat - 0.025, w, d, 0.03, wood, "wood", round=0.012)
    pad = k.u(0.03, 0.07) if k.flip(0.4) else 0.0
    if pad:
        k.soft(0, -0.01, seat, w * 0.94, d * 0.92, pad, k.some(FABRIC | LEATHER), round=0.03, bulge=0.01)
    k.top(-w / 2 + 0.04, -d / 2 + 0.03, w / 2 - 0.04, d / 2 - 0.08, seat + 0.006 + pad)

    def at(t: float) -> tuple[float, float]:
        return d / 2 - 0.03 + tilt * t, seat + back * t

    style = k.pick("slats", "rungs", "cross", "spindles", "panel")
    y, z = at(0.92)
    k.box(0, y, z - 0.05, w - 0.04, 0.025, k.u(0.06, 0.12), wood, "wood", turn=(-tilt, 0, 0))
    inner = w / 2 - 0.05
    if style == "rungs":
        for t in (0.25, 0.5, 0.72)[: k.n(1, 3)]:
            y, z = at(t)
            k.box(0, y, z, w - 0.06, 0.02, 0.05, wood, "wood")
    elif style == "cross":
        for s in (-1, 1):
            bar((-s * inner, *at(0.08)), (s * inner, *at(0.88)), 0.012)
    elif style == "panel":
        y, z = at(0.3)
        k.box(0, at(0.6)[0], z, w - 0.08, 0.02, back * 0.6, wood, "wood", turn=(-tilt, 0, 0))
    else:
        for i in range(n := k.n(3, 7)):
            x = -inner + 2 * inner * (i + 0.5) / n
            if style == "spindles":
                k.tube((x, *at(0.02)), (x, *at(0.9)), 0.009, wood)
            else:
                _beam(k, (x, *at(0.02)), (x, *at(0.9)), 0.018, wood)


def _beam(k: Kit, p, q, half: float, paint) -> None:
    """A square bar between two points that differ mostly in height or along one axis."""
    dx, dy, dz = (b - a for a, b in zip(p, q, strict=True))
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    long = (dx * dx + dy * dy + dz * dz) ** 0.5
    if abs(dz) > max(abs(dx), abs(dy)):
        k.box(middle[0], middle[1], middle[2] - long / 2, 2 * half, 2 * half, long, paint, "wood",
              turn=(-dy / long, dx / long, 0))  # fmt: skip
    else:
        k.box(middle[0], middle[1], middle[2] - half, max(abs(dx), 2 * half), max(abs(dy), 2 * half), 2 * half, paint)


@design2("chair", "upholstered", weight=2, fronted=True)
def upholstered_chair(k: Kit) -> None:
    """A soft dining chair: a thick seat and a back that wraps a little, on thin legs."""
    w, d, seat, back = k.u(0.45, 0.58), k.u(0.46, 0.56), k.u(0.45, 0.49), k.u(0.34, 0.6)
    cloth = k.main(FABRIC | LEATHER, "fabric")
    k.legs(w * 0.8, d * 0.8, seat - 0.08, k.u(0.022, 0.045), k.pick("black", "brown", "beige", "grey"),
           splay=k.u(0.02, 0.09), round_legs=True)  # fmt: skip
    k.soft(0, -0.01, seat - 0.1, w, d, 0.12, cloth, round=0.05, bulge=0.015, bumps=0.006)
    k.top(-w / 2 + 0.06, -d / 2 + 0.03, w / 2 - 0.06, d / 2 - 0.18, seat + 0.025)
    if k.flip():
        k.soft(0, d / 2 - 0.03, seat - 0.02, w, 0.09, back, cloth, round=0.045, bulge=0.015, turn=(-0.14, 0, 0))
    else:
        for x, turn in ((0.0, 0.0), (-w * 0.46, 1.2), (w * 0.46, -1.2)):
            y = d / 2 - 0.03 - (0.12 if x else 0)
            k.soft(x, y, seat - 0.02, w * (0.45 if x else 0.7), 0.07, back * (0.85 if x else 1), cloth, round=0.035,
                   turn=(0, 0, turn))  # fmt: skip


@design2("chair", "tablet_arm", weight=0.5, fronted=True)
def tablet_chair(k: Kit) -> None:
    """A lecture chair with a small writing board."""
    w, seat = 0.46, 0.45
    paint = k.main(PLASTIC, "plastic")
    _shell(k, w, seat, 0.34, paint, "plain", cup=0.03)
    for s in (-1, 1):
        for y, out in ((-0.15, -0.05), (0.13, 0.06)):
            k.tube((s * 0.22, y + out, 0), (s * 0.16, y, seat - 0.02), 0.012, "grey")
    k.tube((0.25, 0.1, seat), (0.27, 0.0, 0.68), 0.012, "grey")
    k.box(0.2, -0.18, 0.68, 0.3, 0.42, 0.02, k.some(WOOD), "wood", round=0.01)


@design2("chair", "wicker", weight=0.6, fronted=True)
def wicker_chair(k: Kit) -> None:
    """A woven chair with a curved back."""
    w, seat, back = k.u(0.54, 0.66), 0.42, k.u(0.4, 0.5)
    cane = k.main({"beige": 3, "brown": 3, "white": 1, "grey": 1}, "wicker")
    k.legs(w * 0.8, 0.48, seat - 0.04, 0.04, cane, round_legs=True, splay=0.03)
    k.box(0, 0, seat - 0.06, w, 0.54, 0.06, cane, "stone", round=0.02)
    for i in range(9):
        a = (i - 4) * 0.42
        x, y = w / 2 * sin(a), 0.27 * cos(a)
        h = back - 0.2 * (abs(i - 4) / 4) ** 2
        k.box(x, y, seat, 0.16, 0.03, h, cane, "stone", turn=(-0.1, 0, -a * 0.8))
    k.soft(0, -0.02, seat, w * 0.85, 0.46, 0.08, k.some(FABRIC), round=0.03, bulge=0.015)


@design2("folded chair", "flat", weight=1, fronted=True)
def flat_folded(k: Kit) -> None:
    """A folded metal or plastic chair that leans at a wall."""
    w, h = k.u(0.42, 0.48), k.u(0.92, 1.02)
    paint = k.main(METAL | {"brown": 1, "beige": 1}, "metal")
    lean = (-k.u(0.08, 0.2), 0, 0)
    for s in (-1, 1):
        k.box(s * (w / 2 - 0.012), 0, 0, 0.025, 0.05, h, paint, turn=lean, round=0.01)
        k.box(s * (w / 2 - 0.05), 0.03, 0.04, 0.022, 0.022, h * 0.75, "grey", turn=lean)
    k.box(0, -0.035, h * 0.36, w - 0.08, 0.025, 0.4, darker(paint, 1.06), turn=lean, round=0.01)
    k.box(0, 0.05, h - 0.24, w - 0.04, 0.02, 0.2, darker(paint, 1.06), turn=lean, round=0.01)


@design2("stool", "counter_stool", weight=1.3, fronted=True)
def counter_stool(k: Kit) -> None:
    """A high stool with a low back on four legs with rungs."""
    h, w = k.u(0.6, 0.78), k.u(0.36, 0.44)
    paint = k.main(WOOD | METAL | {"red": 0.4}, "wood")
    for sx in (-1, 1):
        for sy in (-1, 1):
            k.tube((sx * w * 0.52, sy * w * 0.5, 0), (sx * w * 0.36, sy * w * 0.36, h - 0.03), 0.014, paint)
    for s in (-1, 1):
        k.tube((-w * 0.46, s * w * 0.44, h * 0.35), (w * 0.46, s * w * 0.44, h * 0.35), 0.01, paint)
    k.soft(0, 0, h - 0.04, w, w, k.u(0.04, 0.08), k.some(LEATHER | FABRIC | WOOD), "plain", round=0.025, bulge=0.008)
    if k.flip():
        k.soft(0, w / 2 - 0.02, h + 0.02, w, 0.05, k.u(0.16, 0.32), paint, "plain", round=0.02)


@design2("stool", "swivel", weight=1)
@design2("stool", "step", weight=0.5)
def low_stool(k: Kit) -> None:
    """A low stool: on castors, of three legs, or a block with a hand hole."""
    style = k.pick("castors", "three", "block", "square")
    paint = k.main(WOOD | SEATING | BRIGHT, "wood")
    h, r = k.u(0.38, 0.52), k.u(0.15, 0.2)
    k.shape = "round"
    if style == "castors":
        _castors(k, h - 0.06, 0.24, "grey")
        k.lathe(0, 0, h - 0.08, ((0, 0), (r, 0), (r, 0.06), (r - 0.03, 0.08), (0, 0.08)), paint)
    elif style == "three":
        for i in range(3):
            a = i * 2 * pi / 3
            k.tube((r * cos(a), r * sin(a), 0), (r * 0.6 * cos(a), r * 0.6 * sin(a), h - 0.03), 0.017, paint)
        k.cyl(0, 0, h - 0.035, r, 0.035, paint, "wood")
    elif style == "block":
        k.lathe(0, 0, 0, ((0, 0), (r, 0), (r * 0.75, h / 2), (r, h), (0, h)), paint)
    else:
        k.shape = "square"
        k.legs(2 * r, 2 * r, h - 0.03, 0.035, paint)
        k.box(0, 0, h - 0.035, 2 * r, 2 * r, 0.035, paint, "wood", round=0.01)
        k.legs(2 * r, 2 * r, 0.02, 0.036, darker(paint, 0.9), z=h * 0.4)
    k.top(-r * 0.6, -r * 0.6, r * 0.6, r * 0.6, h)


@design2("bench", "padded", weight=1.2, fronted=True)
def padded_bench(k: Kit) -> None:
    """A bench with a soft seat, sometimes over open boxes for shoes."""
    w, d, h = k.u(0.8, 1.5), k.u(0.36, 0.46), k.u(0.42, 0.5)
    wood = k.main(WOOD, "wood")
    k.shape = "rectangular"
    if k.flip():
        n = k.n(2, 4)
        k.box(0, 0, 0, w, d, 0.05, wood, "wood")
        k.box(0, d / 2 - 0.01, 0.05, w, 0.015, h - 0.12, darker(wood, 0.85))
        for i in range(n + 1):
            k.box(-w / 2 + 0.012 + i * (w - 0.024) / n, 0, 0.05, 0.024, d, h - 0.12, wood, "wood")
        k.box(0, 0, h - 0.09, w, d, 0.03, wood, "wood")
    else:
        k.legs(w, d, h - 0.07, 0.045, wood, inset=0.02)
        k.box(0, 0, h - 0.1, w - 0.02, d - 0.02, 0.05, wood, "wood")
    k.soft(0, 0, h - 0.06, w, d, 0.08, k.some(FABRIC | LEATHER), round=0.03, bulge=0.012, bumps=0.005)
    k.top(-w / 2 + 0.05, -d / 2 + 0.03, w / 2 - 0.05, d / 2 - 0.03, h + 0.025)


@design2("bench", "slatted", weight=1, fronted=True)
def slatted_bench(k: Kit) -> None:
    """A bench of slats with a back, or a row of waiting-room seats on a beam."""
    if k.flip(0.6):
        w, d, h, back = k.u(1.1, 1.7), k.u(0.45, 0.55), 0.44, k.u(0.35, 0.45)
        wood = k.main(WOOD | {"green": 0.4}, "wood")
        for s in (-1, 1):
            k.box(s * (w / 2 - 0.1), 0, 0, 0.05, d, 0.06, "black")
            k.box(s * (w / 2 - 0.1), 0, 0.04, 0.05, 0.06, h - 0.04, "black")
            k.box(s * (w / 2 - 0.1), d / 2 - 0.02, h, 0.05, 0.04, back, "black", turn=(-0.15, 0, 0))
        for y in range(4):
            k.box(0, -d / 2 + 0.06 + y * d / 4.4, h, w, 0.09, 0.03, wood, "wood")
        for z in range(3):
            k.box(0, d / 2 - 0.05 + 0.02 * z, h + 0.1 + z * 0.12, w, 0.03, 0.09, wood, "wood", turn=(-0.15, 0, 0))
    else:
        n = k.n(2, 4)
        w, d, h = n * 0.56, 0.5, 0.44
        paint = k.main(PLASTIC | {"black": 3}, "plastic")
        k.box(0, 0, h - 0.1, w, 0.07, 0.05, "grey")
        for s in (-1, 1):
            k.box(s * w * 0.38, 0, 0, 0.06, d * 0.9, 0.04, "grey")
            k.box(s * w * 0.38, 0, 0.04, 0.05, 0.05, h - 0.12, "grey")
        for i in range(n):
            x = -w / 2 + (i + 0.5) * 0.56
            k.soft(x, -0.04, h - 0.05, 0.5, 0.44, 0.06, paint, "plain", round=0.025, bulge=0.005)
            k.soft(x, 0.2, h + 0.02, 0.5, 0.05, 0.38, paint, "plain", round=0.02, turn=(-0.15, 0, 0))
    k.top(-w / 2 + 0.05, -d / 2 + 0.05, w / 2 - 0.05, d / 2 - 0.14, h + 0.035)
