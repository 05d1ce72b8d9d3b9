"""One sortable int64 key per site, so that neighbours, parents and duplicates are found by comparing integers.

Layout, high to low: batch 12 bits, x 17, y 17, z 17. Coordinates are biased by 2^16, hence -65536 < x, y, z < 65536
less a margin that keeps `site + kernel offset` from running into the next field.
"""

import torch
from torch import Tensor

from saymask.errors import InputError

FIELD_BITS = 17
BIAS = 1 << (FIELD_BITS - 1)
MARGIN = 512  # farthest kernel reach (offset × dilation × stride) that cannot cross into another field
MAX_BATCH = 1 << 12
FIELD_MASK = (1 << FIELD_BITS) - 1
AXIS_STEP = (1 << (2 * FIELD_BITS), 1 << FIELD_BITS, 1)  # key difference of one step along x, y, z


def check_coords(coords: Tensor) -> None:
    """Raise InputError unless coords is an integer tensor [V, 4]."""
    if coords.ndim != 2 or coords.shape[1] != 4 or coords.dtype.is_floating_point or coords.dtype == torch.bool:
        raise InputError(
            f"expected integer site coordinates [V, 4] (batch, x, y, z), got {coords.dtype} {list(coords.shape)}"
        )


def check_range(low: int, high: int, first: int, last: int) -> None:
    """Raise InputError unless coordinates low..high and batch indices first..last fit their key fields."""
    if low < MARGIN - BIAS or high >= BIAS - MARGIN:
        raise InputError(
            f"expected site coordinates within ±{BIAS - MARGIN}, got {low}..{high}: "
            "shift the scan to its own minimum or use a larger voxel size"
        )
    if first < 0 or last >= MAX_BATCH:
        raise InputError(f"expected batch indices 0..{MAX_BATCH - 1}, got {first}..{last}")


def pack_keys(coords: Tensor) -> Tensor:
    """Return int64 keys [V] of integer coords [V, 4] (batch, x, y, z); key order is batch-major, z-minor.

    Raises InputError when coords is not an integer [V, 4] tensor or leaves the range of the key fields.
    """
    check_coords(coords)
    wide = coords.to(torch.int64)
    if len(wide):
        check_range(*bounds(wide).tolist())
    return pack_unchecked(wide)


def bounds(coords: Tensor) -> Tensor:
    """Return the lowest and highest coordinate and batch index of int64 coords [V, 4], V > 0, as int64 [4]."""
    axes, batch = coords[:, 1:], coords[:, 0]
    return torch.stack([axes.amin(), axes.amax(), batch.amin(), batch.amax()])  # one transfer from a GPU


def pack_unchecked(coords: Tensor) -> Tensor:
    """Return the keys int64 [V] of int64 coords [V, 4] that are within their range."""
    x, y, z = (coords[:, axis] + BIAS for axis in (1, 2, 3))
    return (((coords[:, 0] << FIELD_BITS | x) << FIELD_BITS | y) << FIELD_BITS) | z


def unpack_keys(keys: Tensor) -> Tensor:
    """Return the int32 coords [V, 4] (batch, x, y, z) of int64 keys [V]."""
    batch = keys >> (3 * FIELD_BITS)
    axes = [((keys >> (shift * FIELD_BITS)) & FIELD_MASK) - BIAS for shift in (2, 1, 0)]
    return torch.stack([batch, *axes], dim=1).to(torch.int32)


def key_step(offset: tuple[int, int, int]) -> int:
    """Return the key difference of a step by `offset` (x, y, z) sites."""
    return sum(step * delta for step, delta in zip(AXIS_STEP, offset))
