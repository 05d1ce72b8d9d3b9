"""Image features on a scan: from the cells of an image model's map to points and superpoints.

A depth frame gives a 3-D place per pixel; every place is linked to the vertices in a small ball around it; a vertex
gets the mean of the image features of its links, a superpoint the mean of its vertices. All of that is linear in the
features, so it is kept as one weight per superpoint and map cell: `ImagePooling` goes over the frames twice, first to
count links, then to add `weights @ features`, and never holds features of single points.

Two rules. The corrected one is the default: a pixel takes the feature from where the colour camera saw it inside the
model's centre crop, pixels outside the crop give no link, and a superpoint is the mean over its vertices that were
seen. The official one (`stretched`): the map of the crop is stretched over the whole depth frame, the calibration of
the colour camera is ignored, and unseen vertices count as zeros in a superpoint's mean.

Source: docs/systems/bqnet.md §2.3.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from saymask.errors import InputError
from saymask.geometry.camera import Calibration, Crop
from saymask.geometry.extent import highest, lowest

RADIUS = 0.04
"""A pixel's place is linked to vertices closer than this, metres."""
MOST_LINKS = 25
"""At most this many vertices per pixel: those with the lowest index."""
FARTHEST = 20.0
"""Depth values from here on are not valid, metres."""


@dataclass(frozen=True)
class View:
    """The valid depth pixels of a frame: where they are in the scan and on the image model's map."""

    places: np.ndarray  # float32 [P, 3] in the frame of the scan, metres
    cells: np.ndarray  # float64 [P, 2] row and column on the map, 0 = middle of the first cell

    def __len__(self) -> int:
        return len(self.places)


def make_view(
    depth: np.ndarray,
    pose: np.ndarray,
    calibration: Calibration,
    crop: Crop | None,
    grid: tuple[int, int],
) -> View:
    """Return the view of a depth frame with at least one valid pixel, or an empty one.

    depth: float32 [H, W] metres, valid where 0 < d < 20; pose: float64 [4, 4] camera to scan, finite; grid: rows and
    columns of the feature map. With `crop` each pixel is found in the colour image and pixels outside the crop are
    left out; without it the map is stretched over the depth frame (official). Back-projection is in float64.
    """
    height, width = depth.shape
    rows, columns = np.nonzero((depth > 0) & (depth < FARTHEST))
    camera = _camera_points(depth[rows, columns], rows, columns, calibration.depth)
    if crop is None:
        cells = np.stack([(rows + 0.5) * (grid[0] / height) - 0.5, (columns + 0.5) * (grid[1] / width) - 0.5], axis=1)
    else:
        x, y = _in_image(camera, rows, columns, depth.shape, calibration, crop)
        x = x * (crop.resized_width / crop.width) - crop.left
        y = y * (crop.resized_height / crop.height) - crop.top
        inside = (x >= 0) & (x < crop.side) & (y >= 0) & (y < crop.side)
        camera, x, y = camera[inside], x[inside], y[inside]
        cells = np.stack([y * (grid[0] / crop.side) - 0.5, x * (grid[1] / crop.side) - 0.5], axis=1)
    places = camera @ pose[:3, :3].T + pose[:3, 3]
    return View(np.ascontiguousarray(places, dtype=np.float32), cells)


def _camera_points(d: np.ndarray, rows: np.ndarray, columns: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Return float64 [P, 3]: ((u - cx) d / fx, (v - cy) d / fy, d)."""
    d = d.astype(np.float64)
    k = intrinsics.astype(np.float64)
    return np.stack([(columns - k[0, 2]) * d / k[0, 0], (rows - k[1, 2]) * d / k[1, 1], d], axis=1)


def _in_image(
    camera: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    shape: tuple[int, ...],
    calibration: Calibration,
    crop: Crop,
) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y float64 [P] in the colour image, where pixel i reaches from i to i + 1; NaN behind the camera."""
    if calibration.color is None:
        return (columns + 0.5) * (crop.width / shape[1]), (rows + 0.5) * (crop.height / shape[0])
    seen = camera @ calibration.depth_to_color[:3, :3].T + calibration.depth_to_color[:3, 3]
    z = np.where(seen[:, 2] > 0, seen[:, 2], np.nan)
    k = calibration.color.astype(np.float64)
    return k[0, 0] * seen[:, 0] / z + k[0, 2] + 0.5, k[1, 1] * seen[:, 1] / z + k[1, 2] + 0.5


class VertexBalls:
    """Vertices [N, 3], ready to be linked to places: the `most` lowest indices of those closer than `radius`.

    A vertex is in the ball when its squared float32 distance is strictly below radius^2 (docs/systems/bqnet.md §8.5).
    Methods may run in several threads at once.
    """

    def __init__(self, points: np.ndarray, radius: float = RADIUS, most: int = MOST_LINKS) -> None:
        if not radius > 0 or most < 1:
            raise InputError(f"vertex links: expected a radius above 0 and at least one link, got {radius} and {most}")
        self.points = np.ascontiguousarray(points, dtype=np.float32)
        if self.points.ndim != 2 or self.points.shape[1] != 3 or not len(self.points):
            raise InputError(f"vertex links: expected points [N, 3], got {list(self.points.shape)}")
        if not np.isfinite(self.points).all():
            raise InputError("vertex links: expected finite points, got NaN or infinity")
        self.radius2 = np.float32(radius) * np.float32(radius)
        self.most = most
        # A little wider than the radius, so that the 27 cells around a place hold its whole ball despite rounding.
        self.width = float(radius) * 1.001
        self.low = lowest(self.points).astype(np.float64)
        spread = np.floor((highest(self.points) - self.low) / self.width) + 5
        if float(np.prod(spread)) >= 2**62:
            raise InputError(f"vertex links: the scan is too far spread for a radius of {radius} m")
        self.extent = spread.astype(np.int64)
        cells = np.floor((self.points - self.low) / self.width).astype(np.int64) + 2
        key = (cells[:, 0] * self.extent[1] + cells[:, 1]) * self.extent[2] + cells[:, 2]
        self.order = np.argsort(key, kind="stable")
        self.key = key[self.order]

    def __len__(self) -> int:
        return len(self.points)

    def count(self, places: np.ndarray) -> np.ndarray:
        """Return int64 [N], how many of the places float32 [P, 3] are linked to each vertex."""
        counts = np.zeros(len(self), np.int64)
        _count_links(places, *self._tables(), counts)
        return counts

    def weigh(
        self,
        view: View,
        weight: np.ndarray,  # float64 [N] of each vertex
        group: np.ndarray,  # int64 [N]: the row of each vertex
        n: int,
        grid: tuple[int, int],
    ) -> np.ndarray:
        """Return float32 [n, grid cells]: per row, the sum over links of vertex weight x bilinear weight of the cell.

        Cells beyond the map's border count as the border's, as in a bilinear resize (`align_corners=False`).
        """
        out = np.zeros((n, grid[0] * grid[1]), np.float64)
        _add_links(view.places, *self._tables(), view.cells, weight, group, grid[0], grid[1], out)
        return out.astype(np.float32)

    def _tables(self) -> tuple[Any, Any, Any, Any, Any, Any, Any, Any]:
        return self.points, self.order, self.key, self.low, self.width, self.extent, self.radius2, self.most


@njit(cache=True, nogil=True)
def _candidates(key, points, order, ordered, extent, buffer, near):
    """Write the vertices of the 27 cells around `key`, ascending, to `buffer` and where they are to `near`."""
    count = 0
    for dx in range(-1, 2):
        for dy in range(-1, 2):
            base = key + (dx * extent[1] + dy) * extent[2]
            row = np.searchsorted(ordered, base - 1)
            while row < ordered.shape[0] and ordered[row] <= base + 1:
                buffer[count] = order[row]
                count += 1
                row += 1
    buffer[:count].sort()
    for j in range(count):
        near[j] = points[buffer[j]]
    return count


@njit(cache=True, nogil=True)
def _cell_key(place, low, width, extent):
    """Return the cell of a place, -1 when no vertex can be near it."""
    key = 0
    for axis in range(3):
        cell = np.floor((np.float64(place[axis]) - low[axis]) / width) + 2.0
        # The comparison is written so that NaN fails it.
        if not (cell >= 1.0 and cell <= extent[axis] - 2.0):
            return -1
        key = key * extent[axis] + np.int64(cell)
    return key


@njit(cache=True, nogil=True)
def _links(place, buffer, near, size, radius2, most, found):
    """Write the first `most` vertices of `buffer[:size]`, at `near`, within the ball to `found`; return how many."""
    count = 0
    px, py, pz = place[0], place[1], place[2]
    for j in range(size):
        x, y, z = near[j, 0] - px, near[j, 1] - py, near[j, 2] - pz
        if x * x + y * y + z * z < radius2:
            found[count] = buffer[j]
            count += 1
            if count == most:
                break
    return count


@njit(cache=True, nogil=True)
def _count_links(places, points, order, ordered, low, width, extent, radius2, most, counts):
    buffer, found = np.empty(points.shape[0], np.int64), np.empty(most, np.int64)
    near = np.empty((points.shape[0], 3), np.float32)
    last, size = -1, 0
    for i in range(places.shape[0]):
        key = _cell_key(places[i], low, width, extent)
        if key < 0:
            continue
        if key != last:  # neighbouring pixels mostly share their cell
            last, size = key, _candidates(key, points, order, ordered, extent, buffer, near)
        for j in range(_links(places[i], buffer, near, size, radius2, most, found)):
            counts[found[j]] += 1


@njit(cache=True, nogil=True)
def _add_links(
    places, points, order, ordered, low, width, extent, radius2, most, cells, weight, group, rows, columns, out
):
    buffer, found = np.empty(points.shape[0], np.int64), np.empty(most, np.int64)
    near = np.empty((points.shape[0], 3), np.float32)
    last, size = -1, 0
    for i in range(places.shape[0]):
        key = _cell_key(places[i], low, width, extent)
        if key < 0:
            continue
        if key != last:
            last, size = key, _candidates(key, points, order, ordered, extent, buffer, near)
        count = _links(places[i], buffer, near, size, radius2, most, found)
        if count == 0:
            continue
        y, x = min(max(cells[i, 0], 0.0), rows - 1.0), min(max(cells[i, 1], 0.0), columns - 1.0)
        top, left = int(y), int(x)
        bottom, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
        y, x = y - top, x - left
        j = 0
        while j < count:
            g, w = group[found[j]], 0.0
            while j < count and group[found[j]] == g:  # vertices of one superpoint have mostly neighbouring indices
                w += weight[found[j]]
                j += 1
            out[g, top * columns + left] += w * (1.0 - y) * (1.0 - x)
            out[g, top * columns + right] += w * (1.0 - y) * x
            out[g, bottom * columns + left] += w * y * (1.0 - x)
            out[g, bottom * columns + right] += w * y * x


class ImagePooling:
    """Features of superpoints from several frames, in two rounds over them.

    Round one: `count(view)` of every frame (in any thread) and `add_counts` of what it returns; then `finish_counts`;
    round two: `weights(view)` (in any thread) and `add(weights, features)` of every frame; then `result()`. The same
    frames must take part in both rounds. With `superpoints = arange(N)` the rows are features of single points.
    """

    def __init__(
        self,
        points: np.ndarray,  # float32 [N, 3], the frame of the poses
        superpoints: np.ndarray,  # int [N], ids 0..S-1
        *,
        grid: tuple[int, int],
        stretched: bool = False,
    ) -> None:
        if len(points) != len(superpoints) or (len(superpoints) and superpoints.min() < 0):
            raise InputError(
                f"superpoints: expected an id from 0 for each of {len(points):,} points, got {len(superpoints):,} "
                f"from {superpoints.min(initial=0)}"
            )
        self.balls = VertexBalls(points)
        self.group = np.ascontiguousarray(superpoints, dtype=np.int64)
        self.n = int(self.group.max()) + 1
        self.grid = grid
        self.stretched = stretched
        self.hits = np.zeros(len(points), np.int64)
        """Links per vertex."""
        self._weight: np.ndarray | None = None
        self._total: Tensor | None = None

    def count(self, view: View) -> np.ndarray:
        """Return int64 [N], the links of a frame per vertex."""
        return self.balls.count(view.places)

    def add_counts(self, counts: np.ndarray) -> None:
        """Add the links of a frame."""
        self.hits += counts

    def finish_counts(self) -> None:
        """End round one: the weight of a link of vertex i is 1 / (links of i x vertices that its superpoint counts)."""
        seen = self.hits > 0
        counted = self.group if self.stretched else self.group[seen]
        size = np.bincount(counted, minlength=self.n)[self.group]
        self._weight = np.where(seen, 1.0 / np.maximum(self.hits * size, 1), 0.0)

    @property
    def seen(self) -> np.ndarray:
        """Return bool [S], the superpoints of which any vertex was seen."""
        return np.bincount(self.group[self.hits > 0], minlength=self.n) > 0

    def weights(self, view: View) -> np.ndarray:
        """Return float32 [S, grid cells], what every cell of the frame's map adds to every superpoint."""
        assert self._weight is not None, "finish_counts ends round one"
        return self.balls.weigh(view, self._weight, self.group, self.n, self.grid)

    def add(self, weights: np.ndarray, features: Tensor) -> None:
        """Add a frame: its weights and the features float [grid cells, C] of its map, cells row by row."""
        if features.shape[0] != weights.shape[1]:
            raise InputError(f"features: expected {weights.shape[1]} map cells, got {features.shape[0]}")
        rows = np.flatnonzero(weights.any(axis=1))
        if self._total is None:
            self._total = torch.zeros(self.n, features.shape[1], dtype=torch.float32, device=features.device)
        if len(rows):
            part = torch.from_numpy(weights[rows]).to(features.device) @ features.float()
            self._total.index_add_(0, torch.from_numpy(rows).to(features.device), part)

    def result(self, channels: int) -> np.ndarray:
        """Return float32 [S, channels]; superpoints that no frame saw are 0."""
        if self._total is None:
            return np.zeros((self.n, channels), np.float32)
        return self._total.cpu().numpy()
