"""Superpoints of a bare cloud, without a mesh."""

import numpy as np
from numba import njit

from saymask.errors import InputError
from saymask.geometry.cell_neighbours import cell_knn
from saymask.geometry.extent import highest, lowest
from saymask.geometry.graph_segmentation import (
    compact_roots,
    edge_weight,
    segment_graph,
    segment_sorted,
    sorted_edges,
)
from saymask.geometry.normals import orient_normals, plane_normals
from saymask.geometry.voxelize import Voxels, voxelize

ROOM_SURFACE = 150.0
"""Square metres of surface in a room of common size; larger clouds may have proportionally more superpoints."""
ROOM_COUNT = (1000, 4000)
"""Superpoints wanted for a room."""
LEAST_SURFACE = 25.0
"""Square metres of surface below which a cloud is a part of a room and gets proportionally fewer superpoints."""
_FEW_CELLS = 20_000
_PLANE_NEIGHBOURS = 16
_TRIES = 8


def cloud_superpoints(
    points: np.ndarray,
    normals: np.ndarray | None = None,
    colors: np.ndarray | None = None,
    *,
    size: float | None = None,
    k: int = 12,
    k_threshold: float = 0.01,
    min_cells: int = 10,
    color_weight: float = 0.4,
    count: tuple[int, int] | None = ROOM_COUNT,
) -> np.ndarray:
    """Return int32 [N] superpoint ids 0..S-1 of a cloud without faces.

    points: float [N, 3] metres, z up, finite. normals: float [N, 3], estimated where absent, zero or not finite.
    colors: uint8 [N, 3] or None; a colour step between neighbours of d (0..1 per channel) costs color_weight * |d|^2.

    The cloud is thinned to cells of `size` metres (default 2 cm, finer for small clouds); cells are linked to their k
    nearest and segmented with the rule of ScanNet's mesh segmentation (see `mesh_superpoints`), segments below
    `min_cells` cells joining a neighbour. `count` is the number of superpoints wanted for a room, scaled with the
    surface of smaller and larger clouds: above it the two parameters are loosened, below it wide segments are cut into
    patches; None leaves the segmentation as it is. Our own method; the published systems have meshes only.
    """
    points = np.asarray(points)
    voxels = voxelize(points, size) if size is not None else _adapted_voxels(points)
    if len(voxels) < 2:
        return np.zeros(len(points), dtype=np.int32)
    sites = voxels.mean(points)
    neighbours, distance = cell_knn(voxels, sites, max(k, _PLANE_NEIGHBOURS) + 1)
    site_normals = _site_normals(voxels, sites, normals, neighbours[:, : _PLANE_NEIGHBOURS + 1])
    if colors is not None:
        if np.shape(colors) != (len(points), 3):
            raise InputError(f"colors: expected [{len(points)}, 3], got {list(np.shape(colors))}")
        shades = voxels.mean(colors) / np.float32(255)
    else:
        shades, color_weight = np.zeros_like(sites), 0.0
    # Gaps that are wide against the spacing separate things; every cell keeps its nearest, however far.
    reach = max(3.0 * voxels.size, 2.0 * float(np.median(distance[:, min(k, len(sites) - 1)])))
    ends, weights = _links(sites, site_normals, shades, neighbours[:, : k + 1], distance, reach, color_weight)
    fewest, most = _range(count, len(voxels) * voxels.size**2, len(voxels))
    roots, smallest = _loosened(ends, weights, len(voxels), k_threshold, min_cells, most)
    roots = _patched(roots, ends, sites, smallest, fewest)
    return compact_roots(roots)[voxels.index]


def _adapted_voxels(points: np.ndarray) -> Voxels:
    """Thin to 2 cm, or finer as long as that leaves few cells of many points (a scan of a table top)."""
    size = 0.02
    voxels = voxelize(points, size)
    while len(voxels) < min(_FEW_CELLS, len(points) // 2) and size > 0.001:
        size /= 2
        voxels = voxelize(points, size)
    return voxels


def _range(count: tuple[int, int] | None, surface: float, cells: int) -> tuple[int, int]:
    """Return the fewest and the most superpoints wanted for a cloud of `surface` square metres in so many cells."""
    if count is None:
        return 0, cells
    # A single view of a corner is less than a room; below 24 cells on average a patch says little about its surface.
    fewest = count[0] * max(min(1.0, surface / LEAST_SURFACE), surface / ROOM_SURFACE)
    most = count[1] * max(1.0, surface / ROOM_SURFACE)
    return int(min(fewest, cells / 24)), int(min(most, max(1, cells / 8)))


def _loosened(
    ends: np.ndarray, weights: np.ndarray, n: int, k_threshold: float, min_cells: int, most: int
) -> tuple[np.ndarray, int]:
    """Return roots int32 [n] and the least segment size used, loosened until there are at most `most` segments."""
    roots = np.arange(n, dtype=np.int32)
    threshold, smallest = k_threshold, float(min_cells)
    sizes = np.ones(n, np.int64)
    ends, weights = sorted_edges(ends, weights)
    for _ in range(_TRIES):
        roots = segment_sorted(ends, weights, sizes, threshold, round(smallest))
        if _count(roots) <= most:
            break
        threshold, smallest = 2.0 * threshold, 1.5 * smallest
    return roots, round(smallest)


def _patched(roots: np.ndarray, ends: np.ndarray, sites: np.ndarray, min_cells: int, fewest: int) -> np.ndarray:
    """Return roots int32 [n] with the wide segments cut into patches on a grid, fine enough for `fewest` segments.

    Cutting keeps every border that was found; tightening the thresholds instead would cut along noise.
    """
    inside = ends[roots[ends[:, 0]] == roots[ends[:, 1]]]
    low = lowest(sites)
    extent = highest(sites) - low
    out, edge = roots, 1.0
    for _ in range(_TRIES):
        if _count(out) >= fewest:
            break
        # Whole layers between the ends and half a one beyond: noisy floors and walls lie within a layer, not between
        # two, and a turned cloud is cut at the same places.
        layers = np.round(extent / edge)
        grid = np.floor((sites - low) / np.where(layers > 0, extent, np.inf) * layers + 0.5).astype(np.int32)
        same = (grid[inside[:, 0]] == grid[inside[:, 1]]).all(axis=1)
        # Links across the grid are too dear for the first pass and only take in what is too small to stand alone.
        weights = np.where(same, 0, 1).astype(np.float32)
        out = segment_graph(inside, weights, np.ones(len(roots), np.int64), 0.1, min_cells)
        edge /= 1.4
    return out


def _count(roots: np.ndarray) -> int:
    return int((roots == np.arange(len(roots))).sum())


def _site_normals(voxels: Voxels, sites: np.ndarray, normals: np.ndarray | None, neighbours: np.ndarray) -> np.ndarray:
    """Return float32 [V, 3]: the mean of the given normals in each cell, estimated where there is none to speak of."""
    if normals is None:
        return orient_normals(plane_normals(sites.astype(np.float64), neighbours), sites, neighbours[:, :9])
    normals = np.asarray(normals, dtype=np.float32)
    if normals.shape != (len(voxels.index), 3):
        raise InputError(f"normals: expected [{len(voxels.index)}, 3], got {list(normals.shape)}")
    given = voxels.mean(np.where(np.isfinite(normals).all(axis=1, keepdims=True), normals, 0))
    length = np.linalg.norm(given, axis=1)
    # Where a cell's normals cancel out, the cell holds both sides of something thin and they say nothing.
    lacking = ~(length > 0.1)
    given /= np.maximum(length, 1e-12)[:, None]
    if lacking.any():
        estimated = orient_normals(plane_normals(sites.astype(np.float64), neighbours), sites, neighbours[:, :9])
        around = np.where((neighbours[lacking] >= 0)[..., None], given[neighbours[lacking]], 0)
        around = (around * ~lacking[neighbours[lacking]][..., None]).sum(axis=1)
        turn = (estimated[lacking] * around).sum(axis=1) < 0
        given[lacking] = np.where(turn[:, None], -estimated[lacking], estimated[lacking])
    return given


@njit(cache=True, nogil=True)
def _lists(neighbours, distance, reach, q, i):
    """Say whether `_links` makes the link from q to i."""
    kept = 0
    for j in range(neighbours.shape[1]):
        other = neighbours[q, j]
        if other < 0 or other == q or (kept > 0 and distance[q, j] > reach):
            continue
        if other == i:
            return True
        kept += 1
    return False


@njit(cache=True, nogil=True)
def _links(sites, normals, shades, neighbours, distance, reach, color_weight):
    """Return the graph's edges int32 [E, 2] and float32 weights: the bend of the surface plus the step in colour."""
    n, k = neighbours.shape
    ends = np.empty((n * k, 2), np.int32)
    weights = np.empty(n * k, np.float32)
    count = 0
    for i in range(n):
        kept = 0
        for j in range(k):
            q = neighbours[i, j]
            if q < 0 or q == i or (kept > 0 and distance[i, j] > reach):
                continue
            kept += 1
            if q < i and _lists(neighbours, distance, reach, q, i):
                continue  # q has made this link already
            step = np.float32(0)
            for c in range(3):
                step += (shades[i, c] - shades[q, c]) ** 2
            ends[count, 0], ends[count, 1] = i, q
            weights[count] = edge_weight(sites, normals, i, q) + np.float32(color_weight) * step
            count += 1
    return ends[:count].copy(), weights[:count].copy()
