"""Parts that furniture is made of: boxes, soft things, turned shapes, sheets and cloth, tessellated as regular grids.

A part is parametric and cheap; its vertices exist only after `tessellate`. Every part is one connected surface whose
vertices are welded, and no part is connected to another, so a superpoint can never cross from one object to another.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from saymask.rooms.colors import RGB


@dataclass(frozen=True)
class Bumps:
    """Smooth bumps of a soft surface: a sum of waves in space, drawn from `seed`."""

    height: float  # metres, about the largest deviation
    width: float  # metres from bump to bump
    seed: int

    def at(self, points: np.ndarray) -> np.ndarray:
        """Return the displacement at points [n, 3], float64 [n] metres."""
        rng = np.random.RandomState(self.seed)
        out = np.zeros(len(points))
        for _ in range(7):
            direction = rng.standard_normal(3)
            wave = direction / np.linalg.norm(direction) * (2 * np.pi / self.width * rng.uniform(0.5, 1.5))
            out += np.sin(points @ wave + rng.uniform(0, 2 * np.pi)) / 3.5
        return self.height * out


@dataclass(frozen=True, eq=False)
class Part:
    """One surface of a piece of furniture, in the furniture's frame (metres, z up, front towards -y)."""

    kind: str  # "box" | "cushion" | "soft" | "lathe" | "sheet" | "cloth" | "mesh"
    size: tuple[float, float, float]  # extents in the part's own frame, before it is turned
    center: np.ndarray  # float64 [3]
    rotation: np.ndarray  # float64 [3, 3], part frame -> furniture frame
    color: RGB | np.ndarray  # of the whole part, or uint8 [n, 3] of every vertex of a mesh
    texture: str = "plain"
    rounding: float = 0.0  # radius of the edges of a box or soft thing, metres
    profile: tuple[tuple[float, float], ...] = ()  # lathe: (radius, z) from bottom to top
    folds: tuple[int, float] = (0, 0.0)  # sheet: number and depth (m) of the folds
    holes: tuple[tuple[float, float, float, float], ...] = ()  # sheet: (x0, z0, x1, z1) cut out, part frame
    bulge: float = 0.0  # soft: how far the sides swell; cloth: how far its edges bend forward; metres
    bumps: Bumps | None = None  # soft, sheet, cloth
    mesh: tuple[np.ndarray, np.ndarray] | None = None  # mesh: vertices float64 [n, 3], part frame, and faces [m, 3]

    @property
    def two_sided(self) -> bool:
        """True for surfaces that have no inside."""
        return self.kind in ("sheet", "cloth", "mesh")

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and upper corner of the part's box along the furniture's axes, float64 [3] each."""
        half = np.abs(self.rotation) @ (np.asarray(self.size) / 2)
        return self.center - half, self.center + half

    def tessellate(self, step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return vertices float64 [n, 3] (furniture frame), faces int32 [m, 3], and vertices in the part's frame."""
        if self.kind == "lathe":
            local, faces = _lathe(self.profile, step)
        elif self.kind == "sheet":
            local, faces = _sheet(self.size, self.folds, self.holes, step)
            if self.bumps is not None:
                local[:, 1] += self.bumps.at(local * (1.0, 1.0, 0.2))  # folds run from top to bottom
                local[:, 1] = np.clip(local[:, 1], -self.size[1] / 2, self.size[1] / 2)
        elif self.kind == "soft":
            local, faces = _soft(self, step)
        elif self.kind == "cloth":
            local, faces = _cloth(self, step)
        elif self.mesh is not None:
            local, faces = self.mesh
        else:
            cells = tuple(max(1, round(s / step)) for s in self.size)
            if self.kind == "cushion" or self.rounding > 0:
                cells = tuple(max(2, c) for c in cells)
            unit, faces = _box_grid(*cells)
            local = unit * self.size
            if self.kind == "cushion":
                u, v = unit[:, 0] * 2, unit[:, 1] * 2
                local[:, 2] *= 0.12 + 0.88 * np.sqrt(np.maximum(0, (1 - u**4) * (1 - v**4)))
            elif self.rounding > 0:
                half = np.asarray(self.size) / 2
                inner = np.clip(local, -np.maximum(half - self.rounding, 0), np.maximum(half - self.rounding, 0))
                offset = local - inner
                length = np.linalg.norm(offset, axis=1, keepdims=True)
                radius = np.minimum(self.rounding, half.min())
                local = inner + offset / np.maximum(length, 1e-9) * np.minimum(length, radius)
        return local @ self.rotation.T + self.center, faces, local


def rotation(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    """Return the rotation matrix Rz @ Ry @ Rx (radians), float64 [3, 3]."""
    cx, sx, cy, sy, cz, sz = np.cos(x), np.sin(x), np.cos(y), np.sin(y), np.cos(z), np.sin(z)
    rx = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rz = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return rz @ ry @ rx


def along(direction: np.ndarray) -> np.ndarray:
    """Return a rotation that turns the z axis into `direction`, float64 [3, 3]."""
    z = direction / np.linalg.norm(direction)
    helper = np.array([1.0, 0, 0]) if abs(z[0]) < 0.9 else np.array([0, 1.0, 0])
    x = np.cross(helper, z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)


def _quads(index: np.ndarray) -> np.ndarray:
    """Two triangles per cell of a grid of vertex numbers [a, b]; the normal is d/da x d/db."""
    p, q, r, s = index[:-1, :-1].ravel(), index[1:, :-1].ravel(), index[1:, 1:].ravel(), index[:-1, 1:].ravel()
    return np.concatenate([np.stack([p, q, r], 1), np.stack([p, r, s], 1)])


@lru_cache(maxsize=8192)
def _box_grid(nx: int, ny: int, nz: int) -> tuple[np.ndarray, np.ndarray]:
    """The surface of the unit box as welded grids: vertices in [-0.5, 0.5]^3 and outward faces."""
    shape = (nx + 1, ny + 1, nz + 1)
    number = np.arange(shape[0] * shape[1] * shape[2]).reshape(shape)
    faces = np.concatenate(
        [
            _quads(number[:, :, 0].T), _quads(number[:, :, -1]),
            _quads(number[:, 0, :]), _quads(number[:, -1, :].T),
            _quads(number[0, :, :].T), _quads(number[-1, :, :]),
        ]
    )  # fmt: skip
    used, faces = np.unique(faces, return_inverse=True)
    lattice = np.stack(np.unravel_index(used, shape), axis=1)
    return lattice / np.array([nx, ny, nz]) - 0.5, faces.reshape(-1, 3).astype(np.int32)


@lru_cache(maxsize=8192)
def _ring_faces(rings: int, around: int, bottom: bool, top: bool, loop: bool) -> np.ndarray:
    """Faces of `rings` closed rings of `around` vertices; with a pole vertex below and/or above when asked.

    `loop` joins the last ring to the first one: a torus.
    """
    first = 1 if bottom else 0
    grid = first + np.arange(rings * around).reshape(rings, around)
    turns = np.concatenate([grid, grid[:1]]) if loop else grid
    faces = [_quads(np.concatenate([turns, turns[:, :1]], axis=1).T)]
    turn = np.arange(around)
    after = (turn + 1) % around
    if bottom:
        faces.append(np.stack([np.zeros(around, int), grid[0][after], grid[0][turn]], axis=1))
    if top:
        faces.append(np.stack([np.full(around, first + rings * around), grid[-1][turn], grid[-1][after]], axis=1))
    return np.concatenate(faces).astype(np.int32)


@lru_cache(maxsize=4096)
def _lathe(profile: tuple[tuple[float, float], ...], step: float) -> tuple[np.ndarray, np.ndarray]:
    points = [profile[0]]
    for (r0, z0), (r1, z1) in pairwise(profile):
        n = max(1, round(float(np.hypot(r1 - r0, z1 - z0)) / step))
        points += [(r0 + (r1 - r0) * k / n, z0 + (z1 - z0) * k / n) for k in range(1, n + 1)]
    loop = profile[0] == profile[-1]
    points = points[:-1] if loop else points
    bottom, top = points[0][0] < 1e-6, points[-1][0] < 1e-6
    rings = np.array(points[int(bottom) : len(points) - int(top)])
    n = max(6, round(2 * np.pi * rings[:, 0].max() / step))
    angle = np.arange(n) * (2 * np.pi / n)
    body = np.stack(
        [rings[:, :1] * np.cos(angle), rings[:, :1] * np.sin(angle), np.repeat(rings[:, 1:], n, axis=1)], axis=-1
    ).reshape(-1, 3)
    vertices = np.concatenate(
        [[(0.0, 0.0, points[0][1])]] * bottom + [body] + [[(0.0, 0.0, points[-1][1])]] * top, axis=0
    )
    z = [p[1] for p in profile]
    vertices[:, 2] -= (min(z) + max(z)) / 2
    return vertices, _ring_faces(len(rings), n, bottom, top, loop)


def _sheet(size, folds, holes, step) -> tuple[np.ndarray, np.ndarray]:
    """A vertical sheet in the x-z plane (folds move it along y); cells inside a hole are left out."""
    width, _, height = size
    nx, nz = max(1, round(width / step)), max(1, round(height / step))
    x, z = np.linspace(-width / 2, width / 2, nx + 1), np.linspace(-height / 2, height / 2, nz + 1)
    for x0, z0, x1, z1 in holes:  # the grid lines nearest to a hole move onto its border
        for axis, low, high in ((x, x0, x1), (z, z0, z1)):
            for border in (low, high):
                axis[int(np.argmin(np.abs(axis - border)))] = border
    xx, zz = np.meshgrid(x, z, indexing="ij")
    count, depth = folds
    yy = np.sin(xx / width * 2 * np.pi * count) * (depth / 2) if count else np.zeros_like(xx)
    faces = _quads(np.arange(xx.size).reshape(xx.shape)[:, :])
    cx = np.repeat((x[:-1] + x[1:]) / 2, nz)
    cz = np.tile((z[:-1] + z[1:]) / 2, nx)
    keep = np.ones(nx * nz, dtype=bool)
    for x0, z0, x1, z1 in holes:
        keep &= ~((cx > x0) & (cx < x1) & (cz > z0) & (cz < z1))
    faces = faces[np.concatenate([keep, keep])]
    vertices = np.stack([xx.ravel(), yy.ravel(), zz.ravel()], axis=1)
    used, faces = np.unique(faces, return_inverse=True)
    return vertices[used], faces.reshape(-1, 3).astype(np.int32)


def _fitted(points: np.ndarray, size: tuple[float, float, float]) -> np.ndarray:
    """Stretch points to fill a box around the origin."""
    low, high = points.min(axis=0), points.max(axis=0)
    return ((points - low) / np.maximum(high - low, 1e-9) - 0.5) * size


def _soft(part: Part, step: float) -> tuple[np.ndarray, np.ndarray]:
    """A filled cover: a rounded box whose sides swell, with bumps."""
    size = np.asarray(part.size)
    unit, faces = _box_grid(*(max(3, round(s / step)) for s in part.size))
    half, local = size / 2, unit * size
    radius = min(part.rounding, half.min() * 0.98)
    inner = np.clip(local, -(half - radius), half - radius)
    offset = local - inner
    length = np.linalg.norm(offset, axis=1, keepdims=True)
    local = inner + offset / np.maximum(length, 1e-9) * np.minimum(length, radius)
    u = unit * 2
    free = 1 - u**2
    for axis in range(3):
        local[:, axis] += part.bulge * u[:, axis] * free[:, (axis + 1) % 3] * free[:, (axis + 2) % 3]
    if part.bumps is not None:
        outward = local / half
        outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
        local += outward * part.bumps.at(local)[:, None]
    return _fitted(local, part.size), faces


def _cloth(part: Part, step: float) -> tuple[np.ndarray, np.ndarray]:
    """A surface that follows a bent line (y, z) over its whole width: a blanket over an edge, the shell of a seat."""
    line = np.asarray(part.profile)
    lengths = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    rows = max(4, round(lengths[-1] / step))
    where = np.linspace(0, lengths[-1], rows + 1)
    y, z = (np.interp(where, lengths, line[:, k]) for k in range(2))
    for _ in range(max(1, round((0.05 / max(lengths[-1] / rows, 1e-3)) ** 2))):  # rounds the bends off
        y[1:-1] = (y[:-2] + 2 * y[1:-1] + y[2:]) / 4
        z[1:-1] = (z[:-2] + 2 * z[1:-1] + z[2:]) / 4
    across = np.linspace(-1, 1, max(4, round(part.size[0] / step)) + 1)
    normal = np.stack([-np.gradient(z), np.gradient(y)], axis=1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    grid = np.empty((len(across), rows + 1, 3))
    grid[..., 0] = across[:, None] * part.size[0] / 2
    grid[..., 1], grid[..., 2] = y, z
    lift = np.repeat(part.bulge * across[:, None] ** 2, rows + 1, axis=1)
    if part.bumps is not None:
        lift = lift + part.bumps.at(grid.reshape(-1, 3)).reshape(lift.shape)
    grid[..., 1:] += lift[..., None] * normal
    faces = _quads(np.arange(len(across) * (rows + 1)).reshape(len(across), rows + 1))
    return _fitted(grid.reshape(-1, 3), part.size), faces.astype(np.int32)
