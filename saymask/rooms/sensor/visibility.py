"""Visibility from a camera: a cube map of depths is filled by splatting points, then each point is compared."""

import math

import numba
import numpy as np


@numba.njit(cache=True)
def _project(x, y, z, half):
    """Return the side of the cube (0..5), the pixel coordinates and the depth along the side's axis."""
    ax, ay, az = abs(x), abs(y), abs(z)
    if ax >= ay and ax >= az:
        side = 0 if x > 0 else 1
        depth, u, v = ax, y, z
    elif ay >= az:
        side = 2 if y > 0 else 3
        depth, u, v = ay, x, z
    else:
        side = 4 if z > 0 else 5
        depth, u, v = az, x, y
    if depth < 1e-6:
        return side, 0, 0, 1e-6
    return side, int((u / depth + 1.0) * half), int((v / depth + 1.0) * half), depth


@numba.njit(cache=True)
def see(points, normals, two_sided, camera, pixels, radius, seen):
    """Mark in `seen` (bool [n]) the points that a camera sees.

    points, normals: float32 [n, 3]; two_sided: bool [n], surfaces whose back may be seen; camera: float32 [3];
    pixels: side of the cube map; radius: half the distance of neighbouring points in metres, the size of a splat.
    A point is seen when it faces the camera and is at most 2 cm, or one pixel of a slanted surface, behind the depth.
    """
    half = pixels / 2.0
    depths = np.full((6, pixels, pixels), np.float32(1e9))
    n = points.shape[0]
    for i in range(n):
        x, y, z = points[i, 0] - camera[0], points[i, 1] - camera[1], points[i, 2] - camera[2]
        side, u, v, depth = _project(x, y, z, half)
        reach = int(radius * half / depth + 0.5)
        if reach > 12:
            reach = 12
        facing = -(x * normals[i, 0] + y * normals[i, 1] + z * normals[i, 2]) / math.sqrt(x * x + y * y + z * z + 1e-12)
        if facing < 0:
            facing = -facing
        # A splat is a square that faces the camera; on slanted surfaces it would stick out, so it is set back.
        tilt = math.sqrt(max(0.0, 1.0 - facing * facing)) / max(facing, 0.15)
        back = np.float32(depth + radius * min(tilt, 3.0) * 0.5)
        for a in range(max(0, u - reach), min(pixels, u + reach + 1)):
            for b in range(max(0, v - reach), min(pixels, v + reach + 1)):
                if back < depths[side, a, b]:
                    depths[side, a, b] = back
    for i in range(n):
        if seen[i]:
            continue
        x, y, z = points[i, 0] - camera[0], points[i, 1] - camera[1], points[i, 2] - camera[2]
        distance = math.sqrt(x * x + y * y + z * z + 1e-12)
        facing = -(x * normals[i, 0] + y * normals[i, 1] + z * normals[i, 2]) / distance
        if facing < 0.06 and not (two_sided[i] and facing < -0.06):
            continue
        side, u, v, depth = _project(x, y, z, half)
        u, v = min(max(u, 0), pixels - 1), min(max(v, 0), pixels - 1)
        slant = min(1.0 / max(abs(facing), 0.15), 4.0)
        if depth <= depths[side, u, v] + 0.02 + 0.5 * slant * depth / half:
            seen[i] = True
