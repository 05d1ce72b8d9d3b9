"""Appliances and things of kitchens and utility rooms."""

from saymask.rooms.colors import BRIGHT, CERAMIC, DEVICE, METAL, darker
from saymask.rooms.furniture.design import Kit, design

WHITE_GOODS = {"white": 4, "grey": 3, "black": 1.2, "red": 0.3}


@design("refrigerator", "two_doors", weight=2, fronted=True)
def refrigerator(k: Kit) -> None:
    """A fridge with a freezer above or below."""
    w, d, h = k.u(0.6, 0.78), k.u(0.6, 0.7), k.u(1.55, 1.85)
    paint = k.main(WHITE_GOODS, "metal")
    split = k.pick(0.32, 0.66) * h
    k.box(0, 0.02, 0.03, w, d - 0.06, h - 0.03, paint)
    grip = k.pick("grey", "black")
    for z0, z1 in ((0.05, split - 0.008), (split + 0.008, h)):
        k.box(0, -d / 2 + 0.01, z0, w, 0.06, z1 - z0, darker(paint, 1.02), round=0.012)
        k.box(-w / 2 + 0.06, -d / 2 - 0.035, (z0 + z1) / 2 - 0.18, 0.025, 0.03, 0.36, grip)


@design("refrigerator", "side_by_side", weight=0.7, fronted=True)
def wide_refrigerator(k: Kit) -> None:
    """A wide fridge with two tall doors."""
    w, d, h = k.u(0.85, 0.95), 0.72, k.u(1.72, 1.82)
    paint = k.main(METAL | {"grey": 5}, "metal")
    k.box(0, 0.02, 0.02, w, d - 0.06, h - 0.02, darker(paint, 0.8))
    for s in (-1, 1):
        k.box(s * w / 4, -d / 2 + 0.01, 0.05, w / 2 - 0.01, 0.06, h - 0.05, paint, round=0.012)
        k.box(s * 0.05, -d / 2 - 0.035, 0.5, 0.025, 0.03, 0.9, "grey")


@design("mini fridge", "cube", fronted=True)
def mini_fridge(k: Kit) -> None:
    """A small fridge."""
    w, h = k.u(0.45, 0.52), k.u(0.6, 0.85)
    paint = k.main(WHITE_GOODS, "metal")
    k.box(0, 0.02, 0.02, w, 0.46, h - 0.02, paint)
    k.box(0, -0.23, 0.04, w, 0.05, h - 0.04, darker(paint, 1.03), round=0.012)
    k.box(-w / 2 + 0.05, -0.265, h * 0.55, 0.022, 0.025, 0.18, "grey")
    k.top(-w / 2 + 0.03, -0.2, w / 2 - 0.03, 0.2, h)


@design("stove", "range", fronted=True)
@design("oven", "range", fronted=True)
def stove(k: Kit) -> None:
    """A cooker: four plates, knobs and an oven door with a window."""
    w, d, h = k.u(0.6, 0.74), 0.62, k.u(0.88, 0.92)
    paint = k.main(WHITE_GOODS, "metal")
    k.box(0, 0, 0, w, d - 0.04, h, paint)
    k.box(0, -d / 2 + 0.01, 0.14, w - 0.04, 0.04, h * 0.55, darker(paint, 0.96))
    k.box(0, -d / 2 - 0.012, 0.24, w * 0.66, 0.012, h * 0.3, "black")
    k.tube((-w * 0.4, -d / 2 - 0.04, h * 0.7), (w * 0.4, -d / 2 - 0.04, h * 0.7), 0.013, "grey")
    for x in (-0.22, -0.08, 0.08, 0.22):
        k.cyl(x * w / 0.6, -d / 2 - 0.005, h - 0.1, 0.022, 0.03, "black", turn=(1.57, 0, 0))
    for x in (-0.15, 0.15):
        for y in (-0.12, 0.13):
            k.cyl(x, y, h, k.pick(0.08, 0.1), 0.014, "black")
    k.box(0, d / 2 - 0.04, h, w, 0.04, k.pick(0.05, 0.16), darker(paint, 0.9))


@design("dishwasher", "front", fronted=True)
def dishwasher(k: Kit) -> None:
    """A dishwasher under the counter height."""
    paint = k.main(WHITE_GOODS, "metal")
    k.box(0, 0.01, 0.0, 0.6, 0.56, 0.86, paint)
    k.box(0, -0.285, 0.12, 0.58, 0.03, 0.62, darker(paint, 1.03))
    k.box(0, -0.285, 0.76, 0.58, 0.03, 0.09, darker(paint, 0.75))
    k.tube((-0.22, -0.325, 0.7), (0.22, -0.325, 0.7), 0.012, "grey")
    k.top(-0.27, -0.25, 0.27, 0.25, 0.86)


@design("washing machine", "front_loader", fronted=True)
@design("clothes dryer", "front_loader", fronted=True)
def washing_machine(k: Kit) -> None:
    """A front loader with a round window."""
    paint = k.main({"white": 5, "grey": 1.5, "black": 0.5}, "metal")
    k.box(0, 0, 0.01, 0.6, 0.58, 0.84, paint, round=0.012)
    k.cyl(0, -0.3, 0.34, 0.2, 0.03, "grey", turn=(1.5708, 0, 0))
    k.cyl(0, -0.325, 0.34, 0.14, 0.03, "black", turn=(1.5708, 0, 0))
    k.box(0, -0.296, 0.71, 0.56, 0.014, 0.1, darker(paint, 0.85))
    k.cyl(0.16, -0.31, 0.745, 0.035, 0.03, "grey", turn=(1.5708, 0, 0))
    k.top(-0.27, -0.25, 0.27, 0.25, 0.85)


@design("microwave", "box", fronted=True)
@design("toaster oven", "box", fronted=True)
def microwave(k: Kit) -> None:
    """A microwave oven with a window and a panel of buttons."""
    w, d, h = k.u(0.44, 0.54), k.u(0.33, 0.4), k.u(0.26, 0.31)
    paint = k.main({"white": 2, "black": 3, "grey": 3}, "metal")
    k.box(0, 0, 0.012, w, d, h, paint)
    k.box(-w * 0.13, -d / 2 - 0.008, 0.04, w * 0.62, 0.014, h - 0.06, "black" if k.color != "black" else "grey")
    k.box(w * 0.36, -d / 2 - 0.006, 0.04, w * 0.18, 0.012, h - 0.06, darker(paint, 0.8))
    k.top(-w / 2 + 0.03, -d / 2 + 0.03, w / 2 - 0.03, d / 2 - 0.03, h + 0.012)


@design("sink", "basin", weight=1.5)
def sink(k: Kit) -> None:
    """A basin let into a counter, with a tap: only the rim stands above the counter."""
    w, d = k.u(0.44, 0.6, "w"), k.u(0.36, 0.44, "d")
    metal = k.main({"grey": 3, "white": 2}, "metal")
    k.shape = "rectangular"
    rim = 0.035
    for s in (-1, 1):
        k.box(s * (w / 2 - rim / 2), 0, 0, rim, d, 0.03, metal)
        k.box(0, s * (d / 2 - rim / 2), 0, w - 2 * rim, rim, 0.03, metal)
    k.box(0, 0, 0, w - 2 * rim, d - 2 * rim, 0.008, darker(metal, 0.8))
    _tap(k, 0, d / 2 - 0.02, 0.03, k.u(0.16, 0.28))


@design("sink", "vessel", weight=0.7)
def vessel_sink(k: Kit) -> None:
    """A round bowl on a counter."""
    r = k.u(0.17, 0.21)
    glaze = k.main(CERAMIC, "ceramic")
    k.shape = "round"
    k.lathe(0, 0, 0, ((0, 0), (r * 0.6, 0), (r, 0.13), (r - 0.02, 0.13), (r * 0.55, 0.025), (0, 0.02)), glaze)
    _tap(k, 0, r + 0.03, 0, 0.24)


@design("sink", "pedestal", weight=0, fronted=True)
def pedestal_sink(k: Kit) -> None:
    """A wash-basin on a column, against the wall."""
    w, d, h = k.u(0.5, 0.62), k.u(0.42, 0.48), k.u(0.8, 0.86)
    glaze = k.main(CERAMIC, "ceramic")
    k.lathe(0, 0.05, 0, ((0, 0), (0.12, 0), (0.085, 0.12), (0.08, h - 0.2), (0.1, h - 0.15), (0, h - 0.15)), glaze)
    k.box(0, 0, h - 0.16, w, d, 0.08, glaze, round=0.03)
    for s in (-1, 1):
        k.box(s * (w / 2 - 0.03), 0, h - 0.09, 0.06, d, 0.09, glaze, round=0.02)
    k.box(0, -d / 2 + 0.03, h - 0.09, w - 0.1, 0.06, 0.09, glaze, round=0.02)
    k.box(0, d / 2 - 0.05, h - 0.09, w - 0.1, 0.1, 0.09, glaze, round=0.02)
    _tap(k, 0, d / 2 - 0.06, h, 0.14)


def _tap(k: Kit, x: float, y: float, z: float, h: float) -> None:
    """A tap: a column and a spout."""
    k.tube((x, y, z), (x, y, z + h), 0.015, "grey")
    k.tube((x, y + 0.005, z + h), (x, y - 0.15, z + h - 0.03), 0.013, "grey")
    k.box(x + 0.06, y, z, 0.03, 0.03, 0.06, "grey")
    k.box(x - 0.06, y, z, 0.03, 0.03, 0.06, "grey")


@design("range hood", "chimney")
def range_hood(k: Kit) -> None:
    """A hood above a cooker with its duct."""
    w, h = k.u(0.6, 0.8), k.u(0.6, 0.75)
    paint = k.main(METAL, "metal")
    k.box(0, 0, 0, w, 0.45, 0.07, paint)
    k.box(0, 0.04, 0.07, w * 0.6, 0.34, 0.08, darker(paint, 0.95))
    k.box(0, 0.09, 0.15, w * 0.36, 0.26, h - 0.15, paint)


@design("coffee maker", "drip", fronted=True)
def coffee_maker(k: Kit) -> None:
    """A drip coffee machine with its jug."""
    paint = k.main(DEVICE | {"red": 0.6}, "plastic")
    w, h = k.u(0.18, 0.22), k.u(0.32, 0.38)
    k.box(0, 0, 0, w, 0.24, 0.04, paint)
    k.box(0, 0.08, 0.04, w, 0.08, h - 0.12, paint)
    k.box(0, 0, h - 0.1, w, 0.24, 0.1, paint, round=0.012)
    k.lathe(0, -0.04, 0.04, ((0, 0), (0.06, 0), (0.07, 0.07), (0.05, 0.13), (0, 0.13)), (60, 50, 46))


@design("toaster", "two_slots")
def toaster(k: Kit) -> None:
    """A toaster."""
    paint = k.main(METAL | {"red": 1}, "metal")
    k.box(0, 0, 0, 0.28, 0.17, 0.18, paint, round=0.035)
    for y in (-0.035, 0.035):
        k.box(0, y, 0.172, 0.2, 0.025, 0.012, "black")


@design("coffee kettle", "kettle")
def kettle(k: Kit) -> None:
    """An electric kettle with a handle."""
    paint = k.main(METAL | {"red": 0.7, "blue": 0.4}, "metal")
    k.cyl(0, 0, 0, 0.09, 0.02, "black")
    k.lathe(0, 0, 0.02, ((0, 0), (0.085, 0), (0.06, 0.19), (0, 0.21)), paint)
    k.tube((0.06, 0, 0.19), (0.13, 0, 0.17), 0.013, "black")
    k.tube((0.13, 0, 0.17), (0.12, 0, 0.05), 0.013, "black")
    k.tube((-0.06, 0, 0.15), (-0.11, 0, 0.19), 0.014, paint)


@design("dish rack", "wire")
def dish_rack(k: Kit) -> None:
    """A wire rack with plates in it."""
    paint = k.main(METAL, "metal")
    k.box(0, 0, 0, 0.42, 0.3, 0.015, "white")
    for y in (-0.13, 0.13):
        k.tube((-0.2, y, 0.1), (0.2, y, 0.1), 0.01, paint)
        for x in (-0.2, 0.2):
            k.tube((x, y, 0.01), (x, y, 0.1), 0.01, paint)
    for i in range(k.n(2, 5)):
        k.cyl(-0.14 + 0.07 * i, 0, 0.08, 0.1, 0.016, "white", turn=(0, 1.4, 0))


@design("water cooler", "bottle", fronted=True)
def water_cooler(k: Kit) -> None:
    """A water dispenser with a bottle on top."""
    paint = k.main({"white": 4, "grey": 1, "black": 1}, "plastic")
    k.box(0, 0, 0, 0.32, 0.32, 0.95, paint, round=0.02)
    k.box(0, -0.165, 0.6, 0.22, 0.03, 0.2, "black")
    k.lathe(0, 0, 0.95, ((0, 0), (0.06, 0.0), (0.13, 0.08), (0.13, 0.36), (0, 0.38)), (120, 165, 205))


@design("plate", "flat")
def plate(k: Kit) -> None:
    """A plate."""
    glaze = k.main(CERAMIC | BRIGHT, "ceramic")
    k.shape = "round"
    k.lathe(0, 0, 0, ((0, 0), (0.07, 0), (0.125, 0.025), (0.115, 0.027), (0.065, 0.012), (0, 0.01)), glaze)


@design("bowl", "deep")
def bowl(k: Kit) -> None:
    """A bowl, sometimes with fruit."""
    r = k.u(0.1, 0.16)
    glaze = k.main(CERAMIC | BRIGHT, "ceramic")
    k.shape = "round"
    k.lathe(0, 0, 0, ((0, 0), (r * 0.5, 0), (r, 0.09), (r - 0.012, 0.09), (r * 0.45, 0.015), (0, 0.012)), glaze)
    if k.flip():
        for i in range(3):
            k.ball(0.045 * (i - 1), 0.03 * (i % 2), 0.03, 0.038, k.pick("red", "orange", "green", "yellow"))


@design("cup", "mug")
def cup(k: Kit) -> None:
    """A mug with a handle."""
    glaze = k.main(CERAMIC | BRIGHT, "ceramic")
    k.pot(0, 0, 0, 0.042, 0.1, glaze, wall=0.008)
    k.tube((0.04, 0, 0.08), (0.07, 0, 0.07), 0.009, glaze)
    k.tube((0.07, 0, 0.07), (0.042, 0, 0.025), 0.009, glaze)


@design("bottle", "tall")
@design("water bottle", "tall")
def bottle(k: Kit) -> None:
    """A bottle."""
    r, h = k.u(0.035, 0.045), k.u(0.22, 0.3)
    paint = k.main(
        {"green": 2, "blue": 2, "white": 1, "red": 0.6, "black": 0.6, "brown": 0.8, "orange": 0.4}, "plastic"
    )
    k.lathe(0, 0, 0, ((0, 0), (r, 0), (r, h * 0.62), (0.015, h * 0.8), (0.015, h), (0, h)), paint)


@design("water pitcher", "jug")
def pitcher(k: Kit) -> None:
    """A jug with a handle."""
    glaze = k.main(CERAMIC | {"blue": 1}, "ceramic")
    k.lathe(
        0,
        0,
        0,
        ((0, 0), (0.065, 0), (0.08, 0.1), (0.055, 0.2), (0.06, 0.23), (0.045, 0.23), (0.04, 0.19), (0, 0.19)),
        glaze,
    )
    k.tube((0.06, 0, 0.2), (0.12, 0, 0.17), 0.011, glaze)
    k.tube((0.12, 0, 0.17), (0.07, 0, 0.07), 0.011, glaze)


@design("paper towel roll", "upright")
def paper_roll(k: Kit) -> None:
    """A roll of kitchen paper on a stand."""
    k.cyl(0, 0, 0, 0.075, 0.014, "grey")
    k.main({"white": 1}, "paper")
    k.cyl(0, 0, 0.014, 0.06, 0.24, "white")
    k.cyl(0, 0, 0.25, 0.013, 0.06, "grey")


@design("tray", "flat")
def tray(k: Kit) -> None:
    """A tray with a rim."""
    paint = k.main(METAL | {"brown": 2, "red": 0.5}, "plastic")
    w, d = k.u(0.36, 0.46), k.u(0.26, 0.32)
    k.box(0, 0, 0, w, d, 0.012, paint)
    for s in (-1, 1):
        k.box(s * w / 2, 0, 0, 0.016, d, 0.035, paint)
        k.box(0, s * d / 2, 0, w, 0.016, 0.035, paint)
