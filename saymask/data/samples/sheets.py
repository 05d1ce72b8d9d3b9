"""Upright sheets where generated rooms have none: partitions, curtains in mid-room, glazing from wall to wall.

Walls of generated rooms enclose them, windows are holes in these and curtains hang beside windows, so a network learns
the place instead of the thing. `with_sheets` puts walls, curtains and windows of any length across a room's free floor
or in front of its walls.
"""

from dataclasses import dataclass, replace

import numpy as np

from saymask.geometry.smooth_noise import smooth_noise
from saymask.labels.tables import scannet20, scannet200
from saymask.scan import Scan

KINDS = {"wall": 0.5, "curtain": 0.25, "window": 0.25}
"""Classes of sheets, and how often each is drawn."""
SPACING = 0.022
"""Metres between the points of a sheet."""
TRIES = 12
"""Places that are tried for a sheet."""
MOST_IN_THE_WAY = 40
"""Points of things that a sheet may go through."""
BAR, JOINT = 0.05, 0.015
"""Metres: width of the bars of a window, and of the joints between bricks."""
FREE = 0.1
"""Metres beside a sheet that are to be free."""


@dataclass(frozen=True)
class _Place:
    """Where a sheet stands, along the walls of the room; lengths in metres."""

    kind: str
    along: int  # axis that it runs along
    start: float
    length: float
    across: float  # where it stands on the other axis
    depth: float  # 0 = one face, as before a wall
    bottom: float  # above the floor
    top: float
    turn: float  # radians about its middle


@dataclass(frozen=True, eq=False)
class _Sheet:
    """The n points of a sheet, from the beginning of its front and from the floor."""

    place: _Place
    points: np.ndarray  # float64 [n, 3] along it, behind its front, up; metres
    colors: np.ndarray  # uint8 [n, 3]
    pieces: np.ndarray  # int64 [n]: what may become one superpoint
    below: np.ndarray  # bool [n]: the wall below a window


def with_sheets(scan: Scan, axes: np.ndarray, count: int, rng: np.random.RandomState) -> tuple[Scan, set[str]]:
    """Return the scan with up to `count` sheets more, each an object of its own, and the classes of those.

    axes: float [2, 2], directions of the room's walls. The scan needs superpoints and the labels `instance`,
    `semantic20` and `semantic200`, else it is returned as it is; new points have no faces.
    """
    needed = {"instance", "semantic20", "semantic200"}
    if scan.superpoints is None or not needed <= scan.labels.keys() or not len(scan):
        return scan, set()
    names = [c.name for c in scannet200()]
    kind = scan.labels["semantic200"]
    wall = kind == names.index("wall")
    floor = float(np.percentile(scan.points[:, 2], 1))
    thing = ~wall & (kind != names.index("floor")) & (scan.points[:, 2] > floor + FREE)
    flat = scan.points[:, :2].astype(np.float64) @ axes.T
    low, high = np.percentile(flat, 0.5, axis=0), np.percentile(flat, 99.5, axis=0)
    ceiling = float(np.percentile(scan.points[:, 2], 99.5)) - floor
    if ceiling < 1.2 or (high - low).min() < 1.2:
        return scan, set()
    paint = scan.colors[wall].astype(np.float32).mean(axis=0) if wall.any() else np.full(3, 170, np.float32)
    made, kinds = [], set()
    for _ in range(count):
        for _ in range(TRIES):
            place = _drawn(low, high, ceiling, rng)
            if _in_the_way(flat[thing], place) <= MOST_IN_THE_WAY:
                sheet = _sheet(place, paint, rng)
                made.append(sheet)
                kinds |= {place.kind, "wall"} if sheet.below.any() else {place.kind}
                break
    if not made:
        return scan, kinds
    return _together(scan, axes, floor, made), kinds


def _drawn(low: np.ndarray, high: np.ndarray, ceiling: float, rng: np.random.RandomState) -> _Place:
    """Return a sheet somewhere in a room that reaches from `low` to `high` [2]."""
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    along = rng.randint(2)
    side = high - low
    # Half of the walls are short: ends, pillars, and what a sensor leaves of a wall.
    shortest, longest = (0.3, 1.6) if kind == "wall" and rng.rand() < 0.5 else (0.8, 6.0)
    length = rng.uniform(shortest, min(longest, side[along]))
    start = low[along] + rng.uniform(0, side[along] - length)
    backed = rng.rand() < 0.4
    if backed:
        off = rng.uniform(0.02, 0.3)
        across = low[1 - along] + off if rng.rand() < 0.5 else high[1 - along] - off
    else:
        across = rng.uniform(low[1 - along] + 0.3, high[1 - along] - 0.3)
    depth = 0.0 if backed or kind == "curtain" else rng.uniform(0.04, 0.25)
    turn = 0.0 if backed or rng.rand() < 0.7 else rng.uniform(-0.5, 0.5)
    bottom, top = 0.0, ceiling
    if kind == "curtain":
        bottom, top = rng.uniform(0, 0.4), min(ceiling, rng.uniform(1.6, 2.6))
    elif kind == "window":
        bottom, top = rng.choice([0.0, 1.0]) * rng.uniform(0.3, 1.1), min(ceiling, rng.uniform(1.8, 2.8))
    elif rng.rand() < 0.5:
        top = min(ceiling, rng.uniform(0.9, 2.3))
    return _Place(kind, along, start, length, across, depth, bottom, top, turn)


def _in_the_way(flat: np.ndarray, place: _Place) -> int:
    """Return how many of the points float [K, 2] of things lie where the sheet is to be."""
    x, y = _local(flat, place)
    return int(((np.abs(x) < place.length / 2) & (y > -FREE) & (y < place.depth + FREE)).sum())


def _local(flat: np.ndarray, place: _Place) -> tuple[np.ndarray, np.ndarray]:
    """Return where points are from the middle of a sheet's front: along it and behind it."""
    x = flat[:, place.along] - (place.start + place.length / 2)
    y = flat[:, 1 - place.along] - place.across
    c, s = np.cos(place.turn), np.sin(place.turn)
    return c * x + s * y, c * y - s * x


def _sheet(place: _Place, paint: np.ndarray, rng: np.random.RandomState) -> _Sheet:
    """Return the points of a sheet; walls are painted like those of the room, of mean colour `paint` [3]."""
    foot = 0.0 if place.kind == "window" else place.bottom
    front = _grid(place.length, foot, place.top, rng)
    faces = [np.insert(front, 1, 0, axis=1)]
    if place.depth:
        faces.append(np.insert(front, 1, place.depth, axis=1))
        for end in (0.0, place.length):
            faces.append(np.insert(_grid(place.depth, foot, place.top, rng), 0, end, axis=1))
        faces.append(np.insert(_grid(place.length, 0.0, place.depth, rng), 2, place.top, axis=1))
    points = np.concatenate(faces)
    face = np.repeat(np.arange(len(faces)), [len(f) for f in faces])
    below = (points[:, 2] < place.bottom) & (place.kind == "window")
    panes = rng.uniform(0.3, 1.6), rng.uniform(0.5, 2.0)
    if place.kind == "curtain":
        panes = rng.uniform(0.2, 1.5), 3.0
        points, colors = _pleated(points, rng)
    else:
        shade = rng.normal(0, 25) + rng.normal(0, 8, 3)
        colors = np.tile(paint + shade if rng.rand() < 0.7 else rng.uniform(40, 235, 3), (len(points), 1))
        if place.kind == "window":
            above = points[~below] - [0, 0, place.bottom]
            colors[~below] = _glazed(above, panes, rng)
        else:
            panes = rng.uniform(0.5, 6.0), rng.uniform(0.8, 4.0)
            if rng.rand() < 0.3:
                colors *= _bricks(points, rng)[:, None]
    colors += smooth_noise(points, rng.uniform(0.1, 0.5), 1, rng) * rng.uniform(0, 12)
    across, up = points[:, 0] // panes[0], np.where(below, 0, (points[:, 2] - place.bottom) // panes[1])
    pieces = np.column_stack([face, below, across, up]).astype(np.int64)
    pieces = np.unique(pieces, axis=0, return_inverse=True)[1].reshape(-1)
    return _Sheet(place, points, np.clip(np.round(colors), 0, 255).astype(np.uint8), pieces, below)


def _pleated(points: np.ndarray, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """Return the points [n, 3] of a curtain in folds, and their colours."""
    u = points[:, 0]
    fold = u / rng.uniform(0.08, 0.3) + 0.3 * np.sin(2 * np.pi * u / rng.uniform(0.5, 1.5)) + rng.rand()
    points[:, 1] += rng.uniform(0.015, 0.06) * np.sin(2 * np.pi * fold)
    light = 1 + rng.uniform(0.05, 0.3) * np.cos(2 * np.pi * fold)
    return points, light[:, None] * rng.uniform(40, 235, 3)


def _glazed(points: np.ndarray, panes: tuple[float, float], rng: np.random.RandomState) -> np.ndarray:
    """Return the colours of a window with bars around its `panes`: what is outside, or what a sensor makes of it."""
    seen = rng.uniform(60, 240) + rng.normal(0, 12, 3)
    outside = smooth_noise(points, rng.uniform(0.2, 0.8), 4, rng)
    colors = seen + outside[:, :1] * rng.uniform(5, 45) + outside[:, 1:] * rng.uniform(0, 10)
    colors[(points[:, 0] % panes[0] < BAR) | (points[:, 2] % panes[1] < BAR)] = rng.uniform(30, 240)
    return colors


def _bricks(points: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Return float64 [n]: the light of a wall of bricks, darker in its joints."""
    size = rng.uniform(0.08, 0.3)
    row, within = np.divmod(points[:, 2], size / 2)
    joint = (within < JOINT) | ((points[:, 0] + row % 2 * size / 2) % size < JOINT)
    return np.where(joint, rng.uniform(0.6, 0.9), 1.0)


def _grid(width: float, bottom: float, top: float, rng: np.random.RandomState) -> np.ndarray:
    """Return float64 [n, 2]: points of an upright rectangle, a bit apart from a lattice."""
    u = np.arange(SPACING / 2, max(width, SPACING), SPACING)
    v = np.arange(bottom + SPACING / 2, max(top, bottom + SPACING), SPACING)
    grid = np.stack(np.meshgrid(u, v, indexing="ij"), axis=-1).reshape(-1, 2)
    return grid + rng.uniform(-0.3, 0.3, grid.shape) * SPACING


def _together(scan: Scan, axes: np.ndarray, floor: float, sheets: list[_Sheet]) -> Scan:
    """Return the scan with the sheets behind its points."""
    assert scan.superpoints is not None
    segment, instance = int(scan.superpoints.max()) + 1, int(scan.labels["instance"].max()) + 1
    points, colors, segments = [scan.points], [scan.colors], [scan.superpoints]
    labels = {name: [values] for name, values in scan.labels.items()}
    for sheet in sheets:
        place = sheet.place
        x, y = sheet.points[:, 0] - place.length / 2, sheet.points[:, 1]
        c, s = np.cos(place.turn), np.sin(place.turn)
        flat = np.empty((len(x), 2))
        flat[:, place.along] = c * x - s * y + place.start + place.length / 2
        flat[:, 1 - place.along] = s * x + c * y + place.across
        points.append(np.column_stack([flat @ axes, sheet.points[:, 2] + floor]).astype(np.float32))
        colors.append(sheet.colors)
        segments.append((sheet.pieces + segment).astype(np.int32))
        for name, columns in labels.items():
            own, wall = _values(name, place.kind, instance), _values(name, "wall", instance + 1)
            columns.append(np.where(sheet.below, wall, own).astype(columns[0].dtype))
        segment, instance = segment + int(sheet.pieces.max()) + 1, instance + 2
    return replace(
        scan,
        points=np.concatenate(points), colors=np.concatenate(colors), superpoints=np.concatenate(segments),
        labels={name: np.concatenate(columns) for name, columns in labels.items()},
        normals=None, image_features=None, source=None,
    )  # fmt: skip


def _values(name: str, kind: str, instance: int) -> int:
    """Return a sheet's value in a column of labels."""
    if name == "instance":
        return instance
    if name == "semantic200":
        return [c.name for c in scannet200()].index(kind)
    row = [c.name for c in scannet20()].index(kind)
    return {"semantic20": row, "nyu40": scannet20()[row].nyu40id}.get(name, -1)
