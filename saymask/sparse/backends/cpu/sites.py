"""Sites and kernel maps of the CPU backend: torch tensors in and out, numba in between."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from saymask.sparse.backends.cpu import maps as cpu_maps
from saymask.sparse.kernel_map import KernelMap, Pairs
from saymask.sparse.keys import check_coords, check_range
from saymask.util.threads import split_work


def sort_sites(coords: Tensor) -> tuple[Tensor, Tensor, bool]:
    """Return (sorted keys int64 [V], input row of each, whether all are different); same as `reference.sort_sites`."""
    check_coords(coords)
    if not len(coords):
        return torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64), True
    keys = np.empty(len(coords), np.int64)
    low, high, first, last, state = cpu_maps.pack(coords.contiguous().numpy(), keys)
    check_range(int(low), int(high), int(first), int(last))
    if state:
        return torch.from_numpy(keys), torch.arange(len(keys)), state == 2
    order = np.argsort(keys)
    keys = keys[order]
    return torch.from_numpy(keys), torch.from_numpy(order), bool((keys[1:] != keys[:-1]).all())


def coarsen(keys: Tensor, limit: tuple[int, int, int] | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return (coarse keys, parent int32 [V], tap uint8 [V]); same as `reference.coarsen`."""
    parent, tap = np.empty(len(keys), np.int32), np.empty(len(keys), np.uint8)
    coarse = np.empty(len(keys), np.int64)
    count = cpu_maps.coarsen(keys.numpy(), *(limit or (-1, -1, -1)), parent, tap, coarse)
    return torch.from_numpy(coarse[:count].copy()), torch.from_numpy(parent), torch.from_numpy(tap)


def map_from_parents(parent: Tensor, tap: Tensor, n_coarse: int) -> KernelMap:
    """Return the map of a 2³ stride-2 convolution; same as `reference.map_from_parents`."""
    counts = np.zeros(8, np.int64)
    cpu_maps.count_taps(parent.numpy(), tap.numpy(), counts)
    in_rows, out_rows = (np.empty(int(counts.sum()), np.int32) for _ in range(2))
    cpu_maps.group_by_tap(parent.numpy(), tap.numpy(), counts, in_rows, out_rows)
    starts = tuple(int(s) for s in np.concatenate([[0], np.cumsum(counts)]))
    return KernelMap(Pairs(torch.from_numpy(in_rows), torch.from_numpy(out_rows), starts), len(parent), n_coarse)


def build_map(in_keys: Tensor, out_keys: Tensor, steps: Sequence[int], *, symmetric: bool = False) -> KernelMap:
    """Return the map of sorted keys; same as `reference.build_map`.

    Steps come in columns of `size` equally spaced z offsets; a column is one merge. With `symmetric` only the first
    half is merged: under the mirrored offset the same pairs meet with their sides swapped.
    """
    size = round(len(steps) ** (1 / 3))
    stride = steps[1] - steps[0] if len(steps) > 1 else 1
    fast = symmetric and size == 3 and stride == 1
    columns = range(0, len(steps), size)
    if symmetric:
        columns = range(0, len(steps) // 2 + 1, size)
    capacity = min(len(in_keys), len(out_keys))
    found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    ins, outs = in_keys.numpy(), out_keys.numpy()

    def merge(first: int, last: int) -> None:
        for column in columns[first:last]:
            in_rows, out_rows = (np.empty((size, capacity), np.int32) for _ in range(2))  # memory is taken when touched
            counts = np.zeros(size, np.int64)
            if fast:
                cpu_maps.merge_three(ins, steps[column] + 1, in_rows, out_rows, counts)
            else:
                cpu_maps.merge_columns(ins, outs, steps[column], 0, stride, size, in_rows, out_rows, counts)
            for t in range(size):
                found[column + t] = in_rows[t, : counts[t]], out_rows[t, : counts[t]]

    split_work(len(columns), merge) if capacity > 10_000 else merge(0, len(columns))
    lists = []
    for k in range(len(steps)):
        if symmetric and k > len(steps) // 2:
            lists.append(found[len(steps) - 1 - k][::-1])
        else:
            lists.append(found[k])
    starts = tuple(int(s) for s in np.concatenate([[0], np.cumsum([len(a) for a, _ in lists])]))
    all_in, all_out = (np.empty(starts[-1], np.int32) for _ in range(2))
    np.concatenate([a for a, _ in lists], out=all_in)
    np.concatenate([b for _, b in lists], out=all_out)
    pairs = Pairs(torch.from_numpy(all_in), torch.from_numpy(all_out), starts)
    return KernelMap(pairs, len(in_keys), len(out_keys), symmetric)


def block_starts(kernel_map: KernelMap, rows: int) -> np.ndarray:
    """Return int64 [K, B + 1]: the first pair of each block of `rows` output rows, per offset; kept with the map."""
    key = ("blocks", rows)
    if key not in kernel_map.cache:
        starts = np.asarray(kernel_map.starts, dtype=np.int64)
        result = np.empty((len(starts) - 1, -(-kernel_map.n_out // rows) + 1), np.int64)
        cpu_maps.block_starts(kernel_map.out_rows.numpy(), starts, rows, result)
        kernel_map.cache[key] = result
    return kernel_map.cache[key]
