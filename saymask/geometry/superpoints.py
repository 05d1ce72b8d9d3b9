"""Superpoints: small connected patches of points that models predict on."""

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from saymask.errors import InputError
from saymask.geometry.graph_segmentation import compact_roots, edge_weight, segment_graph

if TYPE_CHECKING:
    from saymask.scan import Scan

MOST_LOOSE = 0.1
"""A mesh whose faces leave a larger share of the points unused is segmented as a cloud."""


def mesh_superpoints(
    points: np.ndarray, faces: np.ndarray, *, k_threshold: float = 0.01, min_vertices: int = 20
) -> np.ndarray:
    """Return int32 [N] superpoint ids 0..S-1 of a mesh, the same partition as ScanNet's Segmentator.

    points: float [N, 3] metres; faces: int [F, 3]. A graph segmentation (Felzenszwalb) over the mesh edges with weights
    from the normals, convex edges being cheap (docs/systems/less.md §A.6 and docs/systems/bqnet.md §8.4). A vertex
    without a face is a superpoint of its own. Raises InputError when a face names a vertex that is not there.
    """
    return compact_roots(mesh_superpoint_roots(points, faces, k_threshold=k_threshold, min_vertices=min_vertices))


def mesh_superpoint_roots(
    points: np.ndarray, faces: np.ndarray, *, k_threshold: float = 0.01, min_vertices: int = 20
) -> np.ndarray:
    """Return int32 [N], for each vertex the vertex that stands for its superpoint (see `mesh_superpoints`)."""
    points = np.ascontiguousarray(points, dtype=np.float32)
    faces = check_faces(faces, len(points))
    normals = _running_normals(points, faces)
    ends, weights = _mesh_edges(points, normals, faces)
    return segment_graph(ends, weights, np.ones(len(points), np.int64), k_threshold, min_vertices)


def check_faces(faces: np.ndarray, n: int) -> np.ndarray:
    """Return `faces` as int32 [F, 3]; raise InputError when one names a vertex outside 0..n-1."""
    faces = np.asarray(faces)
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise InputError(f"faces: expected [F, 3] triangles, got {list(faces.shape)}")
    if len(faces) and (faces.min() < 0 or faces.max() >= n):
        raise InputError(f"faces name vertices {faces.min()}..{faces.max()}, but the mesh has vertices 0..{n - 1}")
    return np.ascontiguousarray(faces, dtype=np.int32)


@njit(cache=True, nogil=True)
def _running_normals(points, faces):
    """Average the unit normals of a vertex' faces in file order, not renormalised; faces without area do not count."""
    normals = np.zeros(points.shape, np.float32)
    seen = np.zeros(points.shape[0], np.int32)
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay, az = points[j, 0] - points[i, 0], points[j, 1] - points[i, 1], points[j, 2] - points[i, 2]
        bx, by, bz = points[k, 0] - points[i, 0], points[k, 1] - points[i, 1], points[k, 2] - points[i, 2]
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        length = np.sqrt(nx * nx + ny * ny + nz * nz)
        if not length > np.float32(0):
            continue
        nx, ny, nz = nx / length, ny / length, nz / length
        for c in range(3):
            v = faces[f, c]
            w = np.float32(1) / (np.float32(seen[v]) + np.float32(1))
            keep = np.float32(1) - w
            normals[v, 0] = keep * normals[v, 0] + w * nx
            normals[v, 1] = keep * normals[v, 1] + w * ny
            normals[v, 2] = keep * normals[v, 2] + w * nz
            seen[v] += 1
    return normals


@njit(cache=True, nogil=True)
def _mesh_edges(points, normals, faces):
    """Return the edges (i1,i2), (i1,i3), (i3,i2) of each face, duplicates kept, and their weights."""
    count = faces.shape[0]
    ends = np.empty((3 * count, 2), np.int32)
    weights = np.empty(3 * count, np.float32)
    for f in range(count):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        e = 3 * f
        ends[e, 0], ends[e, 1] = i, j
        ends[e + 1, 0], ends[e + 1, 1] = i, k
        ends[e + 2, 0], ends[e + 2, 1] = k, j
        for m in range(e, e + 3):
            weights[m] = edge_weight(points, normals, ends[m, 0], ends[m, 1])
    return ends, weights


def superpoints_of(scan: "Scan") -> np.ndarray:
    """Return int32 [N] superpoint ids of a scan: its own when it has them, else from its mesh, else from its points."""
    if scan.superpoints is not None:
        return scan.superpoints
    n = len(scan.points)
    if scan.faces is not None and len(scan.faces):
        used = np.zeros(n, dtype=bool)
        used[check_faces(scan.faces, n).reshape(-1)] = True
        if 1.0 - used.mean() <= MOST_LOOSE:
            superpoints = mesh_superpoints(scan.points, scan.faces)
            # Triangles that share no vertices fall apart into thousands of crumbs: nothing to predict on.
            if superpoints.max() + 1 <= max(1, n // 8):
                return superpoints
    from saymask.geometry.cloud_superpoints import cloud_superpoints

    return cloud_superpoints(scan.points, scan.normals, scan.colors if scan.has_color else None)
