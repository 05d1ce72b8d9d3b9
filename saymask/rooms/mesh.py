"""Generation of a room: its description together with the parametric surfaces that a sensor looks at."""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi

import numpy as np

from saymask.errors import InputError
from saymask.rooms import plans, shell
from saymask.rooms.furniture.library import Library
from saymask.rooms.furniture.parts import Part, rotation
from saymask.rooms.kinds import groups, home, lived_in, public, sleeping, work
from saymask.rooms.layout import Layout
from saymask.rooms.reach import reachable
from saymask.rooms.room import Room
from saymask.rooms.shell import Style

VERSIONS = (1, 2)
VERSION = 1
"""The default: the benchmark that results are given on."""
Furnish = Callable[[Layout], None]
_FIRST: dict[str, Furnish] = {
    "bedroom": home.bedroom, "living room": home.living_room, "kitchen": home.kitchen, "office": work.office,
    "meeting room": work.meeting_room, "bathroom": home.bathroom, "hallway": work.hallway, "storage": work.storage,
}  # fmt: skip
_SECOND: dict[str, Furnish] = {
    "bedroom": sleeping.bedroom, "studio": sleeping.studio, "hospital room": sleeping.hospital_room,
    "open plan": public.open_plan, "lounge": public.lounge, "classroom": public.classroom,
    "copy room": public.copy_room, "laundry room": public.laundry_room, "gym": public.gym,
}  # fmt: skip
KINDS: dict[int, dict[str, Furnish]] = {1: _FIRST, 2: _FIRST | _SECOND}
"""Function that furnishes each kind of room, by version."""
SPLITS = {"train": 0, "val": 9000, "test": 8000}  # the first room number of a split
THINGS = {1: (12, 46), 2: (4, 120)}
"""The least and the most things of a room, by version."""


@dataclass(frozen=True, eq=False)
class Body:
    """The parts of one object and where they are: a thing, or a piece of the shell."""

    id: int  # objectId
    label: str  # raw category: "wall", "floor", "ceiling" or the thing's category
    parts: tuple[Part, ...]
    x: float
    y: float
    z: float
    yaw: float


@dataclass(frozen=True, eq=False)
class RoomMesh:
    """A room and its surfaces. Vertices do not exist before a sensor looks at it."""

    room: Room
    bodies: tuple[Body, ...]  # first the things (id = position), then walls, floor, ceiling
    covers: tuple[tuple[int, tuple[float, float, float, float, float, float], float], ...]
    style: Style
    alignment: float  # radians about z that turn the raw scan into the room frame
    seed: tuple[int, int, int, int]  # (version, seed, split, index): the sensor's random numbers start from it


def random_state(version: int, seed: int, split: str, index: int, stream: int) -> np.random.RandomState:
    """Return the generator of one room (the legacy generator: its streams never change between NumPy versions)."""
    if split not in SPLITS:
        raise InputError(f"unknown split {split!r}: expected one of {', '.join(SPLITS)}")
    return np.random.RandomState(np.array([version, seed, SPLITS[split], index, stream], dtype=np.uint32))


def room_id(split: str, index: int) -> str:
    """Return the scene id of a room, e.g. room0000_00 (train) or room9000_00 (val)."""
    if split not in SPLITS:
        raise InputError(f"unknown split {split!r}: expected one of {', '.join(SPLITS)}")
    if not 0 <= index < 100_000:
        raise InputError(f"room index {index}: expected 0 .. 99999")
    later = {"train": 8000, "test": 1000, "val": 1000}[split]
    if index < later:
        return f"room{SPLITS[split] + index:04d}_00"
    return f"room{SPLITS[split] + 10_000 * (index // later) + index % later:05d}_00"


def check_version(version: int, library: bool = False) -> None:
    """Raise InputError for a version of the rooms that does not exist, or cannot take a library."""
    if version not in VERSIONS:
        raise InputError(f"rooms of version {version} cannot be made: expected one of {', '.join(map(str, VERSIONS))}")
    if library and version < 2:
        raise InputError(
            f"a furniture library is for rooms of version 2 and later: expected --version 2, got {version}"
        )


def make_room(
    split: str,
    index: int,
    seed: int = 0,
    version: int = VERSION,
    kind: str | None = None,
    *,
    library: Library | None = None,
) -> RoomMesh:
    """Make room `index` of a split: a pure function of its arguments.

    `kind` fixes the kind of room, which is otherwise drawn; `library` gives models of others that stand in for a part
    of the furniture (version 2). A plan in which a door cannot be reached or which holds too few things is drawn again.
    InputError for an unknown split, kind or version, or a library in version 1.
    """
    check_version(version, library is not None)
    rng = random_state(version, seed, split, index, 0)
    shares = groups.SHARES if version == 1 else lived_in.SHARES
    names = list(KINDS[version])
    if kind is None:
        share = np.cumsum([shares[name] for name in names])
        kind = names[int(np.searchsorted(share, rng.random_sample() * share[-1], side="right"))]
    elif kind not in names:
        raise InputError(f"unknown kind of room {kind!r}: expected one of {', '.join(names)}")
    best: tuple[tuple[bool, bool, int], Layout, Style] | None = None
    for _ in range(12):
        layout, style = _furnished(rng, kind, version, library)
        count = len(layout.placed)
        rank = (reachable(layout), THINGS[version][0] <= count <= THINGS[version][1], -abs(count - 24))
        if best is None or rank > best[0]:
            best = (rank, layout, style)
        if rank[0] and rank[1]:
            break
    assert best is not None
    _, layout, style = best
    layout.divide()
    aligned = rng.random_sample() >= 1 / 3
    alignment = 0.0 if aligned else float(rng.uniform(-pi / 2, pi / 2))
    room = layout.room(room_id(split, index))
    bodies = [Body(p.id, p.model.category, p.model.parts, p.x, p.y, p.z, p.yaw) for p in layout.placed]
    bodies += _shell(layout, style, len(bodies))
    numbers = (version, seed, SPLITS[split], index)
    return RoomMesh(room, tuple(bodies), tuple(_covers(layout, len(layout.placed))), style, alignment, numbers)


def _furnished(rng: np.random.RandomState, kind: str, version: int, library: Library | None) -> tuple[Layout, Style]:
    """Draw a furnished room once."""
    if version == 1:
        layout, style = shell.empty_room(rng, kind)
        shell.dress_windows(layout)
        KINDS[version][kind](layout)
        groups.rare_things(layout, groups.RARE, groups.SHARES)
    else:
        layout, style = plans.empty_room(rng, kind, library)
        plans.dress_windows(layout)
        KINDS[version][kind](layout)
        lived_in.lived_in(layout)
    return layout, style


def _shell(layout: Layout, style: Style, first: int) -> list[Body]:
    """Walls with baseboards (one object per wall), the floor, and the ceiling where the style has one."""
    bodies = []
    for wall in layout.walls:
        sheet = Part(
            "sheet", (wall.length, 0.0, layout.height), np.array([0.0, 0.0, layout.height / 2]), np.eye(3), style.wall
        )
        parts = [sheet]
        gaps = sorted(
            (d.u - d.model.size[0] / 2, d.u + d.model.size[0] / 2) for d in layout.doors if d.wall == wall.index
        )
        start = 0.0
        for low, high in [*gaps, (wall.length, wall.length)]:
            if low - start > 0.05:
                middle = wall.length / 2 - (start + low) / 2  # the sheet's x axis runs against the wall's direction
                size = (low - start, 0.012, 0.07)
                parts.append(Part("box", size, np.array([middle, -0.006, 0.035]), np.eye(3), style.baseboard))
            start = high
        for index, deep, high in layout.beams:
            if index == wall.index:
                at = np.array([0.0, -deep / 2, layout.height - high / 2])
                parts.append(Part("box", (wall.length, deep, high), at, np.eye(3), style.wall))
        x, y = wall.at(wall.length / 2, 0.0)
        bodies.append(Body(first + wall.index, "wall", tuple(parts), x, y, 0.0, wall.yaw))
    w, d = layout.width, layout.depth
    holes = tuple(
        (n.x - w / 2 - n.hx, n.y - d / 2 - n.hy, n.x - w / 2 + n.hx, n.y - d / 2 + n.hy) for n in layout.notches
    )
    flat = (w, 0.0, d)
    down = Part("sheet", flat, np.zeros(3), rotation(-pi / 2), style.floor, style.floor_texture, holes=holes)
    bodies.append(Body(first + len(layout.walls), "floor", (down,), w / 2, d / 2, 0.0, 0.0))
    if style.ceiling:
        holes = tuple((x0, -z1, x1, -z0) for x0, z0, x1, z1 in holes)
        up = Part("sheet", flat, np.zeros(3), rotation(pi / 2), (236, 236, 234), holes=holes)
        bodies.append(Body(first + len(layout.walls) + 1, "ceiling", (up,), w / 2, d / 2, layout.height, 0.0))
    return bodies


def _covers(layout: Layout, first: int):
    """Areas of the shell under flat things: (objectId of the covered piece, the box in which it is left out, yaw)."""
    for item in layout.placed:
        if item.model.shape == "round":
            continue
        w, d, h = item.model.size
        if (
            item.mount == "wall"
            and item.wall is not None
            and (d < 0.12 or item in layout.doors or item in layout.windows)
        ):
            low = item.z if item in layout.doors else item.z + 0.02
            yield first + item.wall, (item.x, item.y, w / 2 - 0.02, d / 2 + 0.05, low, item.z + h - 0.02), item.yaw
        elif item.model.category == "mat":
            yield first + len(layout.walls), (item.x, item.y, w / 2 - 0.02, d / 2 - 0.02, -0.1, 0.1), item.yaw
