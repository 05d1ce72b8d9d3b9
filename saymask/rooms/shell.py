"""The empty room: floor plan, doors, windows, and the colours of walls and floor."""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from saymask.rooms.boxes import Upright
from saymask.rooms.colors import RGB
from saymask.rooms.furniture.design import Model
from saymask.rooms.layout import Layout, Placed, Wall

# Area in m2, longest side / shortest side, chance of an l-shape, number of windows, floor coverings.
PLANS: dict[str, tuple[tuple[float, float], tuple[float, float], float, tuple[int, int], tuple[str, ...]]] = {
    "bedroom": ((10, 22), (1.0, 1.5), 0.15, (1, 2), ("planks", "carpet", "planks")),
    "living room": ((17, 40), (1.0, 1.7), 0.35, (1, 3), ("planks", "carpet", "planks")),
    "kitchen": ((9, 24), (1.0, 1.8), 0.25, (1, 2), ("tile", "tile", "planks")),
    "office": ((11, 34), (1.0, 1.7), 0.2, (1, 3), ("carpet", "carpet", "planks", "tile")),
    "meeting room": ((16, 45), (1.0, 1.7), 0.1, (0, 3), ("carpet", "carpet", "planks")),
    "bathroom": ((8, 12), (1.0, 1.7), 0.1, (0, 1), ("tile",)),
    "hallway": ((8, 18), (1.9, 3.2), 0.35, (0, 1), ("planks", "tile", "carpet")),
    "storage": ((8, 18), (1.0, 1.8), 0.15, (0, 1), ("tile", "planks", "carpet")),
}
WALLS: tuple[RGB, ...] = (
    (226, 224, 216), (214, 210, 200), (232, 226, 206), (206, 210, 212), (222, 210, 186),
    (200, 214, 222), (206, 218, 200), (226, 206, 196), (188, 186, 182), (234, 234, 230),
)  # fmt: skip
FLOORS: dict[str, tuple[RGB, ...]] = {
    "planks": ((150, 108, 68), (176, 134, 90), (120, 84, 56), (188, 158, 118), (132, 122, 112)),
    "carpet": ((132, 130, 128), (104, 108, 116), (168, 154, 132), (120, 104, 92), (94, 104, 124)),
    "tile": ((204, 202, 196), (170, 168, 164), (190, 176, 156), (138, 138, 140)),
}


@dataclass(frozen=True)
class Style:
    """The look of the shell and of the light."""

    wall: RGB
    floor: RGB
    floor_texture: str  # a texture of `colors`
    baseboard: RGB
    ceiling: bool
    light: float  # brightness
    warmth: float  # > 0 yellowish, < 0 bluish


def empty_room(rng: np.random.RandomState, kind: str) -> tuple[Layout, Style]:
    """Draw a floor plan of version 1 with doors and windows, and the style."""
    (small, large), (fat, thin), bent, windows, coverings = PLANS[kind]
    area, ratio = rng.uniform(small, large), rng.uniform(fat, thin)
    is_l = rng.random_sample() < bent
    if is_l:
        area *= 1.25
    short = max(1.75 if kind == "hallway" else 2.3, sqrt(area / ratio))
    long = area / short
    w, d = (long, short) if rng.random_sample() < 0.5 else (short, long)
    w, d = round(float(w), 3), round(float(d), 3)
    floor: tuple[tuple[float, float], ...] = ((0.0, 0.0), (w, 0.0), (w, d), (0.0, d))
    if is_l and min(w, d) > 2.5:
        a, b = round(w * float(rng.uniform(0.5, 0.65)), 3), round(d * float(rng.uniform(0.5, 0.65)), 3)
        floor = (
            ((0.0, 0.0), (w, 0.0), (w, b), (a, b), (a, d), (0.0, d)),
            ((0.0, 0.0), (a, 0.0), (a, d - b), (w, d - b), (w, d), (0.0, d)),
            ((w - a, 0.0), (w, 0.0), (w, d), (0.0, d), (0.0, d - b), (w - a, d - b)),
            ((0.0, 0.0), (w, 0.0), (w, d), (w - a, d), (w - a, b), (0.0, b)),
        )[rng.randint(4)]
        floor = tuple((round(x, 3), round(y, 3)) for x, y in floor)
    layout = Layout(rng, kind, floor, round(float(rng.uniform(2.4, 3.0)), 3))
    _doors(layout, 1 if kind != "hallway" else 0)
    _windows(layout, int(rng.randint(windows[0], windows[1] + 1)))
    return layout, style_of(rng, coverings)


def style_of(rng: np.random.RandomState, coverings: tuple[str, ...]) -> Style:
    """Draw the look of a room with one of the floor coverings."""
    covering = coverings[rng.randint(len(coverings))]
    return Style(
        wall=WALLS[rng.randint(len(WALLS))],
        floor=FLOORS[covering][rng.randint(len(FLOORS[covering]))],
        floor_texture="fabric" if covering == "carpet" else covering,
        baseboard=((240, 238, 232), (110, 76, 50), (120, 120, 122))[rng.randint(3)],
        ceiling=bool(rng.random_sample() < 0.5),
        light=float(rng.uniform(0.86, 1.06)),
        warmth=float(rng.uniform(-0.04, 0.06)),
    )


def _doors(layout: Layout, least: int) -> None:
    count = 1 + int(layout.chance(0.4)) if least else 2 + int(layout.chance(0.5))
    model = layout.make("door")
    for i in range(count):
        if i and layout.chance(0.5):
            model = layout.make("door", layout.pick("plain", "glazed"), w=model.size[0])
        item = opening(layout, model, 0.0, 0.11)
        if item is not None:
            layout.doors.append(item)
            layout.zones.append((zone(layout, item, 0.95, 0.0, 2.0), "door"))


def _windows(layout: Layout, count: int) -> None:
    wall_of_windows = layout.walls[layout.rng.randint(len(layout.walls))].index
    width, height, sill = layout.u(0.9, 1.5), layout.u(1.0, 1.35), layout.u(0.85, 1.0)
    if layout.kind == "bathroom":
        width, height, sill = layout.u(0.6, 0.8), layout.u(0.6, 0.8), layout.u(1.2, 1.4)
    height = min(height, layout.height - sill - 0.15)
    color: str | None = None
    for _ in range(count):
        model = layout.make("window", "casement", color, w=width, h=height)
        color = model.color
        prefer = wall_of_windows if layout.chance(0.7) else None
        item = opening(layout, model, sill, 0.10, prefer)
        if item is not None:
            layout.windows.append(item)
            layout.zones.append((zone(layout, item, 0.3, sill, sill + height), "window"))


def opening(layout: Layout, model: Model, z: float, out: float, prefer: int | None = None) -> Placed | None:
    """Set a door or window into a wall, 0.2 m away from corners and other openings; its back is `out` m outside."""
    w, d, _ = model.size
    for attempt in range(40):
        wall: Wall = layout.walls[layout.rng.randint(len(layout.walls))]
        if prefer is not None and attempt < 15:
            wall = layout.walls[prefer]
        if wall.length < w + 0.3:
            continue
        u = layout.u(w / 2 + 0.12, wall.length - w / 2 - 0.12)
        others = [o for o in layout.doors + layout.windows if o.wall == wall.index]
        if any(abs(o.u - u) < (o.model.size[0] + w) / 2 + 0.25 for o in others):
            continue
        x, y = wall.at(u, d / 2 - out)
        item = Placed(model, x, y, z, wall.yaw, len(layout.placed), "wall", wall=wall.index, u=u)
        if layout.version > 1:  # a leaf that stands open needs room
            inner = wall.at(u, (d - out) / 2)
            within = Upright(inner[0], inner[1], w / 2, (d - out) / 2, z, z + model.size[2], wall.yaw)
            if not layout.inside(within) or layout.collides(item):
                continue
        return layout.add(item)
    return None


def zone(layout: Layout, item: Placed, deep: float, z0: float, z1: float) -> Upright:
    """Return the box before a door or window that stays free."""
    wall = layout.walls[item.wall or 0]
    x, y = wall.at(item.u, deep / 2 + 0.005)
    return Upright(x, y, item.model.size[0] / 2, deep / 2, z0, z1, wall.yaw)


def dress_windows(layout: Layout) -> None:
    """Add curtains or blinds to windows, and radiators under some of them."""
    kind = layout.pick("curtain", "curtain", "blinds", None)
    color: str | None = None
    for window in layout.windows:
        wall = layout.walls[window.wall or 0]
        w, _, h = window.model.size
        if kind == "curtain":
            bottom = layout.pick(0.05, 0.05, max(0.3, window.z - 0.15))
            top = min(layout.height - 0.08, window.z + h + 0.12)
            for side in (-1, 1):
                model = layout.make("curtain", color=color, w=layout.u(0.4, 0.6), h=top - bottom)
                color = model.color if layout.chance(0.9) else None
                u = window.u + side * (w / 2 + layout.u(-0.05, 0.12))
                u = min(max(u, model.size[0] / 2 + 0.03), wall.length - model.size[0] / 2 - 0.03)
                x, y = wall.at(u, 0.17 + model.size[1] / 2 - 0.035)
                item = Placed(model, x, y, bottom, wall.yaw, len(layout.placed), "wall", wall=wall.index, u=u)
                if layout.fits(item, zones=False):
                    layout.add(item)
        elif kind == "blinds":
            model = layout.make("blinds", color=color, w=w + 0.04, h=h * layout.pick(0.45, 0.7, 1.0))
            color = model.color
            x, y = wall.at(window.u, 0.15 + model.size[1] / 2)
            z = min(window.z + h + 0.05, layout.height - 0.04) - model.size[2]
            item = Placed(model, x, y, z, wall.yaw, len(layout.placed), "wall", wall=wall.index, u=window.u)
            if layout.fits(item, zones=False):
                layout.add(item)
        if layout.chance(0.35) and window.z > 0.75:
            model = layout.make("radiator", w=min(w, 1.2), h=min(0.6, window.z - 0.2))
            x, y = wall.at(window.u, model.size[1] / 2 + 0.03)
            item = Placed(model, x, y, 0.1, wall.yaw, len(layout.placed), "wall", wall=wall.index, u=window.u)
            if layout.fits(item, zones=False):
                layout.add(item)
