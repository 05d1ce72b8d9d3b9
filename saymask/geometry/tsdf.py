"""Fusion of depth frames into a truncated signed distance field on blocks of voxels, and its surface.

Every voxel near a measured depth keeps the weighted mean of its signed distances along the rays, cut off at the
truncation; the surface is where it changes sign. Source: Curless and Levoy, A volumetric method for building complex
models from range images, SIGGRAPH 1996.
"""

import numba
import numpy as np

from saymask.errors import InputError
from saymask.geometry.marching_cubes import EDGES, cases

BLOCK = 8
"""Voxels along the edge of a block."""
MOST_BLOCKS = 60_000
"""Blocks that are kept: about 250 MB."""
_A = np.array([edge[0] for edge in EDGES], np.int64)
_AXIS = np.array([k // 4 for k in range(12)], np.int64)


class Volume:
    """A signed distance field over a box (metres, low and high corner [3]) that depth frames are added to."""

    def __init__(self, low: np.ndarray, high: np.ndarray, voxel: float = 0.02, truncation: float = 0.06) -> None:
        self.low, self.voxel, self.truncation = np.asarray(low, np.float64), voxel, truncation
        shape = np.ceil((np.asarray(high) - self.low) / (voxel * BLOCK)).astype(int) + 1
        if not (np.isfinite(shape).all() and np.prod(shape.astype(float)) < 2**27):
            raise InputError(f"volume: expected a box of at most some 100 m, got {self.low} to {high}")
        self._table = np.full(tuple(shape), -1, np.int32)
        self._blocks = np.zeros((0, 3), np.int32)
        self._distance = np.zeros((0, BLOCK**3), np.float32)
        self._weight = np.zeros((0, BLOCK**3), np.float32)

    def integrate(self, depth: np.ndarray, pose: np.ndarray, intrinsics: np.ndarray) -> None:
        """Add a frame: depth float32 [H, W] metres (0 = not measured), pose float64 [4, 4] camera to scan.

        intrinsics: float64 [4] fx, fy, cx, cy at integer pixel coordinates. Raises InputError for surfaces too large
        to be kept (`MOST_BLOCKS`).
        """
        found = np.array(_touch(self._table, depth, pose, intrinsics, self.low, self.voxel * BLOCK, self.truncation))
        if len(found):
            first, count = len(self._blocks), len(self._blocks) + len(found)
            if count > MOST_BLOCKS:
                raise InputError(f"volume: expected at most {MOST_BLOCKS:,} blocks near surfaces; use larger voxels")
            self._table[tuple(found.T)] = np.arange(first, count)
            self._blocks = np.concatenate([self._blocks, found.astype(np.int32)])
            if count > len(self._distance):
                more = max(count, 2 * len(self._distance), 2048) - len(self._distance)
                empty = np.zeros((more, BLOCK**3), np.float32)
                self._distance = np.concatenate([self._distance, empty])
                self._weight = np.concatenate([self._weight, empty])
        _integrate(
            self._blocks, self._distance, self._weight, depth, pose, intrinsics, self.low, self.voxel, self.truncation
        )

    def surface(self, least: float = 0.0, snap: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
        """Return vertices float32 [N, 3], metres, and faces int32 [F, 3] of the surface, where weight > `least`.

        Vertices that lie within `snap` voxels of the same corner of the grid become one, in their middle: marching
        cubes alone makes slivers.
        """
        points, faces = _surface(
            self._table, self._blocks, self._distance, self._weight, cases(), _A, _AXIS, np.float32(least), snap
        )
        return (self.low + (points + 0.5) * self.voxel).astype(np.float32), faces


@numba.njit(cache=True, nogil=True)
def _touch(table, depth, pose, intrinsics, low, edge, truncation):
    """Return the blocks within the truncation of a measured depth that do not exist yet; marks them -2."""
    found = [(0, 0, 0) for _ in range(0)]
    steps = int(np.ceil(2 * truncation / (edge / 2)))
    for y in range(0, depth.shape[0], 2):
        for x in range(0, depth.shape[1], 2):
            d = depth[y, x]
            if d <= 0:
                continue
            for s in range(steps + 1):
                z = d - truncation + 2 * truncation * s / steps
                cx, cy = (x - intrinsics[2]) * z / intrinsics[0], (y - intrinsics[3]) * z / intrinsics[1]
                i = int((pose[0, 0] * cx + pose[0, 1] * cy + pose[0, 2] * z + pose[0, 3] - low[0]) / edge)
                j = int((pose[1, 0] * cx + pose[1, 1] * cy + pose[1, 2] * z + pose[1, 3] - low[1]) / edge)
                k = int((pose[2, 0] * cx + pose[2, 1] * cy + pose[2, 2] * z + pose[2, 3] - low[2]) / edge)
                inside = 0 <= i < table.shape[0] and 0 <= j < table.shape[1] and 0 <= k < table.shape[2]
                if inside and table[i, j, k] == -1:
                    table[i, j, k] = -2
                    found.append((i, j, k))
    return found


@numba.njit(cache=True, nogil=True)
def _integrate(blocks, distance, weight, depth, pose, intrinsics, low, voxel, truncation):
    fx, fy, cx, cy = intrinsics[0], intrinsics[1], intrinsics[2], intrinsics[3]
    height, width = depth.shape
    radius = voxel * BLOCK * 0.87
    slope_x = np.sqrt(1 + (max(cx, width - cx) / fx) ** 2)
    slope_y = np.sqrt(1 + (max(cy, height - cy) / fy) ** 2)
    farthest = depth.max() + truncation + radius
    for b in range(blocks.shape[0]):
        # The first voxel's centre in the camera's frame, and a step along each axis of the grid.
        x = low[0] + (blocks[b, 0] * BLOCK + 0.5) * voxel - pose[0, 3]
        y = low[1] + (blocks[b, 1] * BLOCK + 0.5) * voxel - pose[1, 3]
        z = low[2] + (blocks[b, 2] * BLOCK + 0.5) * voxel - pose[2, 3]
        px = pose[0, 0] * x + pose[1, 0] * y + pose[2, 0] * z
        py = pose[0, 1] * x + pose[1, 1] * y + pose[2, 1] * z
        pz = pose[0, 2] * x + pose[1, 2] * y + pose[2, 2] * z
        half = voxel * (BLOCK - 1) / 2
        mx = px + half * (pose[0, 0] + pose[1, 0] + pose[2, 0])
        my = py + half * (pose[0, 1] + pose[1, 1] + pose[2, 1])
        mz = pz + half * (pose[0, 2] + pose[1, 2] + pose[2, 2])
        if mz < -radius or mz > farthest:
            continue
        # Outside the view by more than the block's radius.
        if abs(mx) * fx > max(cx, width - cx) * mz + radius * fx * slope_x:
            continue
        if abs(my) * fy > max(cy, height - cy) * mz + radius * fy * slope_y:
            continue
        for i in range(BLOCK):
            for j in range(BLOCK):
                for k in range(BLOCK):
                    qz = pz + voxel * (i * pose[0, 2] + j * pose[1, 2] + k * pose[2, 2])
                    if qz < 0.1:
                        continue
                    qx = px + voxel * (i * pose[0, 0] + j * pose[1, 0] + k * pose[2, 0])
                    qy = py + voxel * (i * pose[0, 1] + j * pose[1, 1] + k * pose[2, 1])
                    s, t = fx * qx / qz + cx, fy * qy / qz + cy
                    u, v = int(s + 0.5), int(t + 0.5)
                    if s < -0.5 or t < -0.5 or u >= width or v >= height:
                        continue
                    d = depth[v, u]
                    if d <= 0:
                        continue
                    # Between four pixels of one surface the depth is interpolated; on slanted ones it has steps.
                    u, v = int(s), int(t)
                    if s >= 0 and t >= 0 and u + 1 < width and v + 1 < height:
                        p, q, r, w = depth[v, u], depth[v, u + 1], depth[v + 1, u], depth[v + 1, u + 1]
                        if min(p, q, r, w) > 0.95 * d and max(p, q, r, w) < 1.05 * d:
                            s, t = s - u, t - v
                            d = (p * (1 - s) + q * s) * (1 - t) + (r * (1 - s) + w * s) * t
                    signed = d - qz
                    if signed < -truncation:
                        continue
                    more = 1 / (d * d)  # the deviation of a depth grows with its square
                    at = (i * BLOCK + j) * BLOCK + k
                    total = weight[b, at] + more
                    value = min(signed / truncation, 1.0)
                    distance[b, at] += (value - distance[b, at]) * (more / total)
                    weight[b, at] = total


@numba.njit(cache=True, nogil=True)
def _surface(table, blocks, distance, weight, cases, edge_corner, edge_axis, least, snap):
    """Marching cubes over all cells with eight measured corners; vertices in voxels from the first voxel's centre."""
    edge_vertex = np.full((blocks.shape[0], BLOCK**3, 3), -1, np.int32)
    corner_vertex = np.full((blocks.shape[0], BLOCK**3), -1, np.int32)
    points = [(0.0, 0.0, 0.0, 0.0) for _ in range(0)]  # sums and counts
    faces = [(0, 0, 0) for _ in range(0)]
    owner, place = np.empty(8, np.int64), np.empty(8, np.int64)
    vertex = [0] * 12
    for b in range(blocks.shape[0]):
        for at in range(BLOCK**3):
            i, j, k = at // (BLOCK * BLOCK), at // BLOCK % BLOCK, at % BLOCK
            case, whole = 0, True
            for c in range(8):
                x, y, z = i + (c & 1), j + (c >> 1 & 1), k + (c >> 2 & 1)
                bx, by, bz = blocks[b, 0] + x // BLOCK, blocks[b, 1] + y // BLOCK, blocks[b, 2] + z // BLOCK
                if bx >= table.shape[0] or by >= table.shape[1] or bz >= table.shape[2] or table[bx, by, bz] < 0:
                    whole = False
                    break
                owner[c] = table[bx, by, bz]
                place[c] = ((x % BLOCK) * BLOCK + y % BLOCK) * BLOCK + z % BLOCK
                if weight[owner[c], place[c]] <= least:
                    whole = False
                    break
                if distance[owner[c], place[c]] < 0:
                    case |= 1 << c
            if not whole or case == 0 or case == 255:
                continue
            for e in range(12):
                a, axis = edge_corner[e], edge_axis[e]
                c = a | 1 << axis
                if (case >> a & 1) == (case >> c & 1):
                    continue
                if edge_vertex[owner[a], place[a], axis] < 0:
                    first, second = distance[owner[a], place[a]], distance[owner[c], place[c]]
                    share = first / (first - second)
                    x = blocks[b, 0] * BLOCK + i + (a & 1) + (share if axis == 0 else 0.0)
                    y = blocks[b, 1] * BLOCK + j + (a >> 1 & 1) + (share if axis == 1 else 0.0)
                    z = blocks[b, 2] * BLOCK + k + (a >> 2 & 1) + (share if axis == 2 else 0.0)
                    n = len(points)
                    near = a if share < snap else c if share > 1 - snap else -1
                    if near >= 0:
                        if corner_vertex[owner[near], place[near]] < 0:
                            corner_vertex[owner[near], place[near]] = n
                        n = corner_vertex[owner[near], place[near]]
                    if n == len(points):
                        points.append((x, y, z, 1.0))
                    else:
                        points[n] = (points[n][0] + x, points[n][1] + y, points[n][2] + z, points[n][3] + 1)
                    edge_vertex[owner[a], place[a], axis] = n
                vertex[e] = edge_vertex[owner[a], place[a], axis]
            for t in range(0, 15, 3):
                if cases[case, t] < 0:
                    break
                p, q, r = vertex[cases[case, t]], vertex[cases[case, t + 1]], vertex[cases[case, t + 2]]
                if p != q and q != r and r != p:
                    faces.append((p, q, r))
    out_points, out_faces = np.empty((len(points), 3), np.float64), np.empty((len(faces), 3), np.int32)
    for n in range(len(points)):
        x, y, z, count = points[n]
        out_points[n, 0], out_points[n, 1], out_points[n, 2] = x / count, y / count, z / count
    for n in range(len(faces)):
        out_faces[n, 0], out_faces[n, 1], out_faces[n, 2] = faces[n]
    return out_points, out_faces
