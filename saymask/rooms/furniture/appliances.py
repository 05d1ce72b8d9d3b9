"""Machines of homes and halls: refrigerators, washing machines, ovens, coolers, fans (version 2)."""

from itertools import pairwise
from math import cos, pi, sin

from saymask.rooms.colors import BRIGHT, DEVICE, PLASTIC, darker
from saymask.rooms.furniture.design import Kit, design2
from saymask.rooms.furniture.fitted import SLABS
from saymask.rooms.furniture.kitchen import WHITE_GOODS


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


@design2("fan", "various", weight=2, fronted=True)
def various_fan(k: Kit) -> None:
    """A fan on a table foot or a pole, a box fan, or a slim tower."""
    paint = k.main({"white": 3, "black": 3, "grey": 1.5, "blue": 0.4}, "plastic")
    style = k.pick("pole", "box", "tower", "table")
    if style == "tower":
        h = k.u(0.7, 1.0)
        k.cyl(0, 0, 0, 0.14, 0.03, paint)
        k.soft(0, 0, 0.03, 0.15, 0.15, h, paint, "plain", round=0.06)
        k.box(0, -0.076, 0.12, 0.09, 0.01, h * 0.75, (50, 50, 52), "stripes")
    elif style == "box":
        k.box(0, 0, 0.02, 0.52, 0.12, 0.52, paint, round=0.02)
        for y in (-0.064, 0.064):
            k.cyl(0, y, 0.06, 0.22, 0.006, darker(paint, 0.6), "keys", turn=(1.5708, 0, 0))
        for s in (-1, 1):
            k.box(s * 0.2, 0, 0, 0.04, 0.2, 0.02, paint)
    else:
        h, r = (k.u(0.9, 1.25), k.u(0.18, 0.23)) if style == "pole" else (k.u(0.35, 0.5), k.u(0.12, 0.17))
        k.cyl(0, 0.06, 0, r * 0.9, 0.025, paint)
        k.tube((0, 0.06, 0.02), (0, 0.06, h - r), 0.016, paint)
        k.cyl(0, 0.05, h - r - 0.06, 0.055, 0.13, paint, turn=(1.5708, 0, 0))
        for z in (-0.05, 0.05):
            ring = ((r - 0.01, 0), (r, 0), (r, 0.012), (r - 0.01, 0.012), (r - 0.01, 0))
            k.lathe(0, -0.06 + z, h - r - 0.006, ring, paint, turn=(1.5708, 0, 0))
        for i in range(10):
            a = i * 2 * pi / 10
            k.tube((0, -0.11, h - r), (r * sin(a), -0.1, h - r + r * cos(a)), 0.006, paint)
        for i in range(3):
            a = i * 2 * pi / 3
            x, z = sin(a) * r * 0.45, cos(a) * r * 0.45
            k.box(x, -0.05, h - r + z - r * 0.4, r * 0.5, 0.01, r * 0.8, darker(paint, 0.8), turn=(0, a, 0.25))


@design2("machine", "vending", weight=1.5, fronted=True)
def vending(k: Kit) -> None:
    """A vending machine for drinks or snacks."""
    w, d, h = k.u(0.75, 1.0), k.u(0.65, 0.85), k.u(1.75, 1.95)
    paint = k.main({"black": 3, "blue": 2, "red": 2, "grey": 2, "white": 1}, "metal")
    k.box(0, 0.01, 0.04, w, d, h - 0.04, paint)
    k.box(-w * 0.1, -d / 2 - 0.008, h * 0.35, w * 0.68, 0.02, h * 0.58, (70, 84, 92))
    for i in range(5):
        for j in range(4):
            k.box(-w * 0.1 + (j - 1.5) * w * 0.15, -d / 2 - 0.022, h * (0.38 + 0.11 * i), w * 0.1, 0.012, h * 0.07,
                  k.some(BRIGHT))  # fmt: skip
    k.box(w * 0.37, -d / 2 - 0.008, h * 0.45, w * 0.16, 0.02, h * 0.35, "grey")
    k.box(-w * 0.1, -d / 2 - 0.008, h * 0.12, w * 0.6, 0.02, h * 0.14, "black")


@design2("water cooler", "slim", weight=1.5, fronted=True)
def slim_cooler(k: Kit) -> None:
    """A water dispenser without a bottle, or with one."""
    w, h = k.u(0.28, 0.36), k.u(0.95, 1.2)
    paint = k.main({"white": 3, "grey": 2, "black": 2}, "plastic")
    k.box(0, 0, 0, w, w, h, paint, round=0.02)
    k.box(0, -w / 2 - 0.003, h * 0.6, w * 0.7, 0.02, h * 0.24, "black" if k.color != "black" else "grey")
    if k.flip(0.6):
        r = w * 0.4
        k.lathe(0, 0, h, ((0, 0), (0.05, 0.0), (r, 0.1), (r, 0.2), (r * 0.92, 0.22), (r, 0.24), (r, 0.38), (0, 0.4)),
                (130, 172, 206))  # fmt: skip


@design2("vacuum cleaner", "canister", weight=1.5)
def canister(k: Kit) -> None:
    """A vacuum cleaner that lies on wheels, its hose over it, or a stick one."""
    paint = k.main(PLASTIC | {"red": 2, "blue": 2, "purple": 0.7}, "plastic")
    if k.flip(0.6):
        k.soft(0, 0, 0.02, 0.28, 0.4, 0.24, paint, "plain", round=0.09)
        for s in (-1, 1):
            k.tube((s * 0.12, 0.1, 0.09), (s * 0.16, 0.1, 0.09), 0.09, "black")
        points = [(0.0, -0.2, 0.15), (0.12, -0.35, 0.2), (0.2, -0.4, 0.1), (0.1, -0.5, 0.03)]
        for a, b in pairwise(points):
            k.tube(a, b, 0.022, "grey")
        k.tube((0.1, -0.5, 0.03), (-0.4, -0.35, 0.03), 0.017, "grey")
        k.box(-0.44, -0.34, 0, 0.28, 0.1, 0.05, "black", round=0.02)
    else:
        k.box(0, -0.05, 0, 0.26, 0.12, 0.06, "black", round=0.02)
        k.tube((0, -0.03, 0.05), (0, 0.1, 0.75), 0.02, "grey")
        k.soft(0, 0.12, 0.72, 0.12, 0.14, 0.3, paint, "plain", round=0.05)


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


@design2("washing machine", "various", weight=2, fronted=True)
@design2("clothes dryer", "various", weight=2, fronted=True)
def washer2(k: Kit) -> None:
    """A front loader with its door open or shut, or a top loader with a panel at its back."""
    w, d, h = k.u(0.56, 0.7), k.u(0.52, 0.7), k.u(0.82, 0.98)
    paint = k.main({"white": 5, "grey": 2, "black": 0.6, "red": 0.2}, "metal")
    k.box(0, 0, 0.02, w, d, h - 0.02, paint, round=0.012)
    y = -d / 2
    if k.flip(0.65):
        z, r = h * k.u(0.42, 0.5), w * k.u(0.27, 0.34)
        k.cyl(0, y - 0.01, z, r, 0.04, darker(paint, 0.8), turn=(1.5708, 0, 0))
        if k.flip(0.2):
            k.cyl(-r - r * 0.75, y - r * 0.8, z, r * 0.95, 0.05, "grey", turn=(1.5708, 0, 0.9))
            k.cyl(0, y - 0.03, z, r * 0.8, 0.02, (30, 30, 34), turn=(1.5708, 0, 0))
        else:
            k.cyl(0, y - 0.03, z, r * 0.75, 0.04, (44, 48, 54), turn=(1.5708, 0, 0))
        k.box(0, y - 0.004, h - 0.13, w - 0.03, 0.014, 0.11, darker(paint, 0.85))
        k.cyl(k.u(-0.05, 0.2), y - 0.02, h - 0.075, 0.03, 0.03, "grey", turn=(1.5708, 0, 0))
        k.top(-w / 2 + 0.03, -d / 2 + 0.03, w / 2 - 0.03, d / 2 - 0.03, h)
    else:
        k.box(0, -0.04, h, w * 0.85, d * 0.6, 0.015, darker(paint, 0.95), round=0.006)
        k.box(0, d / 2 - 0.05, h, w, 0.1, 0.16, darker(paint, 0.95), turn=(-0.15, 0, 0))
        for x in (-0.15, 0.0, 0.18):
            k.cyl(x, d / 2 - 0.11, h + 0.07, 0.025, 0.03, "grey", turn=(1.4, 0, 0))


@design2("dishwasher", "various", weight=1, fronted=True)
def dishwasher2(k: Kit) -> None:
    """A dishwasher under a piece of counter."""
    w, d, h = k.u(0.45, 0.62), k.u(0.56, 0.62), k.u(0.82, 0.92)
    paint = k.main(WHITE_GOODS, "metal")
    k.box(0, 0.015, 0.0, w, d - 0.03, h - 0.03, darker(paint, 0.95))
    k.box(0, -d / 2 + 0.01, 0.1, w - 0.01, 0.03, h - 0.15, paint, round=0.01)
    k.box(0, -d / 2 + 0.002, h - 0.14, w - 0.01, 0.03, 0.1, darker(paint, 0.75))
    k.tube((-w * 0.36, -d / 2 - 0.03, h - 0.2), (w * 0.36, -d / 2 - 0.03, h - 0.2), 0.011, "grey")
    k.box(0, 0, h - 0.03, w, d, 0.03, k.some(SLABS), "stone")
    k.top(-w / 2 + 0.03, -d / 2 + 0.05, w / 2 - 0.03, d / 2 - 0.05, h)
