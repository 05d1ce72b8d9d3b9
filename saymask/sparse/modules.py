"""Sparse convolution as a module: a canonical weight [K, C_in, C_out] and the usual initialisation."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from saymask.sparse.backends.select import backend_for, backend_name
from saymask.sparse.kernel_map import KernelMap
from saymask.sparse.ops import sparse_conv


class SparseConv(nn.Module):
    """Sparse convolution of any kind: the kernel map given to `forward` decides which (submanifold, strided, inverse).

    The weight is [size³, C_in, C_out], kernel offsets with x slowest. Initialisation: uniform(±1/sqrt(C_in · size³)),
    i.e. Kaiming-uniform with a = sqrt(5) as in the published models.
    """

    def __init__(self, in_channels: int, out_channels: int, size: int = 3, *, bias: bool = False):
        super().__init__()
        self.size = size
        self.weight = nn.Parameter(torch.empty(size**3, in_channels, out_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self._packed: tuple[tuple, np.ndarray | Tensor] | None = None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        bound = 1.0 / math.sqrt(self.weight.shape[0] * self.weight.shape[1])
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)

    def packed(self, dtype: torch.dtype) -> np.ndarray | Tensor:
        """Return the weight as the backend's `run` reads it, packed anew when the parameter has changed."""
        state = (self.weight.data_ptr(), self.weight._version, dtype, backend_name(self.weight))
        if self._packed is None or self._packed[0] != state:
            self._packed = (state, backend_for(self.weight).pack_weight(self.weight, dtype))
        return self._packed[1]

    def __getstate__(self) -> dict[str, Any]:
        """Leave the packed copy out of pickles and deep copies."""
        return {**super().__getstate__(), "_packed": None}

    def forward(self, x: Tensor, kernel_map: KernelMap) -> Tensor:
        """Return y [n_out, C_out] of features x [n_in, C_in]."""
        return sparse_conv(x, self.weight, kernel_map, self.bias)

    def extra_repr(self) -> str:
        """Show the shape in `repr`."""
        return f"{self.weight.shape[1]}, {self.weight.shape[2]}, size={self.size}, bias={self.bias is not None}"
