"""Farthest point sampling: points that cover a cloud; and the points of each object to choose from."""

from itertools import pairwise

import numpy as np
from numba import njit

from saymask.errors import InputError

_LANES = 512


def farthest_point_sampling(points: np.ndarray, n: int, *, compat: bool = False) -> np.ndarray:
    """Return int64 [n] point indices, each the farthest from those before it, beginning with point 0.

    points: [N, 3]; computed in float32. Ties go to the lowest index; when n > N the order is repeated. With `compat`
    the published CUDA kernel is followed to the bit (docs/systems/bqnet.md §8.2 and docs/systems/lground.md §2.3):
    points within sqrt(1e-3) of the origin are neither updated nor chosen, ties follow its lanes, and indices repeat
    once all distances are 0. Raises InputError for an empty cloud or coordinates that are not finite.
    """
    points = np.ascontiguousarray(points, dtype=np.float32)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) == 0:
        raise InputError(f"farthest point sampling: expected points [N, 3] with N > 0, got {list(points.shape)}")
    if n < 0:
        raise InputError(f"farthest point sampling: expected a number of samples of at least 0, got {n}")
    if compat:
        return _official_fps(points, n)
    if not np.isfinite(points).all():
        raise InputError("farthest point sampling: expected finite coordinates, got NaN or infinity")
    order = _fps(points, min(n, len(points)))
    return order if n <= len(points) else np.resize(order, n)


@njit(cache=True, nogil=True)
def _fps(points, n):
    count = points.shape[0]
    out = np.zeros(n, np.int64)
    nearest = np.full(count, np.float32(np.inf), np.float32)
    last = 0
    for i in range(n):
        out[i] = last
        nearest[last] = np.float32(-1)  # a chosen point is never chosen again, even among copies
        x, y, z = points[last, 0], points[last, 1], points[last, 2]
        best, following = np.float32(-1), 0
        for k in range(count):
            dx, dy, dz = points[k, 0] - x, points[k, 1] - y, points[k, 2] - z
            d = min(nearest[k], dx * dx + dy * dy + dz * dz)
            nearest[k] = d
            if d > best:
                best, following = d, k
        last = following
    return out


@njit(cache=True, nogil=True)
def _official_fps(points, n):
    count = points.shape[0]
    lanes = 1
    while lanes * 2 <= min(count, _LANES):
        lanes *= 2
    out = np.zeros(n, np.int64)
    nearest = np.full(count, np.float32(1e10), np.float32)
    far = np.empty(count, np.bool_)
    for k in range(count):
        norm = points[k, 0] * points[k, 0] + points[k, 1] * points[k, 1] + points[k, 2] * points[k, 2]
        far[k] = norm > np.float32(1e-3)
    lane_best = np.empty(lanes, np.float32)
    lane_point = np.empty(lanes, np.int64)
    last = 0
    for i in range(1, n):
        x, y, z = points[last, 0], points[last, 1], points[last, 2]
        lane_best[:] = np.float32(-1)
        lane_point[:] = 0
        for k in range(count):
            if not far[k]:
                continue
            dx, dy, dz = points[k, 0] - x, points[k, 1] - y, points[k, 2] - z
            d = min(nearest[k], dx * dx + dy * dy + dz * dz)
            nearest[k] = d
            lane = k & (lanes - 1)
            if d > lane_best[lane]:
                lane_best[lane], lane_point[lane] = d, k
        half = lanes // 2
        while half > 0:
            for lane in range(half):
                if lane_best[lane + half] > lane_best[lane]:
                    lane_best[lane], lane_point[lane] = lane_best[lane + half], lane_point[lane + half]
            half //= 2
        last = lane_point[0]
        out[i] = last
    return out


def members_of(instance: np.ndarray) -> list[np.ndarray]:
    """Return the points int64 [n ≥ 1], ascending, of each instance 0..I-1; instance: int [N] dense ids, -1 = none."""
    order = np.argsort(instance, kind="stable")
    count = int(instance.max(initial=-1)) + 1
    bounds = np.searchsorted(instance[order], np.arange(count + 1))
    return [order[a:b] for a, b in pairwise(bounds)]


def spread_over_triangles(
    corners: np.ndarray,  # float64 [F, 3, 3]
    density: float,  # points per square metre
    rng: np.random.RandomState,
) -> tuple[np.ndarray, np.ndarray]:
    """Return random places on triangles, evenly by area: the triangle of each int64 [N], its weights float64 [N, 3, 1].

    The place is the sum of the triangle's corners times the weights; so are its colour and texture coordinates.
    """
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    count = int(density * area.sum())
    chosen = np.searchsorted(np.cumsum(area), rng.uniform(0, area.sum(), count)).clip(max=len(corners) - 1)
    u, v = rng.uniform(size=(2, count))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    return chosen, np.stack([1 - u - v, u, v], axis=1)[:, :, None]
