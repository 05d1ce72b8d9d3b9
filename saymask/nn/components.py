"""Connected components of masks over superpoints (or voxels), and the graph of those that touch."""

import numpy as np
from scipy.sparse import csgraph, csr_array
from scipy.spatial import KDTree

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
    blocks, block = np.unique(np.c_[2 * voxels[:, :1], voxels[:, 1:] // cells], axis=0, return_inverse=True)
    pairs = KDTree(blocks).query_pairs(1, p=np.inf, output_type="ndarray")  # scans lie 2 apart
    here = np.r_[np.arange(len(blocks)), pairs[:, 0], pairs[:, 1]]
    there = np.r_[np.arange(len(blocks)), pairs[:, 1], pairs[:, 0]]
    return _meeting(block.reshape(-1)[site], row, rows, here, there, len(blocks))


def _meeting(
    place: np.ndarray, row: np.ndarray, rows: int, here: np.ndarray, there: np.ndarray, places: int
) -> csr_array:
    """Return which rows meet, [rows, rows]: `row` has points in `place`, and of places `here` touches `there`."""
    holds = csr_array((np.ones(len(place), np.float32), (place, row)), shape=(places, rows))
    touch = csr_array((np.ones(len(here), np.float32), (here, there)), shape=(places, places))
    return csr_array(holds.T @ (touch @ holds))


def connected_components(bits: np.ndarray, graph: csr_array) -> tuple[np.ndarray, np.ndarray]:
    """Return (int64 [K] rows of the mask bool [S], int32 [K] number of the connected component of each)."""
    rows = np.flatnonzero(bits)
    if not len(rows):
        return rows, np.zeros(0, np.int32)
    return rows, csgraph.connected_components(graph[rows][:, rows], directed=False)[1]


def best_component(bits: np.ndarray, weight: np.ndarray, graph: csr_array) -> np.ndarray:
    """Return bool [S]: the connected component of the mask `bits` with the largest sum of `weight` [S]."""
    rows, part = connected_components(bits, graph)
    kept = np.zeros_like(bits)
    if len(rows):
        kept[rows[part == np.bincount(part, weights=weight[rows]).argmax()]] = True
    return kept
