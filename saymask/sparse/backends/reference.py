"""The reference backend: plain torch operations, any device, any floating dtype. Other backends must agree."""

from collections.abc import Sequence

import torch
from torch import Tensor

from saymask.sparse.kernel_map import KernelMap
from saymask.sparse.keys import BIAS, FIELD_BITS, FIELD_MASK, pack_keys, unpack_keys


def sort_sites(coords: Tensor) -> tuple[Tensor, Tensor, bool]:
    """Return (sorted keys int64 [V], input row of each int64 [V], whether all are different) of coords [V, 4]."""
    keys, order = torch.sort(pack_keys(coords))
    return keys, order, not bool((keys[1:] == keys[:-1]).any())


def coarsen(keys: Tensor, limit: tuple[int, int, int] | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return (coarse keys, parent int32 [V], tap uint8 [V]) of sorted keys: every cell halved with a true floor.

    A coarse cell at or beyond `limit` (x, y, z) on any axis is not created; its sites get parent -1.
    """
    x, y, z = ((keys >> (shift * FIELD_BITS)) & FIELD_MASK for shift in (2, 1, 0))
    tap = ((x & 1) * 4 + (y & 1) * 2 + (z & 1)).to(torch.uint8)
    halved = keys >> (3 * FIELD_BITS)
    for axis in (x, y, z):  # the bias is even: it halves to BIAS / 2 and is topped up again
        halved = (halved << FIELD_BITS) | ((axis >> 1) + BIAS // 2)
    kept = torch.ones_like(halved, dtype=torch.bool)
    if limit is not None:
        kept = (unpack_keys(halved)[:, 1:] < torch.tensor(limit, device=keys.device)).all(dim=1)
    coarse, inverse = torch.unique(halved[kept], return_inverse=True)
    parent = torch.full((len(keys),), -1, dtype=torch.int32, device=keys.device)
    parent[kept] = inverse.to(torch.int32)
    return coarse, parent, tap


def pairs_by_tap(parent: Tensor, tap: Tensor) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Return (in_rows, out_rows, starts) of a 2³ stride-2 convolution: kept fine rows and parents, grouped by tap."""
    kept = torch.nonzero(parent >= 0).squeeze(1)
    order = torch.argsort(tap[kept], stable=True)  # fine rows stay ascending within a tap, and so do their parents
    fine = kept[order]
    counts = torch.bincount(tap[kept].long(), minlength=8)
    starts = (0, *torch.cumsum(counts, 0).tolist())
    return fine.to(torch.int32), parent[fine].contiguous(), starts


def build_pairs(
    in_keys: Tensor, out_keys: Tensor, steps: Sequence[int], *, symmetric: bool = False
) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Return (in_rows, out_rows, starts): for each key step, the rows with in_keys[i] == out_keys[j] + step.

    `symmetric` says that both sides are the same sites and the steps mirror each other, a hint that is not needed here.
    """
    in_rows, out_rows, starts = [], [], [0]
    for step in steps:
        wanted = out_keys + step
        at = torch.searchsorted(in_keys, wanted)
        found = torch.zeros_like(wanted, dtype=torch.bool)
        inside = at < len(in_keys)
        found[inside] = in_keys[at[inside]] == wanted[inside]
        out = torch.nonzero(found).squeeze(1)
        in_rows.append(at[out])
        out_rows.append(out)
        starts.append(starts[-1] + len(out))
    return torch.cat(in_rows).to(torch.int32), torch.cat(out_rows).to(torch.int32), tuple(starts)


def conv(x: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
    """Return y [n_out, C_out] with y[out] += x[in] @ weight[k] over all pairs of all offsets k."""
    y = x.new_zeros((kernel_map.n_out, weight.shape[2]))
    for k in range(kernel_map.volume):
        in_rows, out_rows = kernel_map.offset_pairs(k)
        if len(in_rows):
            y.index_add_(0, out_rows, x.index_select(0, in_rows) @ weight[k])
    return y


def weight_gradient(x: Tensor, grad: Tensor, kernel_map: KernelMap) -> Tensor:
    """Return d(loss)/d(weight) [K, C_in, C_out] from the inputs x and the output gradient grad [n_out, C_out]."""
    result = x.new_zeros((kernel_map.volume, x.shape[1], grad.shape[1]))
    for k in range(kernel_map.volume):
        in_rows, out_rows = kernel_map.offset_pairs(k)
        if len(in_rows):
            result[k] = x.index_select(0, in_rows).T @ grad.index_select(0, out_rows)
    return result
