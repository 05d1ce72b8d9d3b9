"""Noise that varies smoothly in space: normal numbers on a grid, interpolated between."""

import numba
import numpy as np

from saymask.errors import InputError
from saymask.geometry.extent import highest, lowest

MOST_NODES = 20_000_000
"""Nodes of a grid; a finer or wider one would take gigabytes."""


def smooth_noise(points: np.ndarray, spacing: float, channels: int, rng: np.random.RandomState) -> np.ndarray:
    """Return float32 [N, channels] of mean 0 and deviation about 1 that is correlated over `spacing` metres.

    points: float [N, 3], metres. Linear between the nodes of a grid, and scaled so that the deviation is 1 between the
    nodes as well as on them (of the mean over a cell). Raises InputError for no points, a spacing that is not above 0,
    or points that lie too far apart for it.
    """
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] != 3 or not len(points):
        raise InputError(f"smooth noise: expected points [N, 3] with N > 0, got {list(points.shape)}")
    if not spacing > 0:
        raise InputError(f"smooth noise: expected a spacing above 0 metres, got {spacing}")
    scaled = ((points - lowest(points)) / spacing).astype(np.float32)
    shape = tuple(int(s) + 2 for s in highest(scaled))
    if np.prod([float(s) for s in shape]) * channels > MOST_NODES:
        raise InputError(
            f"smooth noise: points span {' x '.join(map(str, shape))} nodes of {spacing} m; use a wider spacing"
        )
    nodes = rng.standard_normal((*shape, channels)).astype(np.float32)
    # Linear interpolation averages neighbours: the mean square of its weights is (2/3)^3 over a cell.
    return _interpolated(scaled, nodes) * np.float32(1.5**1.5)


@numba.njit(cache=True, nogil=True)
def _interpolated(scaled, nodes):
    out = np.empty((scaled.shape[0], nodes.shape[3]), np.float32)
    for i in range(scaled.shape[0]):
        x, y, z = int(scaled[i, 0]), int(scaled[i, 1]), int(scaled[i, 2])
        u, v, w = scaled[i, 0] - x, scaled[i, 1] - y, scaled[i, 2] - z
        for c in range(nodes.shape[3]):
            a = (nodes[x, y, z, c] * (1 - w) + nodes[x, y, z + 1, c] * w) * (1 - v)
            a += (nodes[x, y + 1, z, c] * (1 - w) + nodes[x, y + 1, z + 1, c] * w) * v
            b = (nodes[x + 1, y, z, c] * (1 - w) + nodes[x + 1, y, z + 1, c] * w) * (1 - v)
            b += (nodes[x + 1, y + 1, z, c] * (1 - w) + nodes[x + 1, y + 1, z + 1, c] * w) * v
            out[i, c] = a * (1 - u) + b * u
    return out
