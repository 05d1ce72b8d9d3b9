"""Surface normals of meshes and of bare clouds."""

import numpy as np
from numba import njit

from saymask.geometry.graph_segmentation import sort_weights
from saymask.geometry.neighbours import knn

STRAIGHT = np.float32(0.95)
"""|cos| of neighbouring normals, some 18 degrees apart, from which there is no doubt whether their signs agree."""


def vertex_normals(points: np.ndarray, faces: np.ndarray, *, official: bool = False) -> np.ndarray:
    """Return float32 [N, 3], the mean of the unit normals of each vertex' faces, of length 1 (0 without a face).

    points: float [N, 3]; faces: int [F, 3]. `official=True` repeats what the ScanNet loaders of the published systems
    do (docs/systems/less.md §2.2): of faces that name a vertex in the same corner only the last one counts.
    """
    corners = np.asarray(points)[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    unit = cross / (np.linalg.norm(cross, axis=1, keepdims=True) + 1e-8)
    normals = np.zeros((len(points), 3), dtype=np.asarray(points).dtype if official else np.float64)
    for corner in range(3):
        if official:
            normals[faces[:, corner]] += unit
        else:
            for axis in range(3):
                normals[:, axis] += np.bincount(faces[:, corner], weights=unit[:, axis], minlength=len(points))
    return (normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-8)).astype(np.float32)


def estimate_normals(points: np.ndarray, k: int = 16, *, orient: bool = True) -> np.ndarray:
    """Return float32 [N, 3] unit normals of a cloud [N, 3] (metres): the direction in which k neighbours spread least.

    With `orient` neighbouring normals agree in sign, and those of level surfaces, such as floors and tables, point
    up; else the sign is arbitrary. Copies of one point get (0, 0, 1).
    """
    points = np.asarray(points, dtype=np.float64)
    if len(points) == 0:
        return np.zeros((0, 3), np.float32)
    neighbours, _ = knn(points, k)
    normals = plane_normals(points, neighbours)
    return orient_normals(normals, points, neighbours) if orient else normals


@njit(cache=True, nogil=True)
def plane_normals(points, neighbours):
    """Return float32 [N, 3], the unit normal of the plane through the `neighbours` int64 [N, k] (-1 = none)."""
    n, k = neighbours.shape
    out = np.zeros((n, 3), np.float32)
    for i in range(n):
        mx, my, mz, count = 0.0, 0.0, 0.0, 0
        for j in range(k):
            q = neighbours[i, j]
            if q >= 0:
                mx += points[q, 0]
                my += points[q, 1]
                mz += points[q, 2]
                count += 1
        out[i, 2] = 1.0
        if count < 3:
            continue
        mx, my, mz = mx / count, my / count, mz / count
        xx, xy, xz, yy, yz, zz = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(k):
            q = neighbours[i, j]
            if q >= 0:
                dx, dy, dz = points[q, 0] - mx, points[q, 1] - my, points[q, 2] - mz
                xx += dx * dx
                xy += dx * dy
                xz += dx * dz
                yy += dy * dy
                yz += dy * dz
                zz += dz * dz
        # Smallest eigenvalue of the symmetric 3x3 scatter matrix in closed form (Smith 1961).
        mean = (xx + yy + zz) / 3.0
        off = xy * xy + xz * xz + yz * yz
        spread = np.sqrt(((xx - mean) ** 2 + (yy - mean) ** 2 + (zz - mean) ** 2 + 2.0 * off) / 6.0)
        if not spread > 1e-300:
            continue
        a, b, c = (xx - mean) / spread, (yy - mean) / spread, (zz - mean) / spread
        d, e, f = xy / spread, xz / spread, yz / spread
        half = 0.5 * (a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e))
        angle = np.arccos(min(1.0, max(-1.0, half))) / 3.0
        least = mean + 2.0 * spread * np.cos(angle + 2.0 * np.pi / 3.0)
        # The eigenvector is orthogonal to the rows of A - least: the longest of their cross products is the safest.
        a, b, c = xx - least, yy - least, zz - least
        ux, uy, uz = xy * yz - xz * b, xz * xy - a * yz, a * b - xy * xy
        vx, vy, vz = xy * c - xz * yz, xz * xz - a * c, a * yz - xy * xz
        wx, wy, wz = b * c - yz * yz, yz * xz - xy * c, xy * yz - b * xz
        uu, vv, ww = ux * ux + uy * uy + uz * uz, vx * vx + vy * vy + vz * vz, wx * wx + wy * wy + wz * wz
        if vv > uu and vv >= ww:
            ux, uy, uz, uu = vx, vy, vz, vv
        elif ww > uu:
            ux, uy, uz, uu = wx, wy, wz, ww
        length = np.sqrt(uu)
        if length > 1e-9 * spread * spread:
            out[i, 0], out[i, 1], out[i, 2] = ux / length, uy / length, uz / length
    return out


def orient_normals(normals: np.ndarray, points: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """Return `normals` [N, 3] with signs that agree between `neighbours` int64 [N, k] (-1 = none), float32.

    Signs spread along the minimum spanning tree of 1 - |cos| (Hoppe et al. 1992), in which links from `STRAIGHT` on are
    as good as each other; each connected part then looks up with its level surfaces, the lower ones counting more,
    since ceilings are the level surfaces seen from below.
    """
    normals = np.ascontiguousarray(normals, dtype=np.float32)
    return _orient(normals, np.ascontiguousarray(points, dtype=np.float64), np.ascontiguousarray(neighbours))


@njit(cache=True, nogil=True)
def _orient(normals, points, neighbours):
    n, k = neighbours.shape
    parent = np.arange(n).astype(np.int32)
    flip = np.zeros(n, np.bool_)  # sign of a vertex against its parent
    rank = np.zeros(n, np.int32)
    ends = np.empty((n * k, 2), np.int32)
    weights = np.empty(n * k, np.float32)
    count = 0
    for i in range(n):
        for j in range(k):
            q = neighbours[i, j]
            # A link that q has made already would join nothing.
            if q > i or (0 <= q < i and not _contains(neighbours[q], i)):
                dot = _dot(normals, i, q)
                if abs(dot) >= STRAIGHT:
                    _join_with_sign(parent, flip, rank, i, q, dot < 0)
                else:
                    ends[count, 0], ends[count, 1] = i, q
                    weights[count] = np.float32(1.0) - abs(dot)
                    count += 1
    for e in sort_weights(weights[:count]):
        i, q = ends[e, 0], ends[e, 1]
        _join_with_sign(parent, flip, rank, i, q, _dot(normals, i, q) < 0)
    low, high = 0.0, 0.0
    if n:
        low, high = points[:, 2].min(), points[:, 2].max()
    height = max(high - low, 1e-9)
    vote = np.zeros(n)
    roots = np.empty(n, np.int32)
    signs = np.empty(n, np.bool_)
    for i in range(n):
        roots[i], signs[i] = _find_with_sign(parent, flip, i)
        z = normals[i, 2]
        if abs(z) > 0.8:
            weight = 1.0 - (points[i, 2] - low) / height
            vote[roots[i]] += (-z if signs[i] else z) * weight * weight
    out = np.empty((n, 3), np.float32)
    for i in range(n):
        turn = signs[i] ^ (vote[roots[i]] < 0)
        for c in range(3):
            out[i, c] = -normals[i, c] if turn else normals[i, c]
    return out


@njit(cache=True, nogil=True)
def _dot(normals, i, q):
    return normals[i, 0] * normals[q, 0] + normals[i, 1] * normals[q, 1] + normals[i, 2] * normals[q, 2]


@njit(cache=True, nogil=True)
def _join_with_sign(parent, flip, rank, i, q, opposite):
    """Join the trees of two vertices whose normals are `opposite` or not; nothing where it is one tree."""
    a, fa = _find_with_sign(parent, flip, i)
    b, fb = _find_with_sign(parent, flip, q)
    if a == b:
        return
    if rank[a] > rank[b]:
        a, b = b, a
    parent[a] = b
    flip[a] = opposite ^ fa ^ fb
    if rank[a] == rank[b]:
        rank[b] += 1


@njit(cache=True, nogil=True)
def _contains(row, value):
    found = False
    for entry in row:
        found |= entry == value
    return found


@njit(cache=True, nogil=True)
def _find_with_sign(parent, flip, v):
    """Return the root of `v` and whether `v` is turned against it; shorten the path."""
    root, sign = v, False
    while parent[root] != root:
        sign ^= flip[root]
        root = parent[root]
    here, rest = v, sign
    while parent[here] != root and here != root:
        following, turned = parent[here], flip[here]
        parent[here] = root
        flip[here] = rest
        rest ^= turned
        here = following
    return root, sign
