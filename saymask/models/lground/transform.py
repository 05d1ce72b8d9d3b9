"""Transform of a cloud: distortion, random similarity, voxels of one point each, flips and colour changes.

Source: docs/systems/lground.md §2.5, §7.6, §7.7. The official code draws whether something happens from Python's
`random` and how much from NumPy's global generator; `Draws` holds such a pair, and the order of the draws is the
published one, so that two seeds give the published sample.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from saymask.errors import InputError
from saymask.geometry.affine import moved
from saymask.geometry.extent import highest, lowest
from saymask.sparse.quantize import sparse_quantize

ELASTIC = ((0.2, 0.4), (0.8, 1.6))
"""Granularity and magnitude of the two distortions, metres."""
MOST_SPAN = 1000
"""Steps of the noise grid per axis that are still a scan, and not a few points far away."""
NONE = -1
"""Label of what is ignored, instance of what belongs to none."""


class Draws(NamedTuple):
    """The two sources of random numbers of a training sample."""

    python: random.Random
    """Source of whether a change happens, its flip axes, the weight of the contrast."""
    numpy: np.random.RandomState
    """Source of how large a change is."""


def draws(rng: np.random.RandomState) -> Draws:
    """Return two independent generators that both follow from `rng`."""
    seeds = rng.randint(0, 2**32, size=8, dtype=np.uint32)
    return Draws(random.Random(int.from_bytes(seeds[:4].tobytes(), "little")), np.random.RandomState(seeds[4:]))


def official_draws(seed: int) -> Draws:
    """Return the generators after `random.seed(seed)` and `numpy.random.seed(seed)`."""
    return Draws(random.Random(seed), np.random.RandomState(seed))


@dataclass(frozen=True)
class Augmentation:
    """Augmentation of a training sample; a probability of 0 takes a step out and draws nothing for it."""

    elastic: float = 0.95
    """Probability of the elastic distortion."""
    scale: tuple[float, float] = (0.9, 1.1)
    tilt: float = float(np.pi / 64)
    """Largest angle about x and y, radians."""
    turn: float = float(np.pi)
    """Largest angle about z, radians."""
    dropout: float = 0.0
    """With this probability this share of the voxels is left out (0.2 in instance segmentation)."""
    flip: float = 0.95
    contrast: float = 0.2
    translation: float = 0.95
    translation_ratio: float = 0.1
    """Largest shift of a colour channel, share of 255."""
    jitter: float = 0.95
    jitter_std: float = 0.05
    """Deviation of each voxel's colour noise, share of 255."""
    hue: float = 0.0
    """Largest shift of the hue, in turns; published code has it but never uses it."""
    saturation: float = 0.0
    """Largest relative change of the saturation; never used either."""


@dataclass(frozen=True, eq=False)
class Cloud:
    """Points before they become voxels."""

    points: np.ndarray  # float [N, 3] metres
    colors: np.ndarray  # [N, 3] 0..255
    labels: np.ndarray  # int64 [N], NONE = ignored
    instances: np.ndarray  # int64 [N], NONE = none

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True, eq=False)
class Voxels:
    """Occupied voxels, each with the colour and label of one point."""

    cells: np.ndarray  # int64 [V, 3], unique
    colors: np.ndarray  # float32 [V, 3] 0..255
    labels: np.ndarray  # int64 [V], NONE = ignored
    instances: np.ndarray  # int64 [V], NONE = none
    index: np.ndarray  # int64 [N] voxel of each point of the cloud, NONE where it was dropped

    def __len__(self) -> int:
        return len(self.cells)

    def take(self, rows: np.ndarray) -> "Voxels":
        """Return the voxels `rows` (int [W], distinct), in this order."""
        where = np.full(len(self) + 1, NONE, np.int64)  # the last entry answers for points without a voxel
        where[rows] = np.arange(len(rows))
        return Voxels(
            self.cells[rows], self.colors[rows], self.labels[rows], self.instances[rows], where[self.index]
        )  # fmt: skip


def distort(points: np.ndarray, granularity: float, magnitude: float, rng: np.random.RandomState) -> np.ndarray:
    """Return float64 [N, 3]: points (metres) moved by smooth noise with a grid of `granularity`.

    Source: docs/systems/lground.md §2.5, step 2.
    """
    from scipy.interpolate import RegularGridInterpolator
    from scipy.ndimage import convolve1d

    if len(points) == 0:
        return np.zeros((0, 3))
    low = lowest(points)
    span = highest(points - low)
    if not span.max() < MOST_SPAN * granularity:
        raise InputError(
            f"elastic distortion: expected a room, got points {span.max():,.0f} m apart; are there outliers?"
        )
    shape = (span // granularity).astype(int) + 3
    noise = rng.randn(*shape, 3).astype(np.float32)
    box = np.full(3, 1 / 3, np.float32)
    for axis in (0, 1, 2, 0, 1, 2):
        noise = convolve1d(noise, box, axis=axis, mode="constant", cval=0)
    axes = [np.linspace(a - granularity, a + granularity * (n - 2), n) for a, n in zip(low, shape)]
    field = RegularGridInterpolator(axes, noise.astype(np.float64), bounds_error=False, fill_value=0)
    return points + field(points) * magnitude


def distort_twice(points: np.ndarray, augment: Augmentation, draw: Draws) -> np.ndarray:
    """Return float64 [N, 3]: with the probability `augment.elastic` distorted in two passes."""
    points = np.asarray(points)
    if augment.elastic and draw.python.random() < augment.elastic:
        for granularity, magnitude in ELASTIC:
            points = distort(points, granularity, magnitude, draw.numpy)
    return points.astype(np.float64)


class Similarity(NamedTuple):
    """Map from metres to voxels: a column vector becomes turn @ scale @ (x, y, z, 1)."""

    scale: np.ndarray  # float64 [4, 4] `M_v`
    turn: np.ndarray  # float64 [4, 4] `M_r`


def similarity(
    voxel_size: float, augment: Augmentation | None = None, rng: np.random.RandomState | None = None
) -> Similarity:
    """Return the `Similarity` of a cloud: 1 / voxel_size alone, or with `augment` and `rng` a random one.

    Draws: the angles about x, y and z, the order of the three rotations, the scale (docs/systems/lground.md §2.5,
    step 3).
    """
    if not voxel_size > 0:
        raise InputError(f"voxel size: expected metres above 0, got {voxel_size}")
    factor, turn = 1 / voxel_size, np.eye(4)
    if augment is not None and rng is not None:
        limits = (augment.tilt, augment.tilt, augment.turn)
        rotations = [_rotation(axis, rng.uniform(-limit, limit)) for axis, limit in enumerate(limits)]
        rng.shuffle(rotations)
        turn[:3, :3] = rotations[0] @ rotations[1] @ rotations[2]
        factor = factor * rng.uniform(*augment.scale)
    return Similarity(np.diag([factor, factor, factor, 1.0]), turn)


def _rotation(axis: int, angle: float) -> np.ndarray:
    """Return float64 [3, 3]: the matrix that turns column vectors by `angle` radians about an axis."""
    c, s = np.cos(angle), np.sin(angle)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
    return matrix


def voxelise(cloud: Cloud, matrix: np.ndarray, *, conflicts: str = "first", compat: bool = False) -> Voxels:
    """Return the voxels floor(matrix · point) of a cloud, in order of first appearance.

    A voxel has the colour, label and instance of its first point. With `conflicts="ignore"` a voxel of points with
    different labels is ignored instead, as instance segmentation does it; `compat` then blanks the wrong voxels like
    the published engine (docs/systems/lground.md §7.6). Raises InputError for points that are not finite.

    Source: docs/systems/lground.md §2.5, step 3.
    """
    if conflicts not in ("first", "ignore"):
        raise InputError(f"label conflicts: expected 'first' or 'ignore', got {conflicts!r}")
    if not np.isfinite(cloud.points).all():
        raise InputError("points: expected finite coordinates, got NaN or infinity; drop those points first")
    places = moved(cloud.points, matrix)
    found = sparse_quantize(places, labels=cloud.labels if conflicts == "ignore" else None, compat=compat)
    first = found.unique_map
    labels, instances = cloud.labels[first], cloud.instances[first]
    if found.labels is not None:
        labels = found.labels.astype(np.int64)
        instances = np.where(labels == NONE, NONE, instances)
    colors = cloud.colors[first].astype(np.float32)
    return Voxels(found.cells.astype(np.int64), colors, labels, instances, found.inverse_map)


def drop_out(voxels: Voxels, share: float, draw: Draws) -> Voxels:
    """Return the voxels, with the probability `share` only a random share 1 - `share` of them, in random order."""
    if not share or not draw.python.random() < share:
        return voxels
    return voxels.take(draw.numpy.choice(len(voxels), int(len(voxels) * (1 - share)), replace=False))


def flip(cells: np.ndarray, probability: float, source: random.Random) -> np.ndarray:
    """Return int64 [V, 3]: with `probability` mirrored in x and in y, each with probability 1/2.

    Source: docs/systems/lground.md §2.5, step 4.
    """
    if not probability or not source.random() < probability:
        return cells
    cells = cells.copy()
    for axis in (0, 1):
        if source.random() < 0.5 and len(cells):
            cells[:, axis] = cells[:, axis].max() - cells[:, axis]
    return cells


def auto_contrast(colors: np.ndarray, probability: float, source: random.Random) -> np.ndarray:
    """Return float32 [V, 3]: with `probability` blended with each channel stretched to 0..255.

    A channel of one value stays as it is.

    Source: docs/systems/lground.md §2.5, step 5.
    """
    if not probability or not source.random() < probability or len(colors) == 0:
        return colors
    low, high = colors.min(axis=0, keepdims=True), colors.max(axis=0, keepdims=True)
    span = high - low
    stretched = np.where(span > 0, (colors - low) * (255 / np.where(span > 0, span, 1)), colors)
    weight = source.random()
    return ((1 - weight) * colors + weight * stretched).astype(np.float32)


def translate_colors(colors: np.ndarray, probability: float, ratio: float, draw: Draws) -> np.ndarray:
    """Return float32 [V, 3]: with `probability` each channel shifted by U(-ratio, ratio) · 255.

    Source: docs/systems/lground.md §2.5, step 6.
    """
    if not probability or not draw.python.random() < probability:
        return colors
    shift = (draw.numpy.rand(1, 3) - 0.5) * 255 * 2 * ratio
    return np.clip(shift + colors, 0, 255).astype(np.float32)


def jitter_colors(colors: np.ndarray, probability: float, std: float, draw: Draws) -> np.ndarray:
    """Return float32 [V, 3]: with `probability` noise N(0, (255 · std)²) on every number.

    Source: docs/systems/lground.md §2.5, step 7.
    """
    if not probability or not draw.python.random() < probability:
        return colors
    return np.clip(draw.numpy.randn(len(colors), 3) * std * 255 + colors, 0, 255).astype(np.float32)


def shift_hue(colors: np.ndarray, hue: float, saturation: float, rng: np.random.RandomState) -> np.ndarray:
    """Return float32 [V, 3]: the hue plus U(-hue, hue) turns, the saturation times 1 + U(-saturation, saturation)."""
    if not hue and not saturation:
        return colors
    hsv = rgb_to_hsv(colors)
    hsv[:, 0] = (hsv[:, 0] + (rng.rand() - 0.5) * 2 * hue) % 1
    hsv[:, 1] = np.clip(hsv[:, 1] * (1 + (rng.rand() - 0.5) * 2 * saturation), 0, 1)
    return np.clip(_hsv_to_rgb(hsv), 0, 255).astype(np.float32)


def recolour(colors: np.ndarray, augment: Augmentation, draw: Draws) -> np.ndarray:
    """Return float32 [V, 3]: all colour changes in their order."""
    colors = auto_contrast(colors, augment.contrast, draw.python)
    colors = translate_colors(colors, augment.translation, augment.translation_ratio, draw)
    colors = jitter_colors(colors, augment.jitter, augment.jitter_std, draw)
    return shift_hue(colors, augment.hue, augment.saturation, draw.numpy)


def vary(voxels: Voxels, augment: Augmentation, draw: Draws) -> Voxels:
    """Return the voxels after what is done to voxels: dropout, flips, colours.

    Source: docs/systems/lground.md §2.5, steps 4-7.
    """
    voxels = drop_out(voxels, augment.dropout, draw)
    cells = flip(voxels.cells, augment.flip, draw.python)
    return replace(voxels, cells=cells, colors=recolour(voxels.colors, augment, draw))


def rgb_to_hsv(rgb: np.ndarray) -> np.ndarray:
    """Return float64 [N, 3]: hue and saturation in 0..1, value in the scale of `rgb`, of colours [N, 3]."""
    rgb = np.asarray(rgb, dtype=np.float64)
    r, g, b = rgb.T
    high, low = rgb.max(axis=1), rgb.min(axis=1)
    span = high - low
    some = np.where(span > 0, span, 1)
    hue = np.where(high == r, (g - b) / some, np.where(high == g, 2 + (b - r) / some, 4 + (r - g) / some))
    return np.stack([np.where(span > 0, hue / 6 % 1, 0), span / np.where(high > 0, high, 1), high], axis=1)


def hsv_to_rgb(hsv: np.ndarray) -> np.ndarray:
    """Return uint8 [N, 3]: colours 0..255 of hue and saturation 0..1 and value 0..255; decimals are cut off."""
    return _hsv_to_rgb(hsv).astype(np.uint8)


def _hsv_to_rgb(hsv: np.ndarray) -> np.ndarray:
    """Return float64 [N, 3] in the scale of the value."""
    h, s, v = np.asarray(hsv, dtype=np.float64).T
    sector = (h * 6).astype(np.uint8)
    part = h * 6 - sector
    p, q, t = v * (1 - s), v * (1 - s * part), v * (1 - s * (1 - part))
    choices: Sequence[Sequence[np.ndarray]] = ((v, t, p), (q, v, p), (p, v, t), (p, q, v), (t, p, v), (v, p, q))
    return np.stack([np.choose(sector % 6, [c[i] for c in choices]) for i in range(3)], axis=1)
