"""The empty rooms of version 2: plans with corners, niches, shafts and columns, and openings of many sizes."""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from saymask.rooms.boxes import Upright
from saymask.rooms.furniture.library import Library
from saymask.rooms.layout import Layout, Placed, Point
from saymask.rooms.shell import Style, opening, style_of, zone


@dataclass(frozen=True)
class Plan:
    """The measures of a kind of room."""

    area: tuple[float, float]  # m²
    ratio: tuple[float, float]  # longest side / shortest side
    windows: tuple[int, int]
    coverings: tuple[str, ...]
    doors: tuple[int, int] = (1, 2)
    narrowest: float = 2.2  # metres


PLANS: dict[str, Plan] = {
    "bedroom": Plan((10, 26), (1.0, 1.7), (0, 3), ("planks", "carpet", "planks", "tile")),
    "living room": Plan((15, 42), (1.0, 2.0), (1, 4), ("planks", "carpet", "planks", "tile")),
    "kitchen": Plan((6, 26), (1.0, 2.4), (0, 2), ("tile", "tile", "planks"), narrowest=1.9),
    "office": Plan((10, 42), (1.0, 2.2), (0, 4), ("carpet", "carpet", "planks", "tile")),
    "meeting room": Plan((13, 45), (1.0, 2.0), (0, 3), ("carpet", "carpet", "planks", "tile")),
    "bathroom": Plan((3.6, 13), (1.0, 2.2), (0, 1), ("tile", "tile", "planks"), (1, 1), 1.6),
    "hallway": Plan((6, 26), (1.8, 5.0), (0, 2), ("planks", "tile", "carpet"), (2, 5), 1.3),
    "storage": Plan((4, 20), (1.0, 2.2), (0, 1), ("tile", "planks", "carpet"), (1, 1), 1.8),
    "studio": Plan((18, 40), (1.0, 1.9), (1, 3), ("planks", "tile", "carpet")),
    "open plan": Plan((24, 50), (1.0, 2.0), (1, 4), ("planks", "tile")),
    "lounge": Plan((16, 50), (1.0, 2.0), (0, 4), ("carpet", "tile", "planks"), (1, 3)),
    "classroom": Plan((22, 50), (1.0, 1.7), (1, 4), ("tile", "planks", "carpet")),
    "copy room": Plan((6, 18), (1.0, 2.0), (0, 1), ("tile", "carpet")),
    "laundry room": Plan((5, 16), (1.0, 2.2), (0, 1), ("tile", "tile", "planks")),
    "hospital room": Plan((12, 30), (1.0, 1.7), (1, 2), ("tile", "planks")),
    "gym": Plan((16, 50), (1.0, 1.9), (0, 3), ("carpet", "planks", "tile")),
}
LEAST_WALL = 0.25  # metres: no piece of a wall is shorter


def empty_room(rng: np.random.RandomState, kind: str, library: Library | None = None) -> tuple[Layout, Style]:
    """Draw a floor plan of version 2 with doors and windows, and the style."""
    plan = PLANS[kind]
    area, ratio = np.exp(rng.uniform(*np.log(plan.area))), rng.uniform(*plan.ratio)
    short = max(plan.narrowest, sqrt(area / ratio))
    w, d = (area / short, short) if rng.random_sample() < 0.5 else (short, area / short)
    floor = _cut(rng, round(float(w), 3), round(float(d), 3))
    layout = Layout(rng, kind, floor, round(float(rng.uniform(2.35, 3.2)), 3), version=2)
    layout.library = library
    _doors(layout, int(rng.randint(plan.doors[0], plan.doors[1] + 1)))
    least, most = plan.windows
    _windows(layout, least + int((most - least + 1) * rng.random_sample() ** 1.6))  # few more often than many
    _beams(layout)
    return layout, style_of(rng, plan.coverings)


def _cut(rng: np.random.RandomState, w: float, d: float) -> tuple[Point, ...]:
    """Return a w × d rectangle from which corners (an l or a t, a shaft, a column) or a piece of a side are cut."""
    corners: list[tuple[float, float]] = [(0.0, 0.0)] * 4  # what is cut from each corner, counter-clockwise from (0, 0)
    kind = rng.random_sample()

    def small() -> tuple[float, float]:
        return float(rng.uniform(0.28, 0.7)), float(rng.uniform(0.28, 0.7))

    def large() -> tuple[float, float]:
        return float(w * rng.uniform(0.25, 0.55)), float(d * rng.uniform(0.25, 0.55))

    first = rng.randint(4)
    if kind < 0.2:
        corners[first] = small()
    elif kind < 0.42 and min(w, d) > 2.6:
        corners[first] = large()
    elif kind < 0.5 and min(w, d) > 3:
        corners[first], corners[(first + 1) % 4] = large(), small()
    elif kind < 0.6 and min(w, d) > 2.6:
        corners[first], corners[(first + 1 + rng.randint(3)) % 4] = small(), small()
    corners = [(round(a, 3), round(b, 3)) for a, b in corners]
    out: list[Point] = []
    for i, (x, y) in enumerate(((0.0, 0.0), (w, 0.0), (w, d), (0.0, d))):
        a, b = corners[i]
        if a == 0.0:
            out.append((x, y))
            continue
        inner_x, inner_y = (a if x == 0.0 else round(w - a, 3)), (b if y == 0.0 else round(d - b, 3))
        cut = [(x, inner_y), (inner_x, inner_y), (inner_x, y)]
        out += cut if i % 2 == 0 else cut[::-1]
    side = rng.randint(4)
    if kind >= 0.85:  # a niche or a pilaster in the middle of the first side: part of it is further in or out
        at, wide = rng.uniform(0.25, 0.6) * w, rng.uniform(0.3, 0.25 * w + 0.3)
        x0, x1 = round(float(at), 3), round(float(min(at + wide, w - LEAST_WALL)), 3)
        y = round(float(rng.uniform(0.2, 0.45)), 3)
        if side < 2:  # a pilaster: the wall comes in
            out[1:1] = [(x0, 0.0), (x0, y), (x1, y), (x1, 0.0)]
        else:  # a niche: everything else comes in
            out = [(0.0, y), (x0, y), (x0, 0.0), (x1, 0.0), (x1, y), (w, y), (w, d), (0.0, d)]
    return tuple(out)


def _doors(layout: Layout, count: int) -> None:
    """Set doors, of one make or of several; one in eight is an open passage."""
    first = layout.make("door")
    for i in range(count):
        model = first if i == 0 else layout.make("door", None if layout.chance(0.5) else "plain")
        if layout.chance(0.12):
            model = layout.make("doorframe")
        item = opening(layout, model, 0.0, 0.11)
        if item is None and i == 0:
            item = opening(layout, layout.make("door", "plain", w=0.78), 0.0, 0.11)
        if item is not None:
            layout.doors.append(item)
            layout.zones.append((zone(layout, item, layout.u(0.75, 0.95), 0.0, 2.0), "door"))


def _windows(layout: Layout, count: int) -> None:
    """Set windows, mostly alike and in one wall."""
    preferred = layout.walls[layout.rng.randint(len(layout.walls))].index
    width, sill = layout.u(0.55, 2.2), layout.u(0.3, 1.25)
    if layout.kind == "bathroom":
        width, sill = layout.u(0.45, 0.9), layout.u(1.1, 1.5)
    height = min(layout.u(0.6, 1.7), layout.height - sill - 0.15)
    design = layout.make("window").design
    color: str | None = None
    for _ in range(count):
        model = layout.make("window", design, color, w=width, h=height)
        color = model.color
        item = opening(layout, model, sill, 0.10, preferred if layout.chance(0.75) else None)
        if item is not None:
            layout.windows.append(item)
            layout.zones.append((zone(layout, item, 0.3, sill, sill + height), "window"))


def _beams(layout: Layout) -> None:
    """Let a boxed beam run under the ceiling along walls without openings, in one room of five."""
    used = {item.wall for item in layout.doors + layout.windows}
    free = [wall for wall in layout.walls if wall.index not in used and wall.length > 1.2]
    if not free or layout.chance(0.8):
        return
    deep, high = layout.u(0.15, 0.6), layout.u(0.15, 0.45)
    for wall in free[: layout.pick(1, 1, 2)]:
        layout.beams.append((wall.index, deep, high))
        x, y = wall.at(wall.length / 2, deep / 2)
        zone_of = Upright(x, y, wall.length / 2, deep / 2, layout.height - high, layout.height, wall.yaw)
        layout.zones.append((zone_of, "beam"))


def dress_windows(layout: Layout) -> None:
    """Hang curtains or blinds before windows, drawn, half drawn or open, and set radiators under some."""
    kind = layout.pick("curtain", "curtain", "blinds", "both", None)
    drawn = layout.u(0.0, 1.0) if layout.chance(0.6) else layout.pick(0.0, 1.0)
    floor_length = layout.chance(0.6)
    radiators = layout.chance(0.45)
    style: dict[str, tuple[str, str | None]] = {}

    def hang(category: str, window: Placed, u: float, bottom: float, out: float, w: float, h: float) -> None:
        model = layout.make(category, *style.get(category, (None, None)), w=w, h=h)
        style[category] = (model.design, model.color)
        wall = layout.walls[window.wall or 0]
        u = min(max(u, model.size[0] / 2 + 0.03), wall.length - model.size[0] / 2 - 0.03)
        z = min(bottom, layout.height - 0.03 - model.size[2])
        x, y = wall.at(u, out + model.size[1] / 2)
        item = Placed(model, x, y, z, wall.yaw, len(layout.placed), "wall", wall=wall.index, u=u)
        if z > 0 and layout.fits(item, zones=False):
            layout.add(item)

    for window in layout.windows:
        w, d, h = window.model.size
        before = d - 0.10 + 0.02
        if kind in ("blinds", "both") and layout.chance(0.9):
            high = h * layout.pick(0.25, 0.45, 0.7, 1.0)
            hang("blinds", window, window.u, window.z + h + 0.03 - high, before, w + layout.u(-0.05, 0.1), high)
            before += 0.1
        if kind in ("curtain", "both"):
            top = min(layout.height - 0.08, window.z + h + layout.u(0.05, 0.3))
            bottom = layout.u(0.02, 0.1) if floor_length else max(0.2, window.z - layout.u(0.05, 0.3))
            wide = layout.u(0.3, 0.5) * (1 - drawn) + (w / 2 + 0.1) * drawn
            for side in (-1, 1):
                if layout.chance(0.93):
                    u = window.u + side * (w / 2 + 0.12 - wide / 2 + layout.u(-0.04, 0.04))
                    hang("curtain", window, u, bottom, before, wide, top - bottom)
        if radiators and window.z > 0.6:
            hang("radiator", window, window.u, layout.u(0.06, 0.14), 0.03, min(w, 1.4), min(0.6, window.z - 0.18))
        elif window.z > 0.5 and layout.chance(0.15):
            hang("windowsill", window, window.u, window.z - 0.06, 0.004, w + 0.1, 0.04)
