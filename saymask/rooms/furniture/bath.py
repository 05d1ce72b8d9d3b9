"""Bathroom fixtures and their small things."""

from saymask.rooms.colors import BRIGHT, CERAMIC, METAL, darker
from saymask.rooms.furniture.design import Kit, design


@design("toilet", "tank", weight=2, fronted=True)
def toilet(k: Kit) -> None:
    """A bowl with a seat, lid and tank."""
    glaze = k.main(CERAMIC, "ceramic")
    w = k.u(0.36, 0.4)
    k.lathe(
        0,
        -0.12,
        0,
        ((0, 0), (0.12, 0), (0.1, 0.12), (0.17, 0.36), (0.18, 0.39), (0.11, 0.39), (0.08, 0.26), (0, 0.22)),
        glaze,
    )
    k.box(0, 0.06, 0, 0.2, 0.34, 0.36, glaze, round=0.03)
    k.box(0, 0.0, 0.39, w, 0.12, 0.03, darker(glaze, 0.97), round=0.012)
    k.lathe(0, -0.12, 0.392, ((0.11, 0), (0.19, 0), (0.19, 0.022), (0.11, 0.022), (0.11, 0)), darker(glaze, 0.97))
    if k.flip(0.6):
        k.box(0, 0.09, 0.42, w, 0.03, 0.38, glaze, round=0.014, turn=(-0.12, 0, 0))
    k.box(0, 0.24, 0.36, w + 0.06, 0.19, k.u(0.36, 0.42), glaze, round=0.025)
    k.box(0, 0.24, 0.78, w + 0.08, 0.21, 0.03, glaze, round=0.012)


@design("toilet", "wall_hung", weight=0.7, fronted=True)
def wall_toilet(k: Kit) -> None:
    """A toilet that hangs from a boxed wall."""
    glaze = k.main(CERAMIC, "ceramic")
    k.box(0, 0.26, 0, 0.6, 0.14, 1.05, darker(glaze, 0.9), "tile")
    k.lathe(0, -0.05, 0.1, ((0, 0), (0.1, 0), (0.175, 0.25), (0.18, 0.3), (0.11, 0.3), (0.07, 0.18), (0, 0.15)), glaze)
    k.box(0, 0.09, 0.14, 0.32, 0.22, 0.26, glaze, round=0.04)
    k.box(0, -0.03, 0.4, 0.36, 0.42, 0.025, darker(glaze, 1.02), round=0.012)
    k.box(0, 0.185, 0.9, 0.2, 0.014, 0.12, "grey")


@design("bathtub", "built_in", weight=2)
def bathtub(k: Kit) -> None:
    """A tub with an apron: four rims around a deep floor."""
    w, d, h = k.u(1.5, 1.75, "w"), k.u(0.7, 0.8), k.u(0.5, 0.58)
    glaze = k.main(CERAMIC, "ceramic")
    rim = 0.08
    for s in (-1, 1):
        k.box(0, s * (d / 2 - rim / 2), 0, w, rim, h, glaze, round=0.02)
        k.box(s * (w / 2 - rim / 2), 0, 0, rim, d - 2 * rim, h, glaze, round=0.02)
    k.box(0, 0, 0.05, w - 2 * rim, d - 2 * rim, 0.1, darker(glaze, 0.95))
    k.tube((w / 2 - 0.04, 0, h), (w / 2 - 0.04, 0, h + 0.1), 0.014, "grey")
    k.tube((w / 2 - 0.04, 0, h + 0.1), (w / 2 - 0.16, 0, h + 0.09), 0.014, "grey")


@design("bathtub", "free_standing", weight=0.6)
def oval_tub(k: Kit) -> None:
    """A rounded free-standing tub."""
    w, d, h = k.u(1.45, 1.65), k.u(0.7, 0.78), k.u(0.54, 0.6)
    glaze = k.main(CERAMIC, "ceramic")
    for s in (-1, 1):
        k.box(0, s * (d / 2 - 0.04), 0.02, w - 0.3, 0.08, h - 0.02, glaze, round=0.03)
        k.box(s * (w / 2 - 0.04), 0, 0.02, 0.08, d - 0.3, h - 0.02, glaze, round=0.03)
        for t in (-1, 1):
            k.box(
                s * (w / 2 - 0.13),
                t * (d / 2 - 0.13),
                0.02,
                0.32,
                0.07,
                h - 0.02,
                glaze,
                round=0.03,
                turn=(0, 0, -s * t * 0.785),
            )
    k.box(0, 0, 0.02, w - 0.16, d - 0.16, 0.12, darker(glaze, 0.95), round=0.03)


@design("shower", "cabin", fronted=True)
def shower(k: Kit) -> None:
    """A shower cabin: tray, two glass sides, a column with a head."""
    w, h = k.u(0.82, 0.95), k.u(1.95, 2.05)
    k.main({"grey": 1}, "glass")
    k.shape = "square"
    k.box(0, 0, 0, w, w, 0.1, "white", round=0.02)
    glass = (176, 196, 200)
    k.box(0, -w / 2 + 0.012, 0.1, w, 0.02, h - 0.1, glass)
    k.box(-w / 2 + 0.012, 0, 0.1, 0.02, w, h - 0.1, glass)
    for x, y in ((-w / 2 + 0.01, -w / 2 + 0.01), (w / 2 - 0.01, -w / 2 + 0.01), (-w / 2 + 0.01, w / 2 - 0.01)):
        k.box(x, y, 0.1, 0.04, 0.04, h - 0.08, "grey")
    k.tube((0, w / 2 - 0.04, 0.9), (0, w / 2 - 0.04, 1.95), 0.014, "grey")
    k.cyl(0, w / 2 - 0.16, 1.9, 0.1, 0.03, "grey")


@design("toilet paper", "roll")
def toilet_paper(k: Kit) -> None:
    """A roll on a holder at the wall."""
    k.main({"white": 1}, "paper")
    k.tube((-0.06, 0, 0.06), (0.06, 0, 0.06), 0.06, "white")
    k.box(0, 0.062, 0.1, 0.14, 0.03, 0.04, "grey")


@design("toilet paper dispenser", "drum")
@design("paper towel dispenser", "case")
@design("soap dispenser", "wall")
def dispenser(k: Kit) -> None:
    """A dispenser on the wall."""
    w, h = k.u(0.24, 0.32, "w"), k.u(0.28, 0.38, "h")
    paint = k.main({"white": 2, "grey": 2, "black": 2}, "plastic")
    k.box(0, 0, 0, w, w * 0.6, h, paint, round=0.03)
    k.box(0, -w * 0.3 - 0.006, 0.02, w * 0.5, 0.014, 0.05, "white" if k.color == "black" else "black")


@design("soap dispenser", "pump", weight=0)
@design("soap dish", "pump", weight=0.5)
def pump(k: Kit) -> None:
    """A small bottle with a pump."""
    paint = k.main(BRIGHT, "plastic")
    k.lathe(0, 0, 0, ((0, 0), (0.035, 0), (0.035, 0.11), (0.015, 0.13), (0, 0.13)), paint)
    k.tube((0, 0, 0.13), (0, 0, 0.17), 0.009, "white")
    k.tube((0, 0, 0.17), (0, -0.05, 0.165), 0.009, "white")


@design("scale", "flat")
def scale(k: Kit) -> None:
    """A bathroom scale."""
    paint = k.main(METAL, "glass")
    k.shape = "square"
    k.box(0, 0, 0, 0.31, 0.31, 0.035, paint, round=0.012)
    k.box(0, -0.1, 0.035, 0.1, 0.05, 0.005, "black" if k.color != "black" else "white")


@design("plunger", "cup")
def plunger(k: Kit) -> None:
    """A plunger."""
    rubber = k.main({"red": 2, "black": 2, "brown": 0.5}, "rubber")
    k.lathe(0, 0, 0, ((0, 0), (0.075, 0), (0.06, 0.06), (0.02, 0.09), (0, 0.09)), rubber)
    k.tube((0, 0, 0.09), (0, 0, 0.5), 0.013, "beige")


@design("bathroom stall", "cabin", fronted=True)
def stall(k: Kit) -> None:
    """Partitions with a door around a toilet place."""
    w, d, h = k.u(0.9, 1.0), k.u(1.3, 1.45), 1.9
    paint = k.main({"grey": 3, "beige": 2, "blue": 1, "green": 1}, "metal")
    for s in (-1, 1):
        k.box(s * w / 2, 0, 0.25, 0.03, d, h - 0.25, paint)
        k.box(s * w / 2, -d / 2, 0, 0.06, 0.06, h, darker(paint, 0.8))
    k.box(0, -d / 2, 0.25, w - 0.12, 0.03, h - 0.25, darker(paint, 1.05))
    k.box(w * 0.32, -d / 2 - 0.03, 1.0, 0.03, 0.03, 0.12, "grey")


@design("handicap bar", "bar")
@design("rail", "bar")
def grab_bar(k: Kit) -> None:
    """A bar on the wall."""
    w = k.u(0.6, 0.9)
    paint = k.main(METAL, "metal")
    k.tube((-w / 2, 0, 0.04), (w / 2, 0, 0.04), 0.018, paint)
    for s in (-1, 1):
        k.box(s * (w / 2 - 0.02), 0.035, 0.02, 0.04, 0.06, 0.04, paint)
