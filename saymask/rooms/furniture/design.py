"""Parametric furniture: a small language of parts, and a table of designs per ScanNet category.

A design is a function that draws its measures from a `Kit` and adds parts to it. Designs are registered with
`@design(category, name)`; `build` picks one, runs it and returns a `Model` whose size is that of its parts. A design
belongs to the version of the rooms that it came with and to all later ones, so that earlier ones stay as they were.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module

import numpy as np

from saymask.rooms import colors
from saymask.rooms.colors import RGB
from saymask.rooms.furniture.parts import Bumps, Part, along, rotation

FAMILIES = (
    "seats", "tables", "storage", "beds", "kitchen", "bath", "devices", "walls", "small", "tail",
    "bedding", "lounge", "chairs", "openings", "surfaces", "desks", "cases", "shelving", "bags", "fitted", "appliances",
    "fittings", "boards", "gadgets", "litter", "plants",
)  # fmt: skip
Paint = RGB | str


@dataclass(frozen=True)
class Surface:
    """A horizontal rectangle on which smaller things stand, in the model's frame (metres)."""

    x0: float
    y0: float
    x1: float
    y1: float
    z: float
    headroom: float = 10.0


@dataclass(frozen=True, eq=False)
class Model:
    """A piece of furniture: parts around the centre of its footprint, z = 0 at its lowest point, front towards -y."""

    category: str
    design: str
    parts: tuple[Part, ...]
    size: tuple[float, float, float]
    color: str | None
    material: str | None
    shape: str | None
    fronted: bool
    tops: tuple[Surface, ...]
    boxes: np.ndarray  # float64 [parts, 6] lower and upper corner of every part
    base: tuple[str, int] | None = None  # category of the first parts, and how many: a piece of its own under the rest

    def halves(self) -> tuple[tuple["Model", np.ndarray], tuple["Model", np.ndarray]]:
        """Return the piece under the rest and the rest, each with the place of its middle in this model's frame."""
        assert self.base is not None
        category, count = self.base
        lower = replace(self, category=category, parts=self.parts[:count], boxes=self.boxes[:count], tops=(), base=None)
        upper = replace(
            self, parts=self.parts[count:], boxes=self.boxes[count:], color=None, material=None, fronted=False,
            base=None,
        )  # fmt: skip
        return lower.centred(), upper.centred()

    def centred(self) -> tuple["Model", np.ndarray]:
        """Return the model with its footprint centred and its lowest point at z = 0, and where that was, [3]."""
        low, high = self.boxes[:, :3].min(axis=0), self.boxes[:, 3:].max(axis=0)
        shift = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
        dx, dy, dz = shift.tolist()
        w, d, h = (float(v) for v in high - low)
        moved = replace(
            self, parts=tuple(replace(part, center=part.center - shift) for part in self.parts), size=(w, d, h),
            tops=tuple(Surface(s.x0 - dx, s.y0 - dy, s.x1 - dx, s.y1 - dy, s.z - dz, s.headroom) for s in self.tops),
            boxes=self.boxes - np.tile(shift, 2),
        )  # fmt: skip
        return moved, shift


@dataclass(frozen=True)
class Design:
    """A registered way to build one category."""

    category: str
    name: str
    make: Callable[["Kit"], None]
    weight: float
    fronted: bool
    since: int  # first version of the rooms that has it
    like: str | None  # name of an earlier design in whose places it may stand


DESIGNS: dict[str, list[Design]] = {}


def design(
    category: str, name: str, *, weight: float = 1.0, fronted: bool = False, since: int = 1, like: str | None = None
):
    """Register the decorated function as a design of `category` (decorators may be stacked)."""

    def register(make: Callable[["Kit"], None]) -> Callable[["Kit"], None]:
        DESIGNS.setdefault(category, []).append(Design(category, name, make, weight, fronted, since, like))
        return make

    return register


design2 = partial(design, since=2)
"""`design` for what version 2 of the rooms added."""


def designs(category: str, version: int) -> list[Design]:
    """Return the designs of a category that a version of the rooms has."""
    _load()
    return [option for option in DESIGNS.get(category, ()) if option.since <= version]


def categories(version: int) -> tuple[str, ...]:
    """Return every category that a version of the rooms can build, in alphabetical order."""
    _load()
    return tuple(sorted(category for category in DESIGNS if designs(category, version)))


def build(
    category: str,
    rng: np.random.RandomState,
    *,
    version: int,
    design: str | None = None,
    color: str | None = None,
    wish: dict[str, float] | None = None,
) -> Model:
    """Build a model of `category` as a version of the rooms has it.

    `design` and `color` fix what is otherwise drawn, where `design` stands for all designs that are like it; `wish`
    fixes measures by name (metres) where the design asks for them, for example `{"w": 1.2}`. KeyError when the
    category or the design is unknown.
    """
    options = designs(category, version)
    if design is not None:
        options = [option for option in options if design in (option.name, option.like)]
    if not options:
        raise KeyError(f"{category} has no design {design or ''} in version {version}")
    share = np.cumsum([option.weight for option in options])
    if len(options) > 1 and share[-1] == 0:  # designs that stand only where they are asked for
        share = np.arange(1.0, len(options) + 1)
    chosen = options[min(int(np.searchsorted(share, rng.random_sample() * share[-1], side="right")), len(options) - 1)]
    kit = Kit(rng, forced=color, wish=wish or {})
    chosen.make(kit)
    return kit.finish(category, chosen)


def _load() -> None:
    """Import the families once; they register their designs."""
    if not DESIGNS:
        for family in FAMILIES:
            import_module(f"saymask.rooms.furniture.{family}")


@dataclass
class Kit:
    """Toolbox of a design: random measures, colours and parts. x is the width, y the depth, z the height."""

    rng: np.random.RandomState
    forced: str | None = None
    wish: dict[str, float] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    tops: list[Surface] = field(default_factory=list)
    color: str | None = None
    material: str | None = None
    shape: str | None = None
    fronted: bool | None = None
    under: tuple[str, int] | None = None

    # --- choices
    def u(self, low: float, high: float, name: str = "") -> float:
        """Draw a measure; a wish of that name wins."""
        drawn = float(self.rng.uniform(low, high))
        return float(self.wish.get(name, drawn))

    def n(self, low: int, high: int) -> int:
        """Draw a whole number, both ends included."""
        return int(self.rng.randint(low, high + 1))

    def pick(self, *options):
        """Draw one of the options."""
        return options[self.rng.randint(len(options))]

    def flip(self, chance: float = 0.5) -> bool:
        """Draw yes with this chance."""
        return bool(self.rng.random_sample() < chance)

    def main(self, weights: Mapping[str, float], material: str | None = None) -> RGB:
        """Draw the dominant colour (a forced one wins) and note it and the material."""
        drawn = colors.choose(self.rng, weights)
        self.color = self.forced or drawn
        self.material = material or self.material
        return colors.shade_of(self.rng, self.color)

    def shade(self, word: str) -> RGB:
        """Draw a secondary colour."""
        return colors.shade_of(self.rng, word)

    def some(self, weights: Mapping[str, float]) -> RGB:
        """Draw a secondary colour from weights."""
        return colors.shade_of(self.rng, colors.choose(self.rng, weights))

    def _rgb(self, paint: Paint) -> RGB:
        return self.shade(paint) if isinstance(paint, str) else paint

    # --- parts; z is always the lower end
    def box(self, x, y, z, w, d, h, paint: Paint, tex="plain", *, round=0.0, turn=(0.0, 0.0, 0.0)) -> None:
        """Add a box w × d × h with its base centred at (x, y, z), optionally rounded and turned about its centre."""
        center = np.array([x, y, z + h / 2], dtype=np.float64)
        self.parts.append(Part("box", (w, d, h), center, rotation(*turn), self._rgb(paint), tex, round))

    def cushion(self, x, y, z, w, d, h, paint: Paint, tex="fabric", *, turn=(0.0, 0.0, 0.0)) -> None:
        """Add a soft cushion whose thickness falls off towards its edges."""
        center = np.array([x, y, z + h / 2], dtype=np.float64)
        self.parts.append(Part("cushion", (w, d, h), center, rotation(*turn), self._rgb(paint), tex))

    def lathe(self, x, y, z, profile, paint: Paint, tex="plain", *, turn=(0.0, 0.0, 0.0)) -> None:
        """Add a turned shape; `profile` holds (radius, height) from bottom to top, heights relative to z."""
        profile = tuple((round(float(r), 4), round(float(h), 4)) for r, h in profile)
        low, high = min(p[1] for p in profile), max(p[1] for p in profile)
        width = 2 * max(p[0] for p in profile)
        center = np.array([x, y, z + (low + high) / 2], dtype=np.float64)
        part = Part("lathe", (width, width, high - low), center, rotation(*turn), self._rgb(paint), tex, 0.0, profile)
        self.parts.append(part)

    def cyl(self, x, y, z, r, h, paint: Paint, tex="plain", *, top: float | None = None, turn=(0.0, 0.0, 0.0)) -> None:
        """Add a closed cylinder or truncated cone."""
        self.lathe(x, y, z, ((0, 0), (r, 0), (r if top is None else top, h), (0, h)), paint, tex, turn=turn)

    def pot(self, x, y, z, r, h, paint: Paint, tex="plain", *, top: float | None = None, wall=0.012) -> None:
        """Add an open vessel."""
        rim = r if top is None else top
        profile = ((0, 0), (r, 0), (rim, h), (rim - wall, h), (max(r - wall, 0.01), wall), (0, wall))
        self.lathe(x, y, z, profile, paint, tex)

    def ball(self, x, y, z, r, paint: Paint, tex="plain", *, squash=1.0) -> None:
        """Add a ball that rests on z; `squash` scales its height."""
        angle = np.linspace(-np.pi / 2, np.pi / 2, max(5, round(np.pi * r / 0.03)) + 1)
        profile = [(r * max(0.0, float(np.cos(a))), r * squash * float(1 + np.sin(a))) for a in angle]
        profile[0], profile[-1] = (0, profile[0][1]), (0, profile[-1][1])
        self.lathe(x, y, z, profile, paint, tex)

    def tube(self, start, end, r, paint: Paint, tex="plain") -> None:
        """Add a round bar between two points."""
        p, q = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
        length = round(float(np.linalg.norm(q - p)), 3)
        profile = ((0.0, 0.0), (r, 0.0), (r, length), (0.0, length))
        part = Part("lathe", (2 * r, 2 * r, length), (p + q) / 2, along(q - p), self._rgb(paint), tex, 0.0, profile)
        self.parts.append(part)

    def sheet(self, x, y, z, w, h, paint: Paint, tex="fabric", *, folds=(0, 0.0), turn=(0.0, 0.0, 0.0)) -> None:
        """Add a thin sheet that hangs in the x-z plane, with folds (number, depth)."""
        center = np.array([x, y, z + h / 2], dtype=np.float64)
        self.parts.append(Part("sheet", (w, folds[1], h), center, rotation(*turn), self._rgb(paint), tex, 0, (), folds))

    def bumps(self, height: float, width: float) -> Bumps | None:
        """Draw the bumps of a soft surface: their height and their distance, metres."""
        return Bumps(height, width, int(self.rng.randint(2**31 - 1))) if height > 0 else None

    def soft(
        self, x, y, z, w, d, h, paint: Paint, tex="fabric", *, round=0.05, bulge=0.02, bumps=0.0, wave=0.25,
        turn=(0.0, 0.0, 0.0),
    ) -> None:  # fmt: skip
        """Add a filled cover w × d × h: rounded, swollen by `bulge`, with bumps `wave` metres apart."""
        center = np.array([x, y, z + h / 2], dtype=np.float64)
        self.parts.append(
            Part("soft", (w, d, h), center, rotation(*turn), self._rgb(paint), tex, round, bulge=bulge,
                 bumps=self.bumps(bumps, wave))
        )  # fmt: skip

    def cloth(
        self, x, y, z, w, line, paint: Paint, tex="fabric", *, cup=0.0, bumps=0.0, wave=0.2, turn=(0.0, 0.0, 0.0)
    ) -> None:
        """Add a surface w wide that follows a bent line of (y, z) points, relative to (x, y, z) before the turn."""
        low, high = np.min(line, axis=0), np.max(line, axis=0)
        middle = (low + high) / 2
        spread = np.maximum(high - low, 0.004) + 2 * (abs(cup) + bumps) * (np.ptp(line, axis=0)[::-1] > 0.03)
        points = tuple((float(a - middle[0]), float(b - middle[1])) for a, b in line)
        turned = rotation(*turn)
        center = np.array([x, y, z], dtype=np.float64) + turned @ np.array([0.0, *middle])
        size = (float(w), float(spread[0]), float(spread[1]))
        self.parts.append(
            Part("cloth", size, center, turned, self._rgb(paint), tex, profile=points, bulge=cup,
                 bumps=self.bumps(bumps, wave))
        )  # fmt: skip

    def drape(self, x, y, z, w, h, deep, paint: Paint, tex: str, folds: int) -> None:
        """Add a hanging cloth whose folds differ in width and depth."""
        center = np.array([x, y, z + h / 2], dtype=np.float64)
        self.parts.append(
            Part("sheet", (w, deep, h), center, np.eye(3), self._rgb(paint), tex, folds=(folds, deep * 0.6),
                 bumps=self.bumps(deep * 0.3, w / folds * 3))
        )  # fmt: skip

    # --- groups of parts
    def legs(self, w, d, h, thick, paint: Paint, *, inset=0.0, round_legs=False, splay=0.0, z=0.0) -> None:
        """Add four legs under a w × d rectangle; `splay` moves their feet outwards."""
        for sx in (-1, 1):
            for sy in (-1, 1):
                x, y = sx * (w / 2 - thick / 2 - inset), sy * (d / 2 - thick / 2 - inset)
                if splay > 0 or round_legs:
                    foot = (x + sx * splay * 0.7, y + sy * splay * 0.7, z)
                    self.tube(foot, (x, y, z + h), thick / 2, paint)
                else:
                    self.box(x, y, z, thick, thick, h, paint)

    def fronts(self, w, d, z, h, rows, columns, paint: Paint, knob: Paint | None, tex="plain", *, x=0.0, y=0.0) -> None:
        """Add rows × columns of drawer or door fronts with knobs to the front of a w × d body that starts at z."""
        gap = 0.012
        cw, ch = w / columns, h / rows
        for i in range(columns):
            for j in range(rows):
                cx, cz = x - w / 2 + (i + 0.5) * cw, z + j * ch
                self.box(cx, y - d / 2 - 0.009, cz + gap, cw - 2 * gap, 0.018, ch - 2 * gap, paint, tex)
                if knob is not None:
                    wide = min(0.12, cw * 0.4) if ch < cw * 1.2 else 0.025
                    tall = 0.025 if ch < cw * 1.2 else min(0.14, ch * 0.3)
                    kx = cx if ch < cw * 1.2 else cx + (cw * 0.36 if i % 2 == 0 else -cw * 0.36)
                    kz = cz + ch / 2 - tall / 2
                    self.box(kx, y - d / 2 - 0.03, kz, wide, 0.025, tall, knob)

    def top(self, x0, y0, x1, y1, z, headroom=10.0) -> None:
        """Declare a surface on which smaller things may stand."""
        self.tops.append(Surface(x0, y0, x1, y1, z, headroom))

    def base(self, category: str) -> None:
        """Let the parts so far be a piece of `category` of its own, on which the later ones lie."""
        self.under = category, len(self.parts)

    # --- the result
    def finish(self, category: str, chosen: Design) -> Model:
        """Return the model; its footprint is centred and its lowest point at z = 0."""
        boxes = np.array([np.concatenate(part.bounds()) for part in self.parts])
        fronted = chosen.fronted if self.fronted is None else self.fronted
        model = Model(
            category, chosen.name, tuple(self.parts), (0.0, 0.0, 0.0), self.color, self.material, self.shape, fronted,
            tuple(self.tops), boxes, self.under,
        )  # fmt: skip
        return model.centred()[0]
