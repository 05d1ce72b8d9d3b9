"""Geometric predicates between the things of a room: yes, no, or too close to call.

Every predicate answers for *all* things against one anchor at once, int8 [K]: YES (1), NO (-1) or UNCLEAR (0). The
unclear band is the margin that keeps sentences true for every listener: a sentence whose program meets an UNCLEAR is
thrown away. All lengths are metres.
"""

import math
from collections.abc import Callable

import numpy as np

from saymask.rooms.language.measures import Geometry, Vector
from saymask.rooms.language.words import SEATS, SURFACES, WITH_ROOM_UNDER
from saymask.rooms.room import Room, Thing

YES, UNCLEAR, NO = 1, 0, -1
CLOSER_RATIO = 1.3  # nearest against second nearest (docs/systems/rooms.md §4)
CLOSER_METRES = 0.15


def truth(yes: np.ndarray, no: np.ndarray) -> np.ndarray:
    """Return int8 with YES where `yes`, else NO where `no`, else UNCLEAR; both bool of one shape."""
    return np.where(yes, YES, np.where(no, NO, UNCLEAR)).astype(np.int8)


def _clear_support(geometry: Geometry, b: int, answer: np.ndarray) -> np.ndarray:
    """Make a yes unclear where the two are carried by different things (a chair "beside" a lamp on a desk)."""
    answer[(answer == YES) & geometry.supports_differ[:, b]] = UNCLEAR
    return answer


def _beside(g: Geometry, b: int) -> np.ndarray:
    gap, level = g.gap[:, b], g.level[:, b]
    overlaid = np.maximum(g.cover[:, b], g.cover[b]) > 0.25
    yes = (gap <= 0.4) & (level >= 0.3) & ~overlaid
    no = (g.apart[:, b] >= 0.85) | (g.rise[:, b] >= 0.5) | (g.on == b) | (g.on[b] == np.arange(len(g)))
    return _clear_support(g, b, truth(yes, no))


def _near(g: Geometry, b: int) -> np.ndarray:
    return truth(g.apart[:, b] <= 0.9, g.apart[:, b] >= 1.6)


def _at(g: Geometry, b: int) -> np.ndarray:
    """A seat at a table or desk: close enough to sit there."""
    if g.heads[b] not in SURFACES:
        return np.full(len(g), NO, dtype=np.int8)
    seat = np.array([head in SEATS for head in g.heads])
    floor = g.on == -1
    # Tucked in, or pulled out but turned towards it.
    return truth(seat & floor & (g.gap[:, b] <= 0.3), ~seat | (g.gap[:, b] >= 0.8))


def _on(g: Geometry, b: int) -> np.ndarray:
    direct = g.on == b
    if g.heads[b] == "rug":  # furniture stands on the floor through the rug
        low = g.z0 <= g.z1[b] + 0.05
        return truth(direct | (low & (g.cover[:, b] >= 0.8)), ~low | (g.cover[:, b] <= 0.05))
    carried = np.zeros(len(g), dtype=bool)
    for k in range(len(g)):  # what lies on something that lies on b is neither clearly on b nor off it
        above, steps = g.on[k], 0
        while above >= 0 and steps < 8:
            carried[k] |= above == b
            above, steps = g.on[above], steps + 1
    resting = (np.abs(g.z0 - g.z1[b]) <= 0.05) & (g.cover[:, b] > 0.2)
    return truth(direct, ~carried & ~resting)


def _under(g: Geometry, b: int) -> np.ndarray:
    if g.heads[b] not in WITH_ROOM_UNDER or g.room.things[b].mount in ("wall", "ceiling"):
        return np.full(len(g), NO, dtype=np.int8)
    inside, lower = g.cover[:, b], g.z1 <= g.z1[b] - 0.02
    rests = (g.on == -1) & np.array([t.mount == "floor" for t in g.room.things])
    rug = np.array([head == "rug" for head in g.heads])
    return truth(rests & lower & (inside >= 0.7) & ~rug, (inside <= 0.1) | (g.z0 >= g.z1[b] - 0.02))


def _overlies(g: Geometry, b: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where footprints lie over each other, give or take 15 cm: clearly, clearly not; bool [K] each."""
    share = np.maximum(g.cover_wide[:, b], g.cover_wide[b])
    return share >= 0.5, (share == 0) & (g.gap[:, b] >= 0.3)


def _above(g: Geometry, b: int) -> np.ndarray:
    over, off = _overlies(g, b)
    hangs = np.array([t.mount in ("wall", "ceiling") for t in g.room.things])
    high = np.round(g.z0 - g.z1[b], 6)
    # A door's lintel or a curtain is over a mat, but nobody says that the door is above it.
    yes = over & (high >= -0.02) & (high <= 1.6) & hangs & (g.z0 >= 0.5)
    return truth(yes, off | (g.center[:, 2] <= g.center[b, 2]) | (high <= -0.3))


def _below(g: Geometry, b: int) -> np.ndarray:
    over, off = _overlies(g, b)
    deep = np.round(g.z0[b] - g.z1, 6)
    hangs = g.room.things[b].mount == "wall" or (g.room.things[b].mount == "ceiling" and g.heads[b] != "curtain")
    yes = over & (deep >= -0.02) & (deep <= 1.6) & hangs & (g.on == -1)
    return truth(yes, off | (g.center[:, 2] >= g.center[b, 2]) | (deep <= -0.3))


def _turned_to(g: Geometry, b: int) -> np.ndarray:
    """The thing's own front looks at b from at most 3.5 m."""
    front = -g.axis_y
    to = g.center[b, :2] - g.center[:, :2]
    length = np.maximum(np.hypot(to[:, 0], to[:, 1]), 1e-6)
    cosine = np.round((front * to).sum(-1) / length, 6)
    fronted = np.array([t.fronted for t in g.room.things])
    yes = fronted & (cosine >= math.cos(math.radians(15))) & (g.gap[:, b] <= 3.5) & (length >= 0.5)
    return truth(yes, ~fronted | (cosine <= math.cos(math.radians(50))))


def _along(g: Geometry, b: int, u: Vector) -> tuple[np.ndarray, ...]:
    """Return, along unit vector u and across it: centre offsets from b, and half extents; float64 [K] each."""
    axes = np.array([u, (-u[1], u[0])])
    to = g.center[:, :2] - g.center[b, :2]
    offset = to @ axes.T
    extent = g.extents(axes)
    return np.round(offset[:, 0], 6), np.round(offset[:, 1], 6), np.round(extent[0], 6), np.round(extent[1], 6)


def _toward(g: Geometry, b: int, u: Vector, reach: float) -> np.ndarray:
    """Whether things are on the side of b that unit vector u points to, within `reach` m and not far off sideways."""
    s, t, ext, cross = _along(g, b, u)
    edge = s - ext - ext[b]
    off = np.abs(t) - cross[b]
    same = (np.maximum(g.cover[:, b], g.cover[b]) <= 0.25) & (g.rise[:, b] <= 0.6)
    yes = same & (s >= ext[b]) & (edge >= -0.3) & (edge <= reach) & ((off <= 0.1) | (np.abs(t) <= cross * 0.7))
    no = (s <= 0) | (off >= np.maximum(edge, 0) + 0.8) | (edge >= reach + 2.0)
    return _clear_support(g, b, truth(yes, no))


def _left(g: Geometry, b: int, d: Vector | None) -> np.ndarray:
    assert d is not None
    return _toward(g, b, (-d[1], d[0]), 1.5)


def _right(g: Geometry, b: int, d: Vector | None) -> np.ndarray:
    assert d is not None
    return _toward(g, b, (d[1], -d[0]), 1.5)


def _front(g: Geometry, b: int, d: Vector | None) -> np.ndarray:
    """In front of b as b's own front looks: `d` is the direction of that front."""
    assert d is not None
    return _toward(g, b, d, 2.5 if g.heads[b] in ("tv", "whiteboard", "board") else 1.3)


def _behind(g: Geometry, b: int, d: Vector | None) -> np.ndarray:
    assert d is not None
    return _toward(g, b, (-d[0], -d[1]), 1.0)


_PLAIN: dict[str, Callable[[Geometry, int], np.ndarray]] = {
    "beside": _beside, "near": _near, "at": _at, "on": _on, "under": _under, "above": _above, "below": _below,
    "turned_to": _turned_to,
}  # fmt: skip
_VIEWED: dict[str, Callable[[Geometry, int, Vector | None], np.ndarray]] = {
    "left": _left, "right": _right, "front": _front, "behind": _behind,
}  # fmt: skip
RELATIONS = (*_PLAIN, *_VIEWED)
VIEWED = tuple(_VIEWED)


def table(g: Geometry, name: str, anchor: int, view: Vector | None = None) -> np.ndarray:
    """Return int8 [K]: whether relation `name` holds between each thing and the thing at row `anchor`.

    `view` is the viewer's looking direction for "left" and "right", and the direction of the anchor's own front for
    "front" and "behind"; the others take none.
    """
    key = (name, anchor, view)
    found = g.tables.get(key)
    if found is None:
        found = _VIEWED[name](g, anchor, view) if name in _VIEWED else _PLAIN[name](g, anchor)
        found[anchor] = NO
        g.tables[key] = found
    return found


def carries(g: Geometry, anchor: int) -> np.ndarray:
    """Return int8 [K]: whether each thing carries the thing at row `anchor` (the inverse of "on")."""
    return np.array([table(g, "on", k)[anchor] if k != anchor else NO for k in range(len(g))], dtype=np.int8)


def between(g: Geometry, b: int, c: int) -> np.ndarray:
    """Return int8 [K]: whether each thing is between the things at rows b and c."""
    p, q = g.center[b, :2], g.center[c, :2]
    length = max(math.hypot(*(q - p)), 1e-6)
    along = (q - p) / length
    to = g.center[:, :2] - p
    t = np.round(to @ along / length, 6)
    off = np.round(np.abs(to @ np.array([-along[1], along[0]])), 6)
    both = [np.maximum(g.cover[:, k], g.cover[k]) for k in (b, c)]
    apart = (both[0] <= 0.2) & (both[1] <= 0.2)
    level = (g.rise[:, b] <= 0.3) & (g.rise[:, c] <= 0.3)
    carried = (g.on == b) | (g.on == c)
    mid = (t >= 0.25) & (t <= 0.75)
    wide_enough = bool(g.gap[b, c] >= 0.15) and length <= 4.5
    small = (g.extents(along[None])[0] * 2 <= length) & ~carried
    yes = mid & (off <= min(0.5, 0.25 * length)) & apart & level & small & wide_enough
    no = (t <= 0.05) | (t >= 0.95) | (off >= 0.5 * length + 0.3) | carried
    answer = truth(yes, no)
    answer[(answer == YES) & (g.supports_differ[:, b] | g.supports_differ[:, c])] = UNCLEAR
    answer[[b, c]] = NO
    return answer


def place(g: Geometry, where: str) -> np.ndarray:
    """Return int8 [K]: whether each thing is in this place of the room, one of PLACES.

    "wall": stands against a wall; "hung": hangs on one; "middle": the middle of a rectangular room.
    """
    things = g.room.things
    mounts = np.array([t.mount for t in things])
    stands = (mounts == "floor") & (g.on == -1)
    if where in ("hung", "ceiling"):
        is_it = mounts == ("wall" if where == "hung" else "ceiling")
        return truth(is_it, ~is_it)
    if where == "floor":
        return truth(stands, ~stands)
    if where == "wall":
        near = g.wall_gap.min(axis=1) if len(g) else np.zeros(0)
        return truth(stands & (near <= 0.12), (stands & (near >= 0.4)) | (mounts == "ceiling"))
    if where == "corner":
        near = np.full(len(g), np.inf)
        for corner in _convex_corners(g.floor):
            near = np.minimum(near, np.sqrt(((_closest_on_rect(g, corner)) ** 2).sum(-1)))
        near = np.round(near, 6)
        return truth(stands & (near <= 0.35), (near >= 0.9) & (mounts != "ceiling"))
    if where == "middle":
        if len(g.floor) != 4:
            return np.full(len(g), UNCLEAR, dtype=np.int8)
        middle = g.floor.mean(axis=0)
        scale = math.sqrt(_area(g.floor))
        away = np.round(np.hypot(*(g.center[:, :2] - middle).T), 6)
        walls = g.wall_gap.min(axis=1) if len(g) else np.zeros(0)
        return truth(stands & (away <= 0.18 * scale) & (walls >= 0.6), (away >= 0.32 * scale) | (walls <= 0.15))
    raise KeyError(where)


PLACES = ("corner", "wall", "hung", "ceiling", "floor", "middle")


def _convex_corners(floor: np.ndarray) -> np.ndarray:
    before, after = floor - np.roll(floor, 1, axis=0), np.roll(floor, -1, axis=0) - floor
    return floor[before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0] > 1e-9]


def _closest_on_rect(g: Geometry, point: np.ndarray) -> np.ndarray:
    to = point - g.center[:, :2]
    local = np.stack([(to * g.axis_x).sum(-1), (to * g.axis_y).sum(-1)], axis=1)
    return np.maximum(np.abs(local) - g.half, 0)


def _area(floor: np.ndarray) -> float:
    x, y = floor[:, 0], floor[:, 1]
    return abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())) / 2


MEASURES = ("size", "height", "length", "altitude")


def measure(g: Geometry, by: str) -> np.ndarray:
    """Return float64 [K]: cube root of the volume, height, longer horizontal side, or height of the centre (m)."""
    if by == "size":
        # Flat things differ in area only; a floor of 3 cm keeps a thicker frame from making a picture "larger".
        return np.round(np.cbrt(np.maximum(g.size, 0.03).prod(axis=1)), 6)
    if by == "height":
        return np.round(g.size[:, 2], 6)
    if by == "length":
        return np.round(g.size[:, :2].max(axis=1), 6)
    if by == "altitude":
        return np.round(g.center[:, 2], 6)
    raise KeyError(by)


# Smallest ratio (altitude: difference in metres) between the winner and the next.
_MARGINS = {"size": 1.12, "height": 1.15, "length": 1.15, "altitude": 0.2}


def extreme(g: Geometry, rows: list[int], by: str, most: bool) -> int | None:
    """Return the row with the clearly greatest (or least) measure among `rows`, None when it is too close."""
    if len(rows) < 2:
        return None
    values = measure(g, by)
    order = sorted(rows, key=lambda k: (-values[k] if most else values[k], k))
    first, second = float(values[order[0]]), float(values[order[1]])
    if by == "altitude":
        return order[0] if abs(first - second) >= _MARGINS[by] else None
    high, low = max(first, second), min(first, second)
    return order[0] if high >= _MARGINS[by] * low else None


def nearest(g: Geometry, rows: list[int], anchor: int, *, farthest: bool = False) -> int | None:
    """Return the row clearly closest to (or farthest from) `anchor` among `rows`, None when it is too close to call.

    The distance of the boxes decides, by CLOSER_RATIO and CLOSER_METRES; the centres have to agree on the winner.
    """
    rows = [k for k in rows if k != anchor]
    if len(rows) < 2:
        return None
    sign = -1.0 if farthest else 1.0
    centre = np.round(np.sqrt(((g.center - g.center[anchor]) ** 2).sum(-1)), 6)
    edge = g.apart[:, anchor]
    order = sorted(rows, key=lambda k: (sign * edge[k], k))
    low, high = sorted((float(edge[order[0]]), float(edge[order[1]])))
    by_centre = min(rows, key=lambda k: (sign * centre[k], k))
    clear = high >= CLOSER_RATIO * low and high - low >= CLOSER_METRES
    return order[0] if clear and by_centre == order[0] else None


def in_row(g: Geometry, rows: list[int], direction: Vector, n: int, side: str) -> int | None:
    """Return the n-th row (from 1) from the left or right as seen looking along `direction`; None when unclear.

    The thing has to stand clear of every other: at least 0.25 m sideways, and more sideways than in depth, so that
    the order does not depend on where in the room the viewer stands.
    """
    left = np.array([-direction[1], direction[0]])
    across = np.round(g.center[:, :2] @ left, 6)
    depth = np.round(g.center[:, :2] @ np.array(direction), 6)
    if not 1 <= n <= len(rows) or len(rows) < 2:
        return None
    order = sorted(rows, key=lambda k: (-across[k] if side == "left" else across[k], k))
    chosen = order[n - 1]
    for k in rows:
        aside = abs(float(across[k] - across[chosen]))
        if k != chosen and (aside < 0.25 or aside < abs(float(depth[k] - depth[chosen]))):
            return None
    return chosen


def holds(room: Room, name: str, thing: Thing, anchor: Thing, view: Vector | None = None) -> int:
    """Return YES, NO or UNCLEAR for one pair of things of the room; `view` as in `Geometry.table`."""
    g = Geometry(room)
    return int(table(g, name, g.row[anchor.id], view)[g.row[thing.id]])
