"""The drawn part of a scan: thinned, with what hides the room from a side set apart; and the point under a ray."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from saymask.geometry.extent import lowest
from saymask.geometry.voxelize import unique_cells
from saymask.render.raster import look_at, splat
from saymask.render.visible_points import VisiblePoints, loose
from saymask.scan import Scan

MOST_POINTS = 400_000
"""Points that are drawn; larger scans are thinned evenly."""
MOST_FACES = 800_000
"""Larger meshes are drawn as points."""
CANVAS = (160, 120)
"""Pixels of the small pictures that are tried to find a good side."""
WIDER = 1.5
"""Width of a drawn point in distances to its fourth neighbour: enough to leave no holes."""
SIDES = 8
"""Directions of the camera for which near walls are known."""
LIGHT = np.array([0.35, -0.45, 0.82], np.float32)


@dataclass(frozen=True, eq=False)
class Part:
    """Points, or the faces between them, that are hidden together."""

    rows: np.ndarray  # int64 [n] rows of Display.rows
    faces: np.ndarray | None  # int32 [F, 3] rows of `rows`; None = drawn as points
    ceiling: bool
    near: tuple[bool, ...]  # SIDES: stands between the room and a camera on that side

    def hidden(self, side: int | None, ceiling: bool) -> bool:
        """Say whether it is not drawn for a camera on `side` (None = straight above, or walls are wanted)."""
        return (self.ceiling and not ceiling) or (side is not None and self.near[side])


@dataclass(frozen=True, eq=False)
class Display:
    """The drawn points of a scan."""

    rows: np.ndarray  # int64 [n] rows of the scan's points
    points: np.ndarray  # float32 [n, 3] metres
    shade: np.ndarray  # float32 [n]: how much light falls on the surface, 0.7..1
    size: float
    """Metres that a point is wide."""
    parts: tuple[Part, ...]
    low: np.ndarray  # float32 [3]: corners of what is in sight
    high: np.ndarray  # float32 [3]
    single_view: np.ndarray | None
    """float64 [3]: where the sensor stood, for a scan taken from one place."""

    @classmethod
    def of(cls, scan: Scan, *, most: int = MOST_POINTS) -> "Display":
        """Choose what is drawn of a scan."""
        mesh = scan.faces is not None and 0 < len(scan.faces) <= MOST_FACES
        chosen = np.arange(len(scan)) if mesh else thinned(scan.points, most)
        small = scan if len(chosen) == len(scan) else _part(scan, chosen)
        visible = VisiblePoints.of(small, -2 - np.arange(len(small), dtype=np.int32))  # numbered, and none is masked
        inside = (-2 - visible.owner).astype(np.int64)
        normals = np.zeros((len(small), 3), np.float32)
        normals[:, 2] = -1
        normals[inside] = visible.normals
        code = np.full(len(small), 1 << SIDES, np.int64)  # a bit per side, and one for the ceiling
        code[inside] = _near(visible)
        shade = 0.7 + 0.3 * np.abs(normals @ (LIGHT / np.linalg.norm(LIGHT)))
        size = float(np.median(visible.radius)) * WIDER if len(inside) else 0.02
        parts = _mesh_parts(scan, code) if mesh else _point_parts(code)
        seen = small.points[inside] if len(inside) else small.points
        low, high = np.quantile(seen[:: max(1, len(seen) // 50_000)], [0.002, 0.998], axis=0).astype(np.float32)
        return cls(chosen, small.points, shade.astype(np.float32), size, parts, low, high, visible.eye)

    def side(self, toward: np.ndarray) -> int | None:
        """Return the side on which a camera in direction `toward` [3] (from the room to it) stands, None = above."""
        flat = float(np.hypot(toward[0], toward[1]))
        if flat < 0.25 * float(np.linalg.norm(toward)):
            return None
        return round(float(np.arctan2(toward[1], toward[0])) / (2 * np.pi / SIDES)) % SIDES

    @cached_property
    def middle(self) -> np.ndarray:
        """Some of the drawn points without ceiling and stray ones, float64 [m, 3]."""
        points = self.points[self.visible(None, False)]
        points = points[((points >= self.low) & (points <= self.high)).all(1)]
        corners = np.stack([self.low, self.high])
        return (points[:: max(1, len(points) // 20_000)] if len(points) else corners).astype(np.float64)

    @cached_property
    def best_side(self) -> np.ndarray:
        """Direction [3] to the camera that sees most of the lower half of the room, a corner rather than a wall."""
        most, best = -1.0, np.array([0.0, -0.66, 0.75])
        for side in range(SIDES):
            angle = 2 * np.pi * (side + 0.12) / SIDES  # not straight along a wall
            back = np.array([np.cos(angle) * 0.66, np.sin(angle) * 0.66, 0.75])
            back /= np.linalg.norm(back)
            rows = np.flatnonzero(self.visible(side, False))
            rows = rows[:: max(1, len(rows) // 40_000)]
            if not len(rows):
                continue
            points = np.ascontiguousarray(self.points[rows])
            camera = look_at(points.astype(np.float64), back, CANVAS, fill=0.96)
            radius = np.full(len(rows), 2.0 * self.size, np.float32)
            index, _ = splat(camera, points, np.zeros_like(points), radius, *CANVAS, 1.0)
            seen = np.unique(index[index >= 0])
            value = float((points[seen, 2] < self.low[2] + 1.2).sum()) / len(rows)
            if value > most:
                most, best = value, back
        return best

    def visible(self, side: int | None, ceiling: bool) -> np.ndarray:
        """Return which drawn points a camera on `side` sees, bool [n]."""
        seen = np.zeros(len(self.rows), bool)
        for part in self.parts:
            if not part.hidden(side, ceiling):
                seen[part.rows] = True
        return seen


def _part(scan: Scan, rows: np.ndarray) -> Scan:
    normals = None if scan.normals is None else scan.normals[rows]
    return replace(
        scan,
        points=scan.points[rows],
        colors=scan.colors[rows],
        normals=normals,
        faces=None,
        superpoints=None,
        labels={},
    )


def _near(visible: VisiblePoints) -> np.ndarray:
    """Return for every point a number int64 [n] with a bit for each side from which it stands before the room."""
    code = np.zeros(len(visible.points), np.int64)
    if visible.plan is None:
        return code
    for side in range(SIDES):
        angle = 2 * np.pi * side / SIDES
        near = visible.plan.near(np.array([np.cos(angle), np.sin(angle)]))
        near[~near] = loose(visible.points[~near])
        code |= near.astype(np.int64) << side
    return code


def _bits(code: int) -> tuple[bool, tuple[bool, ...]]:
    return bool(code >> SIDES & 1), tuple(bool(code >> side & 1) for side in range(SIDES))


def _point_parts(code: np.ndarray) -> tuple[Part, ...]:
    order = np.argsort(code, kind="stable")
    values, starts = np.unique(code[order], return_index=True)
    return tuple(
        Part(np.sort(rows), None, *_bits(int(value)))
        for value, rows in zip(values, np.split(order, starts[1:]), strict=True)
    )


def _mesh_parts(scan: Scan, code: np.ndarray) -> tuple[Part, ...]:
    assert scan.faces is not None
    # A face is hidden with its first corner: no holes, and no face is drawn twice.
    owner = code[scan.faces[:, 0]]
    parts = []
    for value in np.unique(owner):
        faces = scan.faces[owner == value]
        rows, local = np.unique(faces, return_inverse=True)
        parts.append(Part(rows.astype(np.int64), local.reshape(-1, 3).astype(np.int32), *_bits(int(value))))
    return tuple(parts)


def thinned(points: np.ndarray, most: int) -> np.ndarray:
    """Return rows int64 of at most `most` points [N, 3], spread evenly over the surfaces: one for each cell."""
    if len(points) <= most:
        return np.arange(len(points))
    low = lowest(points)
    edge = 0.004
    while True:
        cell = np.floor((points - low) / edge).astype(np.int64)
        rows = unique_cells(cell)[2]
        if len(rows) <= most:
            return np.sort(rows)
        edge *= max(1.05, (len(rows) / most) ** 0.5)  # points lie on surfaces


def pick(points: np.ndarray, origin: np.ndarray, direction: np.ndarray, size: float) -> int | None:
    """Return the row of the point [N, 3] that a ray meets first, None where it meets none.

    A point is met within `size` metres of it, or three thousandths of its distance (about three pixels).
    """
    ray = np.asarray(direction, np.float64) / np.linalg.norm(direction)
    away = points - np.asarray(origin, np.float32)
    along = away @ ray.astype(np.float32)
    aside = np.maximum(np.einsum("ij,ij->i", away, away) - along**2, 0)
    met = (along > 0.05) & (aside < np.maximum(size, 0.003 * along) ** 2)
    if not met.any():
        return None
    # of the first surface the point nearest to the ray, not the outermost one that it grazes
    met &= along < along[met].min() + 4 * size
    rows = np.flatnonzero(met)
    return int(rows[np.argmin(aside[rows])])
