"""Connected components of masks over superpoints (or voxels), and the graph of those that touch."""

import itertools

import numpy as np
from numba import njit
from scipy.sparse import csr_array

from saymask.geometry.graph_segmentation import find_root
from saymask.sparse import SitePyramid


def touching(
    pyramid: SitePyramid,
    site: np.ndarray,  # int64 [P]: input voxel of each pair
    row: np.ndarray,  # int64 [P]: support row that has points in that voxel
    rows: int,
) -> csr_array:
    """Return which support rows touch, a sparse matrix [rows, rows].

    Two rows touch when they have points in the same voxel or in two voxels that share a face, an edge or a corner.
    """
    neighbours = pyramid.levels[0].neighbours.cpu().numpy()
    site_of = pyramid.inverse.cpu().numpy()  # input voxel -> sorted site
    sites = len(neighbours)
    here, offset = np.nonzero(neighbours >= 0)
    return _meeting(site_of[site], row, rows, here, neighbours[here, offset], sites)


def near(voxels: np.ndarray, site: np.ndarray, row: np.ndarray, rows: int, cells: int) -> csr_array:
    """Return which support rows lie near each other, a sparse matrix [rows, rows], from voxels int [V, 4] (scan first).

    Two rows of a scan are near when they have points in the same block of `cells`³ voxels or in two blocks that touch;
    `site` and `row` as in `touching`.
    """
    place = np.c_[voxels[:, :1], voxels[:, 1:] // cells].astype(np.int64)
    place -= place.min(axis=0)
    steps = np.cumprod([1, *(place[:, :0:-1].max(axis=0) + 2)])[::-1]  # a free place after each line, plane and scan
    blocks, block = np.unique(place @ steps, return_inverse=True)
    beside = blocks[:, None] + [step @ steps[1:] for step in itertools.product((-1, 0, 1), repeat=3)]
    there = np.searchsorted(blocks, beside).clip(max=len(blocks) - 1)
    here, which = np.nonzero(blocks[there] == beside)
    return _meeting(block.reshape(-1)[site], row, rows, here, there[here, which], len(blocks))


def _meeting(
    place: np.ndarray, row: np.ndarray, rows: int, here: np.ndarray, there: np.ndarray, places: int
) -> csr_array:
    """Return which rows meet, [rows, rows]: `row` has points in `place`, and of places `here` touches `there`."""
    holds = csr_array((np.ones(len(place), np.float32), (place, row)), shape=(places, rows))
    touch = csr_array((np.ones(len(here), np.float32), (here, there)), shape=(places, places))
    return csr_array(holds.T @ (touch @ holds))


def connected_components(bits: np.ndarray, graph: csr_array) -> tuple[np.ndarray, np.ndarray]:
    """Return (int64 [K] rows of the mask bool [S], int32 [K] number of the connected component of each)."""
    part = np.empty(len(bits), np.int32)
    _number_components(bits, graph.indptr, graph.indices, np.empty(len(bits), np.int32), part)
    rows = np.flatnonzero(bits)
    return rows, part[rows]


def own_components(
    masks: np.ndarray,  # bool [K, S]
    own: np.ndarray,  # int64 [K]: row of the support that each mask is asked for
    weight: np.ndarray,  # int64 [S]
    graph: csr_array,
) -> np.ndarray:
    """Return bool [K, S]: of each mask the connected component of its own row, the heaviest where it lies outside."""
    return _own_components(np.ascontiguousarray(masks), own, weight, graph.indptr, graph.indices)


def best_component(bits: np.ndarray, weight: np.ndarray, graph: csr_array) -> np.ndarray:
    """Return bool [S]: the connected component of the mask `bits` with the largest sum of `weight` [S]."""
    rows, part = connected_components(bits, graph)
    kept = np.zeros_like(bits)
    if len(rows):
        kept[rows[part == np.bincount(part, weights=weight[rows]).argmax()]] = True
    return kept


@njit(cache=True, nogil=True)
def _number_components(bits, starts, neighbours, parent, part):
    """Write the number of the component of each row of the mask to `part`; return how many there are.

    Numbers follow the first row of each component, which is its root in the forest `parent`.
    """
    for row in range(len(bits)):
        parent[row] = row
    for row in range(len(bits)):
        if not bits[row]:
            continue
        for edge in range(starts[row], starts[row + 1]):
            other = neighbours[edge]
            if not bits[other]:
                continue
            a, b = find_root(parent, row), find_root(parent, other)
            if a < b:
                parent[b] = a
            else:
                parent[a] = b
    count = 0
    for row in range(len(bits)):
        if not bits[row]:
            continue
        root = find_root(parent, row)
        if root == row:
            part[row] = count
            count += 1
        else:
            part[row] = part[root]
    return count


@njit(cache=True, nogil=True)
def _own_components(masks, own, weight, starts, neighbours):
    kept = np.zeros(masks.shape, np.bool_)
    rows = masks.shape[1]
    parent, part = np.empty(rows, np.int32), np.empty(rows, np.int32)
    for m in range(len(masks)):
        bits = masks[m]
        count = _number_components(bits, starts, neighbours, parent, part)
        if not count:
            continue
        if bits[own[m]]:
            chosen = part[own[m]]
        else:
            sums = np.zeros(count, np.int64)
            for row in range(rows):
                if bits[row]:
                    sums[part[row]] += weight[row]
            chosen = sums.argmax()
        for row in range(rows):
            kept[m, row] = bits[row] and part[row] == chosen
    return kept
