"""Points to pixels: a pinhole camera and a z-buffer of round splats, compiled by numba."""

from dataclasses import dataclass

import numba
import numpy as np
from scipy.spatial import KDTree

FIELD = 38.0
"""Degrees of the picture's larger side: long enough a lens that rooms do not look bent."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera; `right`, `up`, `back` are its axes in the scan's frame."""

    eye: np.ndarray  # float64 [3]
    right: np.ndarray  # float64 [3]
    up: np.ndarray  # float64 [3]
    back: np.ndarray  # float64 [3]: from the scan to the camera
    focal: float  # pixels

    def project(self, points: np.ndarray, canvas: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return pixel columns and rows of points [n, 3]."""
        local = (points - self.eye) @ np.stack([self.right, -self.up, -self.back]).T
        scale = self.focal / local[:, 2]
        return (
            local[:, 0] * scale + canvas[0] / 2,
            local[:, 1] * scale + canvas[1] / 2,
        )


def look_at(points: np.ndarray, back: np.ndarray, canvas: tuple[int, int], fill: float) -> Camera:
    """Return the camera in direction `back` (unit length [3]) that sees all `points` and fills the canvas with them."""
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    up = np.cross(back, right)
    focal = max(canvas) / 2 / np.tan(np.deg2rad(FIELD / 2))
    center = (points.min(0) + points.max(0)) / 2
    local = (points - center) @ np.stack([right, -up, -back]).T
    for _ in range(3):  # the middle of the projection moves with the distance
        # every point must lie inside the canvas: |x| * focal / (z + distance) <= width / 2
        reach = np.maximum(np.abs(local[:, 0]) / canvas[0], np.abs(local[:, 1]) / canvas[1]) * 2 * focal / fill
        distance = float(np.maximum(reach - local[:, 2], 0.3 - local[:, 2]).max())
        scale = focal / (local[:, 2] + distance)
        shift = [0.0, 0.0]
        for axis in (0, 1):
            where = local[:, axis] * scale
            shift[axis] = float(where.min() + where.max()) / 2 * distance / focal
        local[:, 0] -= shift[0]
        local[:, 1] -= shift[1]
        center = center + shift[0] * right - shift[1] * up
    reach = np.maximum(np.abs(local[:, 0]) / canvas[0], np.abs(local[:, 1]) / canvas[1]) * 2 * focal / fill
    distance = float(np.maximum(reach - local[:, 2], 0.3 - local[:, 2]).max())
    return Camera(center + back * distance, right, up, back, focal)


def splat(
    camera: Camera,
    points: np.ndarray,
    normals: np.ndarray,
    radius: np.ndarray,
    width: int,
    height: int,
    scale: float = 1.0,
    *,
    rows: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw float32 points [n, 3] as discs of `radius` [n] metres lying in their surface (`normals` float32 [n, 3]).

    `scale` enlarges the camera's picture; `rows` int32 [k]: only these points, None = all. Returns the nearest point of
    every pixel int32 [height, width] (-1 = none) and its depth float32 (inf = none).

    Source: surfels (H. Pfister et al., SIGGRAPH 2000), here with hard edges.
    """
    axes = np.stack([camera.right, -camera.up, -camera.back]).T.astype(np.float32)
    if rows is None:
        rows = np.arange(len(points), dtype=np.int32)
    local = (points[rows] - camera.eye.astype(np.float32)) @ axes
    return _splat(
        rows, local, normals[rows] @ axes, camera.focal * scale, width / 2, height / 2, radius[rows], width, height
    )


@numba.njit(cache=True, fastmath=True)
def _splat(rows, local, normals, focal, cx, cy, radius, width, height):  # type: ignore[no-untyped-def]
    index = np.full((height, width), -1, np.int32)
    depth = np.full((height, width), np.inf, np.float32)
    for i in range(len(local)):
        z = local[i, 2]
        if z < 0.05:
            continue
        per = z / focal  # metres per pixel at the point
        x = local[i, 0] / per + cx
        y = local[i, 1] / per + cy
        size = max(radius[i], 0.75 * per)
        r = min(size / per, 80.0)
        if x + r < 0 or y + r < 0 or x - r >= width or y - r >= height:
            continue
        # depth of the disc's plane per metre sideways; discs seen from the edge are kept a little open
        nz = normals[i, 2]
        nz = min(nz, np.float32(-0.3)) if nz < 0 else max(nz, np.float32(0.3))
        sx = -normals[i, 0] / nz
        sy = -normals[i, 1] / nz
        limit = size * size
        for py in range(max(0, int(np.ceil(y - r - 0.5))), min(height - 1, int(np.floor(y + r - 0.5))) + 1):
            my = (py + 0.5 - y) * per
            for px in range(max(0, int(np.ceil(x - r - 0.5))), min(width - 1, int(np.floor(x + r - 0.5))) + 1):
                mx = (px + 0.5 - x) * per
                mz = mx * sx + my * sy
                far = mx * mx + my * my + mz * mz
                if far > limit:
                    if mx * mx + my * my > 0.5625 * per * per:  # at least the pixel itself
                        continue
                    mz = np.float32(0.0)
                # a shallow cone on the disc: between two points of one surface the nearer centre wins
                d = z + mz + 0.5 * far / size
                if d < depth[py, px]:
                    depth[py, px] = d
                    index[py, px] = rows[i]
    return index, depth


@numba.njit(cache=True)
def close_holes(index, depth, reach):  # type: ignore[no-untyped-def]
    """Fill empty pixels that have drawn ones within `reach` pixels in at least six of eight directions, in place.

    The nearest of them is taken (index int32 [h, w], depth float32 [h, w]); filled pixels do not fill others.
    """
    h, w = index.shape
    none = reach + 1
    sides = np.zeros((h, w), np.uint8)
    nearest = np.full((h, w), none, np.int16)
    way = np.zeros((h, w), np.uint8)
    filled = index.copy()
    near = depth.copy()
    # Two sweeps: how far a drawn pixel is in a direction is one step more than from the neighbour there.
    for backward in range(2):
        # To the left, straight and to the right in the row before; nothing is drawn in the margins.
        before = np.full((3, w + 2), none, np.int16)
        now = np.full((3, w + 2), none, np.int16)
        for row in range(h):
            y = h - 1 - row if backward else row
            beside = none  # as far as the pixel before in this row
            for column in range(w):
                x = w - 1 - column if backward else column
                if index[y, x] >= 0:
                    beside = 0
                    now[:, x + 1] = 0
                    continue
                beside = min(beside + 1, none)
                for k in range(3):
                    now[k, x + 1] = min(before[k, x + k] + 1, none)
                # in the order of the eight directions; the first of the nearest is taken
                for k in range(4):
                    if backward:
                        steps = beside if k == 0 else now[k - 1, x + 1]
                    else:
                        steps = now[k, x + 1] if k < 3 else beside
                    if steps < none:
                        sides[y, x] += 1
                        if steps < nearest[y, x]:
                            nearest[y, x] = steps
                            way[y, x] = 4 * backward + k
                if backward and sides[y, x] >= 6:
                    k = way[y, x]
                    by = y + (-1, -1, -1, 0, 0, 1, 1, 1)[k] * nearest[y, x]
                    bx = x + (-1, 0, 1, -1, 1, -1, 0, 1)[k] * nearest[y, x]
                    filled[y, x] = index[by, bx]
                    near[y, x] = depth[by, bx]
            before, now = now, before
    for y in range(h):  # assigning whole arrays would compile the error for other shapes as well, for seconds
        for x in range(w):
            index[y, x], depth[y, x] = filled[y, x], near[y, x]


@numba.njit(cache=True)
def halved(picture):  # type: ignore[no-untyped-def]
    """Return uint8 [h // 2, w // 2, 3], the mean of two by two pixels of float32 [h, w, 3], clipped to 0..255."""
    h, w = picture.shape[0] // 2, picture.shape[1] // 2
    out = np.empty((h, w, 3), np.uint8)
    quarter = np.float32(0.25)
    for y in range(h):
        for x in range(w):
            for c in range(3):
                left = picture[2 * y, 2 * x, c] + picture[2 * y + 1, 2 * x, c]
                mean = (left + picture[2 * y, 2 * x + 1, c] + picture[2 * y + 1, 2 * x + 1, c]) * quarter
                out[y, x, c] = np.uint8(min(max(np.rint(mean), np.float32(0)), np.float32(255)))
    return out


@numba.njit(cache=True, fastmath=True)
def shade(index, depth, base, normals, marked, toward, sun):  # type: ignore[no-untyped-def]
    """Light the picture: float32 [h, w, 3] from point colours `base` (0..255) and `normals`, float32 [n, 3] each.

    Light comes from `sun` float32 [3]; normals are turned to the camera (`toward`). Eye-dome lighting (C. Boucheny,
    2009) darkens a pixel by how much nearer its neighbours are. Points `marked` bool [n] keep a strong colour in the
    shade. Empty pixels become -1.
    """
    h, w = index.shape
    out = np.empty((h, w, 3), np.float32)
    logs = np.empty((h, w), np.float32)
    for y in range(h):
        for x in range(w):
            logs[y, x] = np.log2(depth[y, x]) if index[y, x] >= 0 else np.float32(1e9)
    for y in range(h):
        for x in range(w):
            i = index[y, x]
            if i < 0:
                out[y, x, 0] = out[y, x, 1] = out[y, x, 2] = -1.0
                continue
            nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
            lambert = nx * sun[0] + ny * sun[1] + nz * sun[2]
            if nx * toward[0] + ny * toward[1] + nz * toward[2] < 0:
                lambert = -lambert
            dome = np.float32(0.0)
            for ring in range(2):
                step = (2, 6)[ring]
                weight = (0.6, 0.4)[ring]
                for k in range(4):
                    py = min(max(y + (-step, step, 0, 0)[k], 0), h - 1)
                    px = min(max(x + (0, 0, -step, step)[k], 0), w - 1)
                    nearer = logs[y, x] - logs[py, px] - 0.006
                    if nearer > 0:
                        dome += weight * min(nearer, 0.06)
            light = 0.86 + 0.2 * max(lambert, 0.0) if marked[i] else 0.56 + 0.50 * max(lambert, 0.0)
            light *= np.exp(-5.0 * dome)
            for c in range(3):
                out[y, x, c] = base[i, c] * light
    return out


def local_spacing(points: np.ndarray) -> np.ndarray:
    """Return the distance to the fourth neighbour around each point, float32 [n] metres.

    It is measured at every eighth point or so and averaged over cells of 10 cm; stray points count as usual ones.
    """
    some = np.arange(0, len(points), max(1, len(points) // 40_000))
    far = KDTree(points, balanced_tree=False).query(points[some], k=min(5, len(points)))[0][:, -1]
    usual = float(np.median(far))
    far[far > min(0.3, 20 * usual)] = usual
    spacing = np.full(len(points), usual)
    left = np.arange(len(points))
    for size in (0.1, 0.3, 0.9):  # larger cells for points without a measured one nearby
        keys, index = _cells(np.concatenate([points[some], points[left]]), size)
        known, index = index[: len(some)], index[len(some) :]
        count = np.bincount(known, minlength=len(keys))
        mean = np.bincount(known, far, len(keys)) / np.maximum(count, 1)
        hit = count[index] > 0
        spacing[left[hit]] = mean[index[hit]]
        left = left[~hit]
        if not len(left):
            break
    return np.clip(spacing, max(0.002, 0.3 * usual), 0.15).astype(np.float32)


def _cells(points: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted keys of the occupied cells int64 [V] and each point's cell int64 [n]; 21 bits per axis."""
    cells = np.floor((points - points.min(0)) / size).astype(np.int64) + 1
    keys, index = np.unique((cells[:, 0] << 42) | (cells[:, 1] << 21) | cells[:, 2], return_inverse=True)
    return keys, index.ravel()


def surface_normals(points: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Return normals float32 [n, 3] (of either sign) of the planes through the points around each.

    The neighbourhood grows with the `spacing` float32 [n] of the points, in powers of two.
    """
    level = np.clip(np.rint(np.log2(2.3 * spacing / 0.02)), 0, 5).astype(np.int8)
    normals = np.empty((len(points), 3), np.float32)
    for size in np.unique(level):
        rows = np.flatnonzero(level >= size - 1)
        mine = level[rows] == size
        normals[rows[mine]] = _cell_normals(points[rows], 0.02 * 2.0**size, mine)
    return normals


def _cell_normals(points: np.ndarray, size: float, wanted: np.ndarray) -> np.ndarray:
    """Return the normals at the `wanted` points from 3 x 3 x 3 cells of `size` metres around each."""
    keys, index = _cells(points, size)
    moments = _moments(np.ascontiguousarray(points - points.min(0), np.float64), index, len(keys))
    index = index[wanted]
    used, index = np.unique(index, return_inverse=True)
    total = np.zeros((len(used), 10))
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            for dz in (-1, 0, 1):
                other = keys[used] + (dx << 42) + (dy << 21) + dz
                at = np.minimum(np.searchsorted(keys, other), len(keys) - 1)
                hit = keys[at] == other
                # the cell itself counts most: a sum over all alike would round every edge
                total[hit] += moments[at[hit]] * 0.5 ** (abs(dx) + abs(dy) + abs(dz))
    mean = total[:, 1:4] / total[:, :1]
    second = total[:, 4:] / total[:, :1]
    pairs = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]
    covariance = np.empty((len(used), 3, 3))
    for k, (i, j) in enumerate(pairs):
        covariance[:, i, j] = covariance[:, j, i] = second[:, k] - mean[:, i] * mean[:, j]
    return np.linalg.eigh(covariance)[1][:, :, 0].astype(np.float32)[index.ravel()]


@numba.njit(cache=True)
def _moments(points, index, n):  # type: ignore[no-untyped-def]
    out = np.zeros((n, 10), np.float64)
    for i in range(len(points)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        row = out[index[i]]
        row[0] += 1
        row[1] += x
        row[2] += y
        row[3] += z
        row[4] += x * x
        row[5] += y * y
        row[6] += z * z
        row[7] += x * y
        row[8] += x * z
        row[9] += y * z
    return out
