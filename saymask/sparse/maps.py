"""Kernel maps: which input row meets which output row under each kernel offset."""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

import numpy as np
import torch
from torch import Tensor

from saymask.errors import InputError
from saymask.sparse.keys import MARGIN, key_step


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
    _cache: dict = field(default_factory=dict, repr=False)

    @property
    def volume(self) -> int:
        """Number of kernel offsets K."""
        return len(self.starts) - 1

    @property
    def transposed(self) -> "KernelMap":
        """The map of the transposed convolution (inputs and outputs swapped), same offsets."""
        if "transposed" not in self._cache:
            swapped = KernelMap(self.out_rows, self.in_rows, self.starts, self.n_out, self.n_in)
            swapped._cache["transposed"] = self
            self._cache["transposed"] = swapped
        return self._cache["transposed"]

    @cached_property
    def table(self) -> Tensor:
        """Dense neighbour table int32 [n_out, K]: input row under each offset, -1 where there is none."""
        table = torch.full((self.n_out, self.volume), -1, dtype=torch.int32, device=self.in_rows.device)
        for k in range(self.volume):
            pairs = slice(self.starts[k], self.starts[k + 1])
            table[self.out_rows[pairs].long(), k] = self.in_rows[pairs]
        return table

    def block_starts(self, rows: int) -> np.ndarray:
        """Return int64 [K, B + 1]: the first pair of each block of `rows` output rows, per offset (CPU, cached)."""
        key = ("blocks", rows)
        if key not in self._cache:
            from saymask.sparse.backends.cpu.sites import block_starts

            self._cache[key] = block_starts(self.out_rows, self.starts, rows, self.n_out)
        return self._cache[key]

    def to(self, device: torch.device | str) -> "KernelMap":
        """Return the same map with its row lists on `device`."""
        if self.in_rows.device == torch.device(device):
            return self
        return KernelMap(self.in_rows.to(device), self.out_rows.to(device), self.starts, self.n_in, self.n_out)

    def offset_pairs(self, k: int) -> tuple[Tensor, Tensor]:
        """Return (input rows, output rows) int32 of kernel offset k."""
        pairs = slice(self.starts[k], self.starts[k + 1])
        return self.in_rows[pairs], self.out_rows[pairs]


def kernel_offsets(size: int, *, step: int = 1) -> list[tuple[int, int, int]]:
    """Return the K = size³ offsets (x, y, z) in the order of canonical weights: x slowest, z fastest.

    Odd sizes are centred, even sizes run from 0 upwards (specs of spconv and MinkowskiEngine alike); `step` is tensor
    stride × dilation.
    """
    if size < 1 or step < 1:
        raise InputError(f"expected a kernel size and step of at least 1, got {size} and {step}")
    first = -(size // 2) if size % 2 else 0
    axis = [(first + i) * step for i in range(size)]
    if max(abs(a) for a in axis) >= MARGIN:
        raise InputError(f"kernel size {size} with step {step} reaches farther than {MARGIN - 1} sites")
    return list(product(axis, axis, axis))


def build_map(in_keys: Tensor, out_keys: Tensor, size: int, *, step: int = 1, backend: str = "auto") -> KernelMap:
    """Return the map of a convolution: output site c sees input site c + o under every kernel offset o.

    in_keys int64 [V_in] and out_keys int64 [V_out] are sorted site keys on one lattice: for a strided convolution give
    the output sites in input units. `step` multiplies the offsets. A transposed convolution from A to B is the
    `transposed` of the map built with inputs B and outputs A.
    """
    from saymask.sparse.backends.select import backend_for

    steps = [key_step(offset) for offset in kernel_offsets(size, step=step)]
    same = in_keys is out_keys and size % 2 == 1
    in_rows, out_rows, starts = backend_for(in_keys, backend).build_pairs(in_keys, out_keys, steps, symmetric=same)
    return KernelMap(in_rows, out_rows, starts, len(in_keys), len(out_keys))


def map_from_parents(parent: Tensor, tap: Tensor, n_coarse: int) -> KernelMap:
    """Return the map of a stride-2, size-2 convolution from each fine row's coarse row and tap.

    parent: int32 [V], -1 where a fine site has no coarse site; tap: uint8 [V], 4 (x mod 2) + 2 (y mod 2) + (z mod 2).
    """
    from saymask.sparse.backends.select import backend_for

    in_rows, out_rows, starts = backend_for(parent).pairs_by_tap(parent, tap)
    return KernelMap(in_rows, out_rows, starts, len(parent), n_coarse)
