"""The item of a referring model in the LESS family: sampling, augmentation, colours and voxel cells.

Source: docs/systems/less.md §2.3, §2.4 (paper arXiv 2410.13294); the random numbers are drawn from a legacy NumPy
generator in the published order, so a seed gives the published augmentation.
"""

from typing import Literal, NamedTuple

import numpy as np

from saymask.geometry.affine import times
from saymask.geometry.extent import lowest

MEAN_COLOR = np.array([109.8, 97.2, 83.8])
"""Mean colour of ScanNet (0..255) that LESS subtracts before it divides by 256."""

VIEW_WORDS = ("front", "behind", "back", "left", "right", "facing", "leftmost", "rightmost", "looking", "across")
"""Words whose truth depends on where one stands; a sentence with one of them is not flipped or turned by 90 degrees."""

Augmentation = Literal["2024-12", "2024-10"]


class LessItem(NamedTuple):
    """One scan as LESS sees it; rows are the chosen points."""

    cells: np.ndarray  # int64 [m, 3], voxel cells, minimum 0 on each axis
    coord_float: np.ndarray  # float32 [m, 3], augmented position, metres
    feature: np.ndarray  # float32 [m, 3], colour: (rgb - mean) / 256
    target: np.ndarray | None  # bool [m]
    chosen: np.ndarray  # int64 [m], row of the input for each item row


def less_item(
    points: np.ndarray,  # float32 [n, 3], metres (axis-aligned for "2024-12")
    colors: np.ndarray,  # [n, 3], 0..255
    target: np.ndarray | None,  # bool [n]
    *,
    description: str = "",
    rng: np.random.RandomState | None,
    sample_points: int | None = 50_000,
    augment: Augmentation | None = "2024-12",
    scale: float = 50.0,
) -> LessItem:
    """Return the item of one scan and sentence (docs/systems/less.md §2.3).

    Without `rng` (validation) every point is used, in order, and nothing is augmented. With `rng`, `sample_points`
    points are drawn (with replacement when the scan has fewer; None takes all) and `augment` names the augmentation:
    "2024-12" (the last published code), "2024-10" (the first release) or None. `scale` is voxels per metre.
    `description` is the raw sentence; it decides whether the view may be turned.
    """
    n = len(points)
    if rng is not None and sample_points is not None:
        chosen = rng.choice(n, sample_points, replace=n < sample_points).astype(np.int64)
    else:
        chosen = np.arange(n, dtype=np.int64)
    xyz = np.array(points[chosen], dtype=np.float32)
    feature = ((colors[chosen].astype(np.float32) - MEAN_COLOR) / 256.0).astype(np.float32)
    if rng is not None and augment is not None:
        xyz = augment_points(xyz, description, rng, release=augment)
    cells = voxel_cells(xyz, scale)
    return LessItem(cells, xyz, feature, None if target is None else target[chosen], chosen)


def voxel_cells(xyz: np.ndarray, scale: float = 50.0) -> np.ndarray:
    """Return int64 cells [n, 3] of float32 positions in metres: scaled, minus the minimum, truncated.

    Source: docs/systems/less.md §2.3, step 4.
    """
    scaled = xyz * np.float32(scale)
    return (scaled - lowest(scaled)).astype(np.int64) if len(xyz) else np.zeros((0, 3), np.int64)


def view_dependent(description: str) -> bool:
    """Say whether a sentence holds a word of `VIEW_WORDS` with a space on both sides (one is added at the end)."""
    text = description + " "
    return any(f" {word} " in text for word in VIEW_WORDS)


def augment_points(
    xyz: np.ndarray,  # float32 [n, 3], metres
    description: str,
    rng: np.random.RandomState,
    *,
    release: Augmentation = "2024-12",
) -> np.ndarray:
    """Return augmented positions, float32 [n, 3].

    Source: docs/systems/less.md §2.4; for "2024-10", docs/systems/less.md §7, row 12.
    """
    if release == "2024-12":
        return _augment_2024_12(xyz, view_dependent(description), rng)
    if release == "2024-10":
        return _augment_2024_10(xyz, rng)
    raise ValueError(f"unknown augmentation {release!r}: expected '2024-12' or '2024-10'")


def _augment_2024_12(xyz: np.ndarray, fixed_view: bool, rng: np.random.RandomState) -> np.ndarray:
    xyz = xyz.copy()
    if fixed_view:
        angle = (2 * rng.rand() - 1) * 5
    else:
        angle = 90 * rng.randint(0, 4) + (2 * rng.rand() - 1) * 5
        for axis in (0, 1):
            if rng.random_sample() > 0.5:
                xyz[:, axis] = -xyz[:, axis]
    xyz = _rotated(xyz, 2, angle)
    for axis in (0, 1):
        xyz = _rotated(xyz, axis, (2 * rng.rand() - 1) * 2.5)
    xyz = (xyz + rng.rand(len(xyz), 3) * 0.005).astype(np.float32)
    xyz = (xyz + (rng.random_sample(3) - 0.5)).astype(np.float32)
    return xyz * np.float32(0.98 + 0.04 * rng.random_sample())


def _augment_2024_10(xyz: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Augment as the first release did; the distribution is published, the order of the draws is ours."""
    xyz = xyz.copy()
    for axis in (0, 1):
        if rng.random_sample() > 0.5:
            xyz[:, axis] = -xyz[:, axis]
    for axis in (0, 1, 2):
        xyz = _rotated(xyz, axis, (2 * rng.random_sample() - 1) * 5)
    shift = np.array([rng.randint(-500, 501) for _ in range(3)]) / 1000
    return (xyz + shift).astype(np.float32)


def rotation(axis: int, degrees: float) -> np.ndarray:
    """Return the float64 matrix [3, 3] that turns column vectors about axis 0, 1 or 2 by `degrees`."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    matrix = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
    return matrix


def _rotated(xyz: np.ndarray, axis: int, degrees: float) -> np.ndarray:
    """Rotate in float64 and store back in float32, as every published step does."""
    return times(xyz.astype(np.float64), rotation(axis, degrees).T).astype(np.float32)
