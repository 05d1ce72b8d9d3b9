"""Screens, computers, lamps, and other devices."""

import numpy as np

from saymask.rooms.colors import BRIGHT, DEVICE, METAL, PLASTIC, WOOD, darker
from saymask.rooms.furniture.design import Kit, design

SCREEN = (38, 44, 56)


@design("monitor", "flat", weight=2.7, fronted=True)
def monitor(k: Kit) -> None:
    """A flat monitor on a stand."""
    w = k.u(0.46, 0.58) if k.flip(0.7) else k.u(0.68, 0.8)
    h = k.u(0.29, 0.36)
    paint = k.main({"black": 5, "grey": 1.5, "white": 1.2}, "plastic")
    k.box(0, 0.04, 0, k.u(0.2, 0.26), 0.18, 0.015, paint)
    k.box(0, 0.07, 0.01, 0.06, 0.03, 0.25, paint)
    k.box(0, 0.035, 0.11, w, 0.04, h, paint)
    lit = (96, 128, 168) if k.flip(0.25) else SCREEN
    k.box(0, 0.012, 0.13, w - 0.04, 0.012, h - 0.04, lit, "text" if lit != SCREEN else "plain")


@design("tv", "on_stand", fronted=True)
def tv(k: Kit) -> None:
    """A large flat screen on feet."""
    w = k.u(0.85, 1.35)
    h = w * 0.58
    paint = k.main({"black": 6, "grey": 1}, "plastic")
    for s in (-1, 1):
        k.box(s * w * 0.3, 0, 0, 0.05, 0.2, 0.02, paint)
        k.box(s * w * 0.3, 0, 0.02, 0.03, 0.03, 0.07, paint)
    k.box(0, 0, 0.08, w, 0.05, h, paint)
    k.box(0, -0.03, 0.1, w - 0.05, 0.012, h - 0.05, SCREEN)


@design("tv", "on_wall", weight=0, fronted=True)
def wall_tv(k: Kit) -> None:
    """A large flat screen on the wall."""
    w = k.u(0.95, 1.5)
    paint = k.main({"black": 6, "grey": 1}, "plastic")
    k.box(0, 0.06, w * 0.2, w * 0.4, 0.06, w * 0.2, "black")
    k.box(0, 0, 0, w, 0.05, w * 0.58, paint)
    k.box(0, -0.03, 0.025, w - 0.05, 0.012, w * 0.58 - 0.05, SCREEN)


@design("keyboard", "flat")
def keyboard(k: Kit) -> None:
    """A computer keyboard."""
    paint = k.main(DEVICE, "plastic")
    k.box(0, 0, 0, k.u(0.4, 0.46), k.u(0.13, 0.17), 0.022, paint, "keys")


@design("mouse", "small")
def mouse(k: Kit) -> None:
    """A computer mouse."""
    paint = k.main(DEVICE, "plastic")
    k.box(0, 0, 0, 0.065, 0.11, 0.035, paint, round=0.016)


@design("laptop", "open", fronted=True)
def laptop(k: Kit) -> None:
    """An open laptop."""
    w = k.u(0.31, 0.38)
    paint = k.main({"grey": 3, "black": 3, "white": 1}, "metal")
    k.box(0, 0, 0, w, 0.24, 0.02, paint, "keys")
    k.box(0, 0.155, 0.015, w, 0.015, 0.23, paint, turn=(-0.32, 0, 0))
    k.box(0, 0.146, 0.03, w - 0.03, 0.012, 0.2, SCREEN, turn=(-0.32, 0, 0))


@design("computer tower", "tower", fronted=True)
def tower(k: Kit) -> None:
    """A computer case."""
    w, d, h = k.u(0.18, 0.22), k.u(0.4, 0.48), k.u(0.38, 0.48)
    paint = k.main(DEVICE, "metal")
    k.box(0, 0.01, 0, w, d, h, paint)
    k.box(0, -d / 2, 0, w, 0.02, h, darker(paint, 0.85))
    k.box(0, -d / 2 - 0.012, h * 0.8, w * 0.8, 0.01, 0.04, "grey" if k.color != "grey" else "black")


@design("printer", "desktop", fronted=True)
def printer(k: Kit) -> None:
    """A desktop printer with a paper tray."""
    w, d, h = k.u(0.4, 0.48), k.u(0.36, 0.42), k.u(0.22, 0.32)
    paint = k.main({"white": 2, "black": 2, "grey": 2}, "plastic")
    k.box(0, 0, 0, w, d, h, paint, round=0.02)
    k.box(0, -d / 2 - 0.01, h * 0.3, w * 0.7, 0.03, 0.05, "black" if k.color != "black" else "grey")
    k.box(0, -d / 2 - 0.07, 0.03, w * 0.6, 0.16, 0.015, darker(paint, 0.85))
    k.box(0, d * 0.3, h, w * 0.62, 0.02, 0.12, darker(paint, 0.9), turn=(-0.35, 0, 0))


@design("copier", "floor", fronted=True)
def copier(k: Kit) -> None:
    """A large floor copier with paper drawers and a side tray."""
    w, d = 0.62, 0.64
    paint = k.main({"white": 3, "grey": 3, "beige": 1}, "plastic")
    k.box(0, 0, 0.04, w, d, 0.72, paint)
    k.fronts(w, d, 0.06, 0.5, 3, 1, darker(paint, 0.92), "black")
    k.box(0, 0.02, 0.82, w, d - 0.04, 0.18, paint, round=0.02)
    k.box(0, 0.05, 0.76, w * 0.9, d * 0.7, 0.06, "black")
    k.box(w / 2 + 0.14, 0, 0.6, 0.28, 0.34, 0.02, darker(paint, 0.85), turn=(0, -0.25, 0))
    k.box(-0.1, -d / 2 - 0.05, 0.95, 0.3, 0.16, 0.03, "black", turn=(0.35, 0, 0))


@design("telephone", "desk")
def telephone(k: Kit) -> None:
    """A desk telephone."""
    paint = k.main(DEVICE, "plastic")
    k.box(0.02, 0, 0, 0.16, 0.2, 0.04, paint, round=0.012, turn=(0.12, 0, 0))
    k.box(-0.06, 0, 0.04, 0.05, 0.2, 0.035, darker(paint, 0.8), round=0.014)


@design("speaker", "box", fronted=True)
def speaker(k: Kit) -> None:
    """A loudspeaker box."""
    w, d, h = k.u(0.16, 0.24), k.u(0.16, 0.24), k.u(0.26, 0.4)
    wood = k.main({"black": 4, "brown": 2, "white": 1}, "wood")
    k.box(0, 0, 0, w, d, h, wood)
    k.cyl(0, -d / 2, h * 0.3, w * 0.36, 0.014, "grey", turn=(1.5708, 0, 0))
    k.cyl(0, -d / 2, h * 0.72, w * 0.2, 0.014, "grey", turn=(1.5708, 0, 0))


@design("lamp", "table_lamp", weight=2)
def table_lamp(k: Kit) -> None:
    """A lamp with a shade and a turned foot."""
    h, r = k.u(0.38, 0.56), k.u(0.12, 0.18)
    shade = k.main(BRIGHT | {"white": 4, "beige": 3}, "fabric")
    foot = k.some(WOOD | METAL | {"white": 2})
    k.lathe(
        0,
        0,
        0,
        ((0, 0), (0.07, 0), (0.07, 0.02), (0.025, 0.05), (0.05, h * 0.25), (0.015, h * 0.55), (0, h * 0.6)),
        foot,
    )
    r2 = r * k.u(0.55, 0.95)
    k.lathe(0, 0, h * 0.52, ((r, 0), (r2, h * 0.48), (r2 - 0.012, h * 0.48), (r - 0.012, 0), (r, 0)), shade)


@design("lamp", "desk_lamp")
def desk_lamp(k: Kit) -> None:
    """An arm lamp."""
    paint = k.main(METAL | {"red": 1, "green": 0.6, "blue": 0.6, "yellow": 0.5}, "metal")
    k.cyl(0, 0.08, 0, 0.08, 0.025, paint)
    k.tube((0, 0.08, 0.02), (0, 0.16, 0.28), 0.012, paint)
    k.tube((0, 0.16, 0.28), (0, -0.08, 0.44), 0.012, paint)
    k.lathe(0, -0.12, 0.36, ((0.075, 0), (0.03, 0.1), (0, 0.11)), paint, turn=(-0.4, 0, 0))


@design("lamp", "floor_lamp", weight=0)
def floor_lamp(k: Kit) -> None:
    """A floor lamp: a pole with a shade or a bowl."""
    h, r = k.u(1.4, 1.7), k.u(0.16, 0.24)
    shade = k.main(BRIGHT | {"white": 5, "beige": 3}, "fabric")
    pole = k.pick("black", "grey", "brown")
    k.cyl(0, 0, 0, 0.14, 0.025, pole)
    k.cyl(0, 0, 0.02, 0.013, h - 0.25, pole)
    if k.flip(0.7):
        k.lathe(0, 0, h - 0.3, ((r, 0), (r * 0.7, 0.3), (r * 0.7 - 0.012, 0.3), (r - 0.012, 0), (r, 0)), shade)
    else:
        k.lathe(0, 0, h - 0.22, ((0, 0), (0.05, 0.0), (r, 0.2), (r - 0.015, 0.2), (0.04, 0.02), (0, 0.02)), shade)


@design("ceiling light", "round")
@design("light", "panel")
def ceiling_light(k: Kit) -> None:
    """A lamp under the ceiling."""
    k.main({"white": 4, "grey": 0.5}, "plastic")
    if k.flip():
        k.shape = "round"
        k.lathe(0, 0, 0, ((0, 0), (0.15, 0.02), (0.19, 0.09), (0, 0.09)), "white")
    else:
        k.shape = "rectangular"
        k.box(0, 0, 0, k.u(0.6, 1.2), k.u(0.2, 0.3), 0.07, "white", round=0.012)


@design("fan", "floor", fronted=True)
def fan(k: Kit) -> None:
    """A standing fan: foot, pole, and a ring with blades."""
    h, r = k.u(0.95, 1.2), k.u(0.19, 0.23)
    paint = k.main({"white": 3, "black": 3, "grey": 1, "blue": 0.5}, "plastic")
    k.cyl(0, 0.05, 0, 0.18, 0.03, paint)
    k.cyl(0, 0.05, 0.03, 0.018, h - r - 0.03, paint)
    k.cyl(0, 0.04, h - r - 0.05, 0.06, 0.12, paint, turn=(1.5708, 0, 0))
    ring = ((r - 0.015, 0), (r, 0), (r, 0.1), (r - 0.015, 0.1), (r - 0.015, 0))
    k.lathe(0, -0.07, h - r - 0.05, ring, paint, turn=(1.5708, 0, 0))
    for a in np.arange(3) * 2 * np.pi / 3:
        x, z = np.sin(a) * r * 0.5, np.cos(a) * r * 0.5
        k.box(x, -0.05, h - r + z - r * 0.42, 0.11, 0.012, r * 0.85, darker(paint, 0.8), turn=(0, a, 0))


@design("projector", "table")
def projector(k: Kit) -> None:
    """A video projector."""
    paint = k.main(DEVICE | {"white": 4}, "plastic")
    k.box(0, 0, 0.012, 0.32, 0.25, 0.1, paint, round=0.015)
    k.cyl(0.08, -0.14, 0.04, 0.035, 0.04, "black", turn=(1.5708, 0, 0))
    k.box(0, 0, 0, 0.2, 0.16, 0.015, "black")


@design("alarm clock", "cube", fronted=True)
def alarm_clock(k: Kit) -> None:
    """A bedside clock."""
    paint = k.main(DEVICE | {"red": 0.6}, "plastic")
    k.box(0, 0, 0, 0.14, 0.07, 0.08, paint, round=0.012)
    k.box(0, -0.037, 0.015, 0.11, 0.008, 0.05, "grey" if k.color == "black" else "black")


@design("vacuum cleaner", "upright")
def vacuum(k: Kit) -> None:
    """An upright vacuum cleaner."""
    paint = k.main(PLASTIC | {"red": 2, "blue": 2, "purple": 0.7}, "plastic")
    k.box(0, -0.05, 0, 0.3, 0.32, 0.09, "black", round=0.03)
    k.lathe(0, 0.05, 0.1, ((0, 0), (0.09, 0), (0.1, 0.3), (0.07, 0.45), (0, 0.47)), paint, turn=(-0.15, 0, 0))
    k.tube((0, 0.1, 0.5), (0, 0.22, 1.1), 0.016, "grey")
    k.box(0, 0.24, 1.08, 0.04, 0.08, 0.05, "black", round=0.012)


@design("machine", "gym")
@design("object", "gym", weight=0.2)
def treadmill(k: Kit) -> None:
    """A treadmill."""
    frame = k.main({"black": 3, "grey": 2}, "metal")
    k.box(0, 0, 0.05, 0.7, 1.5, 0.12, frame)
    k.box(0, -0.1, 0.165, 0.45, 1.25, 0.012, "grey")
    for s in (-1, 1):
        k.tube((s * 0.31, 0.6, 0.15), (s * 0.31, 0.45, 1.2), 0.03, frame)
        k.tube((s * 0.31, 0.45, 1.15), (s * 0.31, 0.0, 1.05), 0.02, frame)
    k.box(0, 0.47, 1.15, 0.62, 0.1, 0.2, "grey", turn=(-0.4, 0, 0))
