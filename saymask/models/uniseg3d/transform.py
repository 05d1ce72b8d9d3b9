"""Transform of a scan: augmented positions, voxel cells and point features.

The random numbers of the official augmentation are drawn from a legacy NumPy generator in the published order; between
the similarity and the elastic distortion the published code draws the clicks (`saymask.models.uniseg3d.clicks`).

Source: docs/systems/uniseg3d.md §2.5, §2.6, §2.7.
"""

from typing import Literal, NamedTuple, get_args

import numpy as np

from saymask.errors import InputError
from saymask.geometry.affine import times
from saymask.geometry.elastic import elastic_distortion
from saymask.geometry.extent import lowest
from saymask.geometry.votes import vote

Augmentation = Literal["official", "rotate", "none"]
LARGEST_ANGLE = 3.14
"""Radians about z; not quite a half turn, as published."""
SCALES = (0.8, 1.2)
SHIFT = 0.1
"""Standard deviation of the translation, metres; it only moves the scan within the elastic noise."""
PUBLISHED_VOXEL = 0.02
"""Voxel, metres, in which the strengths of the elastic distortion are published."""
ELASTIC = ((6, 40), (20, 160))
"""Granularity and magnitude of the two elastic distortions, in published voxels."""
ELASTIC_SHARE = 0.5
"""Probability of the elastic distortion."""
FAR = 50.0
"""Metres from the origin beyond which a scan is moved to it, since the elastic noise fills what is between."""


def near_origin(points: np.ndarray) -> np.ndarray:
    """Return float32 [N, 3]: the points (metres) as they are, or, where one is far away, with their minimum at 0.

    Raises InputError for no points and for points that are not finite.
    """
    if len(points) == 0:
        raise InputError("expected a scan with points, got none; is the file complete?")
    if not np.isfinite(points).all():
        raise InputError("points: expected finite coordinates, got NaN or infinity; drop those points first")
    if np.abs(points).max() <= FAR:
        return points.astype(np.float32)
    exact = points.astype(np.float64)
    return (exact - lowest(exact)).astype(np.float32)


class Similarity(NamedTuple):
    """A rotation about z, a scale and a translation, in this order."""

    angle: float = 0.0
    """Radians, counterclockwise seen from above."""
    scale: float = 1.0
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Metres."""

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Return float32 [N, 3] for points [N, 3], computed in float32 as published."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]], dtype=np.float32)
        turned = times(points.astype(np.float32), turn)
        return turned * np.float32(self.scale) + np.asarray(self.shift, dtype=np.float32)


def draw_similarity(rng: np.random.RandomState, augment: Augmentation = "official") -> Similarity:
    """Return a random similarity; there are no flips, since sentences speak of left and right.

    `official` draws an angle, a scale and three normal numbers; `rotate` an angle and a scale; `none` nothing. Raises
    InputError for another `augment`.

    Source: docs/systems/uniseg3d.md §2.5, step 2.
    """
    if augment not in get_args(Augmentation):
        raise InputError(f"augment: expected {', '.join(get_args(Augmentation))}, got {augment!r}")
    if augment == "none":
        return Similarity()
    angle, scale = rng.uniform(-LARGEST_ANGLE, LARGEST_ANGLE), rng.uniform(*SCALES)
    if augment == "rotate":
        return Similarity(angle, scale)
    x, y, z = rng.normal(scale=[SHIFT] * 3, size=3)
    return Similarity(angle, scale, (x, y, z))


def elastic_coords(
    positions: np.ndarray,  # float32 [N, 3], metres
    rng: np.random.RandomState,
    *,
    voxel_size: float = PUBLISHED_VOXEL,
    share: float = ELASTIC_SHARE,
) -> np.ndarray:
    """Return voxel positions [N, 3], with probability `share` distorted twice: float64 then, else float32.

    One uniform number decides. Other voxel sizes than the published one are bent by as many metres.

    Source: docs/systems/uniseg3d.md §2.7c.
    """
    positions = positions.astype(np.float32)
    if rng.rand() >= share:
        return positions / np.float32(voxel_size)
    coords = positions / np.float32(PUBLISHED_VOXEL)
    for granularity, magnitude in ELASTIC:
        coords = elastic_distortion(coords, granularity, magnitude, rng)
    return coords if voxel_size == PUBLISHED_VOXEL else coords * (PUBLISHED_VOXEL / voxel_size)


def point_cells(positions: np.ndarray, voxel_size: float = PUBLISHED_VOXEL) -> np.ndarray:
    """Return int64 [N, 3], the voxels of undistorted positions [N, 3] in metres: 0 upwards on each axis.

    Source: docs/systems/uniseg3d.md §2.10.
    """
    positions = positions.astype(np.float32)
    return np.floor((positions - lowest(positions)) / np.float32(voxel_size)).astype(np.int64)


def coord_cells(coords: np.ndarray) -> np.ndarray:
    """Return int64 [N, 3], the voxels of voxel positions float [N, 3]: 0 upwards on each axis.

    Source: docs/systems/uniseg3d.md §2.10.
    """
    return np.floor(coords - lowest(coords)).astype(np.int64)


def unit_colors(colors: np.ndarray) -> np.ndarray:
    """Return float32 [N, 3] in -1..1 of colours 0..255 (docs/systems/uniseg3d.md §2.5, step 3)."""
    return (colors.astype(np.float32) - np.float32(127.5)) / np.float32(127.5)


def point_features(positions: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Return float32 [N, 6]: colours [N, 3] in -1..1, then positions [N, 3] minus their mean, metres.

    Source: docs/systems/uniseg3d.md §2.10.
    """
    centred = positions - positions.mean(axis=0, dtype=np.float64)
    return np.concatenate([colors, centred], axis=1).astype(np.float32)


def novel_masks(masks: np.ndarray, semantic: np.ndarray, index: np.ndarray, size: int) -> np.ndarray:
    """Return bool [J', size], the superpoints of those masks bool [J, N] that show something new.

    A mask with more than half of its points on one of the 20 classes (semantic int [N], -1 = none) is left out, and so
    is one that no superpoint belongs to: it could teach nothing but empty masks.

    Source: docs/systems/uniseg3d.md §2.3.
    """
    known = 2 * (masks & (semantic >= 0)).sum(axis=1) > masks.sum(axis=1)
    voted = vote(masks[~known], index, size)
    return voted[voted.any(axis=1)]
