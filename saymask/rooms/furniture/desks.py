"""Desks and receptions of many makes (version 2)."""

from saymask.rooms.colors import PAINTED, WOOD, darker
from saymask.rooms.furniture.design import Kit, design2
from saymask.rooms.furniture.surfaces import draw_top, frame_paint, lay_top, stand_on


def _pedestal(k: Kit, x: float, d: float, h: float, body, w: float = 0.4) -> None:
    """Drawers under a desk."""
    base = k.pick(0.0, 0.05)
    k.box(x, 0.01, base, w, d - 0.06, h - base, body, "plain")
    k.fronts(w, d - 0.06, base + 0.01, h - base - 0.02, k.n(2, 4), 1, darker(body, 1.04), k.pick("grey", "black"), x=x,
             y=0.01)  # fmt: skip


@design2("desk", "office", weight=4, fronted=True)
def office_desk(k: Kit) -> None:
    """An office desk on feet of steel, often with drawers, a low screen at its back, or cables below."""
    w, d, h = k.u(1.0, 1.9, "w"), k.u(0.55, 0.85), k.u(0.68, 0.78)
    top, tex = draw_top(k)
    paint = frame_paint(k, top)
    k.shape = "rectangular"
    lay_top(k, w, d, h, k.u(0.02, 0.04), top, tex, "straight")
    stand_on(k, w, d, h - 0.04, k.pick("t_legs", "frames", "legs", "panels", "trestle"), paint)
    if k.flip(0.45):
        _pedestal(k, k.pick(-1, 1) * (w / 2 - 0.32), d, h - k.u(0.05, 0.16), k.some(PAINTED))
    if k.flip(0.2):
        k.box(0, d / 2 - 0.01, h - 0.15, w - 0.04, 0.025, k.u(0.35, 0.55), k.some({"grey": 3, "blue": 1, "green": 1}),
              "fabric")  # fmt: skip
    if k.flip(0.3):
        k.tube((0.1, d / 2 - 0.06, 0.01), (0.12, d / 2 - 0.05, h - 0.05), 0.009, "black")


@design2("desk", "two_pedestals", weight=1.5, fronted=True)
def pedestal_desk(k: Kit) -> None:
    """A heavy desk over drawers at both sides."""
    w, d, h = k.u(1.2, 1.8, "w"), k.u(0.6, 0.85), k.u(0.73, 0.78)
    wood = k.main(WOOD | {"grey": 1.5}, "wood")
    k.shape = "rectangular"
    lay_top(k, w, d, h, 0.035, wood, "wood", "straight")
    for s in (-1, 1):
        _pedestal(k, s * (w / 2 - 0.22), d, h - 0.035, wood)
    k.box(0, d / 2 - 0.06, 0.2, w - 0.85, 0.02, h - 0.25, darker(wood, 0.9), "wood")
    k.box(0, -d / 2 + 0.05, h - 0.13, w - 0.85, 0.025, 0.09, darker(wood, 1.04), "wood")


@design2("desk", "corner", weight=1.2, fronted=True, like="l_shaped")
def l_desk(k: Kit) -> None:
    """Two tops at a right angle with drawers at one end."""
    w, h, d, side = k.u(1.4, 1.9), k.u(0.7, 0.76), k.u(0.58, 0.75), k.u(1.2, 1.6)
    top, tex = draw_top(k)
    k.shape = "l-shaped"
    s = k.pick(-1, 1)
    y = -d / 2 - (side - d) / 2
    k.box(0, 0, h - 0.03, w, d, 0.03, top, tex)
    k.box(s * (w / 2 - 0.3), y, h - 0.03, 0.6, side - d, 0.03, top, tex)
    paint = frame_paint(k, top)
    for x, ya in ((-s * (w / 2 - 0.04), 0.0), (s * (w / 2 - 0.04), d / 2 - 0.05), (s * (w / 2 - 0.3), -side + d)):
        k.box(x, ya, 0, 0.05, d * 0.85 if x * s < 0 else 0.06, h - 0.03, paint)
    if k.flip(0.6):
        _pedestal(k, -s * (w / 2 - 0.28), d, h - 0.06, k.some(PAINTED))
    k.top(-w / 2 + 0.05, -d / 2 + 0.05, w / 2 - 0.05, d / 2 - 0.05, h)
    x0, x1 = sorted((s * (w / 2 - 0.56), s * (w / 2 - 0.04)))
    k.top(x0, -side + d / 2 + 0.05, x1, -d / 2 - 0.02, h)


@design2("desk", "standing", weight=0.7, fronted=True)
def standing_desk(k: Kit) -> None:
    """A desk on two lifting columns, at standing or sitting height."""
    w, d, h = k.u(1.2, 1.8, "w"), k.u(0.65, 0.85), k.u(0.74, 1.12)
    top, tex = draw_top(k)
    paint = k.pick("black", "grey", "white")
    lay_top(k, w, d, h, 0.028, top, tex, "straight")
    for s in (-1, 1):
        x = s * w * 0.36
        k.box(x, 0, 0, 0.08, d * 0.85, 0.03, paint, round=0.012)
        k.box(x, 0, 0.03, 0.09, 0.07, h * 0.55, paint)
        k.box(x, 0, h * 0.5, 0.07, 0.055, h * 0.5 - 0.03, darker((120, 120, 122), 1.0))
    k.box(0, 0, h - 0.07, w * 0.7, 0.06, 0.04, paint)


@design2("desk", "hutch", weight=1.2, fronted=True)
def hutch_desk(k: Kit) -> None:
    """A desk with shelves above its back."""
    w, d, h = k.u(0.9, 1.5, "w"), k.u(0.55, 0.7), k.u(0.72, 0.76)
    wood = k.main(WOOD | {"white": 4}, "wood")
    lay_top(k, w, d, h, 0.03, wood, "wood", "straight")
    k.tops.clear()
    stand_on(k, w, d, h - 0.03, k.pick("panels", "legs"), wood)
    up = k.u(0.4, 0.75)
    for s in (-1, 1):
        k.box(s * (w / 2 - 0.012), d / 2 - 0.13, h, 0.024, 0.24, up, wood, "wood")
    k.box(0, d / 2 - 0.13, h + up - 0.024, w, 0.24, 0.024, wood, "wood")
    k.box(0, d / 2 - 0.13, h + up * 0.55, w - 0.05, 0.24, 0.02, wood, "wood")
    k.box(0, d / 2 - 0.01, h, w, 0.012, up, darker(wood, 0.88), "wood")
    k.top(-w / 2 + 0.04, -d / 2 + 0.04, w / 2 - 0.04, d / 2 - 0.28, h)
    k.top(-w / 2 + 0.04, d / 2 - 0.24, w / 2 - 0.04, d / 2 - 0.03, h + up * 0.55 + 0.02, up * 0.45 - 0.05)
    k.top(-w / 2 + 0.04, d / 2 - 0.24, w / 2 - 0.04, d / 2 - 0.03, h + up)


@design2("desk", "school", weight=0.5, fronted=True)
def school_desk(k: Kit) -> None:
    """A pupil's desk: a small top over a shelf on steel legs."""
    w, d, h = k.u(0.6, 0.75), k.u(0.45, 0.55), k.u(0.68, 0.76)
    top = k.main(WOOD | {"grey": 2}, "wood")
    lay_top(k, w, d, h, 0.022, top, "wood", "straight")
    k.legs(w - 0.04, d - 0.04, h - 0.02, 0.03, "grey", round_legs=True)
    k.box(0, 0, h - 0.16, w - 0.1, d - 0.1, 0.014, "grey")


@design2("bar", "front", weight=1, fronted=True)
@design2("counter", "reception", weight=0.5, fronted=True)
def reception(k: Kit) -> None:
    """A bar or a reception: a closed front with a raised ledge before a lower top."""
    w, d, h = k.u(1.4, 2.6, "w"), k.u(0.6, 0.8), k.u(1.0, 1.15)
    body, slab = k.main(PAINTED | WOOD, "wood"), k.some({"white": 2, "grey": 2, "black": 1.5, "brown": 2})
    k.box(0, -d / 2 + 0.05, 0, w, 0.08, h - 0.04, body, k.pick("wood", "plain", "stripes"))
    k.box(0, -d / 2 + 0.1, h - 0.04, w + 0.06, 0.3, 0.04, slab, "stone")
    k.box(0, 0.06, 0.72, w, d - 0.14, 0.03, slab, "plain")
    for s in (-1, 1):
        k.box(s * (w / 2 - 0.02), 0.06, 0, 0.04, d - 0.14, 0.72, body)
    k.box(0, -d / 2 - 0.004, 0, w, 0.014, 0.1, "black")
    k.top(-w / 2 + 0.04, -d / 2 - 0.02, w / 2 - 0.04, -d / 2 + 0.22, h)
    k.top(-w / 2 + 0.08, -d / 2 + 0.3, w / 2 - 0.08, d / 2 - 0.06, 0.75)
