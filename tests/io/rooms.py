"""A furnished room as points, made for the tests of reading, orienting and drawing."""

import numpy as np


def plane(rng, corner, u, v, n):
    a, b = rng.random((2, n, 1))
    return np.asarray(corner, float) + a * np.asarray(u, float) + b * np.asarray(v, float)


def box(rng, low, high, density=800.0):
    """Points on the five visible sides of a box (not its bottom)."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    w, d, h = x1 - x0, y1 - y0, z1 - z0
    sides = [
        ((x0, y0, z1), (w, 0, 0), (0, d, 0)),
        ((x0, y0, z0), (w, 0, 0), (0, 0, h)),
        ((x0, y1, z0), (w, 0, 0), (0, 0, h)),
        ((x0, y0, z0), (0, d, 0), (0, 0, h)),
        ((x1, y0, z0), (0, d, 0), (0, 0, h)),
    ]
    parts = []
    for corner, u, v in sides:
        area = np.linalg.norm(np.cross(u, v))
        parts.append(plane(rng, corner, u, v, max(8, int(area * density))))
    return np.concatenate(parts)


def furnished_room(seed=0, size=(4.0, 3.0, 2.6), ceiling=False, density=800.0):
    """Return points float32 [n, 3] (z up), colours uint8 [n, 3], and the id of the thing int32 [n] (0 = shell)."""
    rng = np.random.default_rng(seed)
    w, d, h = size
    shell = [
        plane(rng, (0, 0, 0), (w, 0, 0), (0, d, 0), int(w * d * density)),
        plane(rng, (0, 0, 0), (w, 0, 0), (0, 0, h), int(w * h * density)),
        plane(rng, (0, d, 0), (w, 0, 0), (0, 0, h), int(w * h * density)),
        plane(rng, (0, 0, 0), (0, d, 0), (0, 0, h), int(d * h * density)),
        plane(rng, (w, 0, 0), (0, d, 0), (0, 0, h), int(d * h * density)),
    ]
    if ceiling:
        shell.append(plane(rng, (0, 0, h), (w, 0, 0), (0, d, 0), int(w * d * density)))
    things = [
        box(rng, (0.3, 0.2, 0.0), (1.8, 1.0, 0.75), density),
        box(rng, (2.6, 0.1, 0.0), (3.2, 0.7, 0.45), density),
        box(rng, (0.1, 2.0, 0.0), (0.7, 2.9, 1.8), density),
        box(rng, (2.2, 2.0, 0.0), (3.8, 2.8, 0.5), density),
    ]
    points = np.concatenate([*shell, *things]) + rng.normal(0, 0.002, (sum(map(len, [*shell, *things])), 3))
    owner = np.repeat(np.arange(len(things) + 1), [sum(map(len, shell)), *map(len, things)]).astype(np.int32)
    palette = np.array([[200, 195, 185], [150, 100, 50], [40, 60, 160], [230, 230, 230], [60, 140, 70]], np.uint8)
    colors = np.clip(palette[owner] + rng.integers(-8, 9, (len(points), 3)), 0, 255).astype(np.uint8)
    return points.astype(np.float32), colors, owner


def bumpy(n=400, seed=0):
    """Return a small cloud with some extent in all directions, float32 [n, 3]."""
    rng = np.random.default_rng(seed)
    return (rng.random((n, 3)) * [3, 2, 1.5]).astype(np.float32)
