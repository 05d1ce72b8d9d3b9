"""Transform of the points of a scan: centred coordinates, colours in -1..1, augmentation, voxel cells.

Source: docs/systems/bqnet.md §2.2, §2.5. The random numbers of the official augmentation are drawn from a legacy NumPy
generator in the published order, so a seed gives the published augmentation.
"""

from typing import Literal, NamedTuple, get_args

import numpy as np

from saymask.errors import InputError
from saymask.geometry.affine import times
from saymask.geometry.elastic import elastic_distortion
from saymask.geometry.extent import lowest

Augmentation = Literal["official", "rotate", "none"]
PUBLISHED_SCALE = 50.0
"""Voxels per metre in which the strengths of the elastic distortion are published."""
ELASTIC = ((6, 40), (20, 160))
"""Granularity and magnitude of the two elastic distortions, in published voxels."""


class View(NamedTuple):
    """The points that the network sees."""

    cells: np.ndarray  # int64 [n, 3]: voxel of each point, minimum 0 on each axis
    scaled: np.ndarray  # float64 [n, 3]: the position before truncation, voxels
    positions: np.ndarray  # float64 [n, 3]: augmented, but not distorted; metres
    colors: np.ndarray  # float64 [n, 3]
    chosen: np.ndarray | None  # int64 [n]: point of the input for each row; None = all, in order


def centred(points: np.ndarray) -> np.ndarray:
    """Return float64 [N, 3]: points (metres) minus the mean of all of them (docs/systems/bqnet.md §2.2)."""
    points = points.astype(np.float64)
    return points - points.mean(axis=0)


def unit_colors(colors: np.ndarray) -> np.ndarray:
    """Return float64 [N, 3] in -1..1 of colours 0..255 (docs/systems/bqnet.md §2.2)."""
    return colors.astype(np.float64) / 127.5 - 1


def view(
    points: np.ndarray,  # float [N, 3], centred, metres, not axis-aligned
    colors: np.ndarray,  # float [N, 3], -1..1
    rng: np.random.RandomState | None = None,
    *,
    augment: Augmentation = "official",
    voxel_size: float = 0.02,
    most_points: int = 2_500_000,
) -> View:
    """Return the view of N points: with `rng` the training transform, else the test transform.

    `official`: jittered axes, a flip, a rotation about z, one colour shift, two elastic distortions of the voxel
    positions; `rotate`: a rotation about z by U(0, 2 pi) alone; `none`: nothing. In training, `most_points` of a
    larger scan are drawn. Raises InputError for points that are not finite and for another `augment`.

    Source: docs/systems/bqnet.md §2.5.
    """
    if augment not in get_args(Augmentation):
        raise InputError(f"augment: expected {', '.join(get_args(Augmentation))}, got {augment!r}")
    positions, colors = np.asarray(points, dtype=np.float64), np.asarray(colors, dtype=np.float64)
    if not np.isfinite(positions).all():
        raise InputError("points: expected finite coordinates, got NaN or infinity; drop those points first")
    scale = 1 / voxel_size
    bent = rng if augment == "official" else None  # draws what only the official augmentation needs
    if bent is not None:
        positions = times(positions, axis_matrix(bent))
        colors = colors + bent.randn(3) * 0.1
    elif rng is not None and augment == "rotate":
        positions = times(positions, rotation_z(rng))
    scaled = positions * scale
    if bent is not None:
        # Published in voxels of 2 cm; other voxel sizes are bent by as many metres.
        voxels = scale / PUBLISHED_SCALE
        for granularity, magnitude in ELASTIC:
            scaled = elastic_distortion(scaled, granularity * voxels, magnitude * voxels, bent)
    scaled = scaled - lowest(scaled)
    chosen = None
    if rng is not None and len(scaled) > most_points:
        chosen = rng.choice(len(scaled), most_points, replace=False).astype(np.int64)
        scaled, positions, colors = scaled[chosen], positions[chosen], colors[chosen]
    return View(scaled.astype(np.int64), scaled, positions, colors, chosen)


def axis_matrix(rng: np.random.RandomState) -> np.ndarray:
    """Return float64 [3, 3] that row vectors are multiplied with: jitter, flip, rotation.

    The flip changes the sign of the first element only, not of its row: so it is published (docs/systems/bqnet.md §7.1,
    row 9).

    Source: docs/systems/bqnet.md §2.5, step 1.
    """
    matrix = np.eye(3) + rng.randn(3, 3) * 0.1
    matrix[0, 0] *= rng.randint(0, 2) * 2 - 1
    return matrix @ rotation_z(rng)


def rotation_z(rng: np.random.RandomState) -> np.ndarray:
    """Return float64 [3, 3] that turns row vectors about z by U(0, 2 pi); one draw.

    Source: docs/systems/bqnet.md §2.5, step 1.
    """
    angle = rng.rand() * 2 * np.pi
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
