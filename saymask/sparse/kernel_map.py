"""The kernel map as data: pairs of rows, grouped by kernel offset."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class KernelMap:
    """Pairs (input row, output row) of a sparse convolution, grouped by kernel offset.

    Offset k owns the pairs `starts[k]:starts[k + 1]`; both row lists increase strictly within an offset, because the
    rows of both sides are in key order. Weights are [K, C_in, C_out], K as built by `kernel_offsets`.
    """

    in_rows: Tensor  # int32 [P]
    out_rows: Tensor  # int32 [P]
    starts: tuple[int, ...]  # K + 1
    n_in: int
    n_out: int
    cache: dict[Any, Any] = field(default_factory=dict, repr=False)
    """Cache of what backends derive from the map."""

    @property
    def volume(self) -> int:
        """Number of kernel offsets K."""
        return len(self.starts) - 1

    @property
    def transposed(self) -> "KernelMap":
        """The map of the transposed convolution (inputs and outputs swapped), same offsets."""
        if "transposed" not in self.cache:
            swapped = KernelMap(self.out_rows, self.in_rows, self.starts, self.n_out, self.n_in)
            swapped.cache["transposed"] = self
            self.cache["transposed"] = swapped
        return self.cache["transposed"]

    @cached_property
    def table(self) -> Tensor:
        """Dense neighbour table int32 [n_out, K]: input row under each offset, -1 where there is none."""
        table = torch.full((self.n_out, self.volume), -1, dtype=torch.int32, device=self.in_rows.device)
        for k in range(self.volume):
            pairs = slice(self.starts[k], self.starts[k + 1])
            table[self.out_rows[pairs].long(), k] = self.in_rows[pairs]
        return table

    def to(self, device: torch.device | str) -> "KernelMap":
        """Return the same map with its row lists on `device`."""
        if self.in_rows.device == torch.device(device):
            return self
        return KernelMap(self.in_rows.to(device), self.out_rows.to(device), self.starts, self.n_in, self.n_out)

    def offset_pairs(self, k: int) -> tuple[Tensor, Tensor]:
        """Return (input rows, output rows) int32 of kernel offset k."""
        pairs = slice(self.starts[k], self.starts[k + 1])
        return self.in_rows[pairs], self.out_rows[pairs]
