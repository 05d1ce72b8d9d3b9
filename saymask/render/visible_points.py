"""Points of a scan that a picture shows, without ceiling and near walls; their normals and sizes."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from saymask.render.raster import local_spacing, surface_normals
from saymask.scan import Scan

BEHIND = 0.05
"""Share of points behind others from which a scan is no single view."""


@dataclass(frozen=True)
class VisiblePoints:
    """The points that are drawn, and what the camera needs to know about them."""

    points: np.ndarray  # float32 [n, 3]
    colors: np.ndarray  # uint8 [n, 3]
    normals: np.ndarray  # float32 [n, 3], of either sign
    owner: np.ndarray  # int32 [n]: the mask of the point, -1 = none
    radius: np.ndarray  # float32 [n]: metres, enough to leave no holes
    plan: "Plan | None"
    eye: np.ndarray | None  # float64 [3]: where the sensor stood, for a single view

    @classmethod
    def of(cls, scan: Scan, owner: np.ndarray) -> "VisiblePoints":
        """Choose the points of a scan to draw: no ceiling, no stray points, walls cut at 2.1 m over the floor."""
        points = scan.points
        eye = _sensor(scan)
        low, high = np.quantile(points[:: max(1, len(points) // 50_000)], [0.003, 0.997], axis=0)
        margin = 0.15 + 0.05 * (high - low)
        keep = ((points >= low - margin) & (points <= high + margin)).all(1)
        if eye is None:
            keep &= points[:, 2] <= _cut_height(points, float(low[2]), float(high[2]))
        keep |= owner >= 0
        rows = np.flatnonzero(keep)
        chosen = np.ascontiguousarray(points[rows], np.float32)
        spacing = local_spacing(chosen)
        normals = _normals(scan, rows)
        if normals is None:
            normals = surface_normals(chosen, spacing)
        plan = None if eye is not None else Plan.of(chosen, normals)
        return cls(chosen, scan.colors[rows], normals, owner[rows], spacing, plan, eye)

    def part(self, rows: np.ndarray) -> "VisiblePoints":
        """Return some of the points."""
        return VisiblePoints(
            self.points[rows], self.colors[rows], self.normals[rows], self.owner[rows], self.radius[rows],
            None if self.plan is None else self.plan.part(rows), self.eye,
        )  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """The floor plan in cells of 10 cm, to find the walls between the camera and the room."""

    cell: np.ndarray  # int64 [n]: flat cell of every point
    tall: np.ndarray  # bool [X, Y]: holds 1.5 m and more of something upright
    outside: np.ndarray  # bool [X, Y]: open to the border
    upright: np.ndarray  # bool [n]: the surface at the point stands

    @classmethod
    def of(cls, points: np.ndarray, normals: np.ndarray) -> "Plan":
        """Draw the plan of points and normals float32 [n, 3]."""
        edge = 8
        xy = np.floor((points[:, :2] - points[:, :2].min(0)) / 0.1).astype(np.int64) + edge
        shape = tuple(xy.max(0) + edge + 1)
        cell = xy[:, 0] * shape[1] + xy[:, 1]
        top = np.full(shape[0] * shape[1], -np.inf, np.float32)
        bottom = np.full(len(top), np.inf, np.float32)
        np.maximum.at(top, cell, points[:, 2])
        np.minimum.at(bottom, cell, points[:, 2])
        taken = ndimage.binary_closing(np.isfinite(top).reshape(shape), iterations=3)
        rooms = np.asarray(ndimage.binary_fill_holes(taken), bool)
        return cls(cell, (top - bottom > 1.5).reshape(shape), np.logical_not(rooms), np.abs(normals[:, 2]) < 0.6)

    def near(self, toward: np.ndarray) -> np.ndarray:
        """Return the points in tall cells within 35 cm of the outside on the side `toward` [2], bool [n]."""
        facing = np.zeros_like(self.outside)
        angle = np.arctan2(toward[1], toward[0])
        for turn in np.deg2rad([-20, 0, 20]):
            for step in (1.0, 2.0, 3.0, 3.6):
                shift = np.rint([step * np.cos(angle + turn), step * np.sin(angle + turn)]).astype(int)
                facing |= np.roll(self.outside, (-shift[0], -shift[1]), (0, 1))  # the border is wide enough to roll
        wall = self.tall & facing
        beside = np.asarray(ndimage.binary_dilation(wall), bool)
        return wall.ravel()[self.cell] | (beside.ravel()[self.cell] & self.upright)

    def part(self, rows: np.ndarray) -> "Plan":
        """Return the plan for some of the points."""
        return Plan(self.cell[rows], self.tall, self.outside, self.upright[rows])


def loose(points: np.ndarray, edge: float = 0.08, least: int = 40) -> np.ndarray:
    """Return which points float32 [n, 3] lie in parts of fewer than `least` touching cells of `edge` metres."""
    if not len(points):
        return np.zeros(0, bool)
    cell = np.floor((points - points.min(0)) / edge).astype(np.int64)
    at = (cell[:, 0], cell[:, 1], cell[:, 2])
    taken = np.zeros(cell.max(0) + 1, bool)
    taken[at] = True
    part = np.empty(taken.shape, np.int32)
    ndimage.label(taken, np.ones((3, 3, 3)), output=part)
    return (np.bincount(part[taken]) < least)[part[at]]


def _normals(scan: Scan, rows: np.ndarray) -> np.ndarray | None:
    """Return unit normals of the chosen points, from the scan or its faces; None where there are neither."""
    normals = scan.normals
    if normals is None and scan.faces is not None:
        corners = scan.points[scan.faces]
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        flat = scan.faces.ravel()
        normals = np.stack([np.bincount(flat, np.repeat(cross[:, i], 3), minlength=len(scan)) for i in range(3)], 1)
    if normals is None:
        return None
    normals = normals[rows]
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return (normals / np.maximum(length, 1e-12)).astype(np.float32)


def _sensor(scan: Scan) -> np.ndarray | None:
    """Return where the camera stood if the scan is a single view from the file's origin, else None.

    All points then lie in a cone, and behind the nearest surface on a ray there is no other.
    """
    if scan.source is None:
        return None
    eye = scan.source.transform[:3, 3]
    rays = scan.points - eye.astype(np.float32)
    distance = np.linalg.norm(rays, axis=1)
    if np.quantile(distance[:: max(1, len(scan) // 5000)], 0.01) < 0.25:
        return None
    rays /= np.maximum(distance, 1e-9)[:, None]
    ahead = rays.mean(0, dtype=np.float64)
    ahead /= max(float(np.linalg.norm(ahead)), 1e-9)
    if not float(((rays @ ahead) > 0.7).mean()) > 0.995:
        return None
    # cells of directions that hold about ten points each, however dense the scan is
    edge = 0.01 * max(1.0, (10 * len(np.unique(_directions(rays, 0.01))) / len(rays)) ** 0.5)
    _, cell = np.unique(_directions(rays, edge), return_inverse=True)
    nearest = np.full(cell.max() + 1, np.inf, np.float32)
    np.minimum.at(nearest, cell, distance)
    behind = float((distance > 1.3 * nearest[cell]).mean())
    return eye if behind < BEHIND else None


def _directions(rays: np.ndarray, edge: float) -> np.ndarray:
    """Return the number int64 [n] of the cell of `edge` in which each unit vector [n, 3] ends."""
    cell = np.floor(rays / edge).astype(np.int64) + round(1 / edge) + 1
    return (cell[:, 0] << 40) + (cell[:, 1] << 20) + cell[:, 2]


def _cut_height(points: np.ndarray, low: float, high: float) -> float:
    """Return the height above which nothing is drawn: below the ceiling where there is one, else above everything.

    A ceiling is a layer of at most 40 cm at the top that covers a third of the floor plan.
    """
    some = points[:: max(1, len(points) // 200_000)]
    cells = np.floor((some[:, :2] - some[:, :2].min(0)) / 0.15).astype(np.int64)
    key = cells[:, 0] * (cells[:, 1].max() + 1) + cells[:, 1]
    plan = len(np.unique(key))
    if high - low < 1.6 or len(np.unique(key[some[:, 2] > high - 0.4])) < 0.33 * plan:
        return max(high, low + 2.6)
    return min(high - 0.4, low + 2.1)
