"""Sites and kernel maps of the Triton backend: a pyramid of L levels waits for the device L times, its maps never."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from saymask.sparse.backends.reference import halve, within
from saymask.sparse.backends.triton import kernels
from saymask.sparse.kernel_map import KernelMap, Tables
from saymask.sparse.keys import bounds, check_coords, check_range, pack_unchecked

_KERNELS: Any = kernels  # whose types are those of the compiled code
_BLOCK = 128
_LAST = torch.iinfo(torch.int64).max


def sort_sites(coords: Tensor) -> tuple[Tensor, Tensor, bool]:
    """Return (sorted keys int64 [V], input row of each, whether all are different); same as `reference.sort_sites`."""
    check_coords(coords)
    wide = coords.to(torch.int64)
    keys, order = torch.sort(pack_unchecked(wide))
    if not len(keys):
        return keys, order, True
    *limits, repeated = torch.cat([bounds(wide), (keys[1:] == keys[:-1]).any()[None]]).tolist()
    check_range(*limits)
    return keys, order, not repeated


def coarsen(keys: Tensor, limit: tuple[int, int, int] | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return (coarse keys, parent int32 [V], tap uint8 [V]); same as `reference.coarsen`."""
    halved, tap = halve(keys)
    if not len(keys):
        return halved, torch.empty(0, dtype=torch.int32, device=keys.device), tap
    if limit is not None:  # cells that are not created come last
        halved = torch.where(within(halved, limit), halved, _LAST)
    cells, rows = torch.sort(halved)
    new = torch.cat([cells.new_ones(1, dtype=torch.bool), cells[1:] != cells[:-1]]) & (cells != _LAST)
    numbers = new.cumsum(0) - 1
    parent = torch.empty_like(keys, dtype=torch.int32)
    parent[rows] = torch.where(cells != _LAST, numbers, -1).to(torch.int32)
    coarse = cells.new_empty(len(cells) + 1)
    coarse[torch.where(new, numbers, len(cells))] = cells  # all but the first of each cell end in the spare place
    return coarse[: int(numbers[-1]) + 1].clone(), parent, tap


def map_from_parents(parent: Tensor, tap: Tensor, n_coarse: int) -> KernelMap:
    """Return the map of a 2³ stride-2 convolution; same as `reference.map_from_parents`."""
    rows = torch.arange(len(parent), dtype=torch.int32, device=parent.device)
    taps = tap.long()
    below = torch.full((8, n_coarse + 1), -1, dtype=torch.int32, device=parent.device)
    below[taps, torch.where(parent >= 0, parent, n_coarse).long()] = rows  # without a parent: in the spare column
    above = torch.full((8, len(parent)), -1, dtype=torch.int32, device=parent.device)
    above[taps, rows.long()] = parent
    return KernelMap(Tables(below[:, :n_coarse].T, above.T), len(parent), n_coarse)


def build_map(in_keys: Tensor, out_keys: Tensor, steps: Sequence[int], *, symmetric: bool = False) -> KernelMap:
    """Return the map of sorted keys; same as `reference.build_map`."""
    forward = _table(in_keys, out_keys, steps)
    back = None if symmetric else _table(out_keys, in_keys, [-step for step in steps][::-1]).flip(0)
    return KernelMap(Tables(forward.T, None if back is None else back.T), len(in_keys), len(out_keys), symmetric)


def _table(in_keys: Tensor, out_keys: Tensor, steps: Sequence[int]) -> Tensor:
    """Return int32 [K, n_out]: the row of in_keys that holds out_keys[j] + steps[k], or -1.

    Steps are a cube's in row-major order. They go to the device as arguments: a tensor made here would be waited for.
    """
    side = round(len(steps) ** (1 / 3))
    along = [steps[n] - steps[0] for n in (side * side, side, 1)] if side > 1 else [0, 0, 0]
    table = torch.empty((len(steps), len(out_keys)), dtype=torch.int32, device=out_keys.device)
    if len(out_keys):
        with torch.cuda.device_of(out_keys):
            _KERNELS.neighbours[(-(-len(out_keys) // _BLOCK),)](
                in_keys, out_keys, table, len(in_keys), len(out_keys), steps[0], *along,
                SIDE=side, RUN=side if along[2] == 1 else 1, HALVINGS=max(1, len(in_keys).bit_length()), BLOCK=_BLOCK,
            )  # fmt: skip
    return table
