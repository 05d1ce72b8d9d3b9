"""Elastic distortion, the augmentation that bends a scene smoothly."""

import numpy as np

from saymask.errors import InputError


def elastic_distortion(
    points: np.ndarray, granularity: float, magnitude: float, rng: np.random.RandomState
) -> np.ndarray:
    """Return float64 [N, 3]: `points` moved by smooth random noise, as SPFormer's data preparation does.

    points: [N, 3] around the origin, in the unit of `granularity` (half the spacing of the noise grid) and
    `magnitude` (the noise's factor); published settings are 50 * metres with (6, 40) and then (20, 160). Three grids
    of normal numbers are drawn from `rng` one after the other.

    Source: docs/systems/less.md §B.5.
    """
    from scipy.interpolate import RegularGridInterpolator
    from scipy.ndimage import convolve1d

    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(f"elastic distortion: expected points [N, 3], got {list(points.shape)}")
    if not granularity > 0:
        raise InputError(f"elastic distortion: expected a granularity above 0, got {granularity}")
    if len(points) == 0:
        return points.copy()
    shape = np.abs(points).max(axis=0).astype(np.int32) // granularity + 3
    shape = tuple(int(s) for s in shape)
    box = np.full(3, 1 / 3, dtype=np.float32)
    moves = []
    for _ in range(3):
        noise = rng.standard_normal(shape).astype(np.float32)
        for axis in (0, 1, 2, 0, 1, 2):
            noise = convolve1d(noise, box, axis=axis, mode="constant", cval=0)
        moves.append(noise)
    axes = [np.linspace(-(s - 1) * granularity, (s - 1) * granularity, s) for s in shape]
    values = np.stack(moves, axis=-1).astype(np.float64)
    field = RegularGridInterpolator(axes, values, bounds_error=False, fill_value=0)
    return points + field(points) * magnitude
