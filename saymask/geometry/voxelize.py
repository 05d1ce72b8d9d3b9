"""Voxelization: points to voxels and back."""

from dataclasses import dataclass

import numpy as np

from saymask.errors import InputError
from saymask.geometry.extent import highest, lowest

_AXIS_BITS = 21


@dataclass(frozen=True, eq=False)
class Voxels:
    """The occupied cells of a cloud and the way from points to cells."""

    cells: np.ndarray
    """int32 [V, 3], unique, sorted by (x, y, z) with z fastest."""
    index: np.ndarray
    """int64 [N]: row of `cells` that each point falls into."""
    first: np.ndarray
    """int64 [V]: the first point, in point order, of each cell."""
    origin: np.ndarray
    """float64 [3]: where cell (0, 0, 0) begins, metres."""
    size: float
    """Edge of a cell, metres."""

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def counts(self) -> np.ndarray:
        """Return int64 [V], the number of points in each cell."""
        return np.bincount(self.index, minlength=len(self.cells))

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Return float32 [V, C], the mean of `values` [N, C] over the points of each cell."""
        return mean_by_index(values, self.index, len(self.cells))


def voxelize(points: np.ndarray, size: float, *, origin: np.ndarray | None = None) -> Voxels:
    """Group `points` [N, 3] (metres) into cubic cells of edge `size`; cell = floor((point - origin) / size).

    `origin` defaults to the smallest coordinate of each axis, so that cells begin at 0. The arithmetic is float64.
    Raises InputError when the cloud spans more than 2^21 cells on an axis or holds numbers that are not finite.
    """
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(f"points to voxelize: expected [N, 3], got {list(points.shape)}")
    if not size > 0:
        raise InputError(f"voxel size: expected metres above 0, got {size}")
    exact = points.astype(np.float64)
    if not np.isfinite(exact).all():
        raise InputError("points to voxelize: expected finite coordinates, got NaN or infinity; drop those first")
    if origin is None:
        origin = lowest(exact) if len(exact) else np.zeros(3)
    origin = np.asarray(origin, dtype=np.float64)
    scaled = np.floor((exact - origin) / size)
    if len(scaled) and (highest(scaled) - lowest(scaled) >= 2**_AXIS_BITS).any():
        span = np.ptp(exact, axis=0).max()
        raise InputError(
            f"points span {span:,.0f} m, too far for {size} m voxels: is the unit right? are there outliers?"
        )
    cells, index, first = unique_cells(scaled.astype(np.int64))
    return Voxels(cells.astype(np.int32), index, first, origin, float(size))


def unique_cells(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the sorted unique rows of int `cells` [N, 3], the row of each input [N], and its first occurrence [V].

    The span of each axis must be below 2^21; unlike `np.unique(axis=0)` this sorts one packed integer per row.
    """
    cells = np.asarray(cells, dtype=np.int64)
    if len(cells) == 0:
        return cells.reshape(0, 3), np.zeros(0, np.int64), np.zeros(0, np.int64)
    low = lowest(cells)
    shifted = cells - low
    key = (shifted[:, 0] << 2 * _AXIS_BITS) | (shifted[:, 1] << _AXIS_BITS) | shifted[:, 2]
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    starts = np.empty(len(key), dtype=bool)
    starts[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=starts[1:])
    index = np.empty(len(key), dtype=np.int64)
    index[order] = np.cumsum(starts) - 1
    first = order[starts]
    return cells[first], index, first


def first_appearance(coords: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number the distinct rows of `coords` int64 [N, D] by first appearance, as pointgroup's `voxelization_idx` does.

    Returns (rows int64 [M, D], input map int32 [N], output map int32 [M, 1 + most points of a row]); a row of the
    output map is the count, then the point ids in ascending order, padded with zeros (docs/systems/less.md §B.1 and
    docs/systems/bqnet.md §8.1).
    """
    coords = np.asarray(coords, dtype=np.int64)
    if len(coords) == 0:
        return coords, np.zeros(0, np.int32), np.zeros((0, 1), np.int32)
    _, first, inverse = np.unique(coords, axis=0, return_index=True, return_inverse=True)
    by_appearance = np.argsort(first, kind="stable")
    rank = np.empty_like(by_appearance)
    rank[by_appearance] = np.arange(len(by_appearance))
    input_map = rank[inverse.reshape(-1)]
    counts = np.bincount(input_map, minlength=len(first))
    output_map = np.zeros((len(first), 1 + counts.max()), dtype=np.int32)
    output_map[:, 0] = counts
    order = np.argsort(input_map, kind="stable")
    starts = np.cumsum(counts) - counts
    output_map[input_map[order], 1 + np.arange(len(order)) - starts[input_map[order]]] = order
    return coords[first[by_appearance]], input_map.astype(np.int32), output_map


def mean_by_index(values: np.ndarray, index: np.ndarray, n: int) -> np.ndarray:
    """Return float32 [n, C], the mean of the rows of `values` [N, C] that share an `index` [N]; 0 where there is none.

    Sums are float64, so the result does not depend on the order of the rows to float32 precision.
    """
    values = np.asarray(values)
    flat = values.reshape(len(values), -1)
    counts = np.maximum(np.bincount(index, minlength=n), 1)
    out = np.empty((n, flat.shape[1]), dtype=np.float32)
    for channel in range(flat.shape[1]):
        out[:, channel] = np.bincount(index, weights=flat[:, channel], minlength=n) / counts
    return out.reshape(n, *values.shape[1:])
