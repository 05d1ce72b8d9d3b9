"""The occupied voxels of a batch on all levels of a U-Net, with their kernel maps: built once, used by every layer."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from saymask.errors import InputError
from saymask.sparse.backends.select import backend_for
from saymask.sparse.kernel_map import KernelMap
from saymask.sparse.keys import FIELD_BITS, unpack_keys
from saymask.sparse.maps import build_map, map_from_parents

SMALLEST_EXTENT = 128
"""Smallest spatial extent of the official U-Net, in voxels (docs/systems/less.md §A.3)."""


@dataclass(frozen=True, eq=False)
class Level:
    """The sites of one level in key order, and (except on the coarsest level) how they fall into the next level."""

    keys: Tensor  # int64 [V], sorted
    parent: Tensor | None = None  # int32 [V]: row of the next level, -1 where dropped (odd-extent rule)
    tap: Tensor | None = None  # uint8 [V]: 4 (x mod 2) + 2 (y mod 2) + (z mod 2)
    n_coarse: int = 0
    spatial_shape: tuple[int, int, int] | None = None
    _cache: dict = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def coords(self) -> Tensor:
        """Coordinates int32 [V, 4] (batch, x, y, z) in units of this level's cells."""
        if "coords" not in self._cache:
            self._cache["coords"] = unpack_keys(self.keys)
        return self._cache["coords"]

    @property
    def batch(self) -> Tensor:
        """Scene index int64 [V] of every site, ascending: each scene's rows are contiguous."""
        return self.keys >> (3 * FIELD_BITS)

    def kernel_map(self, size: int = 3) -> KernelMap:
        """Map of the submanifold convolution of odd size `size`³ (cached)."""
        if size % 2 == 0:
            raise InputError(f"a submanifold convolution needs an odd kernel size, got {size}")
        if ("subm", size) not in self._cache:
            self._cache["subm", size] = build_map(self.keys, self.keys, size)
        return self._cache["subm", size]

    @property
    def neighbours(self) -> Tensor:
        """Neighbour table int32 [V, 27] of the 3³ kernel, -1 where there is no site (x slowest, z fastest)."""
        return self.kernel_map(3).table

    @property
    def down(self) -> KernelMap:
        """Map of the 2³ stride-2 convolution to the next level; its `transposed` is the inverse convolution's map."""
        if self.parent is None or self.tap is None:
            raise InputError("this is the coarsest level of the pyramid: build the sites with more levels")
        if "down" not in self._cache:
            self._cache["down"] = map_from_parents(self.parent, self.tap, self.n_coarse)
        return self._cache["down"]

    @property
    def up(self) -> KernelMap:
        """Map of the 2³ inverse convolution from the next level back to exactly these sites."""
        return self.down.transposed

    def to(self, device: torch.device | str) -> "Level":
        """Return the level on `device`, with the kernel maps that are already built."""
        if self.keys.device == torch.device(device):
            return self
        moved = Level(
            self.keys.to(device),
            None if self.parent is None else self.parent.to(device),
            None if self.tap is None else self.tap.to(device),
            self.n_coarse,
            self.spatial_shape,
        )
        moved._cache.update({k: v.to(device) for k, v in self._cache.items()})
        return moved


@dataclass(frozen=True, eq=False)
class SitePyramid:
    """All levels of one batch. Features live in key order: `feats[pyramid.order]` brings input rows into it."""

    levels: tuple[Level, ...]
    order: Tensor  # int64 [V]: input row of each sorted row

    def __len__(self) -> int:
        """Number of sites of the finest level."""
        return len(self.levels[0])

    @property
    def inverse(self) -> Tensor:
        """Sorted row of each input row, int64 [V]: `feats_sorted[pyramid.inverse]` is back in input order."""
        inverse = torch.empty_like(self.order)
        inverse[self.order] = torch.arange(len(self.order), device=self.order.device)
        return inverse

    @property
    def device(self) -> torch.device:
        """Device of the sites."""
        return self.order.device

    @property
    def batch(self) -> Tensor:
        """Scene index int64 [V] of every finest site, ascending: each scene's rows are contiguous."""
        return self.levels[0].batch

    def build_maps(self, size: int = 3) -> "SitePyramid":
        """Build every kernel map of a U-Net now rather than at first use; returns self."""
        for level in self.levels:
            level.kernel_map(size)
            if level.parent is not None:
                _ = level.down
        return self

    def to(self, device: torch.device | str) -> "SitePyramid":
        """Return the pyramid on `device`, with the kernel maps that are already built."""
        if self.device == torch.device(device):
            return self
        return SitePyramid(tuple(level.to(device) for level in self.levels), self.order.to(device))

    def repeat(self, n: int) -> "SitePyramid":
        """Return n copies of the batch as one batch of n times as many scenes (copy c: scenes c·B .. c·B + B - 1)."""
        return concatenate([self] * n)


def build_sites(
    coords: Tensor,  # int [V, 4] (batch, x, y, z), unique rows in any order
    levels: int = 5,
    spatial_shape: Sequence[int] | None = None,
) -> SitePyramid:
    """Sort the sites and derive the coarser levels (each cell halved with a true floor, negatives included).

    `spatial_shape` (x, y, z) applies the official odd-extent rule (docs/systems/less.md §A.3): a coarse cell exists
    only below floor(extent / 2), so on an odd extent the last plane of sites has no coarse cell; every coordinate must
    then lie in 0..extent - 1. Without it (the default) every site is kept.

    Raises InputError for coordinates that are no integers, out of range or not unique.
    """
    if levels < 1:
        raise InputError(f"expected at least one level, got {levels}")
    backend = backend_for(coords)
    keys, order, unique = backend.sort_sites(coords)
    if not unique:
        raise InputError("site coordinates are not unique: merge the points of a voxel first (geometry.voxelize)")
    shape = None
    if spatial_shape is not None:
        shape = _checked_shape(coords, spatial_shape)
    built = []
    for index in range(levels):
        if index == levels - 1:
            built.append(Level(keys, spatial_shape=shape))
            break
        coarse_shape = None if shape is None else (shape[0] // 2, shape[1] // 2, shape[2] // 2)
        coarse, parent, tap = backend.coarsen(keys, coarse_shape)
        built.append(Level(keys, parent, tap, len(coarse), shape))
        keys, shape = coarse, coarse_shape
    return SitePyramid(tuple(built), order)


def official_extent(coords: Tensor) -> list[int]:
    """Return the `spatial_shape` [x, y, z] that the official code gives sites int [V, 4] (batch, x, y, z), V > 0."""
    return (coords[:, 1:].amax(0) + 1).clamp(min=SMALLEST_EXTENT).tolist()


def concatenate(pyramids: Sequence[SitePyramid]) -> SitePyramid:
    """Return one pyramid with the scenes of all `pyramids`, numbered on; rows of the first come first on every level.

    The batch of each part counts as its largest scene index + 1. Parts need the same number of levels.
    """
    if not pyramids or len({len(p.levels) for p in pyramids}) != 1:
        raise InputError("expected at least one pyramid, all with the same number of levels")
    shift, shifts = 0, []
    for part in pyramids:
        shifts.append(shift << (3 * FIELD_BITS))
        shift += int(part.batch[-1]) + 1 if len(part) else 0
    levels = []
    for parts in zip(*(p.levels for p in pyramids)):
        keys = torch.cat([level.keys + s for level, s in zip(parts, shifts)])
        shapes = {level.spatial_shape for level in parts}
        shape = shapes.pop() if len(shapes) == 1 else None
        if parts[0].parent is None:
            levels.append(Level(keys, spatial_shape=shape))
            continue
        parent, start = [], 0
        for level in parts:
            parent.append(torch.where(level.parent >= 0, level.parent + start, level.parent))
            start += level.n_coarse
        levels.append(Level(keys, torch.cat(parent), torch.cat([level.tap for level in parts]), start, shape))
    order, start = [], 0
    for part in pyramids:
        order.append(part.order + start)
        start += len(part.order)
    return SitePyramid(tuple(levels), torch.cat(order))


def _checked_shape(coords: Tensor, spatial_shape: Sequence[int]) -> tuple[int, int, int]:
    shape = tuple(int(s) for s in spatial_shape)
    if len(shape) != 3:
        raise InputError(f"expected a spatial shape (x, y, z), got {shape}")
    if len(coords):
        low, high = coords[:, 1:].amin(0).tolist(), coords[:, 1:].amax(0).tolist()
        if min(low) < 0 or any(h >= s for h, s in zip(high, shape)):
            raise InputError(f"expected coordinates within 0..{shape} (spatial_shape), got {low}..{high}")
    return shape  # type: ignore[return-value]
