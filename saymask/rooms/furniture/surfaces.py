"""Tables, desks, nightstands, stands and counters of many makes (version 2)."""

from math import cos, pi, sin

from saymask.rooms.colors import METAL, RGB, WOOD, darker
from saymask.rooms.furniture.design import Kit, design2

TOPS = WOOD | {"white": 4, "grey": 2}


GLASS: tuple[RGB, ...] = ((170, 190, 192), (140, 158, 160), (196, 210, 212), (70, 76, 80))


def draw_top(k: Kit) -> tuple[RGB, str]:
    """The colour and texture of a table's top; the colour is the table's."""
    if k.flip(0.1):
        k.main({"grey": 1}, "glass")
        return k.pick(*GLASS), "plain"
    if k.flip(0.08):
        return k.main({"white": 3, "grey": 2, "black": 1, "beige": 1}, "stone"), "stone"
    return k.main(TOPS, "wood"), k.pick("wood", "wood", "plain")


def stand_on(k: Kit, w: float, d: float, h: float, style: str, paint) -> None:
    """Add feet of a style under a top of w × d at height h."""
    if style == "legs":
        k.legs(w, d, h, k.u(0.03, 0.09), paint, inset=k.u(0.0, 0.12))
        if k.flip(0.6):
            for s in (-1, 1):
                k.box(0, s * (d / 2 - 0.08), h - 0.09, w - 0.2, 0.02, 0.08, paint, "wood")
    elif style == "splayed":
        k.legs(w * 0.86, d * 0.8, h, 0.04, paint, splay=0.09, round_legs=True)
    elif style == "hairpin":
        for sx in (-1, 1):
            for sy in (-1, 1):
                x, y = sx * (w / 2 - 0.1), sy * (d / 2 - 0.08)
                for dx, dy in ((0.05, 0), (0, 0.05)):
                    k.tube((x, y, 0), (x - sx * dx, y - sy * dy, h), 0.008, "black")
    elif style == "trestle":
        for s in (-1, 1):
            x = s * w * 0.34
            for y in (-1, 1):
                k.tube((x, y * d * 0.38, 0), (x, y * d * 0.1, h), 0.022, paint, "wood")
            k.box(x, 0, h * 0.35, 0.03, d * 0.55, 0.04, paint, "wood")
        k.box(0, 0, h * 0.35, w * 0.68, 0.03, 0.06, paint, "wood")
    elif style == "frames":
        for s in (-1, 1):
            x = s * (w / 2 - k.u(0.04, 0.2))
            k.box(x, 0, 0, 0.05, d * 0.9, 0.03, paint)
            for y in (-1, 1):
                k.box(x, y * d * 0.42, 0, 0.05, 0.05, h, paint)
            k.box(x, 0, h - 0.04, 0.05, d * 0.86, 0.04, paint)
    elif style == "t_legs":
        for s in (-1, 1):
            x = s * w * 0.38
            k.box(x, 0, 0, 0.07, d * 0.85, 0.035, paint, round=0.012)
            k.box(x, 0.02, 0.03, 0.07, 0.1, h - 0.06, paint)
            k.box(x, 0, h - 0.03, 0.06, d * 0.8, 0.03, paint)
        k.box(0, 0.04, h - 0.12, w * 0.74, 0.03, 0.08, paint)
    elif style == "panels":
        for s in (-1, 1):
            k.box(s * (w / 2 - 0.03), 0, 0, 0.035, d - 0.02, h, paint, "wood")
        k.box(0, d / 2 - 0.1, h * 0.35, w - 0.09, 0.02, h * 0.62, paint, "wood")
    elif style == "pedestal":
        k.cyl(0, 0, 0.02, k.u(0.03, 0.07), h - 0.02, paint)
        if k.flip():
            r = min(w, d) * k.u(0.25, 0.36)
            k.lathe(0, 0, 0, ((0, 0), (r, 0), (r * 0.9, 0.03), (0.06, 0.05), (0, 0.05)), paint)
        else:
            for i in range(4):
                a = pi / 4 + i * pi / 2
                r = min(w, d) * 0.38
                k.tube((0, 0, 0.1), (r * cos(a), r * sin(a), 0.02), 0.025, paint)
    elif style == "drum":
        for s in (-1, 1):
            k.cyl(s * w * 0.27, 0, 0, d * 0.24, h, paint, "wood")
    else:  # two columns
        for s in (-1, 1):
            k.cyl(s * w * 0.28, 0, 0.02, 0.05, h - 0.02, paint)
            k.lathe(s * w * 0.28, 0, 0, ((0, 0), (d * 0.32, 0), (d * 0.28, 0.025), (0.05, 0.045), (0, 0.045)), paint)


def lay_top(k: Kit, w: float, d: float, h: float, thick: float, paint, tex: str, outline: str) -> None:
    """A top of an outline; declares where things may stand."""
    if outline == "oval":
        k.shape = "oval"
        k.box(0, 0, h - thick, w - d, d, thick, paint, tex)
        for s in (-1, 1):
            k.cyl(s * (w - d) / 2, 0, h - thick, d / 2, thick, paint, tex)
        k.top(-w / 2 + d * 0.18, -d / 2 + 0.08, w / 2 - d * 0.18, d / 2 - 0.08, h)
    elif outline == "boat":
        k.box(0, 0, h - thick, w, d * 0.82, thick, paint, tex, round=0.01)
        for s in (-1, 1):
            k.box(0, s * d * 0.42, h - thick, w * 0.6, d * 0.16, thick, paint, tex, round=0.01)
        k.top(-w / 2 + 0.05, -d * 0.38, w / 2 - 0.05, d * 0.38, h)
    else:
        k.shape = "square" if abs(w - d) < 0.08 else "rectangular"
        k.box(0, 0, h - thick, w, d, thick, paint, tex, round=k.pick(0.0, 0.0, 0.012))
        k.top(-w / 2 + 0.04, -d / 2 + 0.04, w / 2 - 0.04, d / 2 - 0.04, h)


def frame_paint(k: Kit, top: RGB) -> RGB:
    """Draw the colour of what carries a top: near the top's, or of metal."""
    return darker(top, k.u(0.85, 1.05)) if k.flip(0.5) and k.material == "wood" else k.some(METAL | {"white": 3})


def _plain(k: Kit, w: float, d: float, h: float, feet: tuple[str, ...], outline: str = "straight") -> None:
    top, tex = draw_top(k)
    thick = k.u(0.018, 0.06)
    lay_top(k, w, d, h, thick, top, tex, outline)
    stand_on(k, w, d, h - thick, k.pick(*feet), frame_paint(k, top))


@design2("table", "various", weight=5)
@design2("dining table", "various", weight=3)
def various_table(k: Kit) -> None:
    """A rectangular table on one of many kinds of feet."""
    w, d, h = k.u(0.75, 2.0, "w"), k.u(0.6, 1.0, "d"), k.u(0.68, 0.78, "h")
    _plain(k, w, d, h, ("legs", "legs", "splayed", "hairpin", "trestle", "frames", "t_legs", "panels"))


@design2("table", "pedestal", weight=1.5, like="round")
@design2("dining table", "pedestal", weight=1.2, like="round")
def pedestal_table(k: Kit) -> None:
    """A round, square or oval table on one foot."""
    outline = k.pick("round", "round", "square", "oval")
    r, h = k.u(0.35, 0.75, "r"), k.u(0.7, 0.77)
    top, tex = draw_top(k)
    paint = frame_paint(k, top)
    if outline == "round":
        k.shape = "round"
        k.cyl(0, 0, h - 0.03, r, 0.03, top, tex)
        k.top(-r * 0.66, -r * 0.66, r * 0.66, r * 0.66, h)
    else:
        lay_top(k, 2 * r * (1.4 if outline == "oval" else 1.0), 2 * r, h, 0.03, top, tex, outline)
    stand_on(k, 2 * r, 2 * r, h - 0.03, k.pick("pedestal", "pedestal", "splayed"), paint)


@design2("table", "large_meeting", weight=0, like="conference")
def large_meeting(k: Kit) -> None:
    """A large meeting table, in one piece or of several tables pushed together."""
    w, d, h = k.u(1.8, 3.8, "w"), k.u(0.9, 1.5, "d"), k.u(0.72, 0.76)
    if k.flip(0.5):
        outline = k.pick("straight", "boat", "oval", "straight")
        _plain(k, w, d, h, ("columns", "drum", "frames", "t_legs"), outline)
        return
    top, tex = draw_top(k)
    paint = k.some(METAL)
    columns, rows = max(2, round(w / k.u(1.1, 1.7))), 1 if d < 1.05 else 2
    for i in range(columns):
        for j in range(rows):
            x, y = -w / 2 + (i + 0.5) * w / columns, -d / 2 + (j + 0.5) * d / rows
            pw, pd = w / columns - 0.006, d / rows - 0.006
            k.box(x, y, h - 0.03, pw, pd, 0.03, darker(top, k.u(0.97, 1.03)), tex)
            for sx in (-1, 1):
                for sy in (-1, 1):
                    k.tube((x + sx * (pw / 2 - 0.06), y + sy * (pd / 2 - 0.06), 0),
                           (x + sx * (pw / 2 - 0.06), y + sy * (pd / 2 - 0.06), h - 0.03), 0.022, paint)  # fmt: skip
    k.shape = "rectangular"
    k.top(-w / 2 + 0.06, -d / 2 + 0.06, w / 2 - 0.06, d / 2 - 0.06, h)


@design2("table", "folding", weight=1.2)
def folding_table(k: Kit) -> None:
    """A folding or flip-top table, at times on castors."""
    w, d, h = k.u(1.2, 1.9, "w"), k.u(0.6, 0.8, "d"), k.u(0.72, 0.75)
    top = k.main({"white": 4, "grey": 3, "beige": 2, "brown": 2}, "plastic")
    lay_top(k, w, d, h, 0.04, top, "plain", "straight")
    for s in (-1, 1):
        x = s * w * 0.36
        if k.flip():
            for y in (-1, 1):
                k.tube((x, y * d * 0.36, 0), (x, y * d * 0.36, h - 0.04), 0.016, "grey")
            k.tube((x, -d * 0.36, 0.12), (x, d * 0.36, 0.12), 0.014, "grey")
            k.tube((x, 0, 0.12), (s * w * 0.12, 0, h - 0.05), 0.012, "grey")
        else:
            k.box(x, 0, 0.06, 0.06, d * 0.8, 0.04, "grey")
            k.box(x, 0, 0.1, 0.06, 0.06, h - 0.14, "grey")
            for y in (-1, 1):
                k.ball(x, y * d * 0.36, 0, 0.035, "black")


@design2("table", "drop_leaf", weight=0.6)
def drop_leaf(k: Kit) -> None:
    """A narrow table with a leaf hanging at one or both sides."""
    w, d, h = k.u(0.7, 1.1), k.u(0.4, 0.6), k.u(0.72, 0.77)
    wood = k.main(WOOD, "wood")
    k.box(0, 0, h - 0.025, w, d, 0.025, wood, "wood")
    k.legs(w - 0.1, d - 0.04, h - 0.025, 0.05, wood)
    for s in (-1, 1) if k.flip() else (k.pick(-1, 1),):
        k.box(0, s * (d / 2 + 0.014), h - 0.42, w, 0.022, 0.41, darker(wood, 1.03), "wood")
    k.top(-w / 2 + 0.03, -d / 2 + 0.03, w / 2 - 0.03, d / 2 - 0.03, h)


@design2("coffee table", "various", weight=4)
def various_coffee(k: Kit) -> None:
    """A low table: of glass, wood or stone, on legs, a box, a drum or a frame, with a shelf or drawers."""
    w, d, h = k.u(0.6, 1.4), k.u(0.45, 0.8), k.u(0.3, 0.5)
    top, tex = draw_top(k)
    paint = frame_paint(k, top)
    style = k.pick("legs", "splayed", "hairpin", "frames", "panels", "box", "trestle")
    if style == "box":
        k.box(0, 0, 0, w - 0.1, d - 0.1, h - 0.05, darker(top, 0.93), tex)
        if k.flip():
            k.fronts(w - 0.1, d - 0.1, 0.04, h - 0.12, 1, 2, darker(top, 1.02), "grey")
    else:
        stand_on(k, w, d, h - 0.03, style, paint)
        if k.flip(0.4):
            k.box(0, 0, h * 0.3, w - 0.12, d - 0.1, 0.02, paint, tex)
    oval = style in ("splayed", "panels") and w > 1.4 * d
    lay_top(k, w, d, h, k.u(0.02, 0.05), top, tex, "oval" if oval else "straight")


@design2("coffee table", "nest", weight=0.8)
def low_round(k: Kit) -> None:
    """A low round table: a drum, a tray on a frame, or a top on three legs."""
    top, tex = draw_top(k)
    r, h = k.u(0.3, 0.52), k.u(0.32, 0.48)
    k.shape = "round"
    if k.flip(0.35):
        k.cyl(0, 0, 0, r, h, top, tex)
    else:
        k.cyl(0, 0, h - 0.025, r, 0.025, top, tex)
        for i in range(n := k.pick(3, 4)):
            a = i * 2 * pi / n
            k.tube((r * 0.95 * cos(a), r * 0.95 * sin(a), 0), (r * 0.6 * cos(a), r * 0.6 * sin(a), h - 0.02), 0.014,
                   frame_paint(k, top))  # fmt: skip
    k.top(-r * 0.66, -r * 0.66, r * 0.66, r * 0.66, h)


@design2("end table", "various", weight=4)
@design2("stand", "various", weight=2)
def various_end(k: Kit) -> None:
    """A small side table of many forms."""
    w, d, h = k.u(0.3, 0.55), k.u(0.3, 0.55), k.u(0.42, 0.66)
    top, tex = draw_top(k)
    paint = frame_paint(k, top)
    style = k.pick("round", "square", "square", "c")
    if style == "round":
        k.shape = "round"
        k.cyl(0, 0, h - 0.022, w / 2, 0.022, top, tex)
        stand_on(k, w, w, h - 0.022, k.pick("pedestal", "splayed"), paint)
        k.top(-w * 0.33, -w * 0.33, w * 0.33, w * 0.33, h)
    elif style == "c":
        k.box(0, 0, h - 0.022, w, d, 0.022, top, tex)
        k.box(0, 0, 0, w, d, 0.02, paint)
        k.box(-w / 2 + 0.015, 0, 0.02, 0.03, d * 0.8, h - 0.04, paint)
        k.top(-w / 2 + 0.03, -d / 2 + 0.03, w / 2 - 0.03, d / 2 - 0.03, h)
    else:
        lay_top(k, w, d, h, 0.025, top, tex, "straight")
        stand_on(k, w, d, h - 0.025, k.pick("legs", "splayed", "frames", "hairpin"), paint)
        if k.flip():
            k.box(0, 0, h * 0.3, w - 0.06, d - 0.06, 0.02, paint, tex)


@design2("nightstand", "various", weight=4, fronted=True)
def various_nightstand(k: Kit) -> None:
    """A bedside table: drawers, an open cube, a round or a legged one."""
    w, d, h = k.u(0.34, 0.6), k.u(0.3, 0.46), k.u(0.4, 0.7)
    wood = k.main(WOOD | {"white": 3}, "wood")
    style = k.pick("drawers", "drawers", "cube", "legged", "drum")
    front, knob = darker(wood, k.u(0.96, 1.06)), k.pick("grey", "black", "beige", None)
    if style == "drawers":
        base = k.pick(0.0, 0.04, 0.14)
        if base > 0.1:
            k.legs(w - 0.04, d - 0.04, base, 0.03, wood, splay=k.pick(0.0, 0.03), round_legs=True)
        elif base:
            k.box(0, 0, 0, w - 0.05, d - 0.05, base, "black")
        k.box(0, 0, base, w, d, h - base, wood, "wood")
        k.fronts(w, d, base, h - base - 0.02, k.n(1, 3), 1, front, knob, "wood")
    elif style == "cube":
        t = 0.02
        for z in (0.0, h - t, h * k.u(0.4, 0.7)):
            k.box(0, 0, z, w, d, t, wood, "wood")
        for s in (-1, 1):
            k.box(s * (w / 2 - t / 2), 0, 0, t, d, h, wood, "wood")
        k.box(0, d / 2 - 0.006, 0, w, 0.012, h, darker(wood, 0.85))
    elif style == "legged":
        k.legs(w, d, h - 0.02, 0.03, wood)
        k.box(0, 0, h - 0.024, w + 0.02, d + 0.02, 0.024, wood, "wood")
        k.box(0, 0, h - 0.16, w - 0.02, d - 0.02, 0.13, front, "wood")
        if k.flip():
            k.box(0, 0, 0.14, w - 0.03, d - 0.03, 0.018, wood, "wood")
    else:
        k.shape = "round"
        k.cyl(0, 0, 0, w / 2, h, wood, "wood")
        d = w
    k.top(-w / 2 + 0.02, -d / 2 + 0.02, w / 2 - 0.02, d / 2 - 0.02, h)


@design2("tv stand", "various", weight=4, fronted=True)
def various_tv_stand(k: Kit) -> None:
    """A low stand for a television: drawers, open shelves of glass, a bench on legs."""
    w, d, h = k.u(0.8, 2.1), k.u(0.34, 0.52), k.u(0.34, 0.65)
    wood = k.main(WOOD | {"white": 3}, "wood")
    style = k.pick("drawers", "open", "bench", "glass")
    base = k.pick(0.0, 0.06, 0.14)
    if style == "glass":
        for s in (-1, 1):
            for y in (-1, 1):
                k.tube((s * (w / 2 - 0.06), y * (d / 2 - 0.06), 0), (s * (w / 2 - 0.06), y * (d / 2 - 0.06), h), 0.02,
                       "grey")  # fmt: skip
        for z in (0.08, h * 0.5, h - 0.015):
            k.box(0, 0, z, w, d, 0.015, k.pick(*GLASS))
    else:
        if base > 0.1:
            k.legs(w - 0.1, d - 0.05, base, 0.035, wood, round_legs=True, splay=0.02)
        elif base:
            k.box(0, 0, 0, w - 0.06, d - 0.06, base, "black")
        if style == "drawers":
            k.box(0, 0, base, w, d, h - base, wood, "wood")
            k.fronts(
                w, d, base, h - base - 0.02, k.n(1, 2), k.n(2, 4), darker(wood, 1.04), k.pick("grey", None), "wood"
            )
        else:
            n = k.n(2, 4)
            k.box(0, 0, h - 0.025, w, d, 0.025, wood, "wood")
            k.box(0, 0, base, w, d, 0.025, wood, "wood")
            k.box(0, d / 2 - 0.01, base, w, 0.014, h - base, darker(wood, 0.8))
            for i in range(n + 1):
                k.box(-w / 2 + 0.012 + i * (w - 0.024) / n, 0, base, 0.024, d, h - base, wood, "wood")
            if style == "open" and h - base > 0.35:
                k.box(0, 0, base + (h - base) / 2, w - 0.03, d - 0.03, 0.02, wood, "wood")
            for i in range(n):
                if k.flip(0.4):  # a player, a console, cases
                    k.box(-w / 2 + (i + 0.5) * w / n, -0.02, base + 0.025, w / n * 0.7, d * 0.6, k.u(0.05, 0.12),
                          k.pick("black", "grey", "white"))  # fmt: skip
    k.top(-w / 2 + 0.03, -d / 2 + 0.02, w / 2 - 0.03, d / 2 - 0.02, h)
