"""Flat spots of a cloud, the directions in which its planes face, and what belongs to none of them."""

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

AXES = {
    "x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0),
    "-x": (-1.0, 0.0, 0.0), "-y": (0.0, -1.0, 0.0), "-z": (0.0, 0.0, -1.0),
}  # fmt: skip


@dataclass(frozen=True)
class Patches:
    """Flat spots of the surface, one per 5 cm cell, so that counts measure area and not density."""

    centers: np.ndarray  # float64 [k, 3]
    normals: np.ndarray  # float64 [k, 3]; the sign means something only if `oriented`
    cloud: np.ndarray  # float64 [c, 3]: all cells, flat or not
    oriented: bool

    @cached_property
    def widest(self) -> float:
        """Largest extent along an axis, metres."""
        return float((self.cloud.max(0) - self.cloud.min(0)).max())


def cells(points: np.ndarray, size: float) -> np.ndarray:
    """Return the row of one point per cell, int64 [c]."""
    cells = np.floor((points - points.min(0)) / size).astype(np.int64)
    top = cells.max(0) + 1
    return np.unique((cells[:, 0] * top[1] + cells[:, 1]) * top[2] + cells[:, 2], return_index=True)[1]


def find_patches(points: np.ndarray, faces: np.ndarray | None, normals: np.ndarray | None) -> Patches | None:
    """Return up to some thousand flat spots with their normals; None when there are hardly any."""
    step = max(1, len(points) // 25_000)
    some = points[::step].astype(np.float64)
    span = float(np.ptp(some, axis=0).max())
    rows = cells(some, max(0.05, span / 150))
    cloud = some[rows]
    if normals is not None:
        n = normals[::step][rows].astype(np.float64)
        length = np.linalg.norm(n, axis=1)
        good = np.isfinite(length) & (length > 0.5)
        return Patches(cloud[good], n[good] / length[good, None], cloud, False) if good.sum() >= 50 else None
    if faces is not None and len(faces) >= 100:
        chosen = faces[:: max(1, len(faces) // 40_000)]
        a, b, c = (points[chosen[:, i]].astype(np.float64) for i in range(3))
        cross = np.cross(b - a, c - a)
        length = np.linalg.norm(cross, axis=1)
        good = length > 0
        centers, n = ((a + b + c) / 3)[good], cross[good] / length[good, None]
        rows = cells(centers, max(0.05, span / 150))
        return Patches(centers[rows], n[rows], cloud, True) if len(rows) >= 50 else None
    from scipy.spatial import KDTree

    k = min(12, len(some))
    queries = cloud[:: max(1, len(cloud) // 2500)]
    _, near = KDTree(some).query(queries, k=k)
    around = some[near] - some[near].mean(1, keepdims=True)
    values, vectors = np.linalg.eigh(np.einsum("nki,nkj->nij", around, around))
    flat = (values[:, 0] < 0.04 * values[:, 1] + 1e-12) & (values[:, 1] > 0.05 * values[:, 2])
    if flat.sum() < 50:
        return None
    return Patches(queries[flat], vectors[flat, :, 0], cloud, False)


def find_directions(patches: Patches) -> list[np.ndarray]:
    """Return the directions that may be up, each of unit length, the one that most normals share first.

    Directions that many normals share (within 8 degrees), those at right angles to two of them (the floor may be
    hidden), and the coordinate axes unless a shared one lies within 15 degrees.
    """
    n = patches.normals
    tried = n[:: max(1, len(n) // 100)]
    votes = (np.abs(n @ tried.T) > np.cos(np.deg2rad(8))).astype(np.float32)
    found: list[np.ndarray] = []
    left = np.ones(len(n), bool)
    for _ in range(6):
        count = left.astype(np.float32) @ votes
        best = int(count.argmax())
        if count[best] < 0.02 * len(n):
            break
        mode = tried[best]
        for _ in range(3):  # the mean of the normals around the mode, with their signs brought together
            dots = n @ mode
            near = np.abs(dots) > np.cos(np.deg2rad(8))
            mode = (n[near] * np.sign(dots[near])[:, None]).sum(0)
            mode /= np.linalg.norm(mode)
        found.append(mode)
        left &= np.abs(n @ mode) <= np.cos(np.deg2rad(12))
    for first, second in itertools.combinations(found[:4], 2):
        cross = np.cross(first, second)
        length = float(np.linalg.norm(cross))
        if length > 0.7 and not _among(cross / length, found, 6):
            found.append(cross / length)
    return found + [axis for a in "zyx" if not _among(axis := np.array(AXES[a]), found, 15)]


def _among(direction: np.ndarray, others: list[np.ndarray], degrees: float) -> bool:
    return any(abs(float(direction @ other)) > np.cos(np.deg2rad(degrees)) for other in others)


def find_loose(patches: Patches, directions: list[np.ndarray]) -> np.ndarray:
    """Return which cells belong to no large plane (floor, wall, ceiling), bool [c]: furniture and small things."""
    loose = np.ones(len(patches.cloud), bool)
    for direction in directions:
        aligned = np.abs(patches.normals @ direction) > np.cos(np.deg2rad(10))
        if not aligned.any():
            continue
        height = patches.centers[aligned] @ direction
        count, edges = np.histogram(height, bins=max(1, int(np.ceil(np.ptp(height) / 0.06))))
        every = patches.cloud @ direction
        for i in np.flatnonzero(count > 0.035 * len(patches.centers)):
            loose &= (every < edges[i] - 0.05) | (every > edges[i + 1] + 0.05)
    return loose
