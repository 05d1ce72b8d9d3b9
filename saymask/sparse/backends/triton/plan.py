"""Plans of the implicit GEMM: which offsets a tile of output rows has to go through, and which tiles an offset has."""

from typing import NamedTuple

import torch
from torch import Tensor

from saymask.sparse.kernel_map import KernelMap

_BITS = 62
"""Offsets that the key of the sort tells apart."""


class Plan(NamedTuple):
    """A map's rows sorted by the offsets they have, so that a tile shares few, and what each tile and offset has."""

    order: Tensor  # int32 [n_out]: output row at each place of the sort
    table: Tensor  # int32 [K, n_out]: input row at each place, -1 where there is none
    offsets: Tensor  # int32 [tiles, K]: offsets of a tile first
    offset_counts: Tensor  # int32 [tiles]
    tiles: Tensor  # int32 [K, tiles]: tiles of an offset first
    tile_counts: Tensor  # int32 [K]


def plan_of(kernel_map: KernelMap, rows: int) -> Plan:
    """Return the plan for tiles of `rows` output rows; kept with the map, made without waiting for the device."""
    if ("plan", rows) not in kernel_map.cache:
        if "sorted" not in kernel_map.cache:
            kernel_map.cache["sorted"] = _sorted(kernel_map)
        order, table = kernel_map.cache["sorted"]
        spare = -table.shape[1] % rows
        present = torch.nn.functional.pad(table >= 0, (0, spare)).view(len(table), -1, rows).any(2)  # [K, tiles]
        kernel_map.cache["plan", rows] = Plan(order, table, *_first(present.T), *_first(present))
    return kernel_map.cache["plan", rows]


def _sorted(kernel_map: KernelMap) -> tuple[Tensor, Tensor]:
    """Return (order, table): rows with the same offsets side by side, in key order among themselves."""
    table = kernel_map.table.T
    bits = 1 << (torch.arange(len(table), device=table.device) % _BITS)
    order = torch.argsort(((table >= 0) * bits[:, None]).sum(0), stable=True)
    return order.to(torch.int32), table[:, order].contiguous()


def _first(present: Tensor) -> tuple[Tensor, Tensor]:
    """Return (columns of each row, the present ones first and ascending, int32; their number, int32)."""
    columns = torch.argsort((~present).to(torch.uint8), dim=1, stable=True)
    return columns.to(torch.int32).contiguous(), present.sum(1, dtype=torch.int32)
