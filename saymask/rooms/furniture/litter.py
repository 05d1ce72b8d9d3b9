"""Small things that lie about, plants, rugs, people (version 2)."""

from itertools import pairwise
from math import cos, pi, sin

from saymask.rooms.colors import BRIGHT, CERAMIC, DEVICE, FABRIC, METAL, PLASTIC, WOOD, darker
from saymask.rooms.furniture.design import Kit, design2

COVERS = BRIGHT | {"brown": 1.5, "black": 1.5, "white": 2, "grey": 1}


@design2("book", "various", weight=5)
def various_book(k: Kit) -> None:
    """One book, an untidy pile, some upright between nothing, or an open one."""
    style, cover = k.pick("one", "pile", "pile", "upright", "open", "magazines"), k.main(COVERS, "paper")
    w, d = k.u(0.11, 0.24), k.u(0.17, 0.31)
    if style == "one":
        h = k.u(0.012, 0.05)
        k.box(0, 0, 0, w, d, h, cover)
        k.box(0.005, 0, 0.003, w - 0.004, d - 0.008, max(0.004, h - 0.006), "white")
    elif style == "open":
        for s in (-1, 1):
            k.box(s * w / 2, 0, 0, w, d, 0.02, "white", "text", turn=(0, s * 0.08, 0))
        k.color = "white"
    elif style == "upright":
        x = 0.0
        for i in range(k.n(3, 8)):
            t, h = k.u(0.015, 0.05), k.u(0.18, 0.3)
            k.box(x + t / 2, 0, 0, t, k.u(0.12, 0.2), h, cover if i == 0 else k.some(COVERS))
            x += t + 0.001
        k.color = None
    else:
        z, thin = 0.0, style == "magazines"
        for i in range(k.n(2, 7)):
            t = k.u(0.005, 0.012) if thin else k.u(0.012, 0.05)
            k.box(k.u(-0.02, 0.02), k.u(-0.02, 0.02), z, w * k.u(0.8, 1.1), d * k.u(0.8, 1.05), t,
                  cover if i == 0 else k.some(COVERS), turn=(0, 0, k.u(-0.3, 0.3)))  # fmt: skip
            z += t
        k.color = None


@design2("paper", "various", weight=3)
def various_paper(k: Kit) -> None:
    """Sheets spread out, a neat stack, a folder, a newspaper, or a crumpled ball."""
    style = k.pick("spread", "spread", "stack", "folder", "crumpled")
    k.main({"white": 1}, "paper")
    if style == "spread":
        for i in range(k.n(1, 5)):
            k.box(
                k.u(-0.1, 0.1),
                k.u(-0.08, 0.08),
                0.006 * i,
                0.21,
                0.297,
                0.006,
                "white",
                "text",
                turn=(0, 0, k.u(-0.8, 0.8)),
            )
    elif style == "stack":
        k.box(0, 0, 0, 0.21, 0.297, k.u(0.01, 0.06), "white", "text")
    elif style == "folder":
        paint = k.main(BRIGHT, "paper")
        k.box(0, 0, 0, 0.24, 0.32, k.u(0.008, 0.04), paint)
    else:
        k.soft(0, 0, 0, 0.09, 0.08, 0.07, "white", "plain", round=0.035, bumps=0.02, wave=0.05)


def _green(k: Kit) -> tuple[int, int, int]:
    return darker(k.shade("green"), k.u(0.75, 1.25))


@design2("plant", "leafy", weight=3)
@design2("potted plant", "leafy", weight=3)
def leafy(k: Kit) -> None:
    """A plant in a pot: arching blades, broad leaves on stems, a palm, a cactus, a fern, a small tree, flowers."""
    small = k.wish.get("small", 0) > 0
    r = k.u(0.05, 0.09) if small else k.u(0.12, 0.22)
    deep = r * k.u(1.3, 2.2)
    tall = k.u(0.12, 0.35) if small else k.u(0.45, 1.4)
    spread = tall * k.u(0.3, 0.6)
    pot = k.some(CERAMIC | {"brown": 3, "black": 1.2, "grey": 1.5, "blue": 0.6, "red": 0.6, "orange": 0.6, "beige": 1})
    k.main({"green": 1}, "leaf")
    if k.flip(0.75):
        k.lathe(0, 0, 0, ((0, 0), (r * k.u(0.6, 0.95), 0), (r, deep), (r - 0.012, deep), (r - 0.016, deep - 0.02),
                          (0, deep - 0.02)), pot)  # fmt: skip
    else:
        k.box(0, 0, 0, 1.8 * r, 1.8 * r, deep, pot)
    z = deep - 0.01
    style = k.pick("blades", "broad", "palm", "cactus", "fern", "tree", "flowers")
    if style == "blades":
        for i in range(k.n(7, 15)):
            a, lean, long = i * 2.4, k.u(0.1, 0.5), tall * k.u(0.6, 1.0)
            wide = k.u(0.03, 0.07) * (0.6 if small else 1)
            line = ((0.0, 0.0), (long * lean * 0.35, long * 0.55), (long * lean, long * (0.95 - 0.4 * lean)))
            k.cloth(0, 0, z, wide, line, _green(k), "plain", turn=(0, 0, a))
    elif style == "fern":
        for i in range(k.n(10, 18)):
            a, long = i * 2.4, tall * k.u(0.6, 1.0)
            line = ((0.0, 0.0), (long * 0.3, long * 0.45), (long * 0.75, long * 0.25))
            k.cloth(0, 0, z, long * 0.18, line, _green(k), "leaves", turn=(0, 0, a))
    elif style in ("broad", "flowers"):
        for i in range(k.n(6, 14)):
            a, up, out = i * 2.4, tall * k.u(0.35, 1.0), spread * k.u(0.3, 1.0)
            x, y = out * cos(a), out * sin(a)
            k.tube((0, 0, z), (x, y, z + up), 0.006, "green")
            size = k.u(0.25, 0.42) * spread + 0.03
            if style == "flowers" and k.flip(0.4):
                k.soft(x, y, z + up - 0.02, size * 0.6, size * 0.6, size * 0.4, k.some(BRIGHT), "plain", round=0.03,
                       bumps=0.01, wave=0.06)  # fmt: skip
            else:
                line = ((-size * 0.7, 0.0), (0.0, size * 0.18), (size * 0.7, -size * 0.1))
                k.cloth(x, y, z + up, size * 0.9, line, _green(k), "leaves", cup=-size * 0.12, turn=(0, 0, a + pi / 2))
    elif style == "palm":
        k.tube((0, 0, z), (k.u(-0.05, 0.05), 0, z + tall * 0.55), 0.012 if small else 0.03, "brown", "wood")
        for i in range(k.n(7, 12)):
            a, long = i * 2.4, tall * k.u(0.35, 0.6)
            line = ((0.0, 0.0), (long * 0.45, long * 0.4), (long * 0.95, long * k.u(-0.1, 0.3)))
            k.cloth(0, 0, z + tall * 0.52, long * 0.2, line, _green(k), "leaves", turn=(0, 0, a))
    elif style == "cactus":
        h, wide = tall * 0.7, r * k.u(0.5, 0.9)
        k.lathe(
            0, 0, z, ((0, 0), (wide, h * 0.1), (wide, h * 0.8), (wide * 0.6, h * 0.97), (0, h)), _green(k), "leaves"
        )
        if k.flip() and not small:
            k.tube((wide, 0, z + h * 0.4), (wide * 2.2, 0, z + h * 0.45), wide * 0.5, _green(k), "leaves")
            k.tube((wide * 2.2, 0, z + h * 0.42), (wide * 2.2, 0, z + h * 0.8), wide * 0.5, _green(k), "leaves")
    else:
        top = tall * k.u(0.4, 0.6)
        k.tube((0, 0, z), (0, 0, z + top), 0.008 if small else 0.02, "brown", "wood")
        for _ in range(k.n(3, 7)):
            size = spread * k.u(0.7, 1.3)
            a, out = k.u(0, 2 * pi), spread * k.u(0.0, 0.6)
            k.soft(out * cos(a), out * sin(a), z + top + k.u(-0.1, 0.5) * (tall - top), size, size, size * 0.8,
            _green(k),
                   "leaves", round=size * 0.35, bumps=size * 0.12, wave=0.15)  # fmt: skip


@design2("cup", "various", weight=3)
def various_cup(k: Kit) -> None:
    """A mug, a glass, a paper cup with a lid, a tea cup on a saucer."""
    style = k.pick("mug", "mug", "glass", "paper", "saucer")
    paint = k.main(CERAMIC | BRIGHT, "ceramic")
    if style == "paper":
        k.cyl(0, 0, 0, 0.032, 0.11, paint, top=0.042)
        k.cyl(0, 0, 0.108, 0.045, 0.014, "white" if k.color != "white" else "black")
    elif style == "saucer":
        k.lathe(0, 0, 0, ((0, 0), (0.05, 0), (0.08, 0.015), (0.075, 0.018), (0, 0.006)), paint)
        k.pot(0, 0, 0.008, 0.028, 0.06, paint, top=0.045, wall=0.006)
    else:
        r, h = k.u(0.034, 0.048), k.u(0.08, 0.14)
        k.pot(0, 0, 0, r * k.u(0.75, 1.0), h, paint, top=r, wall=0.006)
        if style == "mug":
            points = [(r, 0, h * 0.8), (r + 0.03, 0, h * 0.7), (r + 0.03, 0, h * 0.35), (r, 0, h * 0.22)]
            for a, b in pairwise(points):
                k.tube(a, b, 0.007, paint)


@design2("bowl", "various", weight=2)
def various_bowl(k: Kit) -> None:
    """A bowl, shallow or deep, empty or with fruit or food in it; a pan."""
    r, h = k.u(0.07, 0.17), k.u(0.05, 0.12)
    glaze = k.main(CERAMIC | BRIGHT | METAL, "ceramic")
    k.shape = "round"
    k.lathe(0, 0, 0, ((0, 0), (r * k.u(0.4, 0.75), 0), (r, h), (r - 0.01, h), (r * 0.5, 0.014), (0, 0.012)), glaze)
    if k.flip(0.6):
        for _ in range(k.n(2, 6)):
            a = k.u(0, 2 * pi)
            k.ball(r * 0.45 * cos(a), r * 0.45 * sin(a), h * 0.3, k.u(0.025, 0.042),
                   k.pick("red", "orange", "green", "yellow"))  # fmt: skip


@design2("plate", "served", weight=1.5)
def served_plate(k: Kit) -> None:
    """A plate or a stack of them, at times with food and cutlery."""
    glaze, r = k.main(CERAMIC | BRIGHT, "ceramic"), k.u(0.09, 0.15)
    k.shape = "round"
    for i in range(k.pick(1, 1, 1, 4)):
        k.lathe(
            0, 0, 0.012 * i, ((0, 0), (r * 0.6, 0), (r, 0.02), (r * 0.94, 0.022), (r * 0.55, 0.01), (0, 0.008)), glaze
        )
    if k.flip(0.4):
        k.soft(0, 0, 0.012, r * 0.9, r * 0.7, 0.05, k.some({"brown": 2, "beige": 2, "green": 1, "red": 1}), "plain",
               round=0.02, bumps=0.012, wave=0.05)  # fmt: skip


@design2("decoration", "various", weight=4)
def various_decoration(k: Kit) -> None:
    """A vase with or without twigs, a figure, a framed photo on a foot, a globe, a bowl of stones."""
    style = k.pick("vase", "vase", "figure", "photo", "globe", "stack")
    paint = k.main(BRIGHT | CERAMIC | WOOD, "ceramic")
    if style == "vase":
        h, r = k.u(0.14, 0.45), k.u(0.04, 0.1)
        a, b, neck = k.u(0.5, 1.0), k.u(0.6, 1.0), k.u(0.25, 0.9)
        k.lathe(0, 0, 0, ((0, 0), (r * a, 0), (r, h * 0.35), (r * b, h * 0.6), (r * neck, h * 0.85),
        (r * neck * 1.15, h),
                          (r * neck * 0.9, h), (0, h * 0.8)), paint)  # fmt: skip
        if k.flip(0.4):
            for i in range(k.n(3, 7)):
                a = i * 2.4
                k.tube(
                    (0, 0, h * 0.8), (0.08 * cos(a), 0.08 * sin(a), h + k.u(0.12, 0.3)), 0.006, k.pick("green", "brown")
                )
                k.ball(0.08 * cos(a), 0.08 * sin(a), h + 0.2, k.u(0.018, 0.035), k.some(BRIGHT))
    elif style == "figure":
        h = k.u(0.14, 0.4)
        k.box(0, 0, 0, h * 0.4, h * 0.4, 0.02, "black")
        k.soft(0, 0, 0.02, h * 0.35, h * 0.3, h * 0.6, paint, "plain", round=0.05, bumps=0.02, wave=0.12)
        k.ball(0, -0.01, h * 0.6, h * 0.14, paint)
    elif style == "photo":
        w, h = k.u(0.1, 0.26), k.u(0.12, 0.26)
        k.box(0, 0, 0, w, 0.018, h, paint, turn=(-0.22, 0, 0))
        k.box(0, -0.012, 0.015, w * 0.78, 0.008, h * 0.8, k.some(BRIGHT), "art", turn=(-0.22, 0, 0))
        k.color = None
    elif style == "globe":
        r = k.u(0.07, 0.14)
        k.cyl(0, 0, 0, r * 0.7, 0.02, "brown")
        k.tube((0, 0, 0.02), (0, 0, 0.05), 0.012, "brown")
        k.ball(0, 0, 0.05, r, k.shade("blue"), "leaves")
        k.color = "blue"
    else:
        for i in range(k.n(2, 4)):
            s = 0.13 - 0.025 * i
            k.soft(k.u(-0.01, 0.01), 0, 0.05 * i, s, s * 0.8, 0.055, darker(paint, k.u(0.8, 1.2)), "stone", round=0.025)


@design2("shoe", "various", weight=4)
def various_shoes(k: Kit) -> None:
    """One shoe or a pair: trainers, boots, slippers; standing apart or fallen over."""
    skin = k.main(FABRIC | {"black": 5, "brown": 3, "white": 3}, "leather")
    high, sole = k.pick(0.06, 0.08, 0.1, 0.24), k.shade(k.pick("white", "black", "brown"))
    for s in (-1, 1)[: k.pick(1, 2, 2, 2)]:
        x, y, turn = s * k.u(0.055, 0.12), k.u(-0.06, 0.06), k.u(-0.4, 0.4)
        c, n = cos(turn), sin(turn)
        k.box(x, y, 0, 0.095, 0.28, 0.02, sole, round=0.009, turn=(0, 0, turn))
        k.soft(x, y, 0.018, 0.09, 0.27, 0.055, skin, "plain", round=0.03, turn=(0, 0, turn))
        k.soft(
            x - 0.06 * n,
            y + 0.06 * c,
            0.03,
            0.085,
            0.14,
            high,
            darker(skin, 0.92),
            "plain",
            round=0.03,
            turn=(0, 0, turn),
        )


@design2("hat", "various", weight=1.5)
def various_hat(k: Kit) -> None:
    """A cap, a woollen hat, a straw hat, a helmet."""
    cloth, style = k.main(FABRIC | BRIGHT, "fabric"), k.pick("cap", "wool", "straw", "helmet")
    r, h = k.u(0.085, 0.11), k.u(0.1, 0.16)
    k.lathe(0, 0, 0, ((0, 0), (r, 0), (r * 0.97, h * 0.5), (r * 0.75, h * 0.85), (0, h)), cloth, "fabric")
    if style == "cap":
        k.soft(0, -r - 0.03, 0.0, 0.14, 0.12, 0.025, darker(cloth, 0.9), round=0.01)
    elif style == "straw":
        k.lathe(0, 0, 0, ((r * 0.8, 0), (r * 2, 0.0), (r * 2, 0.012), (r * 0.8, 0.012), (r * 0.8, 0)), cloth, "stone")
    elif style == "wool":
        k.ball(0, 0, h - 0.01, 0.03, k.some(BRIGHT), "fabric")


@design2("tissue box", "various", weight=1.5)
@design2("container", "various", weight=3)
def various_container(k: Kit) -> None:
    """A tin, a jar, a food box with a lid, a carton of milk or cereals, a box of tissues."""
    style, paint = k.pick("tin", "jar", "box", "carton", "tissue"), k.main(BRIGHT | METAL | {"white": 3}, "plastic")
    if style in ("tin", "jar"):
        r, h = k.u(0.03, 0.08), k.u(0.08, 0.24)
        k.cyl(0, 0, 0, r, h, paint)
        k.cyl(0, 0, h, r * k.u(0.8, 1.03), 0.02, k.pick("grey", "black", "white"))
    elif style == "box":
        w, d, h = k.u(0.12, 0.3), k.u(0.1, 0.22), k.u(0.05, 0.14)
        k.box(0, 0, 0, w, d, h, paint, round=0.012)
        k.box(0, 0, h, w + 0.01, d + 0.01, 0.015, k.some(BRIGHT | {"white": 2}), round=0.006)
    elif style == "carton":
        k.box(0, 0, 0, k.u(0.06, 0.2), k.u(0.05, 0.08), k.u(0.18, 0.3), paint, "text")
    else:
        k.box(0, 0, 0, k.pick(0.12, 0.24), 0.12, k.u(0.07, 0.13), paint)
        k.soft(0, 0, 0.07, 0.08, 0.05, 0.1, "white", "plain", round=0.02, bumps=0.02, wave=0.05)


@design2("tube", "cable", weight=3)
@design2("power strip", "cable", weight=3)
def cable(k: Kit) -> None:
    """A cable that lies in loops, with a strip of sockets or a plug at its end."""
    paint = k.main({"black": 5, "white": 3, "grey": 2, "blue": 0.4, "orange": 0.3}, "plastic")
    r, x, y, a = k.u(0.006, 0.012), 0.0, 0.0, k.u(0, 6)
    bend = k.u(-0.5, 0.5)
    for i in range(k.n(6, 16)):
        step = k.u(0.06, 0.11)
        nx, ny = x + step * cos(a), y + step * sin(a)
        k.tube((x, y, r + 0.003 * (i % 2)), (nx, ny, r + 0.003 * (i % 2)), r, paint)
        x, y, a = nx, ny, a + bend + k.u(-0.5, 0.5)
    if k.flip(0.6):
        k.box(0, 0, 0, k.u(0.2, 0.36), 0.055, 0.045, darker(paint, 1.05), "keys", round=0.006, turn=(0, 0, a))


@design2("headphones", "various", weight=1.5)
def various_headphones(k: Kit) -> None:
    """Headphones lying down or standing on their ears."""
    paint = k.main({"black": 4, "white": 1.5, "grey": 1, "red": 0.5, "blue": 0.4}, "plastic")
    for s in (-1, 1):
        k.soft(s * 0.08, 0, 0, 0.035, 0.08, 0.085, paint, "plain", round=0.015)
    points = [(-0.085 * cos(t * pi), 0.0, 0.07 + 0.11 * sin(t * pi)) for t in (0.0, 0.25, 0.5, 0.75, 1.0)]
    for a, b in pairwise(points):
        k.tube(a, b, 0.009, paint)


@design2("ball", "various", weight=1.5)
def various_ball(k: Kit) -> None:
    """A ball of any size: football, basketball, gymnastics."""
    k.shape = "round"
    k.ball(0, 0, 0, k.pick(0.035, 0.1, 0.11, 0.12, k.u(0.26, 0.36)), k.main(BRIGHT | {"orange": 2}, "rubber"),
           k.pick("plain", "stripes", "leaves"))  # fmt: skip


@design2("stuffed animal", "various", weight=2, fronted=True)
def various_toy(k: Kit) -> None:
    """A soft toy: sitting, lying on its belly, long or round."""
    fur = k.main({"brown": 3, "beige": 2, "white": 2, "pink": 1, "grey": 1, "blue": 0.5, "green": 0.4}, "fabric")
    s = k.u(0.7, 1.9)
    lying = k.flip(0.4)
    k.soft(0, 0.06 * s if lying else 0, 0, 0.15 * s, (0.26 if lying else 0.13) * s, (0.12 if lying else 0.19) * s, fur,
           round=0.055 * s, bumps=0.01 * s, wave=0.1)  # fmt: skip
    x, y, z = 0.0, (-0.12 if lying else -0.01) * s, (0.05 if lying else 0.16) * s
    k.soft(x, y, z, 0.13 * s, 0.12 * s, 0.12 * s, fur, round=0.05 * s)
    k.soft(x, y - 0.07 * s, z + 0.015 * s, 0.06 * s, 0.05 * s, 0.045 * s, k.shade(k.pick("white", "beige", "brown")),
           round=0.02 * s)  # fmt: skip
    long = k.u(0.04, 0.12) * s
    for e in (-1, 1):
        k.soft(e * 0.05 * s, y + 0.02 * s, z + 0.1 * s, 0.045 * s, 0.03 * s, long, darker(fur, 0.95), round=0.014 * s)
        k.soft(e * 0.09 * s, -0.05 * s, 0.02 * s, 0.06 * s, 0.13 * s, 0.055 * s, fur, round=0.025 * s)
        k.soft(e * 0.06 * s, (0.16 if lying else -0.11) * s, 0, 0.06 * s, 0.12 * s, 0.055 * s, fur, round=0.025 * s)


@design2("microwave", "various", weight=2, fronted=True)
@design2("toaster oven", "various", weight=2, fronted=True)
def various_microwave(k: Kit) -> None:
    """A microwave or a small oven: window, handle or button, a row of keys or dials."""
    w, d, h = k.u(0.4, 0.58), k.u(0.28, 0.44), k.u(0.22, 0.34)
    paint = k.main({"white": 3, "black": 3, "grey": 3, "red": 0.3}, "metal")
    k.box(0, 0, 0.012, w, d, h, paint, round=0.008)
    for s in (-1, 1):
        k.box(s * w * 0.4, 0, 0, 0.03, d * 0.8, 0.014, "black")
    y = -d / 2 - 0.006
    k.box(-w * 0.12, y, 0.03, w * 0.68, 0.016, h - 0.035, k.pick("black", darker(paint, 0.8)))
    k.box(-w * 0.12, y - 0.008, 0.07, w * 0.5, 0.008, h - 0.11, (34, 36, 40))
    if k.flip():
        k.tube((w * 0.2, y - 0.03, 0.06), (w * 0.2, y - 0.03, h - 0.05), 0.01, "grey")
    k.box(w * 0.36, y, 0.03, w * 0.2, 0.014, h - 0.035, darker(paint, 0.8), k.pick("keys", "plain"))
    for z in (0.3, 0.7)[: k.n(0, 2)]:
        k.cyl(w * 0.36, y - 0.012, h * z, 0.025, 0.02, "grey", turn=(1.5708, 0, 0))
    k.top(-w / 2 + 0.03, -d / 2 + 0.03, w / 2 - 0.03, d / 2 - 0.03, h + 0.012)


@design2("coffee maker", "various", weight=2, fronted=True)
def various_coffee(k: Kit) -> None:
    """A coffee machine: a capsule one, an espresso machine, a glass jug under a filter."""
    paint, style = k.main(DEVICE | {"red": 1}, "plastic"), k.pick("capsule", "espresso", "filter")
    if style == "capsule":
        k.soft(0, 0.04, 0, 0.13, 0.26, 0.26, paint, "plain", round=0.03)
        k.box(0, -0.13, 0, 0.1, 0.1, 0.04, "grey")
        k.box(0, -0.1, 0.17, 0.09, 0.08, 0.06, darker(paint, 0.85), round=0.01)
    elif style == "espresso":
        w, h = k.u(0.22, 0.36), k.u(0.3, 0.4)
        k.box(0, 0.06, 0, w, 0.22, h, paint, round=0.015)
        k.box(0, -0.1, 0, w, 0.14, 0.04, "grey")
        k.box(0, -0.08, h * 0.72, w, 0.12, h * 0.28, paint, round=0.015)
        k.cyl(0, -0.1, h * 0.6, 0.035, 0.04, "grey")
        k.tube((0, -0.12, h * 0.61), (0, -0.25, h * 0.59), 0.011, "black")
    else:
        k.box(0, 0, 0, 0.2, 0.26, 0.04, paint, round=0.01)
        k.box(0, 0.09, 0.04, 0.18, 0.08, 0.26, paint)
        k.box(0, 0, 0.26, 0.2, 0.25, 0.09, paint, round=0.02)
        k.lathe(0, -0.04, 0.045, ((0, 0), (0.06, 0), (0.075, 0.08), (0.05, 0.15), (0, 0.15)), (58, 46, 42))
        k.tube((0, -0.12, 0.08), (0, -0.12, 0.17), 0.009, "black")


@design2("mat", "various", weight=3)
def various_rug(k: Kit) -> None:
    """A rug: with a border, stripes, plain, round or oval, a runner, a hide."""
    cloth = k.main(FABRIC | BRIGHT | {"beige": 2}, "fabric")
    w, d = k.u(0.6, 2.4, "w"), k.u(0.45, 1.7, "d")
    if k.wish.get("round", 0) > 0 or k.flip(0.12):
        k.shape = "round"
        k.cyl(0, 0, 0, min(w, d) / 2, 0.012, cloth, k.pick("fabric", "stone"))
    else:
        k.shape = "rectangular"
        k.box(0, 0, 0, w, d, 0.012, cloth, k.pick("pattern", "pattern", "stripes", "fabric", "stone", "art"))


@design2("dumbbell", "various", weight=1)
def various_dumbbell(k: Kit) -> None:
    """Dumbbells: one or a row, hexagonal or with plates; a kettlebell."""
    paint = k.main({"black": 4, "grey": 1, "blue": 0.6, "pink": 0.5, "red": 0.4}, "metal")
    if k.flip(0.3):
        k.ball(0, 0, 0, k.u(0.08, 0.12), paint)
        for a, b in (
            ((-0.05, 0, 0.17), (-0.04, 0, 0.24)),
            ((-0.04, 0, 0.24), (0.04, 0, 0.24)),
            ((0.04, 0, 0.24), (0.05, 0, 0.17)),
        ):
            k.tube(a, b, 0.015, paint)
        return
    for i in range(k.pick(1, 1, 2, 4)):
        r = k.u(0.04, 0.08)
        k.tube((-0.08, i * 0.19, r), (0.08, i * 0.19, r), 0.014, "grey")
        for s in (-1, 1):
            k.tube((s * 0.07, i * 0.19, r), (s * 0.14, i * 0.19, r), r, paint)


@design2("person", "various", weight=2, fronted=True)
def various_person(k: Kit) -> None:
    """A person, standing or sitting on a stool, arms hanging or bent."""
    shirt, skin = (
        k.main(PLASTIC | BRIGHT, "fabric"),
        k.pick((196, 150, 122), (150, 104, 76), (222, 182, 156), (96, 66, 50)),
    )
    trousers, sitting = k.pick("blue", "black", "grey", "brown", "beige"), k.flip(0.3)
    k.color = None
    hip = 0.48 if sitting else k.u(0.8, 0.92)
    for s in (-1, 1):
        x, foot = s * 0.1, -0.42 if sitting else k.u(-0.1, 0.06)
        k.soft(x, foot - 0.05, 0, 0.1, 0.27, 0.09, k.pick("black", "brown", "white"), "plain", round=0.04)
        if sitting:
            k.tube((x, 0.0, hip), (x, -0.4, hip), 0.08, trousers, "fabric")
            k.tube((x, -0.4, hip), (x, -0.4, 0.06), 0.065, trousers, "fabric")
        else:
            k.tube((x, foot, 0.06), (x, 0, hip + 0.02), 0.08, trousers, "fabric")
        hand = (s * 0.24, -0.24, hip + 0.24) if k.flip(0.4) or sitting else (s * 0.28, -0.02, hip - 0.02)
        elbow = (s * 0.29, 0.0, hip + 0.26)
        k.tube((s * 0.2, 0.0, hip + 0.52), elbow, 0.05, shirt, "fabric")
        k.tube(elbow, hand, 0.042, skin)
        k.ball(hand[0], hand[1], hand[2] - 0.05, 0.045, skin)
    k.soft(0, 0, hip - 0.06, 0.36, 0.24, 0.2, trousers, "fabric", round=0.08)
    k.soft(0, 0, hip + 0.06, 0.42, 0.25, 0.54, shirt, "fabric", round=0.1, bumps=0.012)
    k.cyl(0, 0, hip + 0.56, 0.055, 0.1, skin)
    k.ball(0, -0.01, hip + 0.62, 0.105, skin, squash=1.2)
    k.ball(0, 0.015, hip + 0.68, 0.112, k.pick("brown", "black", "yellow", "grey"), squash=0.95)
    if sitting:
        k.legs(0.34, 0.34, 0.38, 0.04, "brown")
        k.box(0, 0, 0.38, 0.38, 0.38, 0.03, "brown", "wood")


@design2("storage bin", "clear", weight=1.5)
@design2("storage container", "clear", weight=1.5)
@design2("crate", "grid", weight=1.5)
def open_tub(k: Kit) -> None:
    """A plastic tub without a lid, full of things, or a crate for bottles."""
    w, d, h = k.u(0.3, 0.6, "w"), k.u(0.24, 0.42, "d"), k.u(0.15, 0.36, "h")
    paint = k.main(PLASTIC | {"white": 4, "purple": 0.5, "pink": 0.4, "green": 1}, "plastic")
    k.shape, t = "rectangular", 0.014
    k.box(0, 0, 0, w, d, t, paint)
    for s in (-1, 1):
        k.box(s * (w / 2 - t / 2), 0, t, t, d, h - t, paint)
        k.box(0, s * (d / 2 - t / 2), t, w - 2 * t, t, h - t, darker(paint, 0.95))
        k.box(s * w / 2, 0, h - 0.03, 0.02, d * 0.5, 0.025, paint)
    for _ in range(k.n(0, 4)):
        k.soft(k.u(-0.2, 0.2) * w, k.u(-0.2, 0.2) * d, t, w * 0.5, d * 0.5, h * k.u(0.5, 0.95), k.some(COVERS), "plain",
               round=k.pick(0.01, 0.05), bumps=0.01)  # fmt: skip


@design2("cart", "utility", weight=1.5)
def utility_cart(k: Kit) -> None:
    """A trolley with two or three trays on thin posts."""
    w, d, h, n = k.u(0.42, 0.9), k.u(0.34, 0.52), k.u(0.7, 1.0), k.n(2, 3)
    paint = k.main(METAL | {"blue": 0.6, "white": 2}, "metal")
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = sx * (w / 2 - 0.02), sy * (d / 2 - 0.02)
            k.ball(x, y, 0, 0.04, "black")
            k.tube((x, y, 0.07), (x, y, h), 0.014, paint)
    for i in range(n):
        z = 0.12 + i * (h - 0.2) / (n - 1)
        k.box(0, 0, z, w, d, 0.02, paint)
        for s in (-1, 1):
            k.box(0, s * d / 2, z, w, 0.014, 0.08, paint)
    k.tube((w / 2, -d / 2 + 0.03, h), (w / 2, d / 2 - 0.03, h), 0.014, paint)
    k.top(-w / 2 + 0.04, -d / 2 + 0.04, w / 2 - 0.04, d / 2 - 0.04, 0.14 + (h - 0.2))
