"""Neighbour searches: the k nearest, all within a radius, and what is connected by them."""

from typing import Any

import numpy as np
from numba import njit

from saymask.errors import InputError
from saymask.geometry.extent import highest, lowest

MOST_IN_BALL = 1000
"""The published ball query keeps at most this many neighbours of a point (docs/systems/less.md §B.2)."""


def knn(points: np.ndarray, k: int, queries: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return (index int64 [M, k], distance float64 [M, k]) of each query's k nearest `points` [N, 3].

    Nearest first. `queries` [M, 3] defaults to the points, each being its own first neighbour unless it has copies.
    Where there are fewer than k points the rest is -1 and infinity. Points must be finite.
    """
    from scipy.spatial import KDTree

    points = np.asarray(points, dtype=np.float64)
    queries = points if queries is None else np.asarray(queries, dtype=np.float64)
    if k < 1:
        raise InputError(f"nearest neighbours: expected k of at least 1, got {k}")
    if len(points) == 0 or len(queries) == 0:
        return np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), np.inf)
    # A sliding-midpoint tree builds faster than a balanced one and does not degenerate on walls of equal coordinates.
    tree: Any = KDTree(points, balanced_tree=False, compact_nodes=False)
    distance, index = tree.query(queries, k=range(1, k + 1), workers=1)
    index = index.astype(np.int64)
    index[np.isinf(distance)] = -1
    return index, distance


def ball_query(
    xyz: np.ndarray, batch: np.ndarray, radius: float, *, most: int = MOST_IN_BALL
) -> tuple[np.ndarray, np.ndarray]:
    """Return (neighbours int32 [total], start and count int32 [N, 2]) of the points closer than `radius`.

    xyz: float32 [N, 3]; batch: int [N] ascending item of each point. The neighbours of a point are those of its own
    item, itself included, in ascending order, with squared float32 distance strictly below radius^2, and only the first
    `most` of them (docs/systems/less.md §B.2). Blocks stand in the order of the points.
    """
    xyz = np.ascontiguousarray(xyz, dtype=np.float32)
    batch = np.ascontiguousarray(batch, dtype=np.int64)
    if (np.diff(batch) < 0).any():
        raise InputError("ball query: expected points grouped by item with ascending batch index, got mixed order")
    if len(xyz) == 0:
        return np.zeros(0, np.int32), np.zeros((0, 2), np.int32)
    grid = _Grid(xyz, batch, radius)
    key = grid.key(xyz, batch)
    arguments = (xyz, key, xyz, grid.order, grid.ordered, grid.extent, np.float32(radius), most)
    counts = _count_in_balls(*arguments)
    starts = np.cumsum(counts) - counts
    index = _fill_balls(*arguments, starts, counts)
    return index, np.stack([starts, counts], axis=1).astype(np.int32)


def ball_query_first(queries: np.ndarray, targets: np.ndarray, k: int, radius: float) -> np.ndarray:
    """Return int64 [M, k]: of each query, the first k targets by index with squared float32 distance < radius^2.

    queries: float [M, 3]; targets: float [N, 3]; missing ones are -1 (docs/systems/bqnet.md §8.5).
    """
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    targets = np.ascontiguousarray(targets, dtype=np.float32)
    out = np.full((len(queries), k), -1, dtype=np.int64)
    if len(queries) == 0 or len(targets) == 0:
        return out
    grid = _Grid(targets, np.zeros(len(targets), np.int64), radius)
    key = grid.key(queries, np.zeros(len(queries), np.int64))
    arguments = (queries, key, targets, grid.order, grid.ordered, grid.extent, np.float32(radius), k)
    counts = _count_in_balls(*arguments)
    starts = np.cumsum(counts) - counts
    flat = _fill_balls(*arguments, starts, counts)
    row = np.repeat(np.arange(len(queries)), counts)
    out[row, np.arange(len(flat)) - starts[row]] = flat
    return out


class _Grid:
    """Points sorted by cells a little wider than a radius, so that 27 cells around a position hold all within it."""

    def __init__(self, xyz: np.ndarray, batch: np.ndarray, radius: float) -> None:
        if not radius > 0:
            raise InputError(f"ball query: expected a radius above 0, got {radius}")
        if not np.isfinite(xyz).all():
            raise InputError("ball query: expected finite coordinates, got NaN or infinity")
        self.low = lowest(xyz)
        self.width = radius * 1.001
        extent = np.floor((highest(xyz) - self.low) / self.width) + 5
        if float(batch[-1] + 1) * float(np.prod(extent, dtype=np.float64)) >= 2**62:
            raise InputError(f"ball query: the cloud is too far spread for a radius of {radius}")
        self.extent = extent.astype(np.int64)
        key = self.key(xyz, batch)
        self.order = np.argsort(key, kind="stable")
        self.ordered = key[self.order]

    def key(self, xyz: np.ndarray, batch: np.ndarray) -> np.ndarray:
        """Return int64 [M], the cell of each position; positions beyond the grid count as just outside it."""
        cells = np.clip(np.floor((xyz - self.low) / self.width), -1, self.extent - 4).astype(np.int64) + 2
        return ((batch * self.extent[0] + cells[:, 0]) * self.extent[1] + cells[:, 1]) * self.extent[2] + cells[:, 2]


@njit(cache=True, nogil=True)
def _gather_ball(i, queries, key, xyz, order, ordered, extent, radius2, found):
    """Write the neighbours of query i to `found` in no particular order and return how many there are."""
    count = 0
    for dx in range(-1, 2):
        for dy in range(-1, 2):
            base = key[i] + (dx * extent[1] + dy) * extent[2]
            row = np.searchsorted(ordered, base - 1)
            while row < ordered.shape[0] and ordered[row] <= base + 1:
                q = order[row]
                row += 1
                x, y, z = xyz[q, 0] - queries[i, 0], xyz[q, 1] - queries[i, 1], xyz[q, 2] - queries[i, 2]
                if x * x + y * y + z * z < radius2:
                    found[count] = q
                    count += 1
    return count


@njit(cache=True, nogil=True)
def _count_in_balls(queries, key, xyz, order, ordered, extent, radius, most):
    found = np.empty(xyz.shape[0], np.int64)
    counts = np.empty(queries.shape[0], np.int64)
    for i in range(queries.shape[0]):
        total = _gather_ball(i, queries, key, xyz, order, ordered, extent, radius * radius, found)
        counts[i] = min(most, total)
    return counts


@njit(cache=True, nogil=True)
def _fill_balls(queries, key, xyz, order, ordered, extent, radius, most, starts, counts):
    found = np.empty(xyz.shape[0], np.int64)
    out = np.empty(starts[-1] + counts[-1], np.int32)
    for i in range(queries.shape[0]):
        total = _gather_ball(i, queries, key, xyz, order, ordered, extent, radius * radius, found)
        chosen = np.sort(found[:total])
        for j in range(counts[i]):
            out[starts[i] + j] = chosen[j]
    return out


def bfs_cluster(
    labels: np.ndarray, neighbours: np.ndarray, start_count: np.ndarray, threshold: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the components of equal label that `ball_query` neighbours connect and that have >= `threshold` points.

    labels: int [N]; neighbours, start_count: as `ball_query` returns them. Returns (cluster id and point id int32
    [total, 2], in the order of a breadth-first walk from the lowest point; offsets int32 [clusters + 1])
    (docs/systems/less.md §B.2).
    """
    return _bfs(
        np.ascontiguousarray(labels, dtype=np.int64),
        np.ascontiguousarray(neighbours, dtype=np.int32),
        np.ascontiguousarray(start_count, dtype=np.int32),
        threshold,
    )


@njit(cache=True, nogil=True)
def _bfs(labels, neighbours, start_count, threshold):
    n = labels.shape[0]
    visited = np.zeros(n, np.bool_)
    queue = np.empty(n, np.int32)
    pairs = np.empty((n, 2), np.int32)
    offsets = np.zeros(n + 1, np.int32)
    total, clusters = 0, 0
    for seed in range(n):
        if visited[seed]:
            continue
        visited[seed] = True
        queue[0] = seed
        tail, head = 1, 0
        while head < tail:
            v = queue[head]
            head += 1
            for j in range(start_count[v, 0], start_count[v, 0] + start_count[v, 1]):
                q = neighbours[j]
                if not visited[q] and labels[q] == labels[v]:
                    visited[q] = True
                    queue[tail] = q
                    tail += 1
        if tail >= threshold:
            for j in range(tail):
                pairs[total + j, 0], pairs[total + j, 1] = clusters, queue[j]
            total += tail
            clusters += 1
            offsets[clusters] = total
    return pairs[:total].copy(), offsets[: clusters + 1].copy()
