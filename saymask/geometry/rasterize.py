"""Rasterization of triangles into a pinhole camera's image: the nearest triangle of every pixel and its depth."""

import numba
import numpy as np

NEAR = 0.1
"""Triangles with a corner nearer to the camera's plane than this are left out, metres: nothing is clipped."""


@numba.njit(cache=True, nogil=True)
def camera_points(points, pose):
    """Return points float32 [N, 3] in the frame of a camera (x right, y down, z forward) with pose float64 [4, 4]."""
    out = np.empty(points.shape, np.float32)
    for i in range(points.shape[0]):
        x, y, z = points[i, 0] - pose[0, 3], points[i, 1] - pose[1, 3], points[i, 2] - pose[2, 3]
        for k in range(3):
            out[i, k] = pose[0, k] * x + pose[1, k] * y + pose[2, k] * z
    return out


@numba.njit(cache=True, nogil=True)
def rasterize(points, faces, intrinsics, width, height, reach):
    """Return depth float32 [H, W] metres (0 = nothing) and triangle int32 [H, W] (-1 = nothing) of every pixel.

    points: float32 [N, 3] in the camera's frame; faces: int32 [F, 3], both sides visible; intrinsics: fx, fy, cx, cy
    at integer pixel coordinates; what is farther than `reach` metres is not drawn.
    """
    fx, fy, cx, cy = intrinsics[0], intrinsics[1], intrinsics[2], intrinsics[3]
    inverse = np.zeros((height, width), np.float32)  # 1 / depth is linear in the image
    triangle = np.full((height, width), np.int32(-1))
    n = points.shape[0]
    u, v, w = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
    for i in range(n):
        z = points[i, 2]
        if z < NEAR or z > reach:
            w[i] = 0
        else:
            w[i] = 1 / z
            u[i], v[i] = fx * points[i, 0] * w[i] + cx, fy * points[i, 1] * w[i] + cy
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        if w[a] == 0 or w[b] == 0 or w[c] == 0:
            continue
        ua, ub, uc, va, vb, vc = u[a], u[b], u[c], v[a], v[b], v[c]
        left, right = max(0, int(np.ceil(min(ua, ub, uc)))), min(width - 1, int(np.floor(max(ua, ub, uc))))
        top, bottom = max(0, int(np.ceil(min(va, vb, vc)))), min(height - 1, int(np.floor(max(va, vb, vc))))
        if left > right or top > bottom:
            continue
        area = (ub - ua) * (vc - va) - (uc - ua) * (vb - va)
        if area == 0:
            continue
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                s = ((x - ua) * (vc - va) - (uc - ua) * (y - va)) / area
                t = ((ub - ua) * (y - va) - (x - ua) * (vb - va)) / area
                if s < 0 or t < 0 or s + t > 1:
                    continue
                near = w[a] + s * (w[b] - w[a]) + t * (w[c] - w[a])
                if near > inverse[y, x]:
                    inverse[y, x], triangle[y, x] = near, f
    depth = np.zeros((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            if triangle[y, x] >= 0:
                depth[y, x] = 1 / inverse[y, x]
    return depth, triangle


@numba.njit(cache=True, nogil=True)
def interpolate(points, faces, values, depth, triangle, intrinsics):
    """Return float32 [H, W, C]: values [N, C] of the vertices where the pixels' rays meet their triangles, else 0.

    points: float32 [N, 3] in the camera's frame; depth, triangle, intrinsics: as `rasterize` returns and takes them.
    """
    height, width = depth.shape
    out = np.zeros((height, width, values.shape[1]), np.float32)
    for y in range(height):
        for x in range(width):
            f = triangle[y, x]
            if f < 0:
                continue
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            z = depth[y, x]
            px, py = (x - intrinsics[2]) * z / intrinsics[0], (y - intrinsics[3]) * z / intrinsics[1]
            ax, ay, az = points[a, 0], points[a, 1], points[a, 2]
            ex, ey, ez = points[b, 0] - ax, points[b, 1] - ay, points[b, 2] - az
            gx, gy, gz = points[c, 0] - ax, points[c, 1] - ay, points[c, 2] - az
            dx, dy, dz = px - ax, py - ay, z - az
            ee, eg, gg = ex * ex + ey * ey + ez * ez, ex * gx + ey * gy + ez * gz, gx * gx + gy * gy + gz * gz
            de, dg = dx * ex + dy * ey + dz * ez, dx * gx + dy * gy + dz * gz
            bottom = ee * gg - eg * eg
            if bottom <= 0:
                continue
            s, t = (gg * de - eg * dg) / bottom, (ee * dg - eg * de) / bottom
            s, t = min(max(s, 0.0), 1.0), min(max(t, 0.0), 1.0)
            r = max(1 - s - t, 0.0)
            for k in range(values.shape[1]):
                out[y, x, k] = r * values[a, k] + s * values[b, k] + t * values[c, k]
    return out
