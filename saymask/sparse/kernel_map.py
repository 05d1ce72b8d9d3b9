"""The kernel map as data: which input row meets which output row under each kernel offset."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Pairs(NamedTuple):
    """Pairs (input row, output row) grouped by kernel offset.

    Offset k owns the pairs `starts[k]:starts[k + 1]`; both row lists increase strictly within an offset, because the
    rows of both sides are in key order.
    """

    in_rows: Tensor  # int32 [P]
    out_rows: Tensor  # int32 [P]
    starts: tuple[int, ...]  # K + 1


class Tables(NamedTuple):
    """The other row under each kernel offset, -1 where there is none, seen from either side."""

    inputs: Tensor  # int32 [n_out, K]: input row of each output row
    outputs: Tensor | None  # int32 [n_in, K]: output row of each input row; None: as a symmetric map has it


@dataclass(frozen=True, eq=False)
class KernelMap:
    """The map of a sparse convolution, built as pairs (CPU) or as tables (GPU); the other form is derived when asked.

    Weights are [K, C_in, C_out], K as built by `kernel_offsets`.
    """

    form: Pairs | Tables
    n_in: int
    n_out: int
    symmetric: bool = False
    """Whether both sides are the same sites and offsets k and K - 1 - k mirror each other."""
    cache: dict[Any, Any] = field(default_factory=dict, repr=False)
    """Cache of what backends derive from the map."""

    @property
    def volume(self) -> int:
        """Number of kernel offsets K."""
        return len(self.form.starts) - 1 if isinstance(self.form, Pairs) else self.form.inputs.shape[1]

    @property
    def transposed(self) -> "KernelMap":
        """The map of the transposed convolution (inputs and outputs swapped), same offsets."""
        if "transposed" not in self.cache:
            if isinstance(self.form, Pairs):
                form = Pairs(self.form.out_rows, self.form.in_rows, self.form.starts)
            else:
                inputs, outputs = self.form
                form = Tables(inputs.flip(1) if outputs is None else outputs, None if outputs is None else inputs)
            swapped = KernelMap(form, self.n_out, self.n_in, self.symmetric)
            swapped.cache["transposed"] = self
            self.cache["transposed"] = swapped
        return self.cache["transposed"]

    @cached_property
    def pairs(self) -> Pairs:
        """The map as pairs; deriving them from a table waits for the device once."""
        if isinstance(self.form, Pairs):
            return self.form
        table = self.form.inputs.T
        offset, out_rows = (table >= 0).nonzero(as_tuple=True)
        ends = torch.searchsorted(offset, torch.arange(self.volume, device=offset.device), right=True)
        return Pairs(table[offset, out_rows], out_rows.to(torch.int32), (0, *ends.tolist()))

    @cached_property
    def table(self) -> Tensor:
        """Dense neighbour table int32 [n_out, K]: input row under each offset, -1 where there is none."""
        if isinstance(self.form, Tables):
            return self.form.inputs
        in_rows, out_rows, starts = self.form
        counts = torch.tensor(starts).diff().to(in_rows.device)
        offset = torch.repeat_interleave(counts, output_size=starts[-1])
        table = torch.full((self.volume, self.n_out), -1, dtype=torch.int32, device=in_rows.device)
        table[offset, out_rows.long()] = in_rows
        return table.T

    @property
    def in_rows(self) -> Tensor:
        """Input row int32 [P] of each pair."""
        return self.pairs.in_rows

    @property
    def out_rows(self) -> Tensor:
        """Output row int32 [P] of each pair."""
        return self.pairs.out_rows

    @property
    def starts(self) -> tuple[int, ...]:
        """First pair of each offset, and the number of pairs."""
        return self.pairs.starts

    def to(self, device: torch.device | str) -> "KernelMap":
        """Return the same map with its row lists on `device`."""
        first, second = self.form[:2]
        if first.device == torch.device(device):
            return self
        if isinstance(self.form, Pairs):
            form = Pairs(first.to(device), self.form.out_rows.to(device), self.form.starts)
        else:
            form = Tables(first.to(device), None if second is None else second.to(device))
        return KernelMap(form, self.n_in, self.n_out, self.symmetric)

    def offset_pairs(self, k: int) -> tuple[Tensor, Tensor]:
        """Return (input rows, output rows) int32 of kernel offset k."""
        pairs = slice(self.starts[k], self.starts[k + 1])
        return self.in_rows[pairs], self.out_rows[pairs]
