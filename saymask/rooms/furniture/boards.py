"""Pictures, boards, signs, mirrors and clocks on walls (version 2)."""

from math import cos, sin

from saymask.rooms.colors import BRIGHT, METAL, WOOD
from saymask.rooms.furniture.design import Kit, design2


def rim(k: Kit, w: float, h: float, thick: float, deep: float, paint) -> None:
    """A frame around a w × h field, its back at y = 0."""
    for s in (-1, 1):
        k.box(s * (w / 2 - thick / 2), -deep / 2, 0, thick, deep, h, paint)
    for z in (0.0, h - thick):
        k.box(0, -deep / 2, z, w - 2 * thick, deep, thick, paint)


@design2("picture", "various", weight=6)
def various_picture(k: Kit) -> None:
    """A picture of any size: framed with or without a mount, or on canvas."""
    w, h = (k.u(0.14, 0.5), k.u(0.14, 0.5)) if k.flip(0.45) else (k.u(0.4, 1.5, "w"), k.u(0.35, 1.1, "h"))
    k.shape = "square" if abs(w - h) < 0.05 else "rectangular"
    art = k.pick("art", "art", "art", "text", "stripes", "pattern")
    if k.flip(0.3):
        k.box(0, -0.018, 0, w, k.u(0.015, 0.04), h, k.main(BRIGHT, "canvas"), art)
        k.color = None
        return
    frame = k.main(WOOD | METAL | {"white": 2, "yellow": 0.6}, "wood")
    t = k.u(0.012, 0.07)
    rim(k, w, h, t, k.u(0.015, 0.035), frame)
    if t < 0.04:
        k.color = None  # too little of the frame is seen
    mount = min(w, h) * k.pick(0.0, 0.0, 0.12, 0.2)
    if mount:
        k.box(0, -0.008, t, w - 2 * t, 0.012, h - 2 * t, "white")
    k.box(0, -0.012, t + mount, w - 2 * t - 2 * mount, 0.014, h - 2 * t - 2 * mount,
          k.some(BRIGHT | {"black": 1, "brown": 1}), art)  # fmt: skip


@design2("poster", "various", weight=2)
def various_poster(k: Kit) -> None:
    """A poster or a map, its corners off the wall at times."""
    w, h = k.u(0.3, 1.1), k.u(0.4, 1.1)
    paint = k.main(BRIGHT, "paper")
    k.box(0, -0.005, 0, w, 0.008, h, paint, k.pick("art", "art", "text", "stripes"))
    k.shape, k.color = "rectangular", None


@design2("sign", "various", weight=1.5)
@design2("calendar", "various", weight=1)
def various_sign(k: Kit) -> None:
    """A plate or sheet with print: an exit sign, a notice, a month with a picture."""
    w, h = k.u(0.14, 0.45), k.u(0.1, 0.5)
    paint = k.main({"white": 4, "green": 1, "red": 1, "blue": 1, "yellow": 0.7}, "paper")
    k.box(0, -0.006, 0, w, 0.012, h, paint, "text")
    if k.flip():
        k.box(0, -0.014, h * 0.5, w * 0.9, 0.006, h * 0.44, k.some(BRIGHT), k.pick("art", "plain"))


@design2("whiteboard", "various", weight=4)
def various_whiteboard(k: Kit) -> None:
    """A whiteboard of any size with writing, sheets and magnets; on the wall."""
    w, h = k.u(0.6, 3.4), k.u(0.6, 1.3)
    paint = k.main({"white": 1}, "plastic")
    rim(k, w, h, k.u(0.015, 0.04), k.u(0.015, 0.035), k.pick("grey", "grey", "white", "beige", "black"))
    k.box(0, -0.008, 0.02, w - 0.04, 0.014, h - 0.04, paint)
    if k.flip(0.75):
        k.box(k.u(-0.2, 0.2) * w, -0.055, 0.0, w * k.u(0.15, 0.9), 0.07, 0.018, "grey")
        for _ in range(k.n(0, 4)):
            k.box(k.u(-0.1, 0.1) * w, -0.06, 0.018, 0.13, 0.02, 0.02, k.pick("blue", "red", "black", "green"))
    for _ in range(k.n(0, 12)):
        ink = k.pick("blue", "blue", "red", "black", "black", "green")
        long = k.u(0.08, min(0.4, w * 0.4))
        x, z = k.u(-0.48 * w + long / 2, 0.48 * w - long / 2), k.u(0.2, 0.88) * h
        for line in range(k.n(1, 3)):
            if z - line * 0.06 > 0.08:
                k.box(
                    x, -0.017, z - line * 0.06, long * k.u(0.5, 1.0), 0.004, 0.018, ink, turn=(0, k.u(-0.06, 0.06), 0)
                )
    for _ in range(k.pick(0, 0, 1, 3)):
        k.box(
            k.u(-0.4, 0.4) * w, -0.018, k.u(0.3, 0.6) * h, 0.2, 0.006, 0.28, k.pick("white", "yellow", "pink"), "text"
        )


@design2("blackboard", "school", weight=1.5)
@design2("board", "school", weight=0.5)
def school_board(k: Kit) -> None:
    """A chalkboard with smears, a tray and a wooden or metal frame."""
    w, h = k.u(1.2, 3.2), k.u(0.9, 1.2)
    paint = k.main({"green": 3, "black": 3, "grey": 0.5}, "stone")
    rim(k, w, h, 0.035, 0.03, k.pick("brown", "grey", "beige"))
    k.box(0, -0.008, 0.03, w - 0.06, 0.014, h - 0.06, paint, "stone")
    k.box(0, -0.06, 0, w, 0.06, 0.02, "brown", "wood")
    for _ in range(k.n(0, 8)):
        k.box(
            k.u(-0.3, 0.3) * w,
            -0.017,
            k.u(0.2, 0.85) * h,
            k.u(0.1, 0.4),
            0.004,
            0.02,
            k.pick("white", "white", "yellow"),
        )


@design2("bulletin board", "full", weight=2)
@design2("board", "full", weight=1)
def full_board(k: Kit) -> None:
    """A pin board of cork or cloth, more or less full of sheets and cards."""
    w, h = k.u(0.5, 1.9), k.u(0.45, 1.2)
    paint = k.main({"brown": 3, "beige": 2, "green": 1, "blue": 1, "grey": 1.5, "red": 0.4}, "cork")
    rim(k, w, h, k.u(0.015, 0.04), 0.025, k.pick("brown", "grey", "beige", "black"))
    k.box(0, -0.008, 0.015, w - 0.03, 0.014, h - 0.03, paint, "stone")
    for _ in range(k.n(0, round(w * h * 12))):
        pw, ph = k.pick((0.21, 0.3), (0.3, 0.21), (0.1, 0.15), (0.08, 0.08))
        x, z = k.u(-w / 2 + pw / 2, w / 2 - pw / 2), k.u(0.02, h - ph - 0.02)
        ink = k.some({"white": 6, "yellow": 1, "pink": 0.7, "blue": 0.7, "green": 0.5, "orange": 0.4})
        k.box(x, -0.018 - k.u(0, 0.004), z, pw, 0.004, ph, ink, "text", turn=(0, k.u(-0.1, 0.1), 0))


@design2("mirror", "various", weight=3)
def various_mirror(k: Kit) -> None:
    """A mirror: with or without a frame, oval, tall, wide."""
    glass = k.pick((168, 184, 190), (190, 200, 204), (140, 152, 156), (208, 214, 216))
    frame = k.main(WOOD | METAL | {"yellow": 0.4}, "glass")
    w, h = k.u(0.3, 1.6), k.u(0.4, 1.7)
    if k.flip(0.25):
        k.shape = "round"
        r = k.u(0.18, 0.45)
        k.cyl(0, 0, 0, r, 0.02, frame, turn=(1.5708, 0, 0))
        k.cyl(0, -0.012, 0, r - k.u(0.008, 0.05), 0.012, glass, turn=(1.5708, 0, 0))
        return
    k.shape = "rectangular"
    t = k.pick(0.0, 0.02, 0.05, 0.09)
    if t:
        rim(k, w, h, t, 0.03, frame)
    k.box(0, -0.008, t, w - 2 * t, 0.012, h - 2 * t, glass)


@design2("clock", "various", weight=1.5, fronted=True)
def various_clock(k: Kit) -> None:
    """A wall clock: round or square, with marks and hands."""
    r = k.u(0.1, 0.22)
    rim = k.main({"black": 3, "white": 2, "brown": 1.5, "grey": 1.5, "red": 0.7, "blue": 0.5}, "plastic")
    face = "white" if k.color != "white" else k.pick("beige", "grey", "black")
    if k.flip(0.8):
        k.shape = "round"
        k.cyl(0, 0, -r, r, 0.04, rim, turn=(1.5708, 0, 0))
        k.cyl(0, -0.018, -r, r * 0.88, 0.012, face, turn=(1.5708, 0, 0))
    else:
        k.shape = "square"
        k.box(0, 0, -r, 2 * r, 0.04, 2 * r, rim, round=0.01)
        k.box(0, -0.022, -r * 0.88, 1.76 * r, 0.01, 1.76 * r, face)
    z = k.parts[0].center[2]
    for long, a in ((0.5, k.u(0, 6)), (0.75, k.u(0, 6))):
        k.box(sin(a) * r * long / 2, -0.03, z + cos(a) * r * long / 2 - r * long / 2, 0.012, 0.005, r * long, "black",
              turn=(0, a, 0))  # fmt: skip
