"""Placement of furniture in a room: against walls, beside, around, on top of, above; never through anything."""

from dataclasses import dataclass, field
from itertools import pairwise, product
from math import atan2, cos, hypot, pi, sin

import numpy as np

from saymask.rooms.boxes import Upright, overlap, part_boxes
from saymask.rooms.furniture.design import Model, build
from saymask.rooms.furniture.library import Library
from saymask.rooms.room import Room, Thing

Point = tuple[float, float]
LIBRARY_SHARE = 0.45
"""Share of the furniture for which a model of a library is looked for, where there is one."""


@dataclass(frozen=True)
class Wall:
    """An edge of the floor polygon; `along` runs counter-clockwise, `inward` points into the room."""

    index: int
    start: Point
    along: Point
    inward: Point
    length: float

    @property
    def yaw(self) -> float:
        """The yaw of a thing whose back is at this wall."""
        return atan2(self.inward[0], -self.inward[1])

    def spans(self, y: float) -> bool:
        """Return whether the wall passes the line at `y`."""
        ends = self.start[1], self.start[1] + self.along[1] * self.length
        return min(ends) < y < max(ends)

    def at(self, u: float, out: float) -> Point:
        """Return the point `u` metres along the wall and `out` metres into the room."""
        return (
            self.start[0] + u * self.along[0] + out * self.inward[0],
            self.start[1] + u * self.along[1] + out * self.inward[1],
        )


@dataclass(eq=False)
class Placed:
    """A model at its pose: (x, y) of the footprint's centre, z of its lowest point."""

    model: Model
    x: float
    y: float
    z: float
    yaw: float
    id: int
    mount: str
    on: int | None = None
    wall: int | None = None
    u: float = 0.0  # position along the wall
    box: Upright = field(init=False)
    parts: list[Upright] = field(init=False)

    def __post_init__(self) -> None:
        w, d, h = self.model.size
        if self.model.category == "mat":
            self.z = 0.004 - h  # it lies in the floor but for 4 mm, so that furniture can stand on it
        self.box = Upright(self.x, self.y, w / 2, d / 2, self.z, self.z + h, self.yaw)
        self.parts = part_boxes(self.model.boxes, self.x, self.y, self.z, self.yaw)

    def world(self, x: float, y: float) -> Point:
        """Return where the point (x, y) of the model's frame is in the room."""
        c, s = cos(self.yaw), sin(self.yaw)
        return self.x + c * x - s * y, self.y + s * x + c * y


class Layout:
    """A room under construction: the walls, what has been placed, and zones that must stay free."""

    def __init__(
        self, rng: np.random.RandomState, kind: str, floor: tuple[Point, ...], height: float, version: int = 1
    ):
        self.rng, self.kind, self.floor, self.height, self.version = rng, kind, floor, height, version
        self.library: Library | None = None  # models of others that stand in for LIBRARY_SHARE of the furniture
        self.placed: list[Placed] = []
        self.zones: list[tuple[Upright, str]] = []  # "door", "beam" keep everything out, "window" tall things
        self.beams: list[tuple[int, float, float]] = []  # along walls, under the ceiling: wall, depth, height
        self.doors: list[Placed] = []
        self.windows: list[Placed] = []
        self.walls = []
        for i, a in enumerate(floor):
            b = floor[(i + 1) % len(floor)]
            length = hypot(b[0] - a[0], b[1] - a[1])
            along = ((b[0] - a[0]) / length, (b[1] - a[1]) / length)
            self.walls.append(Wall(i, a, along, (-along[1], along[0]), length))
        self.width, self.depth = max(p[0] for p in floor), max(p[1] for p in floor)
        self.notches = self._notches()
        self.area = self.width * self.depth - sum(4 * notch.hx * notch.hy for notch in self.notches)

    def _notches(self) -> list[Upright]:
        """Return the parts of the plan's bounding rectangle that do not belong to the room."""
        xs, ys = (sorted({p[k] for p in self.floor}) for k in (0, 1))
        found = []
        for (x0, x1), (y0, y1) in product(pairwise(xs), pairwise(ys)):
            x, y = (x0 + x1) / 2, (y0 + y1) / 2
            crossed = [wall for wall in self.walls if wall.along[0] == 0 and wall.start[0] > x and wall.spans(y)]
            if len(crossed) % 2 == 0:
                found.append(Upright(x, y, (x1 - x0) / 2, (y1 - y0) / 2, -1, 9, 0.0))
        return found

    # --- random numbers
    def chance(self, p: float) -> bool:
        """Draw yes with probability p."""
        return bool(self.rng.random_sample() < p)

    def u(self, low: float, high: float) -> float:
        """Draw a number."""
        return float(self.rng.uniform(low, high))

    def pick(self, *options):
        """Draw one of the options."""
        return options[self.rng.randint(len(options))]

    def make(self, category: str, design: str | None = None, color: str | None = None, **wish: float) -> Model:
        """Build a model with this layout's random numbers, or take one of the library in its place."""
        model = build(category, self.rng, version=self.version, design=design, color=color, wish=wish)
        if self.library is not None and self.chance(LIBRARY_SHARE):
            return self.library.instead(model, self.rng)
        return model

    # --- tests
    def inside(self, box: Upright, slack: float = 0.003) -> bool:
        """Return whether a box's footprint lies in the room."""
        rx, ry = box.half_extents()
        if (
            box.x - rx < -slack
            or box.y - ry < -slack
            or box.x + rx > self.width + slack
            or box.y + ry > self.depth + slack
        ):
            return False
        return not any(overlap(notch, box) for notch in self.notches)

    def collides(self, item: Placed, gap: float = 0.0) -> bool:
        """Return whether a thing would go through another one (their parts are compared, not only their boxes)."""
        box = item.box
        if gap:
            box = Upright(box.x, box.y, box.hx + gap, box.hy + gap, box.z0, box.z1, box.yaw)
        for other in self.placed:
            if not overlap(box, other.box):
                continue
            for part in item.parts:
                if overlap(part, other.box) and any(overlap(part, there) for there in other.parts):
                    return True
        return False

    def blocked(self, item: Placed, *, zones: bool = True) -> bool:
        """Return whether a thing would stand in a zone that must stay free."""
        if not zones:
            return False
        for zone, kind in self.zones:
            if kind == "window" and item.mount in ("on", "ceiling"):
                continue
            if item.model.category == "mat":
                continue
            if overlap(zone, item.box):
                return True
        return False

    def fits(self, item: Placed, *, gap: float = 0.0, zones: bool = True) -> bool:
        """Return whether a thing can be where it is."""
        if item.z + item.model.size[2] > self.height - 0.02 and item.mount != "ceiling":
            return False
        if not self.inside(item.box) or self.blocked(item, zones=zones):
            return False
        return not self.collides(item, gap)

    # --- placing
    def new(self, model: Model, at: Point, z: float, yaw: float, mount: str, **more) -> Placed:
        """Return a model at a pose, not yet part of the room."""
        return Placed(model, at[0], at[1], z, yaw, len(self.placed), mount, **more)

    def add(self, item: Placed) -> Placed:
        """Accept a thing."""
        self.placed.append(item)
        return item

    def against_wall(
        self,
        model: Model,
        *,
        walls: tuple[int, ...] | None = None,
        u: float | None = None,
        gap: float = 0.02,
        front: float = 0.35,
        side: float = 0.0,
        corner: bool = False,
        turn: float = 0.0,
        tries: int = 40,
    ) -> Placed | None:
        """Stand a model with its back to a wall, with `front` metres free before it; None when there is no room."""
        w, d, _ = model.size
        half = abs(cos(turn)) * w / 2 + abs(sin(turn)) * d / 2
        back = abs(cos(turn)) * d / 2 + abs(sin(turn)) * w / 2
        lengths = np.array([wall.length if walls is None or wall.index in walls else 0.0 for wall in self.walls])
        lengths = np.cumsum(np.where(lengths >= 2 * half + 0.04, lengths, 0.0))
        if lengths[-1] <= 0:
            return None
        for _ in range(tries if u is None else 1):
            wall = self.walls[int(np.searchsorted(lengths, self.rng.random_sample() * lengths[-1], side="right"))]
            low, high = half + 0.02, wall.length - half - 0.02
            where = u if u is not None else (self.pick(low, high) if corner else self.u(low, high))
            if not low - 0.01 <= where <= high + 0.01:
                continue
            item = self.new(model, wall.at(where, back + gap), 0.0, wall.yaw + turn, "floor", wall=wall.index, u=where)
            if not self.fits(item, gap=side):
                continue
            if front > 0:
                x, y = wall.at(where, 2 * back + gap + front / 2)
                free = Upright(x, y, max(half - 0.02, 0.02), front / 2 - 0.005, 0.02, 1.2, wall.yaw)
                if not self._free(free):
                    continue
            return self.add(item)
        return None

    def _free(self, box: Upright) -> bool:
        return self.inside(box) and not any(
            overlap(box, other.box) for other in self.placed if other.model.category != "mat"
        )

    def on_wall(
        self,
        model: Model,
        low: float,
        high: float,
        *,
        walls: tuple[int, ...] | None = None,
        above: Placed | None = None,
        near: float = 0.0,
        zones: bool = True,
        tries: int = 30,
    ) -> Placed | None:
        """Hang a model with its lower edge between `low` and `high`; `above` keeps it over a thing at the wall."""
        w, d, h = model.size
        if above is not None and above.wall is None:
            return None
        for _ in range(tries):
            if above is not None:
                wall = self.walls[above.wall or 0]
                where = above.u + self.u(-near, near)
            else:
                options = [x for x in self.walls if (walls is None or x.index in walls) and x.length > w + 0.1]
                if not options:
                    return None
                wall = options[self.rng.randint(len(options))]
                where = self.u(w / 2 + 0.04, wall.length - w / 2 - 0.04)
            if not w / 2 <= where <= wall.length - w / 2:
                continue
            z = min(self.u(low, high), self.height - h - 0.04)
            item = self.new(model, wall.at(where, d / 2 + 0.004), z, wall.yaw, "wall", wall=wall.index, u=where)
            if z > 0 and self.fits(item, zones=zones, gap=0.02):
                return self.add(item)
        return None

    def on_top(
        self,
        model: Model,
        host: Placed,
        *,
        at: Point | None = None,
        yaw: float | None = None,
        spread: float = 0.3,
        tries: int = 25,
        top: int | None = None,
    ) -> Placed | None:
        """Stand a model on one of the host's surfaces; `at` is (0..1, 0..1) over the surface from left and front."""
        tops = host.model.tops if top is None else host.model.tops[top : top + 1]
        w, d, h = model.size
        for _ in range(tries):
            if not tops:
                return None
            surface = tops[self.rng.randint(len(tops))]
            turn = self.u(-spread, spread) if yaw is None else yaw
            half_x = abs(cos(turn)) * w / 2 + abs(sin(turn)) * d / 2
            half_y = abs(sin(turn)) * w / 2 + abs(cos(turn)) * d / 2
            x0, x1, y0, y1 = surface.x0 + half_x, surface.x1 - half_x, surface.y0 + half_y, surface.y1 - half_y
            over = 0.02  # a little over the edge of the usable part is still on the thing
            if x0 > x1 + over or y0 > y1 + over or h > surface.headroom:
                continue
            fx, fy = at if at is not None else (self.rng.random_sample(), self.rng.random_sample())
            if at is not None:
                fx, fy = (min(1.0, max(0.0, f + self.u(-0.06, 0.06))) for f in (fx, fy))
            x, y = x0 + (x1 - x0) * fx, y0 + (y1 - y0) * fy
            item = self.new(model, host.world(x, y), host.z + surface.z + 0.002, host.yaw + turn, "on", on=host.id)
            if self.fits(item):
                return self.add(item)
        return None

    def beside(
        self, model: Model, host: Placed, side: int, *, gap: float = 0.05, back: bool = True, turn: float = 0.0
    ) -> Placed | None:
        """Stand a model to the right (side = 1) or left (-1) of a host, their backs or their centres aligned."""
        w, d, _ = model.size
        x = side * (host.model.size[0] / 2 + w / 2 + gap)
        y = host.model.size[1] / 2 - d / 2 if back else 0.0
        item = self.new(model, host.world(x, y), 0.0, host.yaw + turn, "floor", wall=host.wall)
        if host.wall is not None:
            wall = self.walls[host.wall]
            item.u = (item.x - wall.start[0]) * wall.along[0] + (item.y - wall.start[1]) * wall.along[1]
        return self.add(item) if self.fits(item) else None

    def before(
        self,
        model: Model,
        host: Placed,
        distance: float,
        *,
        shift: float = 0.0,
        turn: float = 0.0,
    ) -> Placed | None:
        """Stand a model `distance` metres before the front of a host (negative: tucked under it)."""
        y = -(host.model.size[1] / 2 + distance + model.size[1] / 2)
        item = self.new(model, host.world(shift, y), 0.0, host.yaw + turn, "floor")
        return self.add(item) if self.fits(item) else None

    def around(self, host: Placed, models: list[Model], *, ends: bool = True) -> list[Placed]:
        """Tuck chairs at the sides of a table, facing it; what does not fit is left out."""
        w, d, _ = host.model.size
        seats: list[tuple[float, float, float]] = []  # x, y, yaw in the host's frame, before the depth is known
        if host.model.shape == "round":
            n = len(models)
            turn = self.u(0, 2 * pi)
            seats = [(sin(turn + i * 2 * pi / n), -cos(turn + i * 2 * pi / n), turn + i * 2 * pi / n) for i in range(n)]
        else:
            per = max(1, int((w - 0.1) / 0.62))
            for i in range(per):
                x = (i + 0.5) * w / per - w / 2
                seats += [(x, -1, 0.0), (x, 1, pi)]
            if ends and d > 0.6:
                seats += [(1, 0, pi / 2), (-1, 0, -pi / 2)]
        out = []
        for (sx, sy, angle), model in zip(seats, models, strict=False):
            if model.size[0] > 0.66 and host.model.shape != "round" and abs(sy) == 1:
                model_tuck = -0.02
            else:
                model_tuck = self.u(-0.06, 0.16)
            for tuck in (model_tuck, 0.0, -0.12):
                reach = model.size[1] / 2 - tuck
                if host.model.shape == "round":
                    x, y = sx * (w / 2 + reach), sy * (w / 2 + reach)
                elif angle in (0.0, pi):
                    x, y = sx, sy * (d / 2 + reach)
                else:
                    x, y = sx * (w / 2 + reach), 0.0
                yaw = host.yaw + angle + pi + self.u(-0.15, 0.15)  # the front looks at the table
                item = self.new(model, host.world(x, y), 0.0, yaw, "floor")
                if self.fits(item):
                    out.append(self.add(item))
                    break
        return out

    def free(self, model: Model, *, gap: float = 0.1, yaw: float | None = None, tries: int = 40) -> Placed | None:
        """Stand a model anywhere on the free floor."""
        for _ in range(tries):
            turn = self.pick(0, pi / 2, pi, -pi / 2) + self.u(-0.1, 0.1) if yaw is None else yaw
            at = (self.u(0.2, self.width - 0.2), self.u(0.2, self.depth - 0.2))
            item = self.new(model, at, 0.0, turn, "floor")
            if self.fits(item, gap=gap):
                return self.add(item)
        return None

    def overhead(self, model: Model, at: Point) -> Placed | None:
        """Hang a model under the ceiling."""
        item = self.new(model, at, self.height - model.size[2] - 0.01, 0.0, "ceiling")
        return self.add(item) if self.fits(item) else None

    def group(self, category: str, n: int, **options) -> list[Model]:
        """Build n models of a category that a sentence can tell apart: mostly of one design, colours in two groups."""
        design = options.pop("design", None)
        first = self.make(category, design, **options)
        models = [first]
        for i in range(1, n):
            same = i % 2 == 0 or self.chance(0.35)
            if self.library is not None and self.chance(0.7):
                models.append(first)
                continue
            models.append(self.make(category, first.design, first.color if same else None, **options))
        return models

    # --- the result
    def divide(self) -> None:
        """Make two things of each one whose lower part has a name of its own, such as cabinets under a counter."""
        for item in list(self.placed):
            if item.model.base is None:
                continue
            (lower, below), (upper, above) = item.model.halves()
            x, y = item.world(below[0], below[1])
            base = Placed(
                lower,
                x,
                y,
                item.z + float(below[2]),
                item.yaw,
                len(self.placed),
                item.mount,
                item.on,
                item.wall,
                item.u,
            )
            self.placed.append(base)
            x, y = item.world(above[0], above[1])
            self.placed[item.id] = Placed(upper, x, y, item.z + float(above[2]), item.yaw, item.id, "on", base.id)

    def room(self, id: str) -> Room:
        """Return the finished description."""
        return Room(id, self.kind, self.floor, self.height, tuple(thing_of(item) for item in self.placed))


def thing_of(item: Placed) -> Thing:
    """Return the description of a placed model."""
    m = item.model
    center = (round(item.x, 6), round(item.y, 6), round(item.z + m.size[2] / 2, 6))
    w, d, h = (round(v, 6) for v in m.size)
    yaw = (item.yaw + pi) % (2 * pi) - pi
    return Thing(
        id=item.id, category=m.category, design=m.design, color=m.color, material=m.material, shape=m.shape,
        center=center, size=(w, d, h), yaw=round(yaw, 6), on=item.on, mount=item.mount, wall=item.wall,
        fronted=m.fronted,
    )  # fmt: skip
