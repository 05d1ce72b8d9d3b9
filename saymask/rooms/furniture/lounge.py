"""Sofas and armchairs that look soft: full cushions, throw blankets, chaises, futons (version 2)."""

from math import cos, sin

from saymask.rooms.colors import BRIGHT, FABRIC, LEATHER, RGB, WOOD, darker
from saymask.rooms.furniture.design import Kit, design2


def _cover(k: Kit) -> tuple[RGB, str]:
    """The cover's colour and texture; one in four is leather."""
    if k.flip(0.25):
        return k.main(LEATHER, "leather"), "plain"
    return k.main(FABRIC, "fabric"), k.pick("fabric", "fabric", "fabric", "stripes")


def _arm(k: Kit, x: float, y: float, z: float, w: float, d: float, top: float, cloth, tex: str, style: str) -> None:
    """An armrest whose outer side is at x ± w / 2."""
    if style == "round":
        k.soft(x, y, z, w, d, top - z, cloth, tex, round=w * 0.48, bulge=0.015, bumps=0.008)
    elif style == "roll":
        k.soft(x, y, z, w * 0.8, d - 0.04, top - z - 0.06, cloth, tex, round=0.03)
        k.tube((x, y - d / 2 + 0.01, top - 0.08), (x, y + d / 2 - 0.03, top - 0.08), max(0.08, w * 0.5), cloth, tex)
    elif style == "pillow":
        k.soft(x, y, z, w * 0.7, d, top - z - 0.1, cloth, tex, round=0.03)
        k.soft(x, y - 0.02, top - 0.16, w, d - 0.05, 0.16, cloth, tex, round=0.07, bulge=0.02, bumps=0.01)
    elif style == "wood":
        for s in (-1, 1):
            k.box(x, y + s * (d / 2 - 0.05), 0, 0.05, 0.06, top - 0.03, "brown", "wood")
        k.box(x, y, top - 0.04, 0.08, d, 0.04, "brown", "wood", round=0.015)
    else:
        k.soft(x, y, z, w, d, top - z, cloth, tex, round=0.025)


def _seats(k: Kit, x0: float, x1: float, count: int, d: float, seat: float, back: float, y: float, cloth, tex) -> None:
    """Cushions side by side from x0 to x1: seats d deep whose back edge is at y, and what leans behind them."""
    thick, lean, plump = k.u(0.12, 0.2), k.u(0.1, 0.28), k.u(0.01, 0.035)
    one_back = k.flip(0.25)
    loose = k.flip(0.3)
    w = (x1 - x0) / count
    for i in range(count):
        x = x0 + (i + 0.5) * w
        k.soft(x, y - d / 2, seat - thick, w - 0.008, d, thick + k.u(0.0, 0.02), darker(cloth, k.u(0.95, 1.05)), tex,
               round=0.05, bulge=plump, bumps=k.u(0.006, 0.02), wave=0.3)  # fmt: skip
        if not one_back:
            turn = (-lean, k.u(-0.06, 0.06) if loose else 0.0, k.u(-0.08, 0.08) if loose else 0.0)
            k.soft(x, y - 0.09, seat - 0.03, w * k.u(0.93, 1.0), k.u(0.16, 0.24), back - seat + k.u(-0.02, 0.1), cloth,
                   tex, round=0.08, bulge=plump + 0.015, bumps=k.u(0.006, 0.025), wave=0.3, turn=turn)  # fmt: skip
    if one_back:
        k.soft((x0 + x1) / 2, y - 0.08, seat - 0.03, x1 - x0, 0.18, back - seat, cloth, tex, round=0.07, bulge=0.02,
               bumps=0.012, turn=(-lean, 0, 0))  # fmt: skip


def _base(k: Kit, w: float, d: float, seat: float, cloth, tex: str, *, x=0.0, y=0.0) -> None:
    """The upholstered box under the cushions, on feet, on runners, or down to the floor."""
    foot = k.pick(0.0, 0.04, 0.1, 0.15)
    if foot:
        for sx in (-1, 1):
            for sy in (-1, 1):
                at = (x + sx * (w / 2 - 0.09), y + sy * (d / 2 - 0.09))
                k.tube((*at, 0), (*at, foot + 0.02), 0.022, k.pick("black", "brown", "grey"))
    k.soft(x, y, foot, w, d, max(0.12, seat - 0.13 - foot), cloth, tex, round=0.03, bulge=0.005)


def _extras(k: Kit, w: float, d: float, seat: float, back: float) -> None:
    """Throw pillows and a blanket that are part of a sofa's picture, though not of its name."""
    if k.flip(0.3):
        x = k.u(-0.35, 0.35) * w
        line = ((d / 2 + 0.02, seat), (d / 2 + 0.01, back + 0.03), (d / 2 - 0.2, back + 0.04),
                (d / 2 - 0.36, seat + 0.08), (-d / 2 - 0.02, seat + 0.05), (-d / 2 - 0.03, seat - 0.15))  # fmt: skip
        k.cloth(x, 0, 0, k.u(0.35, 0.7), line[: k.n(4, 6)], k.some(BRIGHT), k.pick("fabric", "stripes"), bumps=0.015)


def _top(k: Kit, x0: float, x1: float, d: float, seat: float) -> None:
    k.top(x0 + 0.02, -d / 2 + 0.05, x1 - 0.02, d / 2 - 0.36, seat + 0.045)


@design2("couch", "cushioned", weight=4, fronted=True, like="sofa")
def cushioned(k: Kit) -> None:
    """A sofa of one to four seats with soft arms, seats and backs of many forms."""
    count = k.pick(2, 2, 3, 3, 3, 4)
    cloth, tex = _cover(k)
    arm, d, seat, back = k.u(0.1, 0.32), k.u(0.8, 1.1), k.u(0.38, 0.48), k.u(0.68, 0.98)
    w = count * k.u(0.56, 0.78) + 2 * arm
    style = k.pick("round", "roll", "pillow", "square", "square", "wood")
    _base(k, w - (0 if style != "wood" else 0.1), d - 0.04, seat, cloth, tex)
    high = k.u(seat + 0.08, min(back, 0.72))
    k.soft(0, d / 2 - 0.09, seat - 0.14, w - 0.02, 0.18, back - seat + 0.14 - k.u(0, 0.08), cloth, tex, round=0.06)
    for s in (-1, 1):
        _arm(k, s * (w / 2 - arm / 2), -0.01, 0.1, arm, d - 0.02, high, cloth, tex, style)
    _seats(k, -w / 2 + arm, w / 2 - arm, count, d - k.u(0.14, 0.2), seat, back, d / 2 - 0.16, cloth, tex)
    _extras(k, w - 2 * arm, d, seat, back)
    _top(k, -w / 2 + arm, w / 2 - arm, d, seat)


@design2("couch", "chaise_corner", weight=2.2, fronted=True, like="corner_sofa")
def chaise_corner(k: Kit) -> None:
    """A sofa with a chaise at one end, or two wings at a right angle."""
    cloth, tex = _cover(k)
    k.shape = "l-shaped"
    seat, back, deep, arm = k.u(0.38, 0.46), k.u(0.68, 0.92), k.u(0.85, 1.05), k.u(0.12, 0.28)
    w, d, wing = k.u(2.1, 3.0), k.u(1.5, 2.1), k.u(0.8, 1.0)
    s = k.pick(-1, 1)
    y = d / 2 - deep / 2
    _base(k, w, deep, seat, cloth, tex, y=y)
    _base(k, wing, d - deep + 0.02, seat, cloth, tex, x=s * (w / 2 - wing / 2), y=-deep / 2)
    k.soft(0, d / 2 - 0.09, seat - 0.14, w, 0.18, back - seat + 0.1, cloth, tex, round=0.06)
    style = k.pick("round", "square", "pillow")
    _arm(k, -s * (w / 2 - arm / 2), y, 0.08, arm, deep - 0.02, k.u(seat + 0.1, back), cloth, tex, style)
    x0, x1 = sorted((-s * (w / 2 - arm), s * (w / 2 - wing)))
    _seats(k, x0, x1, k.pick(2, 2, 3), deep - 0.18, seat, back, d / 2 - 0.16, cloth, tex)
    k.soft(s * (w / 2 - wing / 2), -0.09, seat - 0.15, wing - 0.02, d - 0.2, 0.16, darker(cloth, 1.03), tex, round=0.05,
           bulge=0.02, bumps=0.015, wave=0.35)  # fmt: skip
    k.soft(s * (w / 2 - wing / 2), d / 2 - 0.25, seat - 0.02, wing - 0.1, 0.2, back - seat, cloth, tex, round=0.08,
           bulge=0.03, bumps=0.01, turn=(-0.2, 0, 0))  # fmt: skip
    if k.flip():  # a real second wing has a back of its own
        k.soft(s * (w / 2 - 0.09), -0.05, seat - 0.14, 0.18, d - 0.15, back - seat + 0.1, cloth, tex, round=0.06)
    k.top(x0 + 0.03, y - deep / 2 + 0.06, x1 - 0.03, d / 2 - 0.4, seat + 0.045)


@design2("couch", "futon", weight=1, fronted=True, like="sofa")
def futon(k: Kit) -> None:
    """A folded mattress on a wooden frame, or a click-clack sofa without arms."""
    cloth, tex = _cover(k)
    w, d, seat, back = k.u(1.7, 2.05), k.u(0.8, 0.95), k.u(0.34, 0.42), k.u(0.74, 0.9)
    paint = k.some(WOOD)
    if k.flip(0.6):
        for s in (-1, 1):
            for y in (-d / 2 + 0.06, d / 2 - 0.12):
                k.box(s * (w / 2 + 0.04), y, 0, 0.06, 0.07, 0.58, paint, "wood")
            k.box(s * (w / 2 + 0.04), -0.04, 0.56, 0.09, d - 0.05, 0.035, paint, "wood")
        for y in (-d / 2 + 0.06, d / 2 - 0.2):
            k.box(0, y, seat - 0.2, w, 0.05, 0.09, paint, "wood")
    else:
        for sx in (-1, 1):
            for y in (-d / 2 + 0.1, d / 2 - 0.2):
                k.tube((sx * w * 0.4, y, 0), (sx * w * 0.4, y, seat - 0.12), 0.02, "grey")
    k.soft(0, -0.08, seat - 0.14, w, d - 0.12, 0.16, cloth, tex, round=0.06, bulge=0.015, bumps=0.02, wave=0.4)
    k.soft(0, d / 2 - 0.16, seat - 0.08, w, 0.17, back - seat + 0.08, cloth, tex, round=0.06, bulge=0.015, bumps=0.02,
           wave=0.4, turn=(-k.u(0.2, 0.4), 0, 0))  # fmt: skip
    _extras(k, w, d, seat, back)
    _top(k, -w / 2, w / 2, d, seat)


@design2("couch", "bench_sofa", weight=1, fronted=True, like="sofa")
def bench_sofa(k: Kit) -> None:
    """A lobby's sofa: straight thin cushions on a metal frame, with or without arms and back."""
    cloth, tex = _cover(k)
    count = k.n(2, 4)
    w, d, seat, back = count * k.u(0.56, 0.66), k.u(0.68, 0.8), k.u(0.4, 0.46), k.u(0.7, 0.82)
    steel = k.pick("grey", "black", "white")
    for s in (-1, 1):
        x = s * (w / 2 - 0.03)
        for y in (-d / 2 + 0.05, d / 2 - 0.08):
            k.tube((x, y, 0), (x, y, seat - 0.1), 0.016, steel)
        k.tube((x, -d / 2 + 0.05, 0.015), (x, d / 2 - 0.08, 0.015), 0.016, steel)
    k.box(0, 0, seat - 0.14, w, d - 0.06, 0.04, steel)
    gap = w / count
    for i in range(count):
        x = -w / 2 + (i + 0.5) * gap
        k.soft(x, -0.03, seat - 0.1, gap - 0.006, d - 0.08, 0.12, cloth, tex, round=0.03, bulge=0.012)
        k.soft(x, d / 2 - 0.09, seat + 0.01, gap - 0.006, 0.12, back - seat, cloth, tex, round=0.03, bulge=0.012,
               turn=(-0.12, 0, 0))  # fmt: skip
    if k.flip():
        for s in (-1, 1):
            k.soft(s * (w / 2 + 0.05), -0.02, 0.12, 0.1, d - 0.06, 0.46, cloth, tex, round=0.03)
    _top(k, -w / 2, w / 2, d, seat)


@design2("armchair", "club", weight=3, fronted=True)
@design2("sofa chair", "club", weight=3, fronted=True)
def club_chair(k: Kit) -> None:
    """A single soft seat with arms of many forms."""
    cloth, tex = _cover(k)
    arm, d, seat, back = k.u(0.1, 0.24), k.u(0.74, 0.98), k.u(0.38, 0.46), k.u(0.7, 1.05)
    w = k.u(0.52, 0.64) + 2 * arm
    style = k.pick("round", "roll", "pillow", "square", "wood")
    _base(k, w - (0.1 if style == "wood" else 0), d - 0.04, seat, cloth, tex)
    k.soft(0, d / 2 - 0.09, seat - 0.14, w - 0.04, 0.18, back - seat + 0.1, cloth, tex, round=0.07, bulge=0.01)
    for s in (-1, 1):
        _arm(k, s * (w / 2 - arm / 2), -0.01, 0.1, arm, d - 0.02, k.u(0.52, 0.66), cloth, tex, style)
    _seats(k, -w / 2 + arm, w / 2 - arm, 1, d - 0.2, seat, back, d / 2 - 0.16, cloth, tex)
    _top(k, -w / 2 + arm, w / 2 - arm, d, seat)


@design2("armchair", "tub", weight=1.6, fronted=True)
@design2("sofa chair", "tub", weight=1.4, fronted=True)
def tub_chair(k: Kit) -> None:
    """A round tub: back and arms in one curve."""
    cloth, tex = _cover(k)
    r, h, seat = k.u(0.34, 0.42), k.u(0.66, 0.82), k.u(0.4, 0.45)
    n = 9
    for i in range(n):
        a = (i / (n - 1) - 0.5) * k.pick(3.7, 3.8)
        x, y = r * 0.92 * sin(a), r * 0.92 * cos(a)
        top = h - (h - 0.6) * abs(i / (n - 1) - 0.5) * 1.6
        k.soft(x, y, 0.12, r * 0.5, 0.12, top - 0.12, cloth, tex, round=0.05, turn=(0, 0, -a))
    k.soft(0, -0.03, 0.12, r * 1.6, r * 1.7, seat - 0.14, cloth, tex, round=0.08)
    k.soft(0, -0.05, seat - 0.1, r * 1.5, r * 1.6, 0.12, darker(cloth, 1.04), tex, round=0.06, bulge=0.02)
    k.legs(r * 1.2, r * 1.2, 0.13, 0.035, k.pick("black", "brown", "grey"), splay=0.03, round_legs=True)
    k.top(-r * 0.5, -r * 0.7, r * 0.5, r * 0.3, seat + 0.025)


@design2("armchair", "sling", weight=1.2, fronted=True)
def sling_chair(k: Kit) -> None:
    """A lounge chair: one curved seat and back on a bent wooden or steel frame."""
    w, d, back = k.u(0.58, 0.7), k.u(0.7, 0.85), k.u(0.85, 1.05)
    cloth = k.main(FABRIC | LEATHER, "fabric")
    frame = k.some({"beige": 3, "brown": 2, "black": 2, "grey": 1})
    line = ((-d / 2 + 0.02, 0.4), (-d / 2 + 0.06, 0.43), (0.1, 0.34), (d / 2 - 0.14, 0.5), (d / 2, back))
    for lift in (0.0, 0.06):
        k.cloth(0, 0, lift, w - 0.1, line, darker(cloth, 0.95 + lift), "fabric", bumps=0.006)
    for s in (-1, 1):
        x = s * (w / 2 - 0.02)
        for a, b in (((-d / 2 + 0.05, 0.02), (-d / 2 + 0.12, 0.56)), ((-d / 2 + 0.12, 0.56), (d / 2 - 0.2, 0.52)),
                     ((-d / 2 + 0.05, 0.02), (d / 2 - 0.05, 0.02)), ((-d / 2 + 0.06, 0.4), (d / 2 - 0.2, 0.35)),
                     ((d / 2 - 0.2, 0.35), (d / 2 - 0.02, back))):  # fmt: skip
            k.tube((x, *a), (x, *b), 0.022, frame, "wood")
    k.top(-w / 2 + 0.1, -d / 2 + 0.12, w / 2 - 0.1, d / 2 - 0.35, 0.5)


@design2("armchair", "recliner", weight=0.8, fronted=True)
@design2("sofa chair", "recliner", weight=0.8, fronted=True)
def recliner(k: Kit) -> None:
    """A heavy recliner, at times with its footrest out."""
    cloth, tex = _cover(k)
    w, seat, back = k.u(0.82, 0.95), k.u(0.44, 0.5), k.u(0.98, 1.1)
    out = k.flip(0.3)
    for s in (-1, 1):
        k.soft(s * (w / 2 - 0.1), -0.02, 0.06, 0.2, 0.78, 0.56, cloth, tex, round=0.08, bulge=0.01, bumps=0.01)
    k.soft(0, 0, 0.05, w - 0.36, 0.7, 0.3, cloth, tex, round=0.03)
    k.soft(0, -0.08, seat - 0.2, w - 0.38, 0.62, 0.22, cloth, tex, round=0.08, bulge=0.02, bumps=0.012)
    for z, h in ((seat - 0.02, 0.26), (seat + 0.2, 0.22), (seat + 0.38, back - seat - 0.36)):
        k.soft(0, 0.3 + (z - seat) * (0.5 if out else 0.25), z, w - 0.3, 0.26, h, cloth, tex, round=0.09, bulge=0.02,
               turn=(-0.45 if out else -0.2, 0, 0))  # fmt: skip
    if out:
        k.soft(0, -0.62, 0.34, w - 0.4, 0.42, 0.12, cloth, tex, round=0.05, bulge=0.015, turn=(0.15, 0, 0))
    k.top(-w / 2 + 0.22, -0.36, w / 2 - 0.22, 0.08, seat + 0.04)


@design2("ottoman", "pouf", weight=1.2)
def pouf(k: Kit) -> None:
    """A soft pouf or a beanbag."""
    cloth = k.main(FABRIC | BRIGHT, "fabric")
    k.shape = "round"
    w = k.u(0.42, 0.6) if k.flip(0.7) else k.u(0.75, 0.95)
    k.soft(0, 0, 0, w, w, w * k.u(0.55, 0.75), cloth, k.pick("fabric", "stripes"), round=w * 0.3, bulge=0.03,
    bumps=0.03,
           wave=0.4)  # fmt: skip


@design2("ottoman", "cushioned", weight=1.2)
def cushioned_ottoman(k: Kit) -> None:
    """A rectangular footstool with a cushion top."""
    w, d, h = k.u(0.5, 1.1), k.u(0.42, 0.62), k.u(0.36, 0.46)
    cloth, tex = _cover(k)
    k.shape = "rectangular"
    k.legs(w, d, 0.1, 0.045, k.pick("brown", "black"), inset=0.03)
    k.soft(0, 0, 0.09, w, d, h - 0.22, cloth, tex, round=0.02)
    k.soft(0, 0, h - 0.15, w, d, 0.16, darker(cloth, 1.03), tex, round=0.05, bulge=0.02, bumps=0.01)
    k.top(-w / 2 + 0.06, -d / 2 + 0.06, w / 2 - 0.06, d / 2 - 0.06, h + 0.01)
