"""Boxes, bags, baskets, bins and suitcases (version 2)."""

from saymask.rooms.colors import BRIGHT, FABRIC, LEATHER, METAL, PLASTIC, darker
from saymask.rooms.furniture.design import Kit, design2
from saymask.rooms.furniture.litter import COVERS


@design2("box", "open", weight=2.5)
def open_box(k: Kit) -> None:
    """A carton with its four flaps out, or taped, dented, or with things that stick out."""
    w, d, h = k.u(0.22, 0.6, "w"), k.u(0.2, 0.45, "d"), k.u(0.14, 0.45, "h")
    paint = k.main({"brown": 5, "beige": 4, "white": 1.5, "blue": 0.4, "red": 0.3, "black": 0.4}, "paper")
    k.shape = "square" if abs(w - d) < 0.04 else "rectangular"
    t = 0.012
    if "h" in k.wish or k.flip(0.4):
        k.box(0, 0, 0, w, d, h, paint)
        k.box(0, 0, h, 0.06, d, 0.004, darker(paint, 1.15))
        if k.flip(0.5):
            k.box(w * 0.2, -d / 2 - 0.003, h * 0.4, w * 0.3, 0.005, h * 0.35, "white", "text")
        return
    k.box(0, 0, 0, w, d, t, paint)
    for s in (-1, 1):
        k.box(s * (w / 2 - t / 2), 0, t, t, d, h - t, paint)
        k.box(0, s * (d / 2 - t / 2), t, w - 2 * t, t, h - t, darker(paint, 0.95))
        a = k.u(-0.3, 1.4)
        k.box(s * (w / 2 + 0.05), 0, h - 0.05, 0.012, d, 0.13, darker(paint, 1.06), turn=(0, s * a, 0))
    if k.flip(0.6):
        k.soft(0, 0, t, w * 0.85, d * 0.8, h * k.u(0.7, 1.15), k.some(BRIGHT | {"white": 2}), round=0.06, bumps=0.03)


@design2("bag", "slumped", weight=2.5)
@design2("backpack", "slumped", weight=2)
@design2("purse", "slumped", weight=0.7)
def slumped_bag(k: Kit) -> None:
    """A soft bag that has sunk in, with straps."""
    w, d, h = k.u(0.26, 0.5), k.u(0.15, 0.3), k.u(0.24, 0.46)
    cloth = k.main(FABRIC | LEATHER | {"black": 6}, "fabric")
    k.soft(0, 0, 0, w, d, h, cloth, k.pick("fabric", "plain"), round=0.09, bulge=0.01, bumps=k.u(0.03, 0.07), wave=0.3,
           turn=(k.u(-0.15, 0.15), k.u(-0.15, 0.15), 0))  # fmt: skip
    if k.flip(0.7):
        k.soft(0, -d / 2 - 0.01, 0.04, w * 0.7, 0.07, h * 0.4, darker(cloth, 0.85), round=0.03, bumps=0.01)
    for s in (-1, 1):
        k.tube((s * w * 0.2, 0, h - 0.04), (s * w * 0.08, 0.02, h + k.u(0.02, 0.12)), 0.011, darker(cloth, 0.7))
    k.tube((-w * 0.08, 0.02, h + 0.06), (w * 0.08, 0.02, h + 0.06), 0.011, darker(cloth, 0.7))


@design2("bag", "shopping", weight=1)
@design2("paper bag", "shopping", weight=1)
def shopping_bag(k: Kit) -> None:
    """A standing bag of plastic or paper, creased."""
    w, d, h = k.u(0.24, 0.4), k.u(0.12, 0.2), k.u(0.26, 0.44)
    paint = k.main({"white": 3, "brown": 2, "beige": 1, "blue": 1, "green": 0.7, "red": 0.5, "black": 0.7}, "paper")
    k.soft(0, 0, 0, w, d, h, paint, "plain", round=0.02, bulge=-0.012, bumps=0.018, wave=0.2)
    for y in (-0.04, 0.04):
        for s in (-1, 1):
            k.tube((s * 0.07, y, h - 0.01), (0, y, h + 0.09), 0.008, darker(paint, 0.8))


@design2("bag", "rubbish", weight=0.7)
def rubbish_bag(k: Kit) -> None:
    """A full bag of rubbish, tied at its top."""
    w, h = k.u(0.35, 0.55), k.u(0.35, 0.55)
    paint = k.main({"black": 4, "white": 2, "blue": 1, "grey": 1}, "plastic")
    k.soft(0, 0, 0, w, w * 0.9, h, paint, "plain", round=w * 0.35, bulge=0.02, bumps=0.06, wave=0.25)
    k.soft(0, 0, h - 0.04, 0.1, 0.1, 0.12, paint, "plain", round=0.03, bumps=0.03, wave=0.1)


@design2("suitcase", "shell", weight=2)
@design2("luggage", "shell", weight=1)
def shell_case(k: Kit) -> None:
    """A suitcase with a rounded shell, standing or lying open."""
    w, d, h = k.u(0.36, 0.52), k.u(0.2, 0.32), k.u(0.5, 0.78)
    paint = k.main(FABRIC | {"black": 4, "red": 1.2}, "plastic")
    if k.flip(0.75):
        k.soft(0, 0, 0.05, w, d, h - 0.05, paint, k.pick("plain", "fabric"), round=0.06, bulge=0.01)
        for sx in (-1, 1):
            for sy in (-1, 1):
                k.ball(sx * w * 0.36, sy * d * 0.3, 0, 0.028, "black")
            k.tube(
                (sx * 0.07, d / 2 - 0.06, h - 0.02), (sx * 0.07, d / 2 - 0.06, h + 0.02 + k.u(0.0, 0.35)), 0.009, "grey"
            )
        k.box(0, d / 2 - 0.06, h + 0.02, 0.16, 0.03, 0.03, "black", round=0.01)
    else:
        for s in (-1, 1):
            k.soft(s * (h / 2 + 0.01), 0, 0, h, w, d * 0.5, paint, "plain", round=0.04)
        k.soft(-h / 2, 0, d * 0.3, h * 0.8, w * 0.8, d * 0.5, k.some(BRIGHT), round=0.08, bumps=0.05, wave=0.2)


WICKER: dict[str, float] = {"beige": 3, "brown": 3, "white": 1.5, "grey": 1.2, "black": 0.7}


@design2("basket", "square", weight=1.2)
@design2("laundry basket", "plastic", weight=1.5)
@design2("laundry hamper", "cloth", weight=1)
def filled_basket(k: Kit) -> None:
    """An open basket or hamper, at times with cloth that bulges out."""
    w, d, h = k.u(0.3, 0.6), k.u(0.26, 0.42), k.u(0.2, 0.6)
    paint = k.main(WICKER | {"white": 3, "blue": 0.7, "pink": 0.3}, "wicker")
    t = 0.016
    k.box(0, 0, 0, w - 0.04, d - 0.04, t, paint)
    for s in (-1, 1):
        k.box(s * (w / 2 - 0.02), 0, 0, t, d - 0.04, h, paint, "stone", turn=(0, s * 0.06, 0))
        k.box(0, s * (d / 2 - 0.02), 0, w - 0.04, t, h, paint, "stone", turn=(-s * 0.06, 0, 0))
    if k.flip(0.6):
        k.soft(0, 0, 0.03, w - 0.1, d - 0.1, h * k.u(0.8, 1.25), k.some(BRIGHT | {"white": 2}), round=0.08, bumps=0.06,
               wave=0.25)  # fmt: skip


@design2("trash can", "various", weight=3)
@design2("bin", "various", weight=1.5)
@design2("trash bin", "various", weight=1)
@design2("recycling bin", "various", weight=1)
def various_bin(k: Kit) -> None:
    """A bin: round or square, open with a bag over its rim, with a swing lid, a pedal, or on wheels."""
    style = k.pick("bag", "bag", "square", "swing", "pedal", "wheels")
    paint = k.main(PLASTIC | METAL | {"black": 3, "blue": 1.5}, "plastic")
    if style in ("bag", "square"):
        r, h = k.u(0.11, 0.19), k.u(0.25, 0.5)
        if style == "bag":
            k.shape = "round"
            k.pot(0, 0, 0, r * k.u(0.75, 0.95), h, paint, top=r)
        else:
            t = 0.014
            k.box(0, 0, 0, 1.8 * r, 1.3 * r, t, paint)
            for s in (-1, 1):
                k.box(s * 0.95 * r, 0, 0, t, 1.4 * r, h, paint, turn=(0, s * 0.07, 0))
                k.box(0, s * 0.7 * r, 0, 1.85 * r, t, h, paint, turn=(-s * 0.07, 0, 0))
        if k.flip(0.6):
            line = k.shade(k.pick("white", "black", "grey"))
            rim = ((r * 0.96, 0), (r * 1.06, 0.0), (r * 1.05, 0.07), (r * 0.97, 0.08), (r * 0.8, 0.0), (r * 0.96, 0))
            k.lathe(0, 0, h - 0.06, rim, line)
            k.soft(0, 0, h - 0.16, r * 1.2, r * 1.1, 0.12, line, "plain", round=0.05, bumps=0.04, wave=0.12)
    elif style == "swing":
        w, d, h = k.u(0.28, 0.42), k.u(0.24, 0.36), k.u(0.5, 0.8)
        k.soft(0, 0, 0, w, d, h * 0.75, paint, "plain", round=0.04)
        k.box(0, 0, h * 0.75, w + 0.01, d + 0.01, 0.03, darker(paint, 0.85), round=0.01)
        for s in (-1, 1):
            k.box(0, s * d * 0.22, h * 0.78, w * 0.9, d * 0.5, 0.014, darker(paint, 0.8), turn=(-s * 0.75, 0, 0))
    elif style == "pedal":
        r, h = k.u(0.13, 0.19), k.u(0.4, 0.68)
        k.shape = "round"
        k.lathe(0, 0, 0.02, ((0, 0), (r, 0), (r, h - 0.08), (r * 0.8, h - 0.03), (0, h)), paint)
        k.cyl(0, 0, 0, r * 1.02, 0.03, "black")
        k.box(0, -r - 0.03, 0.01, 0.07, 0.07, 0.02, "black")
    else:
        w, d, h = k.u(0.4, 0.52), k.u(0.42, 0.55), k.u(0.8, 1.0)
        k.soft(0, 0, 0.06, w, d, h - 0.12, paint, "plain", round=0.04, turn=(-0.04, 0, 0))
        k.box(0, 0.01, h - 0.07, w + 0.03, d + 0.05, 0.05, darker(paint, 0.9), round=0.015, turn=(0.06, 0, 0))
        for s in (-1, 1):
            k.tube((s * w * 0.4, d / 2, 0.08), (s * w * 0.48, d / 2, 0.08), 0.08, "black")
        k.tube((-w * 0.35, d / 2 + 0.04, h - 0.08), (w * 0.35, d / 2 + 0.04, h - 0.08), 0.014, paint)


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
