"""Screens, computers, lamps and machines of many makes (version 2)."""

from itertools import pairwise
from math import cos, pi, sin

from saymask.rooms.colors import BRIGHT, DEVICE, METAL, PLASTIC, RGB, WOOD, darker
from saymask.rooms.furniture.design import Kit, design2

SCREENS: tuple[RGB, ...] = ((24, 26, 30), (38, 44, 56), (52, 58, 66), (90, 120, 160), (200, 206, 212), (60, 90, 70))


def _screen(k: Kit, y: float, z: float, w: float, h: float, paint) -> None:
    """A panel whose face looks towards -y, dark or lit."""
    lit = k.pick(*SCREENS)
    k.box(0, y, z, w, 0.035, h, paint, round=0.008)
    rim = k.u(0.008, 0.03)
    k.box(
        0,
        y - 0.02,
        z + rim,
        w - 2 * rim,
        0.01,
        h - 2 * rim,
        lit,
        k.pick("plain", "text") if sum(lit) > 300 else "plain",
    )


@design2("monitor", "various", weight=5, fronted=True)
def various_monitor(k: Kit) -> None:
    """A monitor, wide or square or turned upright, on one of many stands; an old tube at times."""
    paint = k.main({"black": 6, "grey": 2, "white": 1.5, "beige": 0.5}, "plastic")
    if k.flip(0.07):
        w = k.u(0.36, 0.44)
        k.box(0, 0.05, 0, 0.24, 0.24, 0.04, paint)
        k.soft(0, 0.1, 0.04, w * 0.8, 0.3, w * 0.75, darker(paint, 0.95), "plain", round=0.06)
        _screen(k, -0.06, 0.04, w, w * 0.85, paint)
        return
    w, h = k.pick((k.u(0.44, 0.62), k.u(0.27, 0.36)), (k.u(0.36, 0.42), k.u(0.3, 0.34)),
    (k.u(0.7, 0.9), k.u(0.32, 0.4)),
                  (k.u(0.3, 0.36), k.u(0.5, 0.6)))  # fmt: skip
    lift = k.u(0.06, 0.2)
    foot = k.pick("plate", "plate", "v", "round")
    if foot == "round":
        k.cyl(0, 0.06, 0, k.u(0.09, 0.13), 0.015, paint)
    elif foot == "v":
        for s in (-1, 1):
            k.tube((0, 0.08, 0.012), (s * 0.16, -0.06, 0.012), 0.011, paint)
    else:
        k.box(0, 0.05, 0, k.u(0.18, 0.28), k.u(0.14, 0.22), 0.014, paint, round=0.005)
    k.box(0, 0.08, 0.01, k.u(0.03, 0.08), 0.025, lift + h * 0.5, paint)
    _screen(k, 0.045, lift, w, h, paint)


@design2("tv", "flat", weight=2.5, fronted=True, like="on_stand")
def flat_tv(k: Kit) -> None:
    """A flat television on one of many feet."""
    w = k.u(0.6, 1.6)
    h, paint = w * k.u(0.55, 0.6), k.main({"black": 7, "grey": 1.5, "white": 0.3}, "plastic")
    if k.flip():
        k.box(0, 0, 0, w * k.u(0.25, 0.5), k.u(0.18, 0.28), 0.015, paint, round=0.006)
        k.box(0, 0.02, 0.01, 0.1, 0.03, 0.1, paint)
    else:
        for s in (-1, 1):
            for y in (-0.1, 0.1):
                k.tube((s * w * 0.36, y, 0.008), (s * w * 0.34, 0, 0.08), 0.009, paint)
    _screen(k, 0, 0.07, w, h, paint)
    k.box(0, 0.03, 0.07 + h * 0.15, w * 0.6, 0.04, h * 0.5, darker(paint, 0.9))


@design2("tv", "tube", weight=0.4, fronted=True, like="on_stand")
def tube_tv(k: Kit) -> None:
    """An old television with a deep case."""
    w = k.u(0.45, 0.75)
    paint = k.main({"black": 3, "grey": 3, "brown": 0.6}, "plastic")
    k.soft(0, 0.14, 0.02, w * 0.75, 0.36, w * 0.62, darker(paint, 0.9), "plain", round=0.08)
    k.box(0, -0.06, 0, w, 0.14, w * 0.8, paint, round=0.02)
    k.soft(0, -0.12, w * 0.14, w * 0.84, 0.04, w * 0.6, k.pick(*SCREENS[:3]), "plain", round=0.02, bulge=0.01)


@design2("tv", "flat_on_wall", weight=0, fronted=True, like="on_wall")
def flat_on_wall(k: Kit) -> None:
    """A television close to the wall or on an arm."""
    w = k.u(0.7, 1.75)
    paint, out = k.main({"black": 7, "grey": 1}, "plastic"), k.u(0.03, 0.12)
    h = w * k.u(0.55, 0.6)
    k.box(0, -out / 2, h * 0.3, w * 0.3, out, h * 0.4, "black")
    _screen(k, -out - 0.018, 0, w, h, paint)


@design2("tv", "trolley", weight=0.3, fronted=True)
def trolley_tv(k: Kit) -> None:
    """A large screen on a stand with castors."""
    w, z = k.u(1.0, 1.5), k.u(0.8, 1.1)
    paint = k.main({"black": 5, "grey": 1}, "plastic")
    for s in (-1, 1):
        k.box(s * w * 0.3, 0, 0.05, 0.06, 0.6, 0.04, paint)
        k.box(s * w * 0.12, 0.06, 0.05, 0.05, 0.05, z + 0.3, "grey")
        for y in (-0.26, 0.26):
            k.ball(s * w * 0.3, y, 0, 0.03, "black")
    k.box(0, 0.06, 0.06, w * 0.6, 0.06, 0.04, paint)
    _screen(k, 0, z, w, w * 0.57, paint)


@design2("laptop", "various", weight=3, fronted=True)
def various_laptop(k: Kit) -> None:
    """A laptop at any angle of its lid, or closed."""
    w = k.u(0.28, 0.4)
    d, paint = w * 0.68, k.main({"grey": 4, "black": 4, "white": 1}, "metal")
    k.box(0, 0, 0, w, d, 0.018, paint, round=0.005)
    if k.flip(0.2):
        k.box(0, 0, 0.018, w, d, 0.01, darker(paint, 1.05), round=0.004)
        return
    k.box(0, 0.02, 0.018, w * 0.86, d * 0.45, 0.003, (40, 40, 42), "keys")
    lean = k.u(0.05, 0.7)
    y = d / 2 + d / 2 * sin(lean)
    k.box(0, y, 0.01 + d / 2 * cos(lean) - d / 2, w, 0.01, d, paint, turn=(-lean, 0, 0))
    k.box(
        0,
        y - 0.008,
        0.012 + d / 2 * cos(lean) - d * 0.44,
        w * 0.92,
        0.006,
        d * 0.88,
        k.pick(*SCREENS),
        turn=(-lean, 0, 0),
    )


@design2("computer tower", "various", weight=3, fronted=True)
def various_tower(k: Kit) -> None:
    """A computer case, tall or small, upright or lying."""
    paint = k.main({"black": 6, "grey": 2, "white": 1, "beige": 0.7}, "metal")
    w, d, h = k.pick((k.u(0.16, 0.24), k.u(0.38, 0.5), k.u(0.36, 0.52)),
    (k.u(0.3, 0.4), k.u(0.3, 0.4), k.u(0.08, 0.14)),
                     (k.u(0.08, 0.12), k.u(0.3, 0.38), k.u(0.28, 0.36)))  # fmt: skip
    k.box(0, 0.01, 0, w, d, h, paint)
    k.box(0, -d / 2, 0.004, w - 0.008, 0.02, h - 0.008, darker(paint, k.u(0.75, 1.2)))
    for i in range(k.n(1, 3)):
        k.box(
            0,
            -d / 2 - 0.012,
            h * (0.9 - 0.13 * i) - 0.02,
            w * 0.75,
            0.008,
            min(0.035, h * 0.1),
            k.pick("grey", "black"),
        )


@design2("keyboard", "various", weight=2)
def various_keyboard(k: Kit) -> None:
    """A keyboard, flat or rising to its back."""
    w, d = k.u(0.28, 0.5), k.u(0.11, 0.2)
    paint = k.main({"black": 5, "white": 2.5, "grey": 2}, "plastic")
    k.box(0, 0, 0.004, w, d, 0.018, paint, "keys", round=0.006, turn=(k.u(0.0, 0.08), 0, 0))


@design2("printer", "various", weight=3, fronted=True)
def various_printer(k: Kit) -> None:
    """A printer of any size: with a scanner lid, a tray behind, paper in its mouth."""
    w, d, h = k.u(0.36, 0.58), k.u(0.3, 0.5), k.u(0.15, 0.45)
    paint = k.main({"white": 3, "black": 3, "grey": 2.5, "beige": 0.5}, "plastic")
    k.box(0, 0, 0, w, d, h, paint, round=0.02)
    k.box(0, -d / 2 - 0.008, h * 0.35, w * 0.8, 0.02, h * 0.3, darker((60, 60, 62), 0.7))
    if k.flip(0.6):
        k.box(0, -d / 2 - 0.08, h * 0.3, w * 0.65, 0.2, 0.012, darker(paint, 0.85), turn=(-0.1, 0, 0))
        k.box(0, -d / 2 - 0.06, h * 0.36, 0.21, 0.16, 0.006, "white")
    k.box(0, 0.01, h, w * 0.96, d * 0.9, 0.03, darker(paint, k.pick(0.6, 0.95)), round=0.01)
    if k.flip(0.4):
        k.box(0, d * 0.42, h, w * 0.6, 0.02, 0.18, darker(paint, 0.9), turn=(-0.35, 0, 0))
    k.box(w * 0.28, -d / 2 - 0.01, h * 0.8, w * 0.3, 0.05, 0.02, "black", turn=(0.5, 0, 0))


@design2("copier", "office", weight=2, fronted=True)
def office_copier(k: Kit) -> None:
    """A tall copier: drawers, a slot between body and scanner, a feeder on top, a sorter at its side."""
    w, d, h = k.u(0.55, 0.72), k.u(0.58, 0.72), k.u(0.95, 1.2)
    paint = k.main({"white": 3, "grey": 4, "beige": 2}, "plastic")
    k.box(0, 0, 0.06, w, d, h * 0.6, paint)
    k.box(0, 0, 0, w - 0.05, d - 0.05, 0.06, "black")
    k.fronts(w, d, 0.08, h * 0.48, k.n(2, 4), 1, darker(paint, 0.9), "black")
    k.box(w * 0.1, 0.06, h * 0.6 + 0.06, w * 0.8, d * 0.75, 0.12, darker(paint, 0.6))
    k.box(0, 0.02, h * 0.6 + 0.18, w, d - 0.04, 0.12, paint, round=0.02)
    k.box(-w * 0.05, 0.05, h * 0.6 + 0.3, w * 0.85, d * 0.7, k.u(0.04, 0.12), darker(paint, 0.85), round=0.02)
    k.box(w * 0.2, -d / 2 - 0.04, h * 0.6 + 0.22, w * 0.5, 0.14, 0.03, "black", turn=(0.4, 0, 0))
    if k.flip():
        s = k.pick(-1, 1)
        k.box(s * (w / 2 + 0.14), 0, h * 0.5, 0.28, 0.36, 0.02, darker(paint, 0.85), turn=(0, -s * 0.3, 0))
    else:
        s = k.pick(-1, 1)
        k.box(s * (w / 2 + 0.2), 0, 0.05, 0.38, d * 0.8, h * 0.65, darker(paint, 0.95))


@design2("telephone", "various", weight=2)
def various_phone(k: Kit) -> None:
    """An office telephone with a display and keys, or a cordless one in its cradle."""
    paint = k.main({"black": 4, "grey": 2, "white": 2, "red": 0.3}, "plastic")
    if k.flip(0.7):
        k.box(0.02, 0, 0, 0.17, 0.21, 0.05, paint, round=0.01, turn=(0.2, 0, 0))
        k.box(-0.07, 0, 0.045, 0.05, 0.21, 0.04, darker(paint, 0.85), round=0.016)
        k.box(0.05, 0.05, 0.07, 0.08, 0.05, 0.008, (120, 130, 120), turn=(0.2, 0, 0))
    else:
        k.box(0, 0, 0, 0.09, 0.09, 0.03, paint, round=0.01)
        k.box(0, 0.02, 0.02, 0.05, 0.03, 0.16, darker(paint, 0.9), round=0.012, turn=(-0.25, 0, 0))


@design2("speaker", "various", weight=2, fronted=True)
def various_speaker(k: Kit) -> None:
    """A loudspeaker: a small one, a tower, a bar, a round one."""
    w, d, h = k.pick((k.u(0.08, 0.14), k.u(0.09, 0.16), k.u(0.14, 0.26)),
    (k.u(0.18, 0.26), k.u(0.24, 0.34), k.u(0.7, 1.1)),
                     (k.u(0.6, 1.0), k.u(0.07, 0.1), k.u(0.06, 0.09)), (0.12, 0.12, 0.18))  # fmt: skip
    paint = k.main({"black": 5, "grey": 2, "brown": 1.5, "white": 1}, "wood")
    if h == 0.18:
        k.cyl(0, 0, 0, 0.06, h, paint, "fabric")
        return
    k.box(0, 0, 0, w, d, h, paint, round=0.008)
    k.box(0, -d / 2 - 0.004, 0.01, w * 0.9, 0.01, h * 0.94, darker((50, 50, 52), 0.8), "fabric")
    if h > 0.12:
        k.cyl(0, -d / 2 - 0.006, h * 0.3 - w * 0.32, w * 0.32, 0.012, "grey", turn=(1.5708, 0, 0))


SHADES = BRIGHT | {"white": 6, "beige": 4, "grey": 1.5, "black": 1}


@design2("lamp", "shaded", weight=3, like="table_lamp")
def shaded_lamp(k: Kit) -> None:
    """A table lamp: a shade of any form on a foot of any form."""
    h, r = k.u(0.28, 0.7), k.u(0.08, 0.22)
    shade, foot = k.main(SHADES, "fabric"), k.some(WOOD | METAL | BRIGHT | {"white": 2})
    low = h * k.u(0.42, 0.6)
    style = k.pick("stick", "vase", "ball", "block", "jar")
    if style == "stick":
        k.cyl(0, 0, 0, r * 0.55, 0.02, foot)
        k.cyl(0, 0, 0.02, 0.012, low + 0.06, foot)
    elif style == "ball":
        k.ball(0, 0, 0, low * 0.42, foot)
        k.cyl(0, 0, low * 0.8, 0.015, low * 0.4, foot)
    elif style == "block":
        k.box(0, 0, 0, r * 0.7, r * 0.7, low, foot, "wood")
    else:
        wide = r * k.u(0.4, 0.7)
        k.lathe(0, 0, 0, ((0, 0), (wide * 0.7, 0), (wide, low * 0.4), (wide * 0.35, low * 0.9), (0.012, low + 0.05),
                          (0, low + 0.05)), foot)  # fmt: skip
    if k.flip(0.85):
        top = r * k.u(0.4, 1.0)
        k.lathe(0, 0, low, ((r, 0), (top, h - low), (top - 0.01, h - low), (r - 0.01, 0), (r, 0)), shade)
    else:
        k.ball(0, 0, low, (h - low) / 2, shade)


@design2("lamp", "jointed", weight=2, like="table_lamp")
def jointed_lamp(k: Kit) -> None:
    """A desk lamp with one or two arms and a small head."""
    paint = k.main(METAL | {"red": 1, "green": 0.6, "blue": 0.6, "yellow": 0.5, "white": 2}, "metal")
    a, b, up = k.u(0.18, 0.32), k.u(0.2, 0.34), k.u(0.2, 0.36)
    k.cyl(0, 0, 0, k.u(0.06, 0.1), 0.02, paint)
    k.tube((0, 0, 0.02), (0, a * 0.4, up), 0.009, paint)
    k.ball(0, a * 0.4, up - 0.015, 0.016, paint)
    k.tube((0, a * 0.4, up), (0, a * 0.4 - b, up + k.u(0.0, 0.2)), 0.009, paint)
    z = up + 0.08
    if k.flip():
        k.lathe(0, a * 0.4 - b, z - 0.06, ((0.075, 0), (0.03, 0.1), (0, 0.11)), paint, turn=(-0.4, 0, 0))
    else:
        k.box(0, a * 0.4 - b, z, 0.05, 0.22, 0.02, paint, turn=(-0.2, 0, 0))


@design2("lamp", "standing", weight=0, like="floor_lamp")
def standing_lamp(k: Kit) -> None:
    """A floor lamp: a straight or bowed pole, a tripod, with a shade, a bowl, globes or a paper column."""
    h, r = k.u(1.2, 1.85), k.u(0.12, 0.26)
    shade, pole = k.main(SHADES, "fabric"), k.pick("black", "grey", "brown", "white")
    style = k.pick("pole", "bowl", "tripod", "arc", "column")
    if style == "column":
        k.box(0, 0, 0, 0.26, 0.26, 0.03, pole)
        k.cyl(0, 0, 0.03, 0.13, h * 0.8, shade)
        return
    if style == "tripod":
        for i in range(3):
            a = i * 2 * pi / 3
            k.tube((0.28 * cos(a), 0.28 * sin(a), 0), (0.03 * cos(a), 0.03 * sin(a), h - 0.3), 0.015, pole, "wood")
    else:
        k.cyl(0, 0, 0, k.u(0.11, 0.16), 0.02, pole)
        k.tube((0, 0, 0.02), (0, 0, h - 0.2), 0.012, pole)
    at = (0.0, 0.0)
    if style == "arc":
        k.tube((0, 0, h - 0.2), (0.25, 0, h), 0.012, pole)
        k.tube((0.25, 0, h), (0.6, 0, h - 0.12), 0.012, pole)
        at = (0.62, 0.0)
    if style == "bowl":
        k.lathe(0, 0, h - 0.18, ((0, 0), (0.05, 0.0), (r, 0.15), (r - 0.012, 0.15), (0.04, 0.02), (0, 0.02)), shade)
    else:
        top = r * k.u(0.5, 1.0)
        k.lathe(*at, h - 0.34, ((r, 0), (top, 0.26), (top - 0.01, 0.26), (r - 0.01, 0), (r, 0)), shade)


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


@design2("machine", "exercise", weight=2)
@design2("object", "exercise", weight=0.5)
def exercise_machine(k: Kit) -> None:
    """An exercise bike, a rowing machine, a weight bench with a bar, or a stack of weights in a frame."""
    frame, pad = k.main({"black": 4, "grey": 2, "white": 1, "red": 0.4}, "metal"), k.pick("black", "red", "grey")
    style = k.pick("bike", "bench", "rower", "stack")
    if style == "bike":
        for y in (-0.45, 0.45):
            k.tube((-0.25, y, 0.03), (0.25, y, 0.03), 0.03, frame)
        k.tube((0, -0.45, 0.05), (0, 0.45, 0.12), 0.035, frame)
        k.cyl(0, -0.3, 0.12, 0.24, 0.07, frame, turn=(0, 1.5708, 0))
        k.tube((0, 0.2, 0.1), (0, 0.3, 0.85), 0.03, frame)
        k.soft(0, 0.3, 0.84, 0.2, 0.26, 0.08, pad, "plain", round=0.04)
        k.tube((0, -0.3, 0.3), (0, -0.38, 1.05), 0.03, frame)
        k.tube((-0.25, -0.3, 1.05), (0.25, -0.3, 1.05), 0.018, "black")
        k.box(0, -0.4, 1.05, 0.2, 0.04, 0.16, "grey", turn=(-0.4, 0, 0))
        for s in (-1, 1):
            k.box(s * 0.14, -0.1 + s * 0.12, 0.3 + s * 0.1, 0.1, 0.22, 0.03, "black")
    elif style == "bench":
        k.soft(0, 0, 0.4, 0.28, 1.1, 0.09, pad, "plain", round=0.03)
        for y in (-0.45, 0.45):
            k.box(0, y, 0, 0.4, 0.06, 0.04, frame)
            k.box(0, y, 0.04, 0.06, 0.06, 0.37, frame)
        for s in (-1, 1):
            k.box(s * 0.45, 0.45, 0, 0.06, 0.06, 1.0, frame)
        k.tube((-0.8, 0.42, 1.03), (0.8, 0.42, 1.03), 0.015, "grey")
        for s in (-1, 1):
            k.tube((s * 0.62, 0.42, 1.03), (s * 0.68, 0.42, 1.03), k.u(0.12, 0.2), "black")
    elif style == "rower":
        k.box(0, 0.2, 0.2, 0.08, 1.6, 0.1, frame)
        for y in (-0.6, 0.9):
            k.box(0, y, 0, 0.5, 0.08, 0.2, frame)
        k.cyl(0, -0.6, 0.15, 0.25, 0.15, frame, turn=(0, 1.5708, 0))
        k.soft(0, 0.4, 0.3, 0.3, 0.24, 0.08, pad, "plain", round=0.03)
        k.tube((-0.25, -0.25, 0.5), (0.25, -0.25, 0.5), 0.015, "grey")
    else:
        for sx in (-1, 1):
            for y in (-0.3, 0.3):
                k.box(sx * 0.55, y, 0, 0.06, 0.06, 2.0, frame)
        for y in (-0.3, 0.3):
            k.box(0, y, 1.94, 1.1, 0.06, 0.06, frame)
        for i in range(8):
            k.box(0, 0.22, 0.1 + i * 0.09, 0.4, 0.14, 0.08, "black")
        k.soft(0, -0.25, 0.45, 0.3, 0.4, 0.08, pad, "plain", round=0.03)
        k.soft(0, 0.02, 0.6, 0.3, 0.08, 0.6, pad, "plain", round=0.03)


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


@design2("bookshelf", "cubes", weight=1.5, fronted=True)
@design2("storage organizer", "mixed", weight=1.5, fronted=True)
def cube_shelf(k: Kit) -> None:
    """A shelf of square cells with books, boxes, baskets or nothing in each."""
    from saymask.rooms.furniture.cases import fill_board

    columns, rows, cell = k.n(1, 5), k.n(1, 5), k.u(0.32, 0.4)
    w, h, d, t = columns * cell, rows * cell, k.u(0.3, 0.4), 0.03
    paint = k.main(WOOD | {"white": 5}, "wood")
    for i in range(columns + 1):
        k.box(-w / 2 + i * cell, 0, 0, t, d, h + t, paint, "wood")
    for j in range(rows + 1):
        k.box(0, 0, j * cell, w, d, t, paint, "wood")
    cloth = k.some(BRIGHT | {"beige": 2, "grey": 2})
    for i in range(columns):
        for j in range(rows):
            x, z = -w / 2 + (i + 0.5) * cell, j * cell + t
            kind = k.pick("books", "books", "drawer", "empty")
            if kind == "books":
                fill_board(k, x - cell / 2 + 0.03, x + cell / 2 - 0.05, z, d, cell - t)
            elif kind == "drawer":
                k.box(x, -0.01, z, cell - t - 0.02, d - 0.04, cell - t - 0.03, cloth, k.pick("fabric", "stone"))
            else:
                k.top(x - cell / 2 + 0.03, -d / 2 + 0.02, x + cell / 2 - 0.03, d / 2 - 0.02, z, cell - t - 0.03)
    k.top(-w / 2 + 0.02, -d / 2 + 0.02, w / 2 - 0.02, d / 2 - 0.02, h + t)


@design2("projector", "various", weight=1)
def various_projector(k: Kit) -> None:
    """A projector with its lens and slots, or one that hangs from an arm."""
    w, d, h = k.u(0.24, 0.42), k.u(0.2, 0.36), k.u(0.08, 0.14)
    paint = k.main(DEVICE | {"white": 4}, "plastic")
    k.box(0, 0, 0.012, w, d, h, paint, round=0.015)
    k.cyl(w * 0.22, -d / 2, 0.02, h * 0.35, 0.04, "black", turn=(1.5708, 0, 0))
    k.box(w / 2, 0, h * 0.4, 0.01, d * 0.6, h * 0.4, "black")
