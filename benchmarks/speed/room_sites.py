"""A furnished-room-like set of occupied 2 cm voxels, made by rule: floor, walls, and boxes as furniture."""

import numpy as np


def room_sites(target: int = 224_000, *, voxel: float = 0.02, seed: int = 0) -> np.ndarray:
    """Return int32 [V, 4] (batch 0, x, y, z) sorted voxels of a room of about `target` voxels, minimum 0.

    Surfaces are one or two voxels thick with the uneven edges of a scan, so that a site has about ten neighbours.
    """
    rng = np.random.RandomState(seed)
    side = 4.58 * (target / 224_000) ** 0.5 * voxel / 0.02  # about right for two-dimensional surfaces
    cells = np.empty((0, 3), np.int64)
    for _ in range(12):  # scale the floor plan until the number of voxels fits
        cells = _room(np.random.RandomState(seed), side, voxel)
        if abs(len(cells) - target) < 0.01 * target:
            break
        side *= (target / len(cells)) ** 0.6
    order = rng.permutation(len(cells))[:target]
    cells = cells[np.sort(order)]
    cells -= cells.min(0)
    return np.concatenate([np.zeros((len(cells), 1), np.int32), cells.astype(np.int32)], axis=1)


def _room(rng: np.random.RandomState, side: float, voxel: float) -> np.ndarray:
    width, depth, height = 1.2 * side, side, 2.4
    x, y, z = np.eye(3)
    half = voxel / 2
    parts = [_rectangle(np.array([0, 0, half]), x, y, width, depth, voxel)]
    for corner, along, length in (([0, half, 0], x, width), ([half, 0, 0], y, depth), ([0, depth + half, 0], x, width)):
        parts.append(_rectangle(np.array(corner, float), along, z, length, height, voxel))
    for _ in range(int(2.2 * side)):
        size = np.array([rng.uniform(0.3, 1.6), rng.uniform(0.3, 0.9), rng.uniform(0.3, 1.4)])
        corner = np.array([rng.uniform(0.1, width - 1), rng.uniform(0.1, depth - 1), 0.0])
        angle = rng.uniform(0, np.pi)
        u = np.array([np.cos(angle), np.sin(angle), 0])
        v = np.array([-np.sin(angle), np.cos(angle), 0])
        parts += [
            _rectangle(corner + size[2] * z, u, v, size[0], size[1], voxel),
            _rectangle(corner, u, z, size[0], size[2], voxel),
            _rectangle(corner, v, z, size[1], size[2], voxel),
            _rectangle(corner + size[0] * u, v, z, size[1], size[2], voxel),
        ]
    points = np.concatenate(parts)
    points += rng.randn(*points.shape) * 0.15 * voxel
    cells = np.floor(points / voxel).astype(np.int64)
    return np.unique(cells, axis=0)


def _rectangle(
    origin: np.ndarray, u: np.ndarray, v: np.ndarray, length: float, width: float, voxel: float
) -> np.ndarray:
    a, b = np.meshgrid(np.arange(0, length, voxel * 0.8), np.arange(0, width, voxel * 0.8), indexing="ij")
    return origin + a.reshape(-1, 1) * u + b.reshape(-1, 1) * v
