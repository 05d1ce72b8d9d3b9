"""The boxes of a room measured against each other and against the walls, once for all predicates.

Distances are rounded to a micrometre before they meet a threshold, so that no answer depends on a machine's last bit.
"""

import math

import numpy as np

from saymask.rooms.language.words import head_of
from saymask.rooms.room import Room

_GRID = (np.arange(7) - 3) / 3.5  # 7x7 sample points over a footprint, as fractions of its half extents

Vector = tuple[float, float]


class Geometry:
    """Boxes, distances and overlaps of the K things of a room, computed once; row k is `room.things[k]`.

    `gap` [K, K]: horizontal distance of the footprints (0 when they meet); `rise` [K, K]: vertical distance of the
    height ranges; `apart` [K, K]: both together; `cover` [K, K]: share of footprint i inside footprint j;
    `wall_gap` [K, E]: horizontal distance of footprint to wall. float64, metres.
    """

    def __init__(self, room: Room):
        self.room = room
        things = room.things
        self.row = {t.id: k for k, t in enumerate(things)}
        self.heads = [head_of(t.category) for t in things]
        self.center = np.array([t.center for t in things], dtype=np.float64).reshape(-1, 3)
        size = np.array([t.size for t in things], dtype=np.float64).reshape(-1, 3)
        self.size = size
        self.half = size[:, :2] / 2
        self.axis_x = np.array([(math.cos(t.yaw), math.sin(t.yaw)) for t in things]).reshape(-1, 2)
        self.axis_y = np.stack([-self.axis_x[:, 1], self.axis_x[:, 0]], axis=1)
        self.z0 = self.center[:, 2] - size[:, 2] / 2
        self.z1 = self.center[:, 2] + size[:, 2] / 2
        signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], dtype=np.float64)
        ux, uy = self.axis_x * self.half[:, :1], self.axis_y * self.half[:, 1:]
        middle = self.center[:, None, :2]
        self.rect = middle + signs[:, :1] * ux[:, None] + signs[:, 1:] * uy[:, None]  # [K, 4, 2]
        self.on = np.array([self.row.get(t.on, -1) if t.on is not None else -1 for t in things], dtype=np.int64)
        self.gap = np.round(self._gaps(), 6)
        z0, z1 = self.z0, self.z1
        self.rise = np.round(np.maximum(np.maximum(z0[:, None] - z1[None], z0[None] - z1[:, None]), 0), 6)
        self.apart = np.round(np.hypot(self.gap, self.rise), 6)
        grid = np.stack(np.meshgrid(_GRID, _GRID, indexing="ij"), axis=-1).reshape(-1, 2)
        samples = middle + grid[:, :1] * ux[:, None] + grid[:, 1:] * uy[:, None]  # [K, 49, 2]
        self.cover = self._inside(samples, 0.0).mean(axis=1)
        self.cover_wide = self._inside(samples, 0.15).mean(axis=1)  # the same against footprints grown by 15 cm
        floor = np.array(room.floor, dtype=np.float64)
        self.floor = floor
        self.wall_gap = np.round(self._wall_gaps(), 6)
        self.supports_differ = self.on[:, None] != self.on[None]
        low = np.minimum(z1[:, None], z1[None]) - np.maximum(z0[:, None], z0[None])
        shorter = np.minimum(size[:, None, 2], size[None, :, 2])
        self.level = np.round(low / np.maximum(shorter, 1e-9), 6)  # share of the shorter one's height both have
        self.tables: dict[tuple, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.room.things)

    def _gaps(self) -> np.ndarray:
        rect = self.rect
        k = len(rect)
        if k == 0:
            return np.zeros((0, 0))
        start, end = rect, np.roll(rect, -1, axis=1)
        side = end - start  # [K, 4, 2]
        length2 = np.maximum((side**2).sum(-1), 1e-12)
        to = rect[:, :, None, None] - start[None, None]  # [K, 4, K, 4, 2] corner of i against side of j
        t = np.clip((to * side).sum(-1) / length2, 0, 1)
        away = to - t[..., None] * side
        near = np.sqrt((away**2).sum(-1)).min(axis=(1, 3))
        near = np.minimum(near, near.T)
        offset = self.center[None, :, :2] - self.center[:, None, :2]  # [K, K, 2] from i to j
        split = np.zeros((k, k), dtype=bool)
        for axis, half in ((self.axis_x, self.half[:, 0]), (self.axis_y, self.half[:, 1])):
            reach = self.extents(axis)  # [K(axis owner), K]
            split |= np.abs((offset * axis[:, None]).sum(-1)) > half[:, None] + reach
        return np.where(split | split.T, near, 0.0)

    def extents(self, directions: np.ndarray) -> np.ndarray:
        """Return [D, K]: half extent of every footprint along each unit direction; float64 [D, 2] in."""
        along_x = np.abs(directions @ self.axis_x.T) * self.half[:, 0]
        return along_x + np.abs(directions @ self.axis_y.T) * self.half[:, 1]

    def _inside(self, samples: np.ndarray, grow: float) -> np.ndarray:
        to = samples[:, :, None] - self.center[None, None, :, :2]  # [K, S, K, 2]
        x = np.abs((to * self.axis_x).sum(-1)) <= self.half[:, 0] + grow
        y = np.abs((to * self.axis_y).sum(-1)) <= self.half[:, 1] + grow
        return x & y

    def _wall_gaps(self) -> np.ndarray:
        start, end = self.floor, np.roll(self.floor, -1, axis=0)
        side = end - start
        to = self.rect[:, :, None] - start  # [K, 4, E, 2]
        t = np.clip((to * side).sum(-1) / np.maximum((side**2).sum(-1), 1e-12), 0, 1)
        return np.sqrt(((to - t[..., None] * side) ** 2).sum(-1)).min(axis=1)

    def wall_inward(self, edge: int) -> Vector:
        """Return the unit normal of wall `edge` that points into the room."""
        a, b = self.floor[edge], self.floor[(edge + 1) % len(self.floor)]
        length = math.hypot(*(b - a)) or 1.0
        return (-(b[1] - a[1]) / length, (b[0] - a[0]) / length)

    def front_of(self, k: int) -> Vector | None:
        """Return the horizontal direction that thing k's front looks along, None when it has no front."""
        if not self.room.things[k].fronted:
            return None
        return (-float(self.axis_y[k, 0]), -float(self.axis_y[k, 1]))

    def facing(self, k: int) -> Vector | None:
        """Return the direction in which somebody who faces thing k looks, None when listeners would disagree.

        One faces a thing that stands against a wall by looking at that wall, one with a front by looking at its
        front; when both are known they have to agree within 30 degrees.
        """
        thing, front = self.room.things[k], self.front_of(k)
        towards = None if front is None else (-front[0], -front[1])
        if thing.wall is None:
            return towards
        inward = self.wall_inward(thing.wall)
        outward = (-inward[0], -inward[1])
        if towards is not None and towards[0] * outward[0] + towards[1] * outward[1] < math.cos(math.radians(30)):
            return None
        return outward if towards is None else towards
