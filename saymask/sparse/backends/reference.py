"""The reference backend: plain torch operations, any device, any floating dtype. Other backends must agree."""

from collections.abc import Sequence

import torch
from torch import Tensor

from saymask.sparse.kernel_map import KernelMap, Pairs
from saymask.sparse.keys import BIAS, FIELD_BITS, FIELD_MASK, pack_keys, unpack_keys


def sort_sites(coords: Tensor) -> tuple[Tensor, Tensor, bool]:
    """Return (sorted keys int64 [V], input row of each int64 [V], whether all are different) of coords [V, 4]."""
    keys, order = torch.sort(pack_keys(coords))
    return keys, order, not bool((keys[1:] == keys[:-1]).any())


def coarsen(keys: Tensor, limit: tuple[int, int, int] | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return (coarse keys, parent int32 [V], tap uint8 [V]) of sorted keys: every cell halved with a true floor.

    A coarse cell at or beyond `limit` (x, y, z) on any axis is not created; its sites get parent -1.
    """
    halved, tap = halve(keys)
    if limit is None:
        coarse, parent = torch.unique(halved, return_inverse=True)
        return coarse, parent.to(torch.int32), tap
    kept = within(halved, limit)
    coarse, inverse = torch.unique(halved[kept], return_inverse=True)
    parent = torch.full((len(keys),), -1, dtype=torch.int32, device=keys.device)
    parent[kept] = inverse.to(torch.int32)
    return coarse, parent, tap


def halve(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Return (key of the coarse cell int64 [V], tap uint8 [V]) of every site."""
    x, y, z = ((keys >> (shift * FIELD_BITS)) & FIELD_MASK for shift in (2, 1, 0))
    halved = keys >> (3 * FIELD_BITS)
    for axis in (x, y, z):  # the bias is even: it halves to BIAS / 2 and is topped up again
        halved = (halved << FIELD_BITS) | ((axis >> 1) + BIAS // 2)
    return halved, ((x & 1) * 4 + (y & 1) * 2 + (z & 1)).to(torch.uint8)


def within(keys: Tensor, limit: tuple[int, int, int]) -> Tensor:
    """Return bool [V]: which cells lie below `limit` (x, y, z) on every axis."""
    return (unpack_keys(keys)[:, 1:] < torch.tensor(limit, device=keys.device)).all(dim=1)


def map_from_parents(parent: Tensor, tap: Tensor, n_coarse: int) -> KernelMap:
    """Return the map of a 2³ stride-2 convolution: kept fine rows and their parents, grouped by tap."""
    kept = torch.nonzero(parent >= 0).squeeze(1)
    order = torch.argsort(tap[kept], stable=True)  # fine rows stay ascending within a tap, and so do their parents
    fine = kept[order]
    ends = torch.searchsorted(tap[fine].long(), torch.arange(8, device=parent.device), right=True)
    pairs = Pairs(fine.to(torch.int32), parent[fine].contiguous(), (0, *ends.tolist()))
    return KernelMap(pairs, len(parent), n_coarse)


def build_map(in_keys: Tensor, out_keys: Tensor, steps: Sequence[int], *, symmetric: bool = False) -> KernelMap:
    """Return the map with the rows where in_keys[i] == out_keys[j] + step, for each key step.

    `symmetric` says that both sides are the same sites and the steps mirror each other.
    """
    wanted = out_keys + torch.tensor(steps, device=out_keys.device)[:, None]  # [K, n_out]
    at = torch.searchsorted(in_keys, wanted)
    padded = torch.cat([in_keys, in_keys.new_full((1,), -1)])  # no key is negative
    offset, out_rows = (padded[at] == wanted).nonzero(as_tuple=True)
    in_rows = at[offset, out_rows].to(torch.int32)
    ends = torch.searchsorted(offset, torch.arange(len(steps), device=offset.device), right=True)
    pairs = Pairs(in_rows, out_rows.to(torch.int32), (0, *ends.tolist()))
    return KernelMap(pairs, len(in_keys), len(out_keys), symmetric)


def conv(x: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
    """Return y [n_out, C_out] with y[out] += x[in] @ weight[k] over all pairs of all offsets k."""
    y = x.new_zeros((kernel_map.n_out, weight.shape[2]))
    for k in range(kernel_map.volume):
        in_rows, out_rows = kernel_map.offset_pairs(k)
        if len(in_rows):
            y.index_add_(0, out_rows, x.index_select(0, in_rows) @ weight[k])
    return y


def input_gradient(grad: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
    """Return d(loss)/d(x) [n_in, C_in] from the output gradient grad [n_out, C_out]."""
    return conv(grad, weight.transpose(1, 2), kernel_map.transposed)


def weight_gradient(x: Tensor, grad: Tensor, kernel_map: KernelMap) -> Tensor:
    """Return d(loss)/d(weight) [K, C_in, C_out] from the inputs x and the output gradient grad [n_out, C_out]."""
    result = x.new_zeros((kernel_map.volume, x.shape[1], grad.shape[1]))
    for k in range(kernel_map.volume):
        in_rows, out_rows = kernel_map.offset_pairs(k)
        if len(in_rows):
            result[k] = x.index_select(0, in_rows).T @ grad.index_select(0, out_rows)
    return result
